//! What the actors ask of the world, and the only way they know it.
//!
//! A port's error answers a *class*; callers branch on the class, never on text. Nothing here says
//! whether a database, a broker or a simulation stands behind it.

use std::fmt;

use async_trait::async_trait;
use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::cadence::Campaign;
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::charges::ChargeRule;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::pace::Pace;
use schedules::plan::{Progress, Touch};
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::Template;
use schedules::time::Timestamp;
use schedules::verdict::{ContactEvents, Feed, PastSend};
use serde::{Deserialize, Serialize};

use crate::machine::change::{Change, Claim};
use crate::machine::effect::HandOver;
use crate::machine::input::{InboxFact, Outcome, Part, Sweep};

/// A slice of the tenants, owned by one node at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub i32);

/// The right under which an owner commits: a shard's lease at one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The shard.
    pub shard: ShardId,
    /// The fencing number; it grows with every change of owner.
    pub epoch: i64,
}

/// The durable record behind the machine.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Reads what a machine starts from.
    ///
    /// # Errors
    /// [`JournalError`]; [`JournalError::Absent`] when there is no such tenant.
    async fn load(&self, tenant: TenantId) -> Result<Snapshot, JournalError>;

    /// Reads the tenant's settings again, after a fact said that they changed.
    ///
    /// # Errors
    /// As [`Journal::load`].
    async fn settings(&self, tenant: TenantId) -> Result<Settings, JournalError>;

    /// Reads the next due enrollments of running campaigns, in the order of ([`Mark`]).
    ///
    /// # Errors
    /// [`JournalError`].
    async fn due_page(
        &self,
        tenant: TenantId,
        request: PageRequest,
    ) -> Result<DuePage, JournalError>;

    /// Reads the oldest facts that the owner has not applied yet, `limit` rows at most.
    ///
    /// # Errors
    /// [`JournalError`].
    async fn inbox_page(&self, tenant: TenantId, limit: u32) -> Result<InboxPage, JournalError>;

    /// Reads the next rows of a sweep, in the order of their ids, after the sweep's cursor.
    ///
    /// # Errors
    /// [`JournalError`].
    async fn sweep_page(
        &self,
        tenant: TenantId,
        sweep: &Sweep,
        limit: u32,
    ) -> Result<SweepPage, JournalError>;

    /// Makes the changes of one step of one tenant durable, all or none, under the fence.
    ///
    /// Changes to an enrollment that is not active any more, or whose campaign or tenant does not
    /// run, are left out and named in [`Committed::refused`]: a stop came first.
    ///
    /// # Errors
    /// [`JournalError::Fenced`] when the lease has another epoch; [`JournalError::Unknown`] when
    /// the commit may or may not have happened: the machine must be loaded again.
    async fn commit(&self, commit: Commit) -> Result<Committed, JournalError>;

    /// Seals the tenant's audit rows that are not sealed yet into its hash chain.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    async fn seal_audit(&self, tenant: TenantId, fence: Fence) -> Result<(), JournalError>;

    /// Names the tenants of the shards that have due enrollments or unapplied facts or sweeps, with
    /// the instant at which they want to be woken (the past for "now").
    ///
    /// # Errors
    /// [`JournalError`].
    async fn look_ahead(
        &self,
        shards: &[ShardId],
        until: Timestamp,
    ) -> Result<Vec<(TenantId, Timestamp)>, JournalError>;
}

/// Why a journal did not answer; the class says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Nothing happened; the same call may succeed later.
    #[error("journal is not available for the moment")]
    Retryable,
    /// The commit may or may not have happened.
    #[error("the outcome of a commit is unknown")]
    Unknown,
    /// Another epoch holds the shard.
    #[error("the shard is owned under another epoch")]
    Fenced,
    /// There is no such tenant.
    #[error("no such tenant")]
    Absent,
    /// The changes contradict what is stored (an attempt's key used twice, credits below zero);
    /// nothing happened, and the machine must be loaded again.
    #[error("the changes contradict what is stored")]
    Conflict,
    /// Stored data cannot be read as what it should be.
    #[error("stored data is corrupt")]
    Corrupt,
    /// The store refuses to work (disk full, no permission, wrong schema) until someone mends it.
    #[error("the store refuses to work")]
    Permanent,
}

/// The way to a provider.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// Hands one message over; `begin` is asked right before the first byte is written, and a
    /// `false` from it means that nothing may be written ([`Outcome::Abandoned`]).
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome;
}

/// A tenant, as its owner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The tenant.
    pub tenant: Tenant,
    /// Its campaigns that are not archived.
    pub campaigns: Vec<CampaignState>,
    /// Its templates, the newest version of each code and channel.
    pub templates: Vec<Template>,
}

