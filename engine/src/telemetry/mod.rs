//! What the process says about itself while it runs: lines on standard error.
//!
//! Metrics and traces have parts of their own. No line may hold personal data; this part can only
//! see to it for panics, whose text may quote what the code was working on.

mod panic_hook;
mod strangers;

use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Levels, LogConfig, LogFormat};

pub use panic_hook::log_panics;
pub use strangers::Strangers;

/// A process has one log, and it is already open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log of the process is already open")]
pub struct LogIsOpen;

/// Opens the log of the process on standard error.
///
/// Colours are used only on a terminal, and not when the variable `NO_COLOR` is set.
///
/// What it counts instead of telling it is returned.
///
/// # Errors
/// [`LogIsOpen`] when something has opened it before.
pub fn start(config: &LogConfig) -> Result<Strangers, LogIsOpen> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let ansi = io::stderr().is_terminal() && !no_color;
    let strangers = Strangers::default();
    subscriber(config, &strangers, ansi, io::stderr)
        .try_init()
        .map_err(|_| LogIsOpen)?;
    Ok(strangers)
}

/// Opens the log of a command that says what it found by itself: only warnings, for people.
pub fn start_quietly() {
    let config = LogConfig {
        format: LogFormat::Text,
        level: Levels::from(LevelFilter::WARN),
    };
    // A process has one log: who opened it before has said how it is to be.
    let _ = start(&config);
}

/// Builds the log over any writer.
fn subscriber<W>(
    config: &LogConfig,
    strangers: &Strangers,
    ansi: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry()
        .with(config.level.targets())
        .with(strangers.clone());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let told = filter_fn(strangers::is_told);
    match config.format {
        LogFormat::Json => {
            Box::new(registry.with(lines.json().flatten_event(true).with_filter(told)))
        }
        LogFormat::Text => Box::new(registry.with(lines.with_ansi(ansi).with_filter(told))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A writer whose lines can be read back.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, ansi: bool, level: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let config = LogConfig {
            format,
            level: level.parse().expect("levels"),
        };
        let subscriber = subscriber(&config, &Strangers::default(), ansi, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(shard = 7, "took a shard");
            tracing::debug!("looked at a clock");
        });
        page.text()
    }

    #[test]
    fn a_json_line_is_one_object_with_its_instant_in_utc() {
        let text = logged(LogFormat::Json, false, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).expect("one object");
        assert_eq!(line["message"], "took a shard");
        assert_eq!(line["shard"], 7);
        assert!(
            line["timestamp"]
                .as_str()
                .expect("an instant")
                .ends_with('Z'),
            "{text}"
        );
    }

    #[test]
    fn a_text_line_has_colours_only_where_they_are_wanted() {
        assert!(!logged(LogFormat::Text, false, "info").contains('\x1b'));
        assert!(logged(LogFormat::Text, true, "info").contains('\x1b'));
    }

    #[test]
    fn the_level_of_a_module_can_differ_from_that_of_the_rest() {
        let module = module_path!();
        assert_eq!(logged(LogFormat::Text, false, "info").lines().count(), 1);
        assert_eq!(
            logged(LogFormat::Text, false, &format!("warn,{module}=debug"))
                .lines()
                .count(),
            2
        );
        assert_eq!(logged(LogFormat::Text, false, "warn"), "");
    }
}
