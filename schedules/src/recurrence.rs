//! Recurring slots by a cron expression, evaluated on the local wall clock.
//!
//! The `cron` crate reads the syntax and nothing else: its own iteration skips whole days when
//! local midnight does not exist, fires twice in folds and changes with restarts. Here the
//! expression is evaluated on the naive wall clock and each reading becomes an instant by
//! [`resolve_local`]: in a gap the first instant after it, in a fold the first. The slots of an
//! expression in a zone are therefore one fixed, strictly increasing set of instants.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use cron::{Schedule, TimeUnitSpec};
use serde::{Deserialize, Serialize};

use crate::time::{Timestamp, resolve_local};

mod weekday_field;

/// The longest expression that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 200;

/// The least distance between two slots on the wall clock, in seconds.
pub const SPACING_SECONDS_MIN: u32 = 15 * 60;

/// Within so many months every expression fires that ever does: 29 February, across 2100.
const SEARCH_MONTHS_MAX: u32 = 12 * 9;

/// Days 1 to 31, as bits.
const EVERY_DAY_OF_MONTH: u32 = !1;

/// The most readings that one instant can be behind: a whole repeated day of them.
const FOLD_READINGS_MAX: usize = 2 * 24 * 60 * 60 / SPACING_SECONDS_MIN as usize;

/// A cron expression that was understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recurrence {
    text: String,
    /// Seconds since midnight, ascending.
    times: Vec<u32>,
    days: DayFields,
}

/// Which days match, as bits: bit `n` of a field stands for the value `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DayFields {
    months: u32,
    days_of_month: u32,
    /// Bit 0 is Sunday.
    weekdays: u32,
}

/// Why an expression was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    /// It is longer than [`TEXT_BYTES_MAX`].
    #[error("cron text is longer than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// It has neither five nor six fields.
    #[error("cron text has {0} fields, but five are read, or six with the seconds first")]
    FieldCount(usize),
    /// A field cannot be read.
    #[error("cron text is not understood")]
    Syntax,
    /// `L`, `W` or `#`: last, nearest weekday, n-th weekday.
    #[error("cron text uses {0}, which is not supported")]
    Unsupported(char),
    /// A range of weekdays that runs past the end of the week, such as `FRI-MON`.
    #[error("cron weekdays wrap around the week: list them one by one")]
    WrappedWeekdays,
    /// A number for a weekday in a text of six fields, where dialects disagree on its meaning.
    #[error("cron weekday is a number: with six fields write its name")]
    NumericWeekday,
    /// Both the day of the month and the weekday are restricted; dialects disagree on the meaning.
    #[error("cron text restricts both the day of the month and the weekday")]
    DayAndWeekday,
    /// Two slots are closer together than [`SPACING_SECONDS_MIN`].
    #[error("cron slots are less than 15 minutes apart")]
    TooFrequent,
    /// No day matches within five years.
    #[error("cron text never fires")]
    NeverFires,
}

impl Recurrence {
    /// Reads a cron expression: five Unix fields, or six with the seconds first.
    ///
    /// In five fields a weekday is a name or a number, 0 and 7 being Sunday; in six it is a name.
    ///
    /// # Errors
    /// A [`RecurrenceError`] that names what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, RecurrenceError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(RecurrenceError::TextTooLong);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (seconds, rest, numbers_allowed) = match fields.as_slice() {
            rest @ [_, _, _, _, _] => ("0", rest, true),
            [seconds, rest @ ..] if rest.len() == 5 => (*seconds, rest, false),
            _ => return Err(RecurrenceError::FieldCount(fields.len())),
        };
        let weekdays = weekday_field::parse(rest[4], numbers_allowed)?;
        refuse_unsupported(rest[2])?;
        // The weekday is read here, so `cron` sees all of them.
        let syntax = format!(
            "{seconds} {} {} {} {} *",
            rest[0], rest[1], rest[2], rest[3]
        );
        let schedule = Schedule::from_str(&syntax).map_err(|_| RecurrenceError::Syntax)?;
        Self::checked(fields.join(" "), &schedule, weekdays)
    }

    fn checked(text: String, schedule: &Schedule, weekdays: u32) -> Result<Self, RecurrenceError> {
        let days = DayFields {
            months: bits(schedule.months(), 1, 12),
            days_of_month: bits(schedule.days_of_month(), 1, 31),
            weekdays,
        };
        if days.days_of_month != EVERY_DAY_OF_MONTH && weekdays != weekday_field::EVERY_DAY {
            return Err(RecurrenceError::DayAndWeekday);
        }
        let times = times_of_day(schedule)?;
        let (fires, on_consecutive_days) = days.survey();
        if !fires || times.is_empty() {
            return Err(RecurrenceError::NeverFires);
        }
        if on_consecutive_days && over_midnight(&times) < SPACING_SECONDS_MIN {
            return Err(RecurrenceError::TooFrequent);
        }
        Ok(Self { text, times, days })
    }

    /// Returns the expression as it was written, with single spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the first slot in `zone` that is later than `after`.
    ///
    /// The answer depends on nothing but the expression, the zone and `after`.
    ///
    /// # Example
    /// A midnight that does not exist is replaced by the first instant after it:
    /// ```
    /// use schedules::recurrence::Recurrence;
    /// use schedules::time::Timestamp;
    ///
    /// let daily = Recurrence::parse("0 0 * * *")?;
    /// let evening = Timestamp::from_unix_ms(1_541_282_400_000); // 2018-11-03T22:00Z
    /// let next = daily.next_after(chrono_tz::America::Sao_Paulo, evening);
    /// assert_eq!(next.map(|at| at.to_string()).as_deref(), Some("2018-11-04T03:00:00.000Z"));
    /// # Ok::<(), schedules::recurrence::RecurrenceError>(())
    /// ```
    pub fn next_after(&self, zone: Tz, after: Timestamp) -> Option<Timestamp> {
        let local = after.local(zone);
        let mut date = local.date();
        // Earlier readings than this one became instants no later than `after`.
        let second_of_day = local
            .time()
            .signed_duration_since(NaiveTime::MIN)
            .num_seconds();
        let mut index = self
            .times
            .partition_point(|time| i64::from(*time) <= second_of_day);
        if !self.days.contain(date) || index == self.times.len() {
            (date, index) = (self.days.next_after(date)?, 0);
        }
        // In the second pass of a fold, readings ahead may still stand for passed instants.
        for _ in 0..FOLD_READINGS_MAX {
            let time = NaiveTime::from_num_seconds_from_midnight_opt(self.times[index], 0)?;
            let slot_at = resolve_local(zone, date.and_time(time));
            if slot_at > after {
                return Some(slot_at);
            }
            index += 1;
            if index == self.times.len() {
                (date, index) = (self.days.next_after(date)?, 0);
            }
        }
        None
    }
}

