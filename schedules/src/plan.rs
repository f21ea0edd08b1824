//! The planner: where an enrollment stands in its campaign, and the instant of its next touch.
//!
//! Rule + cursor: upcoming reminders are computed here and never stored. The same function plans
//! an import, a claim, an edit and a preview.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::cadence::{Cadence, StepSet};
use crate::calendar::Calendar;
use crate::time::Timestamp;

/// Where an enrollment stands: what is done, and how often it was reminded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The steps that will not be walked (again).
    pub done: StepSet,
    /// The next occurrence of the recurring step that is under way, counted from 0.
    pub occurrence: u32,
    /// The reminders sent so far.
    pub reminders: u16,
    /// No touch is planned at a slot at or before this instant.
    pub after_at: Timestamp,
}

/// One coming touch of an enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The step.
    pub step_no: u8,
    /// The occurrence of a recurring step, 0 otherwise.
    pub occurrence: u32,
    /// The instant at which the step falls.
    pub slot_at: Timestamp,
    /// From this instant on the touch is not sent any more.
    pub expires_at: Timestamp,
}

/// What the planner looks at.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The campaign's steps.
    pub cadence: &'a Cadence,
    /// The tenant's calendar.
    pub calendar: &'a Calendar,
    /// The contact's likeliest zone.
    pub zone: Tz,
    /// The boleto's due date, as printed.
    pub due_on: NaiveDate,
    /// The boleto's amount, in centavos; 0 when open.
    pub amount_centavos: i64,
    /// Where the enrollment stands.
    pub progress: Progress,
}
