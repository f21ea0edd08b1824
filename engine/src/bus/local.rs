//! The bus of one machine: in process, bounded, at least once.
//!
//! A publisher hears of its event only after the fact is durable, as a broker's consumer would
//! acknowledge it; an event whose commit failed is told again under the same id.

use std::sync::Arc;

use actors::clock::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::envelope::Envelope;
use super::taking::{BATCH_MAX, NotTaken, Taking};
use crate::doors::{Doors, Told};

/// The most events that wait; a publisher waits for room.
const EVENTS_MAX: usize = 10_000;
/// How often events are told again when the store is not available.
const TRIES_MAX: u32 = 20;

struct Delivery {
    envelope: Envelope,
    acknowledge: oneshot::Sender<Result<Told, NotTaken>>,
}

/// The publishing end; clones are cheap.
#[derive(Clone)]
pub struct LocalBus {
    events: mpsc::Sender<Delivery>,
}

impl LocalBus {
    /// Starts the consumer, which ends when every publisher is gone.
    pub fn start(doors: Doors, clock: Arc<dyn Clock>) -> (Self, JoinHandle<()>) {
        let (events, deliveries) = mpsc::channel(EVENTS_MAX);
        let consumer = tokio::spawn(consume(deliveries, doors, clock));
        (Self { events }, consumer)
    }

    /// Publishes an event and waits until it is durable and its owner is told.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub async fn publish(&self, envelope: Envelope) -> Result<Told, NotTaken> {
        let (acknowledge, acknowledged) = oneshot::channel();
        let delivery = Delivery {
            envelope,
            acknowledge,
        };
        self.events
            .send(delivery)
            .await
            .map_err(|_| NotTaken::Closed)?;
        acknowledged.await.unwrap_or(Err(NotTaken::Closed))
    }
}

async fn consume(mut deliveries: mpsc::Receiver<Delivery>, doors: Doors, clock: Arc<dyn Clock>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while deliveries.recv_many(&mut batch, BATCH_MAX).await > 0 {
        commit(&mut batch, &doors, &*clock).await;
    }
}

/// Commits what can be committed, together, and acknowledges each event.
async fn commit(batch: &mut Vec<Delivery>, doors: &Doors, clock: &dyn Clock) {
    let (events, waiting): (Vec<_>, Vec<_>) = batch
        .drain(..)
        .map(|delivery| (delivery.envelope, delivery.acknowledge))
        .unzip();
    let taking = Taking {
        doors,
        clock,
        again_max: TRIES_MAX,
    };
    let answers = taking.take(&events).await;
    for (acknowledge, answer) in waiting.into_iter().zip(answers) {
        // A publisher that went away does not need the answer: the fact is durable.
        let _ = acknowledge.send(answer);
    }
}
