//! The bus over RabbitMQ: the consumers of the inbox and of what was delivered too often, and the
//! probes that show that messages come through. Each has a link of its own: a broker that is short
//! of memory stops to read from who publishes, and acknowledgements would wait with it.
//!
//! Nothing that the engine promises rests on the broker. A message is acknowledged after what it
//! says is durable; a link on which anything is wrong is dropped and made anew; a consumer that
//! hears nothing, not even the nodes' probes, is taken for dead.

pub mod link;
pub mod reader;
pub mod topology;

mod consuming;
mod probing;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::link::{Broker, LinkError};
use super::reception::Reception;
use crate::store::StoreError;

/// The first wait before a link is made anew, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// After how long a link counts as one that had been well.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// Whether events come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no link, or no probe came through it yet, or the store takes nothing.
    Down,
    /// Events are consumed, and a probe came through.
    Up,
}

/// What a node is on the bus.
struct Node {
    broker: Broker,
    reception: Reception,
    name: String,
    state: watch::Sender<State>,
    stopped: watch::Receiver<bool>,
}

/// Why a link was dropped.
#[derive(Debug, thiserror::Error)]
enum Lost {
    /// Something is wrong with it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Nothing came, not even a probe.
    #[error("nothing came from the broker, not even a probe")]
    Silent,
    /// An acknowledgement was for a link that is gone.
    #[error("acknowledgement came too late")]
    Stale,
    /// The store does not answer.
    #[error("store does not answer")]
    Store(#[from] StoreError),
    /// There is no room for what is no fact.
    #[error("no room for what is no fact")]
    Full,
    /// The program broke.
    #[error("bus panicked")]
    Panicked,
}

impl Lost {
    fn code(&self) -> &'static str {
        match self {
            Self::Link(error) => error.code(),
            Self::Silent => "RG-BUS-005",
            Self::Stale => "RG-BUS-002",
            Self::Store(error) => error.code(),
            Self::Full => "RG-EVENT-012",
            Self::Panicked => "RG-PANIC-001",
        }
    }
}

impl From<lapin::Error> for Lost {
    fn from(error: lapin::Error) -> Self {
        Self::Link(error.into())
    }
}

/// The bus of one node, for as long as it is kept.
pub struct AmqpBus {
    state: watch::Receiver<State>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl AmqpBus {
    /// Begins to consume. `name` is what the broker's operators read.
    pub fn start(broker: Broker, reception: Reception, name: String) -> Self {
        let (telling, state) = watch::channel(State::Down);
        let (stop, stopped) = watch::channel(false);
        let node = Arc::new(Node {
            broker,
            reception,
            name,
            state: telling,
            stopped,
        });
        let works: [Work; 3] = [
            |node| Box::pin(node.consume_inbox()),
            |node| Box::pin(node.consume_dead()),
            |node| Box::pin(node.probe()),
        ];
        let tasks = works.map(|work| tokio::spawn(keep(Arc::clone(&node), work)));
        Self {
            state,
            stop,
            tasks: tasks.into(),
        }
    }

    /// Returns where to see whether events come in.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Takes nothing more in, and lets what is under way end.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// What is done over a link until it is lost, or the node stops.
type Work = for<'n> fn(&'n Node) -> BoxFuture<'n, Result<(), Lost>>;

async fn keep(node: Arc<Node>, work: Work) {
    let (first, longest) = BACKOFF;
    let mut wait = first;
    while !node.is_stopped() {
        let mut working = AssertUnwindSafe(work(&node)).catch_unwind();
        let ended = match timeout(WELL_AFTER, &mut working).await {
            Ok(ended) => ended,
            Err(_) => {
                wait = first;
                working.await
            }
        };
        match ended.unwrap_or(Err(Lost::Panicked)) {
            Ok(()) => break,
            Err(lost) => {
                tracing::warn!(code = lost.code(), error = %lost, "link was dropped");
                if matches!(lost, Lost::Panicked) {
                    node.say(State::Down);
                }
            }
        }
        let waited = sleep(jittered(wait));
        node.unless_stopped(waited).await;
        wait = (wait * 2).min(longest);
    }
}

impl Node {
    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits for something, but no longer than until the node stops; returns none then.
    async fn unless_stopped<T>(&self, waited: impl Future<Output = T>) -> Option<T> {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            done = waited => Some(done),
            _ = stopped.wait_for(|it| *it) => None,
        }
    }

    fn say(&self, state: State) {
        self.state.send_if_modified(|said| {
            let is_new = *said != state;
            *said = state;
            is_new
        });
    }
}

/// Returns half to all of a wait: nodes that lost one broker do not come back together.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the whole wait is as good.
    let part = getrandom::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    wait / 2 + wait / 2 * part / 255
}
