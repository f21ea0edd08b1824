//! A provider behind its circuit breaker: what it makes of a message, and what that says of it.

use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use async_trait::async_trait;

/// The code under which the runbook explains that an account or its credentials are no good.
pub const BROKEN: &str = "RG-PROVIDER-010";

/// A way out that may fail.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Hands one message over, as [`actors::ports::Gateway::hand_over`] does.
    async fn send(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Answer;
}

/// What became of a message, and what that says of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of the message.
    pub outcome: Outcome,
    /// What that says of the provider.
    pub health: Health,
}

/// What one message says of the provider that it was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered as it should, be it with a refusal.
    Well,
    /// It did not answer, or not so that anything could be made of it.
    Failed,
    /// It says that its account or credentials are no good: nothing will pass until someone
    /// mends them.
    Broken,
    /// It was not asked.
    Unasked,
}

impl Answer {
    /// Returns an outcome of a provider whose account or credentials are no good.
    pub const fn broken(outcome: Outcome) -> Self {
        let health = Health::Broken;
        Self { outcome, health }
    }
}

impl From<Outcome> for Answer {
    /// Takes from the outcome what it says of the provider.
    fn from(outcome: Outcome) -> Self {
        let health = match outcome {
            Outcome::Accepted { .. }
            | Outcome::Rejected { .. }
            | Outcome::Throttled { .. }
            | Outcome::Held { .. } => Health::Well,
            Outcome::Unavailable | Outcome::Unknown => Health::Failed,
            Outcome::Abandoned { .. } => Health::Unasked,
        };
        Self { outcome, health }
    }
}
