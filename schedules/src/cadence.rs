//! A tenant's campaign: its ordered steps and the conditions under which they are walked.

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::code::{CodeError, check_code};
use crate::id::CampaignId;
use crate::recurrence::Recurrence;
use crate::time::DAY_MS;

/// The highest number of a step: they are the bits of a [`StepSet`], counted from 0.
pub const STEP_NO_MAX: u8 = 63;

/// The most days between the due date and a step, either way.
pub const OFFSET_DAYS_MAX: u32 = 3_650;

/// The most firings of a recurring step: one a day for a year.
pub const OCCURRENCES_MAX: u32 = 366;

/// The most business days of grace.
pub const GRACE_BUSINESS_DAYS_MAX: u16 = 60;

/// The longest that a step may wait behind its slot, in milliseconds.
pub const EXPIRES_AFTER_MS_MAX: i64 = 90 * DAY_MS;

/// The furthest that a touch may be brought forward to go out with another, in milliseconds.
pub const MERGE_WITHIN_MS_MAX: i64 = 3 * DAY_MS;

/// A tenant's rule set of steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// The identifier.
    pub id: CampaignId,
    /// Grows with every edit; stored with every decision.
    pub version: u32,
    /// A name people read.
    pub name: String,
    /// The steps and their limits.
    pub cadence: Cadence,
}

/// The steps of a campaign and what bounds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Cadence {
    /// The steps, in any order; the planner sorts by instant, then by number.
    pub steps: Vec<Step>,
    /// Days on which the banks work that must have passed after the effective due date before
    /// anything that falls after it may be walked: payment data can arrive a business day late,
    /// in the course of that day. With 1, a boleto due on a Monday is not reminded before the
    /// Wednesday.
    #[serde(default)]
    pub grace_business_days: u16,
    /// The most reminders an enrollment gets, over all steps.
    pub reminders_max: u16,
    /// Which boletos the campaign takes.
    #[serde(default)]
    pub condition: Condition,
}

/// One step: when, over which channels, with which template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The number, stable over versions of the campaign and never used again for another step.
    pub no: u8,
    /// When it falls.
    pub when: When,
    /// The channels in order of preference; the next one is taken when one cannot reach.
    pub channels: Vec<Channel>,
    /// The template's code; each channel has its own text under the same code.
    pub template: String,
    /// How long after its slot the step may still go out, in milliseconds.
    pub expires_after_ms: i64,
    /// Which boletos the step is for.
    #[serde(default)]
    pub condition: Condition,
    /// Whether the boletos of one contact go out in one message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
    /// The code of a template that takes the place of the others as long as the contact has not
    /// confirmed that it is who is meant, by a reply or a promise to pay. It names no debt: told
    /// to somebody else, that is a breach (LGPD art. 6 and 46).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduction: Option<String>,
}

/// How touches of a step that are about boletos of one contact become one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// How far ahead of its slot a touch may be brought forward to go out with one that is due, in
    /// milliseconds, up to [`MERGE_WITHIN_MS_MAX`].
    pub within_ms: i64,
    /// The code of the template for two boletos and more; one alone has the step's own.
    pub template: String,
}

/// When a step falls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum When {
    /// Once, at a distance from the due date.
    Offset {
        /// Negative: days before the printed due date. 0 and positive: days after the effective due
        /// date, which is the last day without charges.
        days: i32,
        /// What the days count.
        unit: DayUnit,
        /// The wall clock in the contact's likeliest zone.
        at: NaiveTime,
    },
    /// Again and again by a cron expression, from a distance from the due date on.
    Recurrence {
        /// Five fields (or six with seconds), in the contact's likeliest zone.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        cron: Recurrence,
        /// Days from the due date, as in [`When::Offset`], on whose midnight the recurrence begins.
        /// One that begins up to the due date pauses after it until the grace is over.
        from_days: i32,
        /// The most firings, up to [`OCCURRENCES_MAX`].
        occurrences_max: u32,
    },
}

/// What the days of an offset count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DayUnit {
    /// Every day.
    Calendar,
    /// Business days of the tenant's calendar.
    Business,
}

/// Bounds on a boleto; absent bounds always hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// The least amount, in centavos.
    pub amount_centavos_min: Option<i64>,
    /// The largest amount, in centavos.
    pub amount_centavos_max: Option<i64>,
    /// The most days after the effective due date at the slot.
    pub days_overdue_max: Option<i32>,
}

/// The numbers of steps that are done with, as bits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StepSet(pub i64);

