//! Takes events in: what every bus does with what it carries.

use actors::clock::Clock;

use super::envelope::Envelope;
use super::payments::UnusableEvent;
use crate::doors::{Doors, Told};
use crate::facts::Fact;
use crate::store::StoreError;

/// The most events that are committed together.
pub(super) const BATCH_MAX: usize = 50;
/// How far apart the tries are of events that the store did not take.
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

/// What events are taken by.
pub(super) struct Taking<'a> {
    pub(super) doors: &'a Doors,
    pub(super) clock: &'a dyn Clock,
    /// How often they are told again when the store is not available.
    pub(super) again_max: u32,
}

impl Taking<'_> {
    /// Commits what can be committed, together, and answers each event, in order.
    pub(super) async fn take(&self, events: &[Envelope]) -> Vec<Result<Told, NotTaken>> {
        let received_at = self.clock.now();
        let facts: Vec<Result<Fact, UnusableEvent>> = events
            .iter()
            .map(|event| event.to_fact(received_at))
            .collect();
        let usable: Vec<Fact> = facts.iter().flatten().cloned().collect();
        let mut told = self.tell_all(&usable).await.into_iter();
        let answers = facts.into_iter().map(|fact| {
            fact?;
            // As many were told as were usable.
            told.next().unwrap_or(Err(NotTaken::Closed))
        });
        answers.collect()
    }

    /// Tells facts together, or one by one where the store refuses them together: one that it
    /// refuses must not cost the others. A store that is not available is so for all of them.
    async fn tell_all(&self, facts: &[Fact]) -> Vec<Result<Told, NotTaken>> {
        match self.tell(facts).await {
            Ok(told) => told.into_iter().map(Ok).collect(),
            Err(error) if facts.len() <= 1 || error.may_pass() || error.is_of_the_whole() => {
                let refused = |_: &Fact| Err(NotTaken::Store(error.clone()));
                facts.iter().map(refused).collect()
            }
            Err(_) => {
                let mut told = Vec::with_capacity(facts.len());
                for fact in facts {
                    let one = self.tell(std::slice::from_ref(fact)).await;
                    let one = one.map(|told| told.into_iter().next().unwrap_or(Told::Unknown));
                    told.push(one.map_err(NotTaken::Store));
                }
                told
            }
        }
    }

    async fn tell(&self, facts: &[Fact]) -> Result<Vec<Told>, StoreError> {
        let mut tries = 0;
        loop {
            match self.doors.tell(facts).await {
                Err(error) if tries < self.again_max && error.may_pass() => {
                    tries += 1;
                    let again_at = self.clock.now().plus_ms(RETRY_MS);
                    self.clock.wait_until(again_at).await;
                }
                told => return told,
            }
        }
    }
}
