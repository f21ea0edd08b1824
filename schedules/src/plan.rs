//! The planner: where an enrollment stands in its campaign, and the instant of its next touch.
//!
//! Rule + cursor: upcoming reminders are computed here and never stored. The same function plans
//! an import, a claim, an edit and a preview.
//!
//! Before the due date, days count from the date that is printed on the boleto: it is the date the
//! contact reads, and "due in three days" must be true of it. From the due date on, they count from
//! the effective due date: until then a boleto that is due on a Saturday can be paid without
//! charges, so on the Monday it is due, not overdue, and overdue from the Tuesday on.

use chrono::{Days, NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::cadence::{Cadence, DayUnit, Step, StepSet, When};
use crate::calendar::Calendar;
use crate::recurrence::Recurrence;
use crate::time::{DAY_MS, Timestamp, day_start, resolve_local};

/// How far the instant of a wall clock can be from the same reading of UTC, in milliseconds: a zone
/// is 14 hours ahead at the most, and a gap of a whole day has been.
const ZONE_APART_MS: i64 = 2 * DAY_MS;

/// Where an enrollment stands: what is done, and how often it was reminded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The steps that will not be walked (again).
    pub done: StepSet,
    /// The next occurrence of the recurring step that is under way, counted from 0.
    pub occurrence: u32,
    /// The reminders sent so far.
    pub reminders: u16,
    /// No touch is planned at a slot before this instant; at this instant itself, only steps that
    /// fall once and are not done.
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

/// A slot of a step, as it competes for being the next.
///
/// Of two at one instant the recurring step comes first, then the lower number. (The recurring
/// step keeps no mark of a walked slot but `after_at`, so nothing may come before it there.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    at: Timestamp,
    falls_once: bool,
    step_no: u8,
}

/// Returns the earliest touch of an enrollment that is still to come, if there is one.
///
/// A step whose slot passed before [`Progress::after_at`] is not returned, however much of its
/// time is left: late enrollment does not flood. A step whose condition does not hold is returned;
/// the verdict skips it, so that there is a record.
pub fn next_touch(input: &PlanInput) -> Option<Touch> {
    if input.progress.reminders >= input.cadence.reminders_max {
        return None;
    }
    let base = DueDays::of(input);
    let nearest = |nearest: Option<Slot>, step: &Step| {
        let before_at = nearest.map_or(Timestamp::MAX, |slot| slot.at.plus_ms(1));
        let candidate = base.candidate(step, before_at);
        nearest.into_iter().chain(candidate).min()
    };
    let next = input.cadence.steps.iter().fold(None, nearest)?;
    let step = input.cadence.step(next.step_no)?;
    Some(Touch {
        step_no: next.step_no,
        occurrence: if next.falls_once {
            0
        } else {
            input.progress.occurrence
        },
        slot_at: next.at,
        expires_at: base.expires_at(step, next.at),
    })
}

/// Returns the steps that fall once, are not done and whose slot passed before `before_at`.
///
/// With `before_at` = [`Progress::after_at`] these are the steps that [`next_touch`] passes over.
pub fn passed_steps(input: &PlanInput, before_at: Timestamp) -> StepSet {
    let base = DueDays::of(input);
    let once = input
        .cadence
        .steps
        .iter()
        .filter(|step| !step.when.is_recurring());
    let open = once.filter(|step| !input.progress.done.contains(step.no));
    let passed = open.filter(|step| base.slot_once(step).is_some_and(|at| at < before_at));
    passed.fold(StepSet::default(), |set, step| set.with(step.no))
}

/// Returns the touches to come, at most `limit`, as if every one were sent at its slot.
pub fn upcoming(input: &PlanInput, limit: usize) -> Vec<Touch> {
    let mut ahead = *input;
    let mut touches = Vec::new();
    while touches.len() < limit {
        let Some(touch) = next_touch(&ahead) else {
            break;
        };
        ahead.progress = ahead.progress.after(input.cadence, &touch, true);
        touches.push(touch);
    }
    touches
}

