//! Reminders: what the records of one touch say together.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

use actors::machine::input::Outcome;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, ReminderId, TenantId};
use schedules::time::Timestamp;
use schedules::verdict::{Reason, Ruling};

use crate::store::reads::{Ask, EnrollmentsOf, History, Page};
use crate::store::{AttemptRecord, DecisionRecord, EnrollmentRecord, Store, StoreError};

/// How many enrollments are read at once, and how many of them a page looks at, at the most.
const CHUNK: u32 = 50;
const LOOKED_AT_MAX: u32 = 200;

/// Where a reminder stands: `scheduled`, then `dispatching`, then one that is final. What came to
/// nothing and is tried again is scheduled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ReminderState {
    /// It is the next of its enrollment.
    Scheduled,
    /// An attempt is under way.
    Dispatching,
    /// A provider took it, or nobody knows whether one did: it is never sent again by itself.
    Sent,
    /// It was passed over.
    Skipped,
    /// A stop came first, or the campaign was planned anew without it.
    Cancelled,
    /// Its time was over before it could be sent.
    Expired,
    /// No provider took it, and no channel is left.
    Failed,
}

impl ReminderState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Dispatching,
        Self::Sent,
        Self::Skipped,
        Self::Cancelled,
        Self::Expired,
        Self::Failed,
    ];

    /// Returns the name used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Dispatching => "dispatching",
            Self::Sent => "sent",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// The text is no state of a reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a reminder")]
pub struct UnknownState;

impl FromStr for ReminderState {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.as_str() == name).ok_or(UnknownState)
    }
}

/// A reminder: a touch that was decided about, or the next of an enrollment.
#[derive(Clone, PartialEq, Eq)]
pub struct Reminder {
    /// The key.
    pub id: ReminderId,
    /// Its boleto.
    pub boleto: BoletoId,
    /// The tenant's own name of the boleto.
    pub reference: String,
    /// Its contact.
    pub contact: ContactId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Where it stands.
    pub state: ReminderState,
    /// Since when; of one that is scheduled, when it is looked at.
    pub at: Timestamp,
    /// How many attempts there were.
    pub tries: usize,
    /// The last attempt, by its channel and outcome.
    pub last: Option<(Channel, Option<Outcome>)>,
    /// Why it was held, skipped or cancelled last, if it was.
    pub reason: Option<Reason>,
}

/// Leaves out the reference, which may name a person.
impl fmt::Debug for Reminder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reminder")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Which reminders are listed: those that meet everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemindersOf {
    /// Those of these enrollments.
    pub enrollments: EnrollmentsOf,
    /// In this state.
    pub state: Option<ReminderState>,
}

/// Lists the reminders of a tenant by enrollment, step and occurrence.
///
/// # Errors
/// [`StoreError`].
pub async fn reminders(
    store: &Store,
    tenant: TenantId,
    of: &RemindersOf,
    ask: &Ask<ReminderId>,
) -> Result<Page<Reminder, ReminderId>, StoreError> {
    let (mut items, mut last, mut looked_at) = (Vec::new(), ask.after, 0);
    // The page before may have ended within an enrollment.
    let mut after = ask.after.map(|last| last.enrollment.0 - 1);
    loop {
        let chunk = Ask {
            after,
            limit: CHUNK,
        };
        let page = store.list_histories(tenant, &of.enrollments, &chunk);
        let page = page.await?;
        for reminder in page.items.iter().flat_map(fold) {
            if ask.after.is_some_and(|after| reminder.id <= after) {
                continue;
            }
            if items.len() >= ask.limit as usize {
                return Ok(Page { items, next: last });
            }
            last = Some(reminder.id);
            if of.state.is_none_or(|state| state == reminder.state) {
                items.push(reminder);
            }
        }
        looked_at += CHUNK;
        let Some(next) = page.next else {
            return Ok(Page { items, next: None });
        };
        after = Some(next);
        if looked_at >= LOOKED_AT_MAX {
            return Ok(Page {
                items,
                next: Some(behind(next)),
            });
        }
    }
}

/// Returns the key behind every reminder of an enrollment.
const fn behind(enrollment: i64) -> ReminderId {
    ReminderId {
        enrollment: schedules::id::EnrollmentId(enrollment),
        step_no: u8::MAX,
        occurrence: u32::MAX,
    }
}

/// What is known of one touch.
#[derive(Default)]
struct Records<'a> {
    attempts: Vec<&'a AttemptRecord>,
    decisions: Vec<&'a DecisionRecord>,
}