/// Why a cadence was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CadenceError {
    /// There are no steps.
    #[error("campaign has no steps")]
    NoSteps,
    /// There are more steps than numbers for them.
    #[error("campaign has more steps than there are numbers for")]
    TooManySteps,
    /// A step number is above [`STEP_NO_MAX`].
    #[error("step number {0} is above {STEP_NO_MAX}")]
    StepNumberTooLarge(u8),
    /// Two steps share a number.
    #[error("step number {0} is taken")]
    RepeatedStep(u8),
    /// A step has no channel.
    #[error("step {0} has no channel")]
    NoChannel(u8),
    /// A step names a channel twice.
    #[error("step {0} names a channel twice")]
    RepeatedChannel(u8),
    /// The name of a step's template is none that a template can have.
    #[error("template of step {0}: {1}")]
    TemplateCode(u8, CodeError),
    /// A step expires at once, or later than [`EXPIRES_AFTER_MS_MAX`].
    #[error("step {0} expires at once or too late")]
    ExpiryOutOfRange(u8),
    /// A step is further from the due date than [`OFFSET_DAYS_MAX`].
    #[error("step {0} is too far from the due date")]
    DaysOutOfRange(u8),
    /// A recurring step has no firing.
    #[error("step {0} needs at least one occurrence")]
    NoOccurrence(u8),
    /// A recurring step fires more often than [`OCCURRENCES_MAX`].
    #[error("step {0} has more than {OCCURRENCES_MAX} occurrences")]
    TooManyOccurrences(u8),
    /// Progress counts the occurrences of one recurring step.
    #[error("step {0} is a second recurring step")]
    SecondRecurrence(u8),
    /// A step merges what lies further ahead than [`MERGE_WITHIN_MS_MAX`], or behind.
    #[error("step {0} merges over a time out of range")]
    MergeOutOfRange(u8),
    /// The name of the template for merged boletos is none that a template can have.
    #[error("template for merged boletos of step {0}: {1}")]
    MergeTemplateCode(u8, CodeError),
    /// The name of the template for unconfirmed contacts is none that a template can have.
    #[error("introduction of step {0}: {1}")]
    IntroductionCode(u8, CodeError),
    /// The bounds of the campaign's condition exclude each other.
    #[error("condition of the campaign cannot be met")]
    ImpossibleCampaignCondition,
    /// The bounds of a step's condition exclude each other.
    #[error("condition of step {0} cannot be met")]
    ImpossibleCondition(u8),
    /// The campaign may send nothing.
    #[error("campaign allows no reminder")]
    NoReminders,
    /// The grace is longer than [`GRACE_BUSINESS_DAYS_MAX`].
    #[error("grace is longer than {GRACE_BUSINESS_DAYS_MAX} business days")]
    GraceTooLong,
}

impl Cadence {
    /// Returns a cadence for every boleto, without grace.
    pub fn of(steps: Vec<Step>, reminders_max: u16) -> Self {
        Self {
            steps,
            grace_business_days: 0,
            reminders_max,
            condition: Condition::default(),
        }
    }

    /// Returns the step of that number.
    pub fn step(&self, no: u8) -> Option<&Step> {
        self.steps.iter().find(|step| step.no == no)
    }

