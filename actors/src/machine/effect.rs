//! What must go out, in the imperative; only after its commit, and derivable from it again.

use std::fmt;
use std::sync::Arc;

use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, TenantId};
use schedules::template::{Rendered, Template};
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Hand a message to its provider.
    HandOver(Arc<HandOver>),
    /// Give up what has not begun for this subject.
    Withdraw(Subject),
    /// Settle claims as stopped: their message lost a part before it could leave.
    GiveBack(Vec<AttemptId>),
}

/// Whom a stop is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// One boleto.
    Boleto(BoletoId),
    /// One contact.
    Contact(ContactId),
    /// One campaign.
    Campaign(CampaignId),
    /// One channel of the tenant.
    Channel(Channel),
    /// The whole tenant.
    Tenant,
}

impl Subject {
    /// Says whether a stop of this subject is about a boleto, its contact and a campaign it is in,
    /// whatever the channel.
    pub fn covers(self, boleto: BoletoId, contact: ContactId, campaign: CampaignId) -> bool {
        match self {
            Self::Boleto(one) => one == boleto,
            Self::Contact(one) => one == contact,
            Self::Campaign(one) => one == campaign,
            Self::Channel(_) => false,
            Self::Tenant => true,
        }
    }
}

/// A claimed message on its way to a provider.
pub struct HandOver {
    /// The key; it travels as the provider's opaque reference.
    pub attempt: AttemptId,
    /// The tenant.
    pub tenant: TenantId,
    /// The boleto.
    pub boleto: BoletoId,
    /// The other boletos that the message is about, with the keys of their own claims.
    pub companions: Vec<Companion>,
    /// The contact.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The channel.
    pub channel: Channel,
    /// The name of the configured provider.
    pub provider: String,
    /// The phone in E.164, or the e-mail address.
    pub to: String,
    /// The template, for providers that hold it themselves.
    pub template: Arc<Template>,
    /// The text, and the template's parameters in order.
    pub rendered: Rendered,
    /// No hand-over begins at or after this instant.
    pub deadline_at: Timestamp,
}

/// A boleto in the message of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Companion {
    /// The key of its claim.
    pub attempt: AttemptId,
    /// The boleto.
    pub boleto: BoletoId,
}

/// Shows the key only: the rest is personal.
impl fmt::Debug for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOver")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl HandOver {
    /// Says whether a stop of `subject` is about this message, or about any part of it.
    pub fn concerns(&self, subject: Subject) -> bool {
        if subject == Subject::Channel(self.channel) {
            return true;
        }
        let mut boletos = self.parts().map(|(_, boleto)| boleto);
        boletos.any(|boleto| subject.covers(boleto, self.contact, self.campaign))
    }

    /// Returns the claims and boletos of the message, its own first. They have one outcome.
    pub fn parts(&self) -> impl Iterator<Item = (AttemptId, BoletoId)> {
        let companions = self.companions.iter().map(|it| (it.attempt, it.boleto));
        std::iter::once((self.attempt, self.boleto)).chain(companions)
    }

    /// Returns the keys of the message's claims, its own first.
    pub fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.parts().map(|(attempt, _)| attempt)
    }
}
