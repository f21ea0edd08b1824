//! A tenant's campaign: its ordered steps and the conditions under which they are walked.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::id::CampaignId;

/// The most steps a campaign may ever have had: step numbers are bits of a [`StepSet`].
pub const STEPS_MAX: u8 = 63;

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
#[serde(deny_unknown_fields)]
pub struct Cadence {
    /// The steps, in any order; the planner sorts by instant, then by number.
    pub steps: Vec<Step>,
    /// Business days that must have passed after the effective due date before a step that comes
    /// after the due date may be walked: payment data can arrive a business day late.
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
}

/// When a step falls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum When {
    /// Once, at a distance from the due date.
    Offset {
        /// Days from the effective due date: negative before, 0 on the day, positive after.
        days: i32,
        /// What the days count.
        unit: DayUnit,
        /// The wall clock in the contact's likeliest zone.
        at: NaiveTime,
    },
    /// Again and again by a cron expression, from a distance from the due date on.
    Recurrence {
        /// Five fields (or six with seconds), in the contact's likeliest zone.
        cron: String,
        /// Days from the effective due date on whose midnight the recurrence begins.
        from_days: i32,
        /// The most firings.
        occurrences_max: u32,
    },
}

/// What the days of an offset count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayUnit {
    /// Every day.
    Calendar,
    /// Business days of the tenant's calendar.
    Business,
}

/// Bounds on a boleto; absent bounds always hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl StepSet {
    /// Says whether step `no` is in the set.
    pub const fn contains(self, no: u8) -> bool {
        no <= STEPS_MAX && self.0 as u64 & (1 << no) != 0
    }

    /// Returns the set with step `no`.
    #[must_use]
    pub const fn with(self, no: u8) -> Self {
        Self((self.0 as u64 | 1 << no) as i64)
    }

    /// Returns the set without step `no`.
    #[must_use]
    pub const fn without(self, no: u8) -> Self {
        Self((self.0 as u64 & !(1 << no)) as i64)
    }
}