    /// Checks the steps and their limits.
    ///
    /// # Errors
    /// Every [`CadenceError`] that is found.
    pub fn validate(&self) -> Result<(), Vec<CadenceError>> {
        if self.steps.len() > usize::from(STEP_NO_MAX) + 1 {
            return Err(vec![CadenceError::TooManySteps]);
        }
        let mut errors = Vec::new();
        if self.steps.is_empty() {
            errors.push(CadenceError::NoSteps);
        }
        if self.reminders_max == 0 {
            errors.push(CadenceError::NoReminders);
        }
        if self.grace_business_days > GRACE_BUSINESS_DAYS_MAX {
            errors.push(CadenceError::GraceTooLong);
        }
        if self.condition.is_impossible() {
            errors.push(CadenceError::ImpossibleCampaignCondition);
        }
        for (index, step) in self.steps.iter().enumerate() {
            step.collect_errors(&self.steps[..index], &mut errors);
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

impl Step {
    /// Returns a step for every boleto, `days` calendar days from the due date as in
    /// [`When::Offset`]; it may go out until a day after its slot.
    pub fn on_calendar_day(
        no: u8,
        days: i32,
        at: NaiveTime,
        channels: &[Channel],
        template: &str,
    ) -> Self {
        Self {
            no,
            when: When::Offset {
                days,
                unit: DayUnit::Calendar,
                at,
            },
            channels: channels.to_vec(),
            template: template.to_owned(),
            expires_after_ms: DAY_MS,
            condition: Condition::default(),
            merge: None,
            introduction: None,
        }
    }

    fn collect_errors(&self, earlier: &[Step], errors: &mut Vec<CadenceError>) {
        let no = self.no;
        let mut refuse_if = |refused: bool, error: CadenceError| {
            if refused {
                errors.push(error);
            }
        };
        refuse_if(no > STEP_NO_MAX, CadenceError::StepNumberTooLarge(no));
        refuse_if(
            earlier.iter().any(|step| step.no == no),
            CadenceError::RepeatedStep(no),
        );
        refuse_if(self.channels.is_empty(), CadenceError::NoChannel(no));
        refuse_if(self.repeats_channel(), CadenceError::RepeatedChannel(no));
        let expires = (1..=EXPIRES_AFTER_MS_MAX).contains(&self.expires_after_ms);
        refuse_if(!expires, CadenceError::ExpiryOutOfRange(no));
        let too_far = self.when.days().unsigned_abs() > OFFSET_DAYS_MAX;
        refuse_if(too_far, CadenceError::DaysOutOfRange(no));
        refuse_if(
            self.condition.is_impossible(),
            CadenceError::ImpossibleCondition(no),
        );
        if let When::Recurrence {
            occurrences_max, ..
        } = self.when
        {
            refuse_if(occurrences_max == 0, CadenceError::NoOccurrence(no));
            let endless = occurrences_max > OCCURRENCES_MAX;
            refuse_if(endless, CadenceError::TooManyOccurrences(no));
            let second = earlier.iter().any(|step| step.when.is_recurring());
            refuse_if(second, CadenceError::SecondRecurrence(no));
        }
        let code = check_code(&self.template);
        errors.extend(
            code.err()
                .map(|error| CadenceError::TemplateCode(no, error)),
        );
        if let Some(merge) = &self.merge {
            merge.collect_errors(no, errors);
        }
        let introduction = self.introduction.as_deref().map(check_code);
        let refused = introduction.and_then(Result::err);
        errors.extend(refused.map(|error| CadenceError::IntroductionCode(no, error)));
    }

    fn repeats_channel(&self) -> bool {
        (1..self.channels.len()).any(|index| self.channels[..index].contains(&self.channels[index]))
    }
}

impl Merge {
    fn collect_errors(&self, no: u8, errors: &mut Vec<CadenceError>) {
        if !(0..=MERGE_WITHIN_MS_MAX).contains(&self.within_ms) {
            errors.push(CadenceError::MergeOutOfRange(no));
        }
        let code = check_code(&self.template).err();
        errors.extend(code.map(|error| CadenceError::MergeTemplateCode(no, error)));
    }
}

impl When {
    /// Returns the days from the due date, on or from which the step falls.
    pub const fn days(&self) -> i32 {
        match self {
            When::Offset { days, .. } => *days,
            When::Recurrence { from_days, .. } => *from_days,
        }
    }

    /// Says whether the step falls again and again.
    pub const fn is_recurring(&self) -> bool {
        matches!(self, When::Recurrence { .. })
    }
}

impl Condition {
    /// Says whether the condition holds for a boleto on the day of a touch.
    ///
    /// An open amount (0) meets no bound on the amount: it is not known.
    pub fn is_met(
        &self,
        amount_centavos: i64,
        effective_due_on: NaiveDate,
        slot_on: NaiveDate,
    ) -> bool {
        let bounded = self.amount_centavos_min.is_some() || self.amount_centavos_max.is_some();
        let overdue = slot_on.signed_duration_since(effective_due_on).num_days();
        !(bounded && amount_centavos <= 0)
            && self
                .amount_centavos_min
                .is_none_or(|min| amount_centavos >= min)
            && self
                .amount_centavos_max
                .is_none_or(|max| amount_centavos <= max)
            && self
                .days_overdue_max
                .is_none_or(|max| overdue <= i64::from(max))
    }

    fn is_impossible(&self) -> bool {
        let (min, max) = (self.amount_centavos_min, self.amount_centavos_max);
        max.is_some_and(|max| max < min.unwrap_or(1).max(1))
    }
}

impl StepSet {
    /// Says whether step `no` is in the set.
    pub const fn contains(self, no: u8) -> bool {
        self.0 as u64 & bit(no) != 0
    }

    /// Returns the set with step `no`.
    #[must_use]
    pub const fn with(self, no: u8) -> Self {
        Self((self.0 as u64 | bit(no)) as i64)
    }

    /// Returns the steps of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Lists the numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..=STEP_NO_MAX).filter(move |no| self.contains(*no))
    }
}

/// Returns the bit of a step; numbers that no step can have share none.
const fn bit(no: u8) -> u64 {
    if no <= STEP_NO_MAX { 1 << no } else { 0 }
}