/// The tenant's own settings.
#[derive(Clone, PartialEq)]
pub struct Tenant {
    /// The identifier.
    pub id: TenantId,
    /// The name that its contacts know.
    pub name: String,
    /// Its CPF or CNPJ, formatted.
    pub document: Option<String>,
    /// Its postal address, in one line.
    pub address: Option<String>,
    /// The zone in which its days are counted.
    pub zone: Tz,
    /// Its campaigns run; false while it is paused, or the whole engine is.
    pub running: bool,
    /// The channels that its kill switch holds.
    pub paused_channels: Vec<Channel>,
    /// Its rules.
    pub rules: RulePack,
    /// Its calendar.
    pub calendar: Calendar,
    /// Its penalty and interest, where it has declared them.
    pub charges: Option<ChargeRule>,
    /// Its payment feed.
    pub feed: Feed,
    /// Its credits; `None` when it is not metered.
    pub credits: Option<Credits>,
    /// Its sending identities, one per channel.
    pub senders: Vec<Sender>,
    /// How often an attempt is tried again.
    pub retry: RetryPolicy,
}

/// A tenant's prepaid messages: `balance - held` is never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credits {
    /// Bought and not spent.
    pub balance: i64,
    /// Held by attempts without a final outcome.
    pub held: i64,
}

/// A tenant's sending identity on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The channel.
    pub channel: Channel,
    /// The name of the configured provider, for example `mailbox`.
    pub provider: String,
    /// How fast it may send.
    pub pace: Pace,
}

/// A campaign and whether it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignState {
    /// The campaign in its newest version.
    pub campaign: Campaign,
    /// Its reminders go out; false while it is paused.
    pub running: bool,
}

/// What a machine starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The settings.
    pub settings: Settings,
    /// Claims that have no outcome yet.
    pub unsettled: Vec<Claim>,
    /// The sends that count against campaign and tenant caps, per minute.
    pub tallies: Vec<TallyRow>,
    /// Sweeps under way.
    pub sweeps: Vec<Sweep>,
}

/// How many messages of a campaign were claimed in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TallyRow {
    /// The campaign.
    pub campaign: CampaignId,
    /// The start of the minute.
    pub minute_at: Timestamp,
    /// The sends.
    pub sends: u32,
}

/// A place in the order of due enrollments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The instant.
    pub next_at: Timestamp,
    /// The enrollment, for ties.
    pub enrollment: EnrollmentId,
}

/// The most rows of a page that are ahead of it.
pub const AHEAD_ROWS_MAX: usize = 1_000;

/// Which due enrollments are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Only rows after this place.
    pub after: Mark,
    /// Only rows whose `next_at` is at or before this instant.
    pub until: Timestamp,
    /// The most rows.
    pub limit: u32,
    /// How far back the contacts' sends are wanted.
    pub sends_since: Timestamp,
    /// How long after `until` touches may be brought forward from, in milliseconds; 0 for none.
    pub ahead_ms: i64,
}

/// Due enrollments with all that the gates need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DuePage {
    /// The enrollments, in the order of their marks.
    pub rows: Vec<DueRow>,
    /// Enrollments after `read_to` that touches of the page may bring forward: of a contact and
    /// campaign that is in `rows`, due up to [`PageRequest::ahead_ms`] after its `until`, the first
    /// [`AHEAD_ROWS_MAX`].
    pub ahead: Vec<DueRow>,
    /// Every contact of `rows`, once.
    pub contacts: Vec<Contact>,
    /// Every active row at or before this place is in this page or was in an earlier one.
    pub read_to: Mark,
    /// The instant of the first active row after `read_to`, if there is one.
    pub next_after_at: Option<Timestamp>,
    /// Enrollments among them whose rows say nothing this program knows.
    pub unreadable: Vec<EnrollmentId>,
}

/// One due enrollment.
#[derive(Clone, Debug, PartialEq)]
pub struct DueRow {
    /// The enrollment.
    pub enrollment: Enrollment,
    /// Its boleto.
    pub boleto: Boleto,
}

/// One boleto in one campaign, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// The identifier.
    pub id: EnrollmentId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The boleto.
    pub boleto: BoletoId,
    /// The boleto's contact.
    pub contact: ContactId,
    /// Where it stands, and what comes next.
    pub cursor: Cursor,
}

