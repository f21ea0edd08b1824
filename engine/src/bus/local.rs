//! The bus of one machine: in process, bounded, at least once.
//!
//! A publisher hears of its event only after the fact is durable, as a broker's consumer would
//! acknowledge it; an event whose commit failed is told again under the same id.

use std::sync::Arc;

use actors::clock::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::envelope::Envelope;
use super::payments::UnusableEvent;
use crate::doors::{Doors, Told};
use crate::facts::Fact;
use crate::store::StoreError;

/// The most events that wait; a publisher waits for room.
const EVENTS_MAX: usize = 10_000;
/// The most events that are committed together.
const BATCH_MAX: usize = 50;
/// How often an event is told again when the store is not available, and how far apart.
const TRIES_MAX: u32 = 20;
const RETRY_MS: i64 = 100;

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It is no fact, and never will be.
    #[error(transparent)]
    Unusable(#[from] UnusableEvent),
    /// The store did not take it, however often it was told.
    #[error("store did not take the event")]
    Store(#[source] StoreError),
    /// The bus is closed.
    #[error("bus is closed")]
    Closed,
}

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
    let received_at = clock.now();
    let (mut facts, mut usable) = (Vec::new(), Vec::new());
    for delivery in batch.drain(..) {
        match delivery.envelope.to_fact(received_at) {
            Ok(fact) => {
                facts.push(fact);
                usable.push(delivery);
            }
            Err(unusable) => answer(delivery, Err(unusable.into())),
        }
    }
    match tell(&facts, doors, clock).await {
        Ok(told) => {
            usable
                .into_iter()
                .zip(told)
                .for_each(|(delivery, told)| answer(delivery, Ok(told)));
        }
        // One event that the store refuses must not cost the others.
        Err(_) if facts.len() > 1 => {
            for (delivery, fact) in usable.into_iter().zip(&facts) {
                let told = tell(std::slice::from_ref(fact), doors, clock).await;
                let told = told.map(|told| told.into_iter().next().unwrap_or(Told::Unknown));
                answer(delivery, told.map_err(NotTaken::Store));
            }
        }
        Err(error) => {
            if let Some(delivery) = usable.pop() {
                answer(delivery, Err(NotTaken::Store(error)));
            }
        }
    }
}

async fn tell(facts: &[Fact], doors: &Doors, clock: &dyn Clock) -> Result<Vec<Told>, StoreError> {
    let mut tries = 0;
    loop {
        match doors.tell(facts).await {
            Err(error) if tries < TRIES_MAX && error.may_pass() => {
                tries += 1;
                clock.wait_until(clock.now().plus_ms(RETRY_MS)).await;
            }
            told => return told,
        }
    }
}

fn answer(delivery: Delivery, told: Result<Told, NotTaken>) {
    // A publisher that went away does not need the answer: the fact is durable.
    let _ = delivery.acknowledge.send(told);
}
