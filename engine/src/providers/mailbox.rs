//! The mailbox: a provider that keeps what it would have sent, with latency and faults at will.
//!
//! It is the embedded default, so that a fresh installation can be looked at before a single real
//! message leaves, and the ground truth of the demo. Its chance is a hash of the attempt, so that
//! a run with the same seed meets the same faults.

use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::{Abandoned, Outcome};
use actors::ports::Gateway;
use async_trait::async_trait;
use schedules::id::AttemptId;
use schedules::mix::mixed;
use serde::Serialize;

use crate::store::{Letter, Store, StoreError};

/// How the mailbox behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailboxBehaviour {
    /// The longest answer, in milliseconds; each is between nothing and this.
    pub latency_ms_max: u64,
    /// How many of 10,000 messages are refused for good.
    pub rejected: u64,
    /// How many of 10,000 messages meet a provider that asks for patience.
    pub throttled: u64,
    /// How many of 10,000 messages meet a provider that is away.
    pub unavailable: u64,
    /// How many of 10,000 messages are taken, and the answer is lost.
    pub lost: u64,
    /// Varies the chance.
    pub seed: u64,
}

/// The provider.
pub struct Mailbox {
    store: Store,
    clock: Arc<dyn Clock>,
    behaviour: MailboxBehaviour,
}

impl Mailbox {
    /// Keeps letters in `store`.
    pub fn new(store: Store, clock: Arc<dyn Clock>, behaviour: MailboxBehaviour) -> Self {
        Self {
            store,
            clock,
            behaviour,
        }
    }

    /// Returns what happens to a message before anything of it is kept, if anything does.
    fn refusal(&self, luck: u64) -> Option<Outcome> {
        let MailboxBehaviour {
            rejected,
            throttled,
            unavailable,
            ..
        } = self.behaviour;
        let luck = luck % 10_000;
        if luck < rejected {
            return Some(Outcome::Rejected {
                code: "mailbox_refused".to_owned(),
            });
        }
        if luck < rejected + throttled {
            return Some(Outcome::Throttled {
                retry_after_ms: Some(5_000),
            });
        }
        (luck < rejected + throttled + unavailable).then_some(Outcome::Unavailable)
    }
}

#[async_trait]
impl Gateway for Mailbox {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        let luck = hash(message.attempt, self.behaviour.seed);
        tokio::time::sleep(self.latency(luck)).await;
        if !begin() {
            return Outcome::Abandoned {
                why: Abandoned::Stopped,
            };
        }
        if let Some(refusal) = self.refusal(luck >> 32) {
            return refusal;
        }
        let letter = Letter::of(message, self.clock.now());
        match self.store.keep_letter(letter).await {
            Ok(()) if (luck >> 16) % 10_000 < self.behaviour.lost => Outcome::Unknown,
            Ok(()) => Outcome::Accepted {
                provider_ref: message.attempt.to_string(),
            },
            Err(error) => lost(message.attempt, &error),
        }
    }
}

/// Returns what a failing store makes of an attempt: only where nobody knows whether the letter is
/// kept must it never be tried again.
fn lost(attempt: AttemptId, error: &StoreError) -> Outcome {
    tracing::warn!(%attempt, code = error.code(), "letter was not kept");
    match error {
        StoreError::Unknown => Outcome::Unknown,
        _ => Outcome::Unavailable,
    }
}

impl Mailbox {
    fn latency(&self, luck: u64) -> Duration {
        Duration::from_millis(luck % (self.behaviour.latency_ms_max + 1))
    }
}

/// Mixes an attempt into 64 bits.
fn hash(attempt: AttemptId, seed: u64) -> u64 {
    let words = [
        attempt.reminder.enrollment.0.cast_unsigned(),
        u64::from(attempt.reminder.step_no),
        u64::from(attempt.reminder.occurrence),
        u64::from(attempt.try_no),
    ];
    words
        .iter()
        .fold(mixed(seed), |hash, word| mixed(hash ^ word))
}

#[cfg(test)]
mod tests {
    use actors::clock::SystemClock;
    use schedules::channel::Channel;
    use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId};
    use schedules::template::{Rendered, Template};
    use schedules::time::Timestamp;

    use super::*;
    use crate::store::SqliteSettings;

    fn message() -> HandOver {
        let template = Template {
            code: "lembrete".to_owned(),
            channel: Channel::Sms,
            version: 1,
            subject: None,
            body: "Olá".to_owned(),
            variables: Vec::new(),
            ttl_ms: 0,
        };
        let reminder = ReminderId {
            enrollment: EnrollmentId(1),
            step_no: 0,
            occurrence: 0,
        };
        HandOver {
            attempt: AttemptId {
                reminder,
                try_no: 0,
            },
            tenant: TenantId(1),
            boleto: BoletoId(1),
            companions: Vec::new(),
            contact: ContactId(1),
            campaign: CampaignId(1),
            channel: Channel::Sms,
            provider: "mailbox".to_owned(),
            to: "+5511987651234".to_owned(),
            template: Arc::new(template),
            rendered: Rendered {
                subject: None,
                body: "Olá".to_owned(),
                parameters: Vec::new(),
            },
            deadline_at: Timestamp::from_unix_ms(0),
        }
    }

    #[tokio::test]
    async fn a_letter_that_was_not_kept_is_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = SqliteSettings::at(folder.path());
        let made = Store::open_sqlite(&settings).await.expect("a store");
        made.close().await;
        // What is written to a store that only reads does not happen.
        let store = Store::read_sqlite(&settings).await.expect("a store");
        let clock = Arc::new(SystemClock::start());
        let mailbox = Mailbox::new(store.clone(), clock, MailboxBehaviour::default());
        let outcome = mailbox.hand_over(&message(), &|| true).await;
        assert_eq!(outcome, Outcome::Unavailable);
        store.close().await;
    }

    #[test]
    fn only_a_letter_that_may_be_kept_is_of_unknown_outcome() {
        let attempt = message().attempt;
        assert_eq!(lost(attempt, &StoreError::Unknown), Outcome::Unknown);
        for error in [
            StoreError::Unreachable,
            StoreError::Locked,
            StoreError::DiskFull,
            StoreError::GaveWay,
        ] {
            assert_eq!(lost(attempt, &error), Outcome::Unavailable, "{error}");
        }
    }
}