/// Where an enrollment stands, and what comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What is done.
    pub progress: Progress,
    /// The next touch; `None` when nothing comes any more.
    pub touch: Option<Touch>,
    /// The number of the next attempt's key. It grows with every try that did not reach its
    /// provider and never goes back, whatever touch is next: no key is used twice.
    pub try_no: u16,
    /// Counts the tries of `touch` on the channel at hand from 0.
    pub channel_tries: u16,
    /// The first channel of the step that is still to be tried.
    pub channel_from: u8,
    /// When the enrollment is looked at again; `None` while it waits for an outcome only.
    pub next_at: Option<Timestamp>,
}

/// What the machine needs of a boleto.
#[derive(Clone, PartialEq, Eq)]
pub struct Boleto {
    /// The identifier.
    pub id: BoletoId,
    /// The tenant's reference.
    pub reference: String,
    /// The amount; 0 when open.
    pub amount_centavos: i64,
    /// The due date as printed.
    pub due_on: NaiveDate,
    /// The 47 or 48 digits.
    pub digitable_line: Option<String>,
    /// The Pix copy-and-paste code.
    pub pix_code: Option<String>,
    /// Where it can be paid.
    pub payment_link: Option<String>,
}

/// What the machine needs of a contact.
#[derive(Clone, PartialEq)]
pub struct Contact {
    /// The identifier.
    pub id: ContactId,
    /// How often it was changed, from 1.
    pub version: i64,
    /// The name.
    pub name: String,
    /// The phone in E.164.
    pub phone: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The zones it may be in, the likeliest first; never empty.
    pub zones: Vec<Tz>,
    /// The channels it or the tenant has suppressed for it.
    pub suppressed: Vec<Channel>,
    /// Replies and promises.
    pub events: ContactEvents,
    /// Whether it replied or promised to pay since it has its phone and e-mail address.
    pub confirmed: bool,
    /// Its sends since [`PageRequest::sends_since`], oldest first, refunded ones left out.
    pub sends: Vec<PastSend>,
}

/// Has `Debug` show the identifier only: the rest is personal; a document may be a person's.
macro_rules! shows_only_the_id {
    ($($of:ident),*) => {$(
        impl fmt::Debug for $of {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($of))
                    .field("id", &self.id)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

shows_only_the_id!(Tenant, Boleto, Contact);

/// Rows of the inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxPage {
    /// The facts, oldest first.
    pub facts: Vec<InboxFact>,
    /// Rows that say nothing this program knows. What the fact stops is stopped all the same: its
    /// door wrote that beside it.
    pub unreadable: Vec<i64>,
}

/// Rows of a sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepPage {
    /// Open boletos to enroll in running campaigns (sweeps that enroll).
    pub candidates: Vec<Candidate>,
    /// Enrollments to plan again (sweeps that re-plan).
    pub standing: Vec<Standing>,
    /// The id after which the next page starts.
    pub read_to: i64,
    /// No row comes after this page.
    pub last: bool,
    /// Parts among them whose rows say nothing this program knows.
    pub unreadable: Vec<Part>,
}

impl SweepPage {
    /// Names the parts of the page, which is one of the sweep with this number.
    pub fn parts(&self, seq: i64) -> impl Iterator<Item = Part> {
        let boleto = move |one: &Candidate| Part::Boleto {
            sweep: seq,
            boleto: one.boleto,
            contact: one.contact,
        };
        let standing = |one: &Standing| Part::Enrollment(one.enrollment.id);
        let candidates = self.candidates.iter().map(boleto);
        candidates.chain(self.standing.iter().map(standing))
    }
}

/// A boleto that may be enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The boleto.
    pub boleto: BoletoId,
    /// Its contact.
    pub contact: ContactId,
    /// The due date as printed.
    pub due_on: NaiveDate,
    /// The amount; 0 when open.
    pub amount_centavos: i64,
    /// The contact's likeliest zone.
    pub zone: Tz,
}

/// An enrollment that may have to be planned again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The enrollment.
    pub enrollment: Enrollment,
    /// True when it was stopped and its boleto is open again.
    pub stopped: bool,
    /// The due date as printed.
    pub due_on: NaiveDate,
    /// The amount; 0 when open.
    pub amount_centavos: i64,
    /// The contact's likeliest zone.
    pub zone: Tz,
}

/// The changes of one step of one tenant.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The tenant.
    pub tenant: TenantId,
    /// The right to commit.
    pub fence: Fence,
    /// The owner's clock, stored with what it decided.
    pub at: Timestamp,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// What a commit left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Enrollments whose changes were left out because a stop, or a change of their contact, came
    /// first, ascending.
    pub refused: Vec<EnrollmentId>,
}

/// An attempt whose outcome came back from a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The attempt.
    pub attempt: AttemptId,
    /// When it came back.
    pub at: Timestamp,
    /// What it was.
    pub outcome: Outcome,
}
