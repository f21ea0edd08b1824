//! A day of the year without its year, for holidays that come back: `MM-DD`.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// A month and a day that exist together in some year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MonthDay {
    month: u8,
    day: u8,
}

/// The text or the numbers name no day of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day of the year: write MM-DD")]
pub struct UnreadableMonthDay;

impl MonthDay {
    /// Accepts a month and a day of it; 29 February is one, and comes in leap years only.
    ///
    /// # Errors
    /// [`UnreadableMonthDay`] when no year has that day.
    pub fn new(month: u8, day: u8) -> Result<Self, UnreadableMonthDay> {
        const LEAP_YEAR: i32 = 2000;
        NaiveDate::from_ymd_opt(LEAP_YEAR, month.into(), day.into())
            .map(|_| Self { month, day })
            .ok_or(UnreadableMonthDay)
    }
}

impl From<NaiveDate> for MonthDay {
    fn from(on: NaiveDate) -> Self {
        Self {
            month: u8::try_from(on.month()).unwrap_or(u8::MAX),
            day: u8::try_from(on.day()).unwrap_or(u8::MAX),
        }
    }
}

impl fmt::Display for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

impl FromStr for MonthDay {
    type Err = UnreadableMonthDay;

    fn from_str(text: &str) -> Result<Self, UnreadableMonthDay> {
        let (month, day) = text.split_once('-').ok_or(UnreadableMonthDay)?;
        MonthDay::new(two_digits(month)?, two_digits(day)?)
    }
}

impl TryFrom<String> for MonthDay {
    type Error = UnreadableMonthDay;

    fn try_from(text: String) -> Result<Self, UnreadableMonthDay> {
        text.parse()
    }
}

impl From<MonthDay> for String {
    fn from(day: MonthDay) -> Self {
        day.to_string()
    }
}

fn two_digits(text: &str) -> Result<u8, UnreadableMonthDay> {
    match text.as_bytes() {
        [tens @ b'0'..=b'9', units @ b'0'..=b'9'] => Ok((tens - b'0') * 10 + (units - b'0')),
        _ => Err(UnreadableMonthDay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_the_year_reads_back_as_written() {
        for text in ["01-25", "02-29", "12-31"] {
            assert_eq!(text.parse::<MonthDay>().map(String::from), Ok(text.into()));
        }
    }

    #[test]
    fn a_day_that_no_year_has_is_refused() {
        for text in [
            "02-30", "00-10", "13-01", "1-1", "+1-02", "0125", "01-٢٥", "",
        ] {
            assert_eq!(text.parse::<MonthDay>(), Err(UnreadableMonthDay), "{text}");
        }
    }
}