/// Says whether the campaign's and the step's conditions hold for the boleto at a touch.
///
/// A step that the campaign no longer has meets none.
pub fn condition_met(input: &PlanInput, touch: &Touch) -> bool {
    let Some(step) = input.cadence.step(touch.step_no) else {
        return false;
    };
    let effective_due_on = input.calendar.effective_due_on(input.due_on);
    let slot_on = touch.slot_at.local_date(input.zone);
    [&input.cadence.condition, &step.condition]
        .into_iter()
        .all(|condition| condition.is_met(input.amount_centavos, effective_due_on, slot_on))
}

impl Progress {
    /// Returns where an enrollment that begins at `at` stands.
    pub const fn beginning_at(at: Timestamp) -> Self {
        Self {
            done: StepSet(0),
            occurrence: 0,
            reminders: 0,
            after_at: at,
        }
    }

    /// Returns where the enrollment stands once `touch` is over, `sent` or not.
    #[must_use]
    pub fn after(self, cadence: &Cadence, touch: &Touch, sent: bool) -> Self {
        let mut next = self;
        next.after_at = touch.slot_at;
        next.reminders = next.reminders.saturating_add(u16::from(sent));
        match cadence.step(touch.step_no).map(|step| &step.when) {
            Some(When::Recurrence {
                occurrences_max, ..
            }) => {
                next.occurrence = touch.occurrence.saturating_add(1);
                if next.occurrence >= *occurrences_max {
                    next.done = next.done.with(touch.step_no);
                    // Another recurring step that an edit brings begins with its first.
                    next.occurrence = 0;
                }
            }
            _ => next.done = next.done.with(touch.step_no),
        }
        next
    }
}

/// A plan's input with the days that its slots are counted from.
struct DueDays<'a> {
    input: &'a PlanInput<'a>,
    effective_due_on: NaiveDate,
    /// The first day after the effective due date on which anything may fall.
    grace_over_on: NaiveDate,
}

impl<'a> DueDays<'a> {
    fn of(input: &'a PlanInput<'a>) -> Self {
        let effective_due_on = input.calendar.effective_due_on(input.due_on);
        // The payments of a day are known by its end: not the last day of the grace, but the day
        // after it is free. A calendar without business days has no end of the grace, either.
        let grace_over_on = input
            .calendar
            .add_bank_days(effective_due_on, input.cadence.grace_business_days)
            .and_then(|last_on| last_on.succ_opt())
            .unwrap_or(NaiveDate::MAX);
        Self {
            input,
            effective_due_on,
            grace_over_on,
        }
    }

    /// Returns the slot with which a step stands for election; none that falls once and would not
    /// be before `before_at`, but perhaps one that is not much later.
    fn candidate(&self, step: &Step, before_at: Timestamp) -> Option<Slot> {
        let progress = self.input.progress;
        if progress.done.contains(step.no) {
            return None;
        }
        let at = match &step.when {
            When::Offset { .. } => self.slot_once_in(step, progress.after_at, before_at)?,
            When::Recurrence {
                occurrences_max, ..
            } if progress.occurrence >= *occurrences_max => {
                return None;
            }
            When::Recurrence { .. } => self.slot_recurring(step, progress.after_at)?,
        };
        Some(Slot {
            at,
            falls_once: !step.when.is_recurring(),
            step_no: step.no,
        })
    }

    /// Returns the end of a touch: the step's own, or the next slot of the campaign before it.
    ///
    /// Steps that are done count as well, so that the end does not depend on what happened since.
    fn expires_at(&self, step: &Step, slot_at: Timestamp) -> Timestamp {
        let own_at = slot_at.plus_ms(step.expires_after_ms);
        let later_slot = |other: &Step| match other.when {
            When::Offset { .. } => self.slot_once_in(other, slot_at.plus_ms(1), own_at),
            When::Recurrence { .. } if self.is_last_occurrence(other, step) => None,
            When::Recurrence { .. } => self.slot_recurring(other, slot_at),
        };
        self.input
            .cadence
            .steps
            .iter()
            .filter_map(later_slot)
            .fold(own_at, Timestamp::min)
    }

