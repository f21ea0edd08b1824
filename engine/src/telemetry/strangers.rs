//! What the HTTP library says of requests that are none.
//!
//! It calls each an error. Anybody who reaches the port could fill the log with them and hide what
//! is one, so they are counted, and their number is told once in a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors::clock::Clock;
use schedules::time::MINUTE_MS;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the library reads requests and writes answers.
const SPEAKER: &str = "actix_http::h1";

/// How many were counted and not told; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Strangers(Arc<AtomicU64>);

/// Says whether an event stands in the log by itself.
pub(super) fn is_told(of: &Metadata<'_>) -> bool {
    *of.level() != Level::ERROR || !of.target().starts_with(SPEAKER)
}

impl<S: Subscriber> Layer<S> for Strangers {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !is_told(event.metadata()) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Strangers {
    /// Tells each minute how many there were, if there were any.
    pub async fn tell(self, clock: Arc<dyn Clock>) {
        loop {
            clock.elapse(MINUTE_MS).await;
            let connections = self.taken();
            if connections > 0 {
                tracing::warn!(
                    connections,
                    "connections ended in what is no request or answer"
                );
            }
        }
    }

    fn taken(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What a layer behind the filter sees.
    struct Seen(Strangers);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_no_request_is_counted_and_stands_in_no_log() {
        use tracing_subscriber::filter::filter_fn;

        let (strangers, seen) = (Strangers::default(), Strangers::default());
        let lines = Seen(seen.clone()).with_filter(filter_fn(is_told));
        let log = tracing_subscriber::registry()
            .with(strangers.clone())
            .with(lines);
        tracing::subscriber::with_default(log, || {
            for _ in 0..3 {
                tracing::error!(target: "actix_http::h1::dispatcher", "stream error");
            }
            tracing::warn!(target: "actix_http::h1::dispatcher", "told");
            tracing::error!(target: "actix_server::worker", "told");
            tracing::error!("told");
        });
        assert_eq!((strangers.taken(), seen.taken()), (3, 3));
        assert_eq!(strangers.taken(), 0, "told once");
    }
}
