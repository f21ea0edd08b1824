//! What must go out, in the imperative; only after its commit, and derivable from it again.

use std::sync::Arc;

use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, TenantId};
use schedules::template::{Template, Values};
use schedules::time::Timestamp;

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Hand a message to its provider.
    HandOver(Arc<HandOver>),
    /// Give up what has not begun for this subject.
    Withdraw(Subject),
}

/// Whom a stop is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One boleto.
    Boleto(BoletoId),
    /// One contact.
    Contact(ContactId),
    /// One campaign.
    Campaign(CampaignId),
    /// The whole tenant.
    Tenant,
}

/// A claimed message on its way to a provider.
#[derive(Debug)]
pub struct HandOver {
    /// The key; it travels as the provider's opaque reference.
    pub attempt: AttemptId,
    /// The tenant.
    pub tenant: TenantId,
    /// The boleto.
    pub boleto: BoletoId,
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
    /// The text.
    pub template: Arc<Template>,
    /// What stands in for its variables.
    pub values: Values,
    /// No hand-over begins at or after this instant.
    pub deadline_at: Timestamp,
}

impl HandOver {
    /// Says whether a stop of `subject` is about this message.
    pub fn concerns(&self, subject: Subject) -> bool {
        match subject {
            Subject::Boleto(boleto) => self.boleto == boleto,
            Subject::Contact(contact) => self.contact == contact,
            Subject::Campaign(campaign) => self.campaign == campaign,
            Subject::Tenant => true,
        }
    }
}
