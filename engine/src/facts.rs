//! What doors say: one fact, from whichever door, before it is resolved and stored.
//!
//! A door writes facts and nothing else; what follows from them is the owner's to decide.

use std::fmt;

use actors::machine::effect::Subject;
use chrono::NaiveDate;
use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, TenantId};
use schedules::reference::Reference;
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One fact about one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The tenant.
    pub tenant: TenantId,
    /// The event's own id, by which duplicates are known within the tenant.
    pub event_id: String,
    /// The door or the caller, for the audit; never personal data.
    pub source: String,
    /// When it happened, by its source.
    pub occurred_at: Timestamp,
    /// When the door took it, by the node's clock.
    pub received_at: Timestamp,
    /// What happened.
    pub saying: Saying,
}

/// How far ahead of ours the clock of whoever tells may be, in milliseconds.
const AHEAD_MAX_MS: i64 = 60_000;

/// The fact is one that lets reminders go on, and says that it happens later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event says that it happens later")]
pub struct Ahead;

impl Fact {
    /// Returns the fact at an instant that has come. A stop is taken whatever it says of its time.
    ///
    /// # Errors
    /// [`Ahead`] for what lets reminders go on: it would undo stops that are yet to come.
    pub fn at_its_time(self) -> Result<Self, Ahead> {
        let is_ahead = self.occurred_at > self.received_at.plus_ms(AHEAD_MAX_MS);
        if is_ahead && self.saying.lets_go_on() {
            return Err(Ahead);
        }
        let occurred_at = self.occurred_at.min(self.received_at);
        Ok(Self {
            occurred_at,
            ..self
        })
    }
}

/// What happened, with its subject as the caller named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Saying {
    /// A boleto was paid.
    BoletoPaid {
        /// The boleto.
        boleto: BoletoName,
    },
    /// A boleto was cancelled.
    BoletoCancelled {
        /// The boleto.
        boleto: BoletoName,
    },
    /// A paid or cancelled boleto is open again, by an explicit act.
    BoletoReopened {
        /// The boleto.
        boleto: BoletoName,
    },
    /// A boleto's amount or due date changed.
    BoletoChanged {
        /// The boleto.
        boleto: BoletoName,
        /// The new amount.
        amount_centavos: i64,
        /// The new due date.
        due_on: NaiveDate,
    },
    /// A contact wants no more messages: on one channel, or at all.
    ContactOptedOut {
        /// The contact.
        contact: ContactName,
        /// The channel; `None` for all of them.
        channel: Option<Channel>,
    },
    /// A contact wants messages again.
    ContactOptedIn {
        /// The contact.
        contact: ContactName,
        /// The channel; `None` for all of them.
        channel: Option<Channel>,
    },
    /// A contact replied.
    ContactReplied {
        /// The contact.
        contact: ContactName,
    },
    /// A contact promised to pay.
    ContactPromised {
        /// The contact.
        contact: ContactName,
    },
    /// A campaign starts.
    CampaignLaunched {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A campaign is halted for a while.
    CampaignPaused {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A halted campaign goes on.
    CampaignResumed {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A campaign is ended.
    CampaignArchived {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A channel of the tenant is halted.
    ChannelPaused {
        /// The channel.
        channel: Channel,
    },
    /// A halted channel goes on.
    ChannelResumed {
        /// The channel.
        channel: Channel,
    },
    /// Everything of the tenant is halted: its kill switch.
    TenantPaused,
    /// The tenant goes on.
    TenantResumed,
    /// Everything of the engine is halted: this tenant, too.
    TenantHeld,
    /// The engine goes on, and the tenant unless it is paused itself.
    TenantReleased,
    /// The payment feed spoke, with nothing else to say.
    FeedHeard,
}

/// A boleto, as a caller names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoletoName {
    /// By the engine's id.
    Id(BoletoId),
    /// By the tenant's reference; it may name a boleto that is imported later.
    Reference(Reference),
}

/// A contact, as a caller names it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactName {
    /// By the engine's id.
    Id(ContactId),
    /// By the canonical form of its phone or e-mail; it may name a contact that is imported later.
    Point(String),
}

/// Hides the phone or e-mail.
impl fmt::Debug for ContactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.debug_tuple("Id").field(id).finish(),
            Self::Point(_) => f.write_str("Point(***)"),
        }
    }
}

