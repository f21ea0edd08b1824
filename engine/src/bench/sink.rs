//! What remembers when each hand-over began: a provider that accepts everything at once, or one
//! that stands before the real ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::{Abandoned, Outcome};
use actors::ports::Gateway;
use async_trait::async_trait;
use schedules::id::TenantId;
use schedules::time::Timestamp;
use tokio::sync::Notify;

/// A hand-over that began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) tenant: TenantId,
    pub(super) at: Timestamp,
    pub(super) seen: Instant,
}

/// The provider.
pub(super) struct Sink {
    clock: Arc<dyn Clock>,
    /// Who hands over; nobody when `None`.
    onward: Option<Arc<dyn Gateway>>,
    begun: Mutex<Vec<Begun>>,
    first: Notify,
}

impl Sink {
    pub(super) fn new(clock: Arc<dyn Clock>, expected: usize) -> Self {
        Self {
            clock,
            onward: None,
            begun: Mutex::new(Vec::with_capacity(expected)),
            first: Notify::new(),
        }
    }

    /// Stands before `gateway`, which hands over.
    pub(super) fn before(self, gateway: Arc<dyn Gateway>) -> Self {
        Self {
            onward: Some(gateway),
            ..self
        }
    }

    /// Returns the hand-overs, in the order in which they began.
    pub(super) fn begun(&self) -> Vec<Begun> {
        self.lock().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Waits for the first hand-over.
    pub(super) async fn first(&self) -> Begun {
        loop {
            let first = self.first.notified();
            tokio::pin!(first);
            first.as_mut().enable();
            if let Some(begun) = self.lock().first().copied() {
                return begun;
            }
            first.await;
        }
    }

    fn note(&self, tenant: TenantId) {
        let begun = Begun {
            tenant,
            at: self.clock.now(),
            seen: Instant::now(),
        };
        self.lock().push(begun);
        self.first.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Gateway for Sink {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        let noted = || {
            let begins = begin();
            if begins {
                self.note(message.tenant);
            }
            begins
        };
        match &self.onward {
            Some(gateway) => gateway.hand_over(message, &noted).await,
            None if noted() => Outcome::Accepted {
                provider_ref: String::new(),
            },
            None => Outcome::Abandoned {
                why: Abandoned::Stopped,
            },
        }
    }
}