    /// Says whether a recurring step fires no more after a touch of `step`.
    fn is_last_occurrence(&self, recurring: &Step, step: &Step) -> bool {
        let progress = self.input.progress;
        let fired = progress
            .occurrence
            .saturating_add(u32::from(recurring.no == step.no));
        let When::Recurrence {
            occurrences_max, ..
        } = recurring.when
        else {
            return false;
        };
        progress.done.contains(recurring.no) || fired >= occurrences_max
    }

    fn slot_once(&self, step: &Step) -> Option<Timestamp> {
        let local = self.local_once(step)?;
        Some(resolve_local(self.input.zone, local))
    }

    /// Returns the slot of a step that falls once if it is at `from_at` or later and before
    /// `until_at`, and perhaps one that is later. Wall clocks far from both become no instants:
    /// that is the dearer part.
    fn slot_once_in(
        &self,
        step: &Step,
        from_at: Timestamp,
        until_at: Timestamp,
    ) -> Option<Timestamp> {
        let local = self.local_once(step)?;
        let as_utc = Timestamp::from_unix_ms(local.and_utc().timestamp_millis());
        let is_near =
            as_utc.plus_ms(ZONE_APART_MS) >= from_at && as_utc.plus_ms(-ZONE_APART_MS) < until_at;
        let slot_at = is_near.then(|| resolve_local(self.input.zone, local))?;
        (slot_at >= from_at).then_some(slot_at)
    }

    fn local_once(&self, step: &Step) -> Option<NaiveDateTime> {
        let When::Offset { days, unit, at } = step.when else {
            return None;
        };
        let on = self.not_in_grace(self.day(days, unit)?);
        (on < NaiveDate::MAX).then(|| on.and_time(at))
    }

    fn slot_recurring(&self, step: &Step, after_at: Timestamp) -> Option<Timestamp> {
        let When::Recurrence {
            cron, from_days, ..
        } = &step.when
        else {
            return None;
        };
        let begins_on = self.day(*from_days, DayUnit::Calendar)?;
        let slot_at = self.first_slot_of(cron, begins_on, after_at)?;
        let slot_on = slot_at.local_date(self.input.zone);
        let free_on = self.not_in_grace(slot_on);
        if free_on == slot_on {
            Some(slot_at)
        } else {
            self.first_slot_of(cron, free_on, after_at)
        }
    }

    fn first_slot_of(
        &self,
        cron: &Recurrence,
        begins_on: NaiveDate,
        after_at: Timestamp,
    ) -> Option<Timestamp> {
        if begins_on == NaiveDate::MAX {
            return None;
        }
        let begins_at = day_start(self.input.zone, begins_on);
        cron.next_after(self.input.zone, after_at.max(begins_at.plus_ms(-1)))
    }

    /// Returns the day at a distance from the due date; see the head of this file.
    fn day(&self, days: i32, unit: DayUnit) -> Option<NaiveDate> {
        let distance = Days::new(days.unsigned_abs().into());
        match (unit, days) {
            (_, 0) => Some(self.effective_due_on),
            (DayUnit::Calendar, ..0) => self.input.due_on.checked_sub_days(distance),
            (DayUnit::Calendar, 1..) => self.effective_due_on.checked_add_days(distance),
            (DayUnit::Business, ..0) => self
                .input
                .calendar
                .add_business_days(self.input.due_on, days),
            (DayUnit::Business, 1..) => self
                .input
                .calendar
                .add_business_days(self.effective_due_on, days),
        }
    }

    fn not_in_grace(&self, on: NaiveDate) -> NaiveDate {
        if on > self.effective_due_on {
            on.max(self.grace_over_on)
        } else {
            on
        }
    }
}
