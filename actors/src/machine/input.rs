//! What comes in: facts that doors made durable, outcomes of hand-overs, rows of sweeps, ticks.

use chrono::NaiveDate;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId};
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::Harm;
use super::effect::Subject;
use crate::ports::{Returned, SweepPage};

/// One thing that came in.
#[derive(Clone, Debug)]
pub enum Input {
    /// Facts from the inbox, oldest first.
    Facts(Vec<InboxFact>),
    /// Outcomes of hand-overs.
    Returned(Vec<Returned>),
    /// Claims of a former life of the owner that nobody is working on: their outcome is unknown.
    Orphaned(Vec<AttemptId>),
    /// A page of a sweep.
    Swept(i64, SweepPage),
    /// Time has passed: look at what is due.
    Tick,
    /// Look at one enrollment that is due.
    Look(EnrollmentId),
    /// Go on without something that does harm.
    SetAside(SetAside),
}

/// The smallest part of an input that can be tried alone, and done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A fact (its row in the inbox).
    Fact(i64),
    /// A due enrollment, one to be planned again, or the outcome of one of its attempts.
    Enrollment(EnrollmentId),
    /// A boleto that a sweep is to enroll.
    Boleto {
        /// The sweep (the fact it follows from).
        sweep: i64,
        /// The boleto.
        boleto: BoletoId,
        /// Its contact.
        contact: ContactId,
    },
}

/// Something that the owner cannot go on with.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// What it is: of one page or step.
    pub parts: Vec<Part>,
    /// What is wrong with it.
    pub harm: Harm,
    /// The input in whose place this comes, if it is one of outcomes: they are kept, and nothing
    /// follows from them.
    pub instead_of: Option<Box<Input>>,
}

impl Input {
    /// Names the parts of the input, as far as it names them; a tick has any number of them.
    pub fn parts(&self) -> Parts {
        let of = |attempt: &AttemptId| Part::Enrollment(attempt.reminder.enrollment);
        match self {
            Input::Facts(facts) => Parts::of(facts.iter().map(|fact| Part::Fact(fact.seq))),
            Input::Returned(all) => Parts::of(all.iter().map(|one| of(&one.attempt))),
            Input::Orphaned(attempts) => Parts::of(attempts.iter().map(of)),
            Input::Swept(seq, page) => Parts::of(page.parts(*seq)),
            Input::Tick => Parts::Many,
            Input::Look(enrollment) => Parts::One(Part::Enrollment(*enrollment)),
            Input::SetAside(_) => Parts::None,
        }
    }
}

/// How many parts something has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// None.
    None,
    /// This one alone.
    One(Part),
    /// More, or nobody knows.
    Many,
}

impl Parts {
    /// Counts parts.
    pub fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next()) {
            (None, _) => Parts::None,
            (Some(one), None) => Parts::One(one),
            (Some(_), Some(_)) => Parts::Many,
        }
    }

    /// Counts the parts of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Parts::None, parts) | (parts, Parts::None) => parts,
            _ => Parts::Many,
        }
    }
}

/// A fact that a door committed and that the owner has not applied yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxFact {
    /// The row in the tenant's inbox.
    pub seq: i64,
    /// The event's own id, by which duplicates are known.
    pub event_id: String,
    /// When it happened, by its source.
    pub occurred_at: Timestamp,
    /// When the door committed it.
    pub received_at: Timestamp,
    /// What happened.
    pub body: FactBody,
}