impl DayFields {
    fn contain(self, date: NaiveDate) -> bool {
        self.months & 1 << date.month() != 0
            && self.days_of_month & 1 << date.day() != 0
            && self.weekdays & 1 << date.weekday().num_days_from_sunday() != 0
    }

    /// Returns the first matching day after `date`.
    fn next_after(self, date: NaiveDate) -> Option<NaiveDate> {
        let mut month = date.with_day(1)?;
        let mut from = date.succ_opt()?;
        for _ in 0..SEARCH_MONTHS_MAX {
            let next = month.checked_add_months(Months::new(1))?;
            if self.months & 1 << month.month() != 0 {
                let found = from
                    .iter_days()
                    .take_while(|day| *day < next)
                    .find(|day| self.contain(*day));
                if found.is_some() {
                    return found;
                }
            }
            (month, from) = (next, next);
        }
        None
    }

    /// Says whether any day matches, and whether two matching days follow one another.
    ///
    /// Five years with a leap day, a year's turn and every weekday show all there is to see.
    fn survey(self) -> (bool, bool) {
        let days = NaiveDate::from_ymd_opt(2000, 1, 1)
            .into_iter()
            .flat_map(|first| first.iter_days());
        let (mut fires, mut consecutive, mut yesterday) = (false, false, false);
        for today in days.take(5 * 366).map(|day| self.contain(day)) {
            fires |= today;
            consecutive |= today && yesterday;
            yesterday = today;
        }
        (fires, consecutive)
    }
}

fn bits(field: &impl TimeUnitSpec, first: u32, last: u32) -> u32 {
    (first..=last)
        .filter(|value| field.includes(*value))
        .fold(0, |bits, value| bits | 1 << value)
}

/// Lists the seconds of the day that match, ascending.
fn times_of_day(schedule: &Schedule) -> Result<Vec<u32>, RecurrenceError> {
    let mut times: Vec<u32> = Vec::new();
    for hour in schedule.hours().iter() {
        for minute in schedule.minutes().iter() {
            for second in schedule.seconds().iter() {
                let time = (hour * 60 + minute) * 60 + second;
                // Ascending, so that the first two that are too close end the loops.
                if times
                    .last()
                    .is_some_and(|last| time - last < SPACING_SECONDS_MIN)
                {
                    return Err(RecurrenceError::TooFrequent);
                }
                times.push(time);
            }
        }
    }
    Ok(times)
}

/// Returns the seconds from the last time of a day to the first of the next.
fn over_midnight(times: &[u32]) -> u32 {
    let (first, last) = (times.first().copied(), times.last().copied());
    24 * 60 * 60 + first.unwrap_or_default() - last.unwrap_or_default()
}

fn refuse_unsupported(day_of_month: &str) -> Result<(), RecurrenceError> {
    let unsupported = |sign: char| ['L', 'W', '#'].contains(&sign.to_ascii_uppercase());
    match day_of_month.chars().find(|sign| unsupported(*sign)) {
        Some(sign) => Err(RecurrenceError::Unsupported(sign.to_ascii_uppercase())),
        None => Ok(()),
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Recurrence {
    type Err = RecurrenceError;

    fn from_str(text: &str) -> Result<Self, RecurrenceError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Recurrence {
    type Error = RecurrenceError;

    fn try_from(text: String) -> Result<Self, RecurrenceError> {
        Self::parse(&text)
    }
}

impl From<Recurrence> for String {
    fn from(recurrence: Recurrence) -> Self {
        recurrence.text
    }
}
