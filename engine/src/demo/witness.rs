//! The demo's witness: hand-overs and acknowledged stops in the one order in which they happened.

use std::sync::{Arc, Mutex, PoisonError};

use actors::clock::Clock;
use actors::machine::effect::{HandOver, Subject};
use actors::machine::input::Outcome;
use actors::ports::Gateway;
use async_trait::async_trait;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, TenantId};
use schedules::time::Timestamp;

/// Something the witness saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A hand-over began.
    HandOver(SeenHandOver),
    /// A stop was acknowledged: from here on nothing of the subject begins.
    StopAcknowledged(TenantId, Subject),
}

/// A hand-over that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeenHandOver {
    pub(super) at: Timestamp,
    pub(super) tenant: TenantId,
    pub(super) attempt: AttemptId,
    pub(super) boleto: BoletoId,
    pub(super) contact: ContactId,
    pub(super) campaign: CampaignId,
    pub(super) channel: Channel,
}

impl SeenHandOver {
    /// Says whether a stop of `subject` is about this hand-over.
    pub(super) fn concerns(&self, subject: Subject) -> bool {
        match subject {
            Subject::Boleto(boleto) => self.boleto == boleto,
            Subject::Contact(contact) => self.contact == contact,
            Subject::Campaign(campaign) => self.campaign == campaign,
            Subject::Tenant => true,
        }
    }
}

/// What the witness wrote down; clones share it.
#[derive(Clone, Default)]
pub(super) struct Notebook {
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Notebook {
    pub(super) fn note(&self, seen: Seen) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    pub(super) fn read(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A gateway that notes each hand-over right before it begins.
pub(super) struct Witness<G> {
    pub(super) gateway: G,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) notebook: Notebook,
}

#[async_trait]
impl<G: Gateway> Gateway for Witness<G> {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        // The note is taken after the dispatcher let the hand-over begin: from that on a stop counts
        // it as under way and is not acknowledged before it has come back.
        let noted = || {
            let begins = begin();
            if begins {
                self.notebook.note(Seen::HandOver(SeenHandOver {
                    at: self.clock.now(),
                    tenant: message.tenant,
                    attempt: message.attempt,
                    boleto: message.boleto,
                    contact: message.contact,
                    campaign: message.campaign,
                    channel: message.channel,
                }));
            }
            begins
        };
        self.gateway.hand_over(message, &noted).await
    }
}
