//! When of a local day a message may reach a contact.
//!
//! A zone's day is walked in segments in which neither its clock shifts nor the window opens or
//! shuts. So a stretch is read off the wall clock, on days of 23, 24 and 25 hours alike.

use chrono::{Datelike, NaiveDate, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::time::{DAY_MS, MINUTE_MS, SECOND_MS, Timestamp};

/// How far ahead an opening is looked for, in milliseconds.
pub const HORIZON_MS: i64 = 400 * DAY_MS;

/// Minutes in a day of the wall clock.
const DAY_MINUTES: MinuteOfDay = 24 * 60;

/// Minutes since local midnight.
pub type MinuteOfDay = u16;

/// One stretch of a local day, half open: `from` is inside, `until` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// First minute inside.
    #[cfg_attr(feature = "schema", schema(value_type = u16))]
    pub from: MinuteOfDay,
    /// First minute outside again, at most 1440.
    #[cfg_attr(feature = "schema", schema(value_type = u16))]
    pub until: MinuteOfDay,
}

/// The stretches in which messages may reach a contact, per weekday and on holidays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SendWindow {
    /// Index 0 is Monday, 6 is Sunday; no stretch means closed.
    pub weekdays: [Vec<Stretch>; 7],
    /// What holds on a holiday of the tenant's calendar, whatever the weekday.
    pub holidays: Vec<Stretch>,
}

/// Why a window was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendWindowError {
    /// A stretch ends after midnight.
    #[error("stretch ends after minute 1440")]
    EndsAfterMidnight,
    /// A stretch ends before it begins, or at once.
    #[error("stretch is empty")]
    EmptyStretch,
    /// Two stretches of a day overlap or are not in order.
    #[error("stretches of a day overlap or are out of order")]
    OutOfOrder,
    /// No day has a stretch.
    #[error("window never opens")]
    NeverOpens,
}

/// A time in which nothing changes, from the instant that was asked about on.
#[derive(Clone, Copy, Debug)]
struct Segment {
    open: bool,
    /// The first instant at which the answer may be another one.
    until: Timestamp,
}

impl SendWindow {
    /// Returns a window that is the same on every day, holidays included.
    pub fn daily(stretches: Vec<Stretch>) -> Self {
        Self {
            weekdays: std::array::from_fn(|_| stretches.clone()),
            holidays: stretches,
        }
    }

    /// Returns the stretches of a weekday that is no holiday.
    pub fn on(&self, weekday: Weekday) -> &[Stretch] {
        &self.weekdays[weekday.num_days_from_monday() as usize]
    }

    /// Checks that the stretches of each day are in order, apart and inside the day.
    ///
    /// # Errors
    /// The first [`SendWindowError`] that is found.
    pub fn validate(&self) -> Result<(), SendWindowError> {
        let days = || self.weekdays.iter().chain([&self.holidays]);
        days().try_for_each(|stretches| validate_day(stretches))?;
        if self.weekdays.iter().all(Vec::is_empty) {
            return Err(SendWindowError::NeverOpens);
        }
        Ok(())
    }

    /// Returns the first instant after `at` at which the window is shut in some zone.
    ///
    /// Stretches that touch join, over midnight as well. Nothing is returned when the window is
    /// shut at `at`; a window that stays open is followed for [`HORIZON_MS`].
    pub fn open_until(
        &self,
        calendar: &Calendar,
        zones: &[Tz],
        at: Timestamp,
    ) -> Option<Timestamp> {
        let horizon_at = at.plus_ms(HORIZON_MS);
        let mut reached_at = at;
        while reached_at < horizon_at {
            let segment = self.segment(calendar, zones, reached_at)?;
            if !segment.open {
                break;
            }
            reached_at = segment.until;
        }
        (reached_at > at).then_some(reached_at)
    }

    /// Returns the first instant `t` from `from` on such that the window is open in every zone
    /// from `t` to `t + need_ms`, both included.
    ///
    /// Nothing is returned when there is none within [`HORIZON_MS`].
    pub fn next_open(
        &self,
        calendar: &Calendar,
        zones: &[Tz],
        from: Timestamp,
        need_ms: i64,
    ) -> Option<Timestamp> {
        let horizon_at = from.plus_ms(HORIZON_MS);
        // The window has been open from `open_at` to `reached_at`.
        let (mut open_at, mut reached_at) = (from, from);
        while reached_at < horizon_at {
            let segment = self.segment(calendar, zones, reached_at)?;
            reached_at = segment.until;
            if !segment.open {
                open_at = reached_at;
            } else if reached_at.since(open_at) > need_ms {
                return Some(open_at);
            }
        }
        None
    }