/// What happened. Subjects are already resolved to identifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FactBody {
    /// A boleto was paid; its enrollments are stopped.
    BoletoPaid {
        /// The boleto.
        boleto: BoletoId,
    },
    /// A boleto was cancelled; its enrollments are stopped.
    BoletoCancelled {
        /// The boleto.
        boleto: BoletoId,
    },
    /// A paid or cancelled boleto is open again, by an explicit act.
    BoletoReopened {
        /// The boleto.
        boleto: BoletoId,
    },
    /// A boleto's amount or due date changed; the boleto's row has the new values.
    BoletoChanged {
        /// The boleto.
        boleto: BoletoId,
        /// The new amount.
        amount_centavos: i64,
        /// The new due date.
        due_on: NaiveDate,
    },
    /// A contact wants no more messages: on one channel, or at all (its enrollments are stopped).
    ContactOptedOut {
        /// The contact.
        contact: ContactId,
        /// Others whom the same word is about: its address is theirs, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<ContactId>,
        /// The channel; `None` for all of them.
        channel: Option<Channel>,
    },
    /// A contact wants messages again.
    ContactOptedIn {
        /// The contact.
        contact: ContactId,
        /// Others whom the same word is about: its address is theirs, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<ContactId>,
        /// The channel; `None` for all of them.
        channel: Option<Channel>,
    },
    /// A contact has another name, phone, e-mail address or zone; its row has them.
    ContactChanged {
        /// The contact.
        contact: ContactId,
    },
    /// A contact replied.
    ContactReplied {
        /// The contact.
        contact: ContactId,
        /// Others whom the same word is about: its address is theirs, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<ContactId>,
    },
    /// A contact promised to pay.
    ContactPromised {
        /// The contact.
        contact: ContactId,
        /// Others whom the same word is about: its address is theirs, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<ContactId>,
    },
    /// Boletos were imported and wait to be enrolled.
    BoletosImported {
        /// The import.
        import: i64,
    },
    /// A campaign was launched.
    CampaignLaunched {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A campaign has a new version.
    CampaignEdited {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A campaign was paused.
    CampaignPaused {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A campaign runs again.
    CampaignResumed {
        /// The campaign.
        campaign: CampaignId,
    },
    /// A campaign was ended; its enrollments are stopped.
    CampaignArchived {
        /// The campaign.
        campaign: CampaignId,
    },
    /// The tenant's rules, templates, senders or credits changed.
    SettingsChanged,
    /// The tenant's calendar or zone changed: everything is planned again.
    CalendarChanged,
    /// A channel of the tenant was paused.
    ChannelPaused {
        /// The channel.
        channel: Channel,
    },
    /// A channel of the tenant is free again.
    ChannelResumed {
        /// The channel.
        channel: Channel,
    },
    /// The tenant was paused, or its kill switch was pulled.
    TenantPaused,
    /// The tenant runs again.
    TenantResumed,
    /// The kill switch of the whole engine was pulled; a paused tenant stays so afterwards.
    TenantHeld,
    /// The engine runs again.
    TenantReleased,
    /// The payment feed spoke, with nothing else to say.
    FeedHeard,
}

impl FactBody {
    /// Returns whom the fact is about: several contacts when they share its address.
    pub fn subjects(&self) -> Vec<Subject> {
        match self {
            FactBody::BoletoPaid { boleto }
            | FactBody::BoletoCancelled { boleto }
            | FactBody::BoletoReopened { boleto }
            | FactBody::BoletoChanged { boleto, .. } => vec![Subject::Boleto(*boleto)],
            FactBody::CampaignLaunched { campaign }
            | FactBody::CampaignEdited { campaign }
            | FactBody::CampaignPaused { campaign }
            | FactBody::CampaignResumed { campaign }
            | FactBody::CampaignArchived { campaign } => vec![Subject::Campaign(*campaign)],
            FactBody::ContactOptedOut { .. }
            | FactBody::ContactOptedIn { .. }
            | FactBody::ContactReplied { .. }
            | FactBody::ContactPromised { .. } => self.contacts().map(Subject::Contact).collect(),
            FactBody::ContactChanged { contact } => vec![Subject::Contact(*contact)],
            FactBody::ChannelPaused { channel } | FactBody::ChannelResumed { channel } => {
                vec![Subject::Channel(*channel)]
            }
            FactBody::BoletosImported { .. }
            | FactBody::SettingsChanged
            | FactBody::CalendarChanged
            | FactBody::TenantPaused
            | FactBody::TenantResumed
            | FactBody::TenantHeld
            | FactBody::TenantReleased
            | FactBody::FeedHeard => vec![Subject::Tenant],
        }
    }

    /// Returns the contacts that the fact is about, if it is a contact's word.
    pub fn contacts(&self) -> impl Iterator<Item = ContactId> {
        let (first, also) = match self {
            FactBody::ContactOptedOut { contact, also, .. }
            | FactBody::ContactOptedIn { contact, also, .. }
            | FactBody::ContactReplied { contact, also }
            | FactBody::ContactPromised { contact, also } => (Some(*contact), also.as_slice()),
            _ => (None, &[][..]),
        };
        first.into_iter().chain(also.iter().copied())
    }
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The provider took it; that is not yet delivery.
    Accepted {
        /// The provider's own id of the message.
        provider_ref: String,
    },
    /// The provider refused this message; another try of the same would be refused again.
    Rejected {
        /// The provider's code, for `why` records; never personal data.
        code: String,
    },
    /// The provider asks for patience.
    Throttled {
        /// For how long, in milliseconds, when it said so.
        retry_after_ms: Option<i64>,
    },
    /// The message may not go out for a while; certainly nothing was taken. The touch is looked at
    /// again after it, or on the next channel when it would be too late by then.
    Held {
        /// For how long, in milliseconds.
        for_ms: i64,
        /// Why, for `why` records; never personal data.
        code: String,
    },
    /// The provider could not be reached, and certainly took nothing.
    Unavailable,
    /// Nobody knows whether the provider took it. Never sent again by itself.
    Unknown,
    /// The hand-over did not begin.
    Abandoned {
        /// Why not.
        why: Abandoned,
    },
}

impl Outcome {
    /// Returns the name used in the database and in `why` records.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Rejected { .. } => "rejected",
            Outcome::Throttled { .. } => "throttled",
            Outcome::Held { .. } => "held",
            Outcome::Unavailable => "unavailable",
            Outcome::Unknown => "unknown",
            Outcome::Abandoned { .. } => "abandoned",
        }
    }

    /// Says whether the message may have reached the contact, and so counts against caps.
    pub const fn counts(&self) -> bool {
        matches!(self, Outcome::Accepted { .. } | Outcome::Unknown)
    }
}

