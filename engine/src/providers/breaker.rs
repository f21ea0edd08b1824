//! A circuit breaker before a provider: one for each tenant's sender, so that one tenant's bad
//! credentials do not keep another's messages back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::{Abandoned, Outcome};
use actors::ports::Gateway;
use async_trait::async_trait;
use schedules::channel::Channel;
use schedules::id::TenantId;

use super::circuit::{Circuit, CircuitLimits, Passage, Turn};
use super::provider::{Health, Provider};

/// The code under which the runbook explains that a circuit opened.
const OPENED: &str = "RG-PROVIDER-001";

/// A provider that is left alone while it fails.
pub struct Breaker<P> {
    name: String,
    provider: P,
    limits: CircuitLimits,
    clock: Arc<dyn Clock>,
    /// Those of which there is something to remember.
    circuits: Mutex<BTreeMap<(TenantId, Channel), Circuit>>,
}

/// A message that was let through. Whoever drops it without a word (a hand-over that took too long
/// is dropped, one that panicked as well) says that the provider failed.
struct Watch<'a, P> {
    breaker: &'a Breaker<P>,
    of: (TenantId, Channel),
    passage: Passage,
    health: Health,
}

impl<P> Breaker<P> {
    /// Puts a breaker before a provider of this name.
    pub fn new(name: &str, provider: P, limits: CircuitLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: name.to_owned(),
            provider,
            limits,
            clock,
            circuits: Mutex::default(),
        }
    }

    fn enter(&self, of: (TenantId, Channel)) -> Option<Watch<'_, P>> {
        let now_ms = self.clock.monotonic_ms();
        let passage = match self.circuits().get_mut(&of) {
            Some(circuit) => circuit.enter(now_ms)?,
            None => Passage::Free,
        };
        Some(Watch {
            breaker: self,
            of,
            passage,
            health: Health::Failed,
        })
    }

    fn learn(&self, of: (TenantId, Channel), passage: Passage, health: Health) {
        let now_ms = self.clock.monotonic_ms();
        let turn = {
            let mut circuits = self.circuits();
            let circuit = circuits.entry(of).or_default();
            let turn = circuit.learn(self.limits, passage, health, now_ms);
            if circuit.is_fresh() {
                circuits.remove(&of);
            }
            turn
        };
        let (provider, (tenant, channel)) = (&self.name, of);
        match turn {
            Some(Turn::Opened) => {
                tracing::warn!(
                    code = OPENED, provider, %tenant, %channel, "provider fails and is left alone"
                );
            }
            Some(Turn::Closed) => {
                tracing::warn!(provider, %tenant, %channel, "provider works again");
            }
            None => {}
        }
    }

    fn circuits(&self) -> MutexGuard<'_, BTreeMap<(TenantId, Channel), Circuit>> {
        // Each circuit is replaced whole.
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> Drop for Watch<'_, P> {
    fn drop(&mut self) {
        self.breaker.learn(self.of, self.passage, self.health);
    }
}

#[async_trait]
impl<P: Provider> Gateway for Breaker<P> {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        let Some(mut watch) = self.enter((message.tenant, message.channel)) else {
            return Outcome::Abandoned {
                why: Abandoned::CircuitOpen,
            };
        };
        let answer = self.provider.send(message, begin).await;
        watch.health = answer.health;
        answer.outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use actors::clock::SystemClock;
    use futures::FutureExt as _;
    use tokio::sync::Notify;

    use super::super::fixture;
    use super::super::provider::Answer;
    use super::*;

    /// A provider that answers what it is told to, once it is told.
    #[derive(Default)]
    struct Told {
        answers: Mutex<Vec<Outcome>>,
        asked: AtomicU64,
        more: Notify,
    }

    #[async_trait]
    impl Provider for Arc<Told> {
        async fn send(&self, _: &HandOver, _: &(dyn Fn() -> bool + Sync)) -> Answer {
            self.asked.fetch_add(1, Ordering::SeqCst);
            loop {
                let answer = self.answers.lock().unwrap().pop();
                match answer {
                    Some(outcome) => return outcome.into(),
                    None => self.more.notified().await,
                }
            }
        }
    }

    fn breaker(pause_ms: i64) -> (Arc<Told>, Breaker<Arc<Told>>) {
        let told = Arc::new(Told::default());
        let limits = CircuitLimits {
            failures_max: 2,
            pause_ms,
        };
        let clock = Arc::new(SystemClock::start());
        let breaker = Breaker::new("mail", Arc::clone(&told), limits, clock);
        (told, breaker)
    }

    fn open() -> Outcome {
        Outcome::Abandoned {
            why: Abandoned::CircuitOpen,
        }
    }

    #[tokio::test]
    async fn a_tenant_whose_provider_fails_is_kept_from_it_and_another_is_not() {
        let (told, breaker) = breaker(60_000);
        *told.answers.lock().unwrap() = vec![Outcome::Unknown; 3];
        let mut message = fixture::message(Channel::Email);
        for _ in 0..2 {
            let outcome = breaker.hand_over(&message, &|| true).await;
            assert_eq!(outcome, Outcome::Unknown);
        }
        let asked = || told.asked.load(Ordering::SeqCst);
        assert_eq!(breaker.hand_over(&message, &|| true).await, open());
        assert_eq!(asked(), 2);
        message.tenant = TenantId(2);
        let outcome = breaker.hand_over(&message, &|| true).await;
        assert_eq!((outcome, asked()), (Outcome::Unknown, 3));
    }

    #[tokio::test]
    async fn a_hand_over_that_never_ends_is_a_failure_when_it_is_dropped() {
        let (told, breaker) = breaker(0);
        let message = fixture::message(Channel::Email);
        for _ in 0..2 {
            let begun = breaker.hand_over(&message, &|| true).now_or_never();
            assert_eq!(begun, None, "it waits for an answer");
        }
        // The pause is over at once: a message probes, and another one has to wait for it.
        let probe = breaker.hand_over(&message, &|| true);
        tokio::pin!(probe);
        assert_eq!((&mut probe).now_or_never(), None);
        assert_eq!(breaker.hand_over(&message, &|| true).await, open());
        let taken = Outcome::Accepted {
            provider_ref: String::new(),
        };
        told.answers.lock().unwrap().push(taken.clone());
        told.more.notify_one();
        assert_eq!(probe.await, taken);
        assert!(breaker.circuits().is_empty(), "nothing to remember");
    }
}