    /// Returns the segment of all zones together that begins at `at`: open where all are open.
    fn segment(&self, calendar: &Calendar, zones: &[Tz], at: Timestamp) -> Option<Segment> {
        let segments = zones
            .iter()
            .map(|zone| self.segment_in(calendar, *zone, at));
        segments.reduce(|a, b| match (a.open, b.open) {
            (true, true) => Segment {
                open: true,
                until: a.until.min(b.until),
            },
            (false, false) => Segment {
                open: false,
                until: a.until.max(b.until),
            },
            (false, true) => a,
            (true, false) => b,
        })
    }

    fn segment_in(&self, calendar: &Calendar, zone: Tz, at: Timestamp) -> Segment {
        let offset_ms = at.offset_ms(zone);
        let (date, of_day_ms) = wall_clock(at, offset_ms);
        let (open, change_ms) = state_of_day(self.stretches_on(calendar, date), of_day_ms);
        let until = at.plus_ms(change_ms - of_day_ms);
        Segment {
            open,
            until: clock_shift(zone, offset_ms, at, until).unwrap_or(until),
        }
    }

    fn stretches_on(&self, calendar: &Calendar, date: NaiveDate) -> &[Stretch] {
        let stretches = self.on(date.weekday());
        if *stretches != *self.holidays && calendar.is_holiday(date) {
            return &self.holidays;
        }
        stretches
    }
}

fn validate_day(stretches: &[Stretch]) -> Result<(), SendWindowError> {
    if stretches.iter().any(|stretch| stretch.until > DAY_MINUTES) {
        return Err(SendWindowError::EndsAfterMidnight);
    }
    if stretches
        .iter()
        .any(|stretch| stretch.from >= stretch.until)
    {
        return Err(SendWindowError::EmptyStretch);
    }
    if stretches
        .windows(2)
        .any(|pair| pair[0].until > pair[1].from)
    {
        return Err(SendWindowError::OutOfOrder);
    }
    Ok(())
}

/// Splits an instant into the local date and the milliseconds that the wall clock shows.
fn wall_clock(at: Timestamp, offset_ms: i64) -> (NaiveDate, i64) {
    let local_ms = at.unix_ms().saturating_add(offset_ms);
    let days = i32::try_from(local_ms.div_euclid(DAY_MS)).ok();
    let date = days
        .and_then(NaiveDate::from_epoch_days)
        .unwrap_or(NaiveDate::MAX);
    (date, local_ms.rem_euclid(DAY_MS))
}

/// Says whether a wall clock is inside the stretches, and which reading changes that.
fn state_of_day(stretches: &[Stretch], of_day_ms: i64) -> (bool, i64) {
    for stretch in stretches {
        let (from_ms, until_ms) = (
            i64::from(stretch.from) * MINUTE_MS,
            i64::from(stretch.until) * MINUTE_MS,
        );
        if of_day_ms < from_ms {
            return (false, from_ms);
        }
        if of_day_ms < until_ms {
            return (true, until_ms);
        }
    }
    (false, DAY_MS)
}

/// Returns the instant in `(from, until)` at which the clock of `zone` shifts away from an offset.
///
/// Of two shifts within a day only the later would be seen; no zone has had such since 1970.
fn clock_shift(zone: Tz, offset_ms: i64, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
    if until.plus_ms(-1).offset_ms(zone) == offset_ms {
        return None;
    }
    // Shifts fall on whole seconds. Invariant: not yet shifted at `before`, shifted at `after`.
    let mut before = from.unix_ms().div_euclid(SECOND_MS);
    let mut after = until.plus_ms(-1).unix_ms().div_euclid(SECOND_MS);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if Timestamp::from_unix_ms(middle * SECOND_MS).offset_ms(zone) == offset_ms {
            before = middle;
        } else {
            after = middle;
        }
    }
    Some(Timestamp::from_unix_ms(after * SECOND_MS))
}