/// Why a hand-over did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Abandoned {
    /// A stop came first.
    Stopped,
    /// The claim's deadline had passed.
    TooLate,
    /// The node no longer trusted its lease.
    TrustLost,
    /// The node was shutting down.
    Draining,
    /// The provider failed again and again, and is left alone for a while.
    CircuitOpen,
}

impl Abandoned {
    /// Returns the name used in the database and in `why` records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Abandoned::Stopped => "stopped",
            Abandoned::TooLate => "too_late",
            Abandoned::TrustLost => "trust_lost",
            Abandoned::Draining => "draining",
            Abandoned::CircuitOpen => "circuit_open",
        }
    }
}

/// Work over many rows that follows from one fact, done page by page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The fact it follows from; one fact starts at most one sweep.
    pub seq: i64,
    /// What is done.
    pub kind: SweepKind,
    /// The id up to which it is done.
    pub after: i64,
}

/// What a sweep does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SweepKind {
    /// Enrolls the open boletos of an import in every running campaign (cursor: boleto id).
    EnrollImport {
        /// The import.
        import: i64,
    },
    /// Enrolls the tenant's open boletos in a campaign (cursor: boleto id).
    EnrollCampaign {
        /// The campaign.
        campaign: CampaignId,
    },
    /// Enrolls an open boleto in every running campaign (cursor: boleto id): imports and launches
    /// passed it over while it was paid.
    EnrollBoleto {
        /// The boleto.
        boleto: BoletoId,
    },
    /// Enrolls a contact's open boletos in every running campaign (cursor: boleto id): imports and
    /// launches passed them over while it was opted out.
    EnrollContact {
        /// The contact.
        contact: ContactId,
        /// Those whose turn comes after it, each with a re-plan from the start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<ContactId>,
    },
    /// Plans a boleto's enrollments again, stopped ones included if it is open (cursor:
    /// enrollment); [`SweepKind::EnrollBoleto`] follows.
    ReplanBoleto {
        /// The boleto.
        boleto: BoletoId,
    },
    /// Plans a contact's enrollments again, stopped ones included if their boleto is open and the
    /// contact is opted in (cursor: enrollment); [`SweepKind::EnrollContact`] follows.
    ReplanContact {
        /// The contact.
        contact: ContactId,
        /// Those whose turn comes after it, each with a re-plan from the start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<ContactId>,
    },
    /// Stops what is active in an archived campaign (cursor: enrollment).
    StopCampaign {
        /// The campaign.
        campaign: CampaignId,
    },
    /// Plans a campaign's enrollments again (cursor: enrollment).
    ReplanCampaign {
        /// The campaign.
        campaign: CampaignId,
    },
    /// Plans all enrollments of the tenant again (cursor: enrollment).
    ReplanTenant,
}