/// Returns the reminders of an enrollment in the order of their keys.
pub(super) fn fold(history: &History) -> Vec<Reminder> {
    let mut touches: BTreeMap<ReminderId, Records<'_>> = BTreeMap::new();
    for attempt in &history.attempts {
        let of = touches.entry(attempt.attempt.reminder).or_default();
        of.attempts.push(attempt);
    }
    for decision in &history.decisions {
        let of = touches.entry(decision.reminder).or_default();
        of.decisions.push(decision);
    }
    if let Some(next) = next_of(&history.enrollment) {
        touches.entry(next).or_default();
    }
    let reminders = touches.into_iter();
    reminders
        .map(|(id, records)| reminder(history, id, &records))
        .collect()
}

/// Returns the touch that an enrollment stands at, whether or not it goes on.
pub(super) fn next_of(record: &EnrollmentRecord) -> Option<ReminderId> {
    let enrollment = record.enrollment;
    let touch = enrollment.cursor.touch?;
    Some(ReminderId {
        enrollment: enrollment.id,
        step_no: touch.step_no,
        occurrence: touch.occurrence,
    })
}

fn reminder(history: &History, id: ReminderId, records: &Records<'_>) -> Reminder {
    let enrollment = history.enrollment.enrollment;
    let attempt = records.attempts.iter().max_by_key(|it| it.attempt.try_no);
    let decision = records.decisions.iter().max_by_key(|it| it.id);
    let (state, at) = state(
        &history.enrollment,
        id,
        (attempt.copied(), decision.copied()),
    );
    Reminder {
        id,
        boleto: enrollment.boleto,
        reference: history.reference.clone(),
        contact: enrollment.contact,
        campaign: enrollment.campaign,
        state,
        at,
        tries: records.attempts.len(),
        last: attempt.map(|it| (it.channel, it.outcome.clone().map(|(_, outcome)| outcome))),
        reason: decision.map(|it| it.reason),
    }
}

/// Returns the state that the last record leaves, and since when.
fn state(
    enrollment: &EnrollmentRecord,
    id: ReminderId,
    (attempt, decision): (Option<&AttemptRecord>, Option<&DecisionRecord>),
) -> (ReminderState, Timestamp) {
    let waits = |since: Timestamp| waiting(enrollment, id, since);
    let is_last = |attempt: &&AttemptRecord| decision.is_none_or(|it| !follows(it, attempt));
    if let Some(attempt) = attempt.filter(is_last) {
        return match &attempt.outcome {
            None => (ReminderState::Dispatching, attempt.claimed_at),
            Some((at, Outcome::Accepted { .. } | Outcome::Unknown)) => (ReminderState::Sent, *at),
            Some((at, _)) => waits(*at),
        };
    }
    let Some(decision) = decision else {
        return waits(enrollment.enrollment.cursor.progress.after_at);
    };
    let state = match (decision.ruling, decision.reason) {
        (Ruling::Hold { .. } | Ruling::Send { .. }, _) => return waits(decision.decided_at),
        (Ruling::Cancel, _) => ReminderState::Cancelled,
        (Ruling::Skip, Reason::Expired) => ReminderState::Expired,
        (Ruling::Skip, Reason::ProviderRejected | Reason::RetriesExhausted) => {
            ReminderState::Failed
        }
        (Ruling::Skip, _) => ReminderState::Skipped,
    };
    (state, decision.decided_at)
}

/// Says whether a decision is later than an attempt. A decision names the try that would follow
/// it, or, of an attempt that came to nothing, the one after.
fn follows(decision: &DecisionRecord, attempt: &AttemptRecord) -> bool {
    let AttemptId { try_no, .. } = attempt.attempt;
    let (decided, claimed) = (decision.decided_at, attempt.claimed_at);
    decided > claimed || (decided == claimed && decision.try_no > try_no)
}

/// Returns where a touch stands that is not decided for good: it is the next, or none any more.
fn waiting(
    enrollment: &EnrollmentRecord,
    id: ReminderId,
    since: Timestamp,
) -> (ReminderState, Timestamp) {
    let cursor = enrollment.enrollment.cursor;
    let is_next = enrollment.state == "active" && next_of(enrollment) == Some(id);
    match cursor.next_at.filter(|_| is_next) {
        Some(next_at) => (ReminderState::Scheduled, next_at),
        None => (ReminderState::Cancelled, since),
    }
}