/// What became of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactAnswer {
    /// The event id was known: nothing happened.
    Duplicate,
    /// It is kept until a subject of this name is imported.
    Parked,
    /// There is no such boleto, contact, campaign or tenant: nothing was stored.
    Unknown,
    /// The subject is in that state already, or cannot get there: the event is known from now on,
    /// and nothing follows from it.
    Unchanged {
        /// The subject as it was resolved.
        subject: Subject,
    },
    /// It is durable.
    Applied {
        /// Its row in the inbox.
        seq: i64,
        /// The subject as it was resolved.
        subject: Subject,
        /// Other contacts of the same address, to whom the same happened.
        also: Vec<Subject>,
        /// The claims of all of them whose hand-over may still begin or be under way.
        in_flight: u32,
        /// From this instant on no hand-over of the subject begins; `None` when none is in flight.
        settles_at: Option<Timestamp>,
    },
}

impl Saying {
    /// Says whether a hand-over that has not begun must be judged again after this.
    pub fn concerns_sends(&self) -> bool {
        self.stops()
            || matches!(
                self,
                Saying::BoletoChanged { .. }
                    | Saying::ContactReplied { .. }
                    | Saying::ContactPromised { .. }
            )
    }

    /// Says whether hand-overs about the subject end with this.
    pub fn stops(&self) -> bool {
        matches!(
            self,
            Saying::BoletoPaid { .. }
                | Saying::BoletoCancelled { .. }
                | Saying::ContactOptedOut { .. }
                | Saying::CampaignPaused { .. }
                | Saying::CampaignArchived { .. }
                | Saying::ChannelPaused { .. }
                | Saying::TenantPaused
                | Saying::TenantHeld
        )
    }

    /// Says whether reminders that had ended go on with this.
    pub const fn lets_go_on(&self) -> bool {
        matches!(
            self,
            Saying::BoletoReopened { .. } | Saying::ContactOptedIn { .. }
        )
    }

    /// Says whether only the payment feed can have said this.
    pub fn is_of_payment(&self) -> bool {
        matches!(
            self,
            Saying::BoletoPaid { .. }
                | Saying::BoletoCancelled { .. }
                | Saying::BoletoReopened { .. }
                | Saying::BoletoChanged { .. }
                | Saying::FeedHeard
        )
    }

    /// Returns the name used in the audit and in routing keys.
    pub const fn action(&self) -> &'static str {
        match self {
            Saying::BoletoPaid { .. } => "boleto.paid",
            Saying::BoletoCancelled { .. } => "boleto.cancelled",
            Saying::BoletoReopened { .. } => "boleto.reopened",
            Saying::BoletoChanged { .. } => "boleto.changed",
            Saying::ContactOptedOut { .. } => "contact.opted_out",
            Saying::ContactOptedIn { .. } => "contact.opted_in",
            Saying::ContactReplied { .. } => "contact.replied",
            Saying::ContactPromised { .. } => "contact.promised",
            Saying::CampaignLaunched { .. } => "campaign.launched",
            Saying::CampaignPaused { .. } => "campaign.paused",
            Saying::CampaignResumed { .. } => "campaign.resumed",
            Saying::CampaignArchived { .. } => "campaign.archived",
            Saying::ChannelPaused { .. } => "channel.paused",
            Saying::ChannelResumed { .. } => "channel.resumed",
            Saying::TenantPaused => "tenant.paused",
            Saying::TenantResumed => "tenant.resumed",
            Saying::TenantHeld => "engine.paused",
            Saying::TenantReleased => "engine.resumed",
            Saying::FeedHeard => "feed.heartbeat",
        }
    }

    /// Returns the boleto that the fact is about.
    pub fn boleto(&self) -> Option<&BoletoName> {
        match self {
            Saying::BoletoPaid { boleto }
            | Saying::BoletoCancelled { boleto }
            | Saying::BoletoReopened { boleto }
            | Saying::BoletoChanged { boleto, .. } => Some(boleto),
            _ => None,
        }
    }

    /// Returns the contact that the fact is about.
    pub fn contact(&self) -> Option<&ContactName> {
        match self {
            Saying::ContactOptedOut { contact, .. }
            | Saying::ContactOptedIn { contact, .. }
            | Saying::ContactReplied { contact }
            | Saying::ContactPromised { contact } => Some(contact),
            _ => None,
        }
    }

    /// Returns the channel of the tenant that the fact is about.
    pub const fn tenant_channel(&self) -> Option<Channel> {
        match self {
            Saying::ChannelPaused { channel } | Saying::ChannelResumed { channel } => {
                Some(*channel)
            }
            _ => None,
        }
    }

    /// Returns the campaign that the fact is about.
    pub fn campaign(&self) -> Option<CampaignId> {
        match self {
            Saying::CampaignLaunched { campaign }
            | Saying::CampaignPaused { campaign }
            | Saying::CampaignResumed { campaign }
            | Saying::CampaignArchived { campaign } => Some(*campaign),
            _ => None,
        }
    }
}
