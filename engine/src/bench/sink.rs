//! A provider that accepts everything at once, and remembers when each hand-over began.

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
    begun: Mutex<Vec<Begun>>,
    first: Notify,
}

impl Sink {
    pub(super) fn new(clock: Arc<dyn Clock>, expected: usize) -> Self {
        Self {
            clock,
            begun: Mutex::new(Vec::with_capacity(expected)),
            first: Notify::new(),
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Gateway for Sink {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        if !begin() {
            return Outcome::Abandoned {
                why: Abandoned::Stopped,
            };
        }
        let begun = Begun {
            tenant: message.tenant,
            at: self.clock.now(),
            seen: Instant::now(),
        };
        self.lock().push(begun);
        self.first.notify_waiters();
        Outcome::Accepted {
            provider_ref: String::new(),
        }
    }
}
