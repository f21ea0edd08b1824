//! Due dates as people write them: `31/12/2026` and `2026-12-31`.

use chrono::NaiveDate;

/// Due dates of this century's files; everything else is a slip of the keyboard.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2099;

/// A text that is no due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Neither dd/mm/yyyy nor yyyy-mm-dd.
    #[error("a date is written as dd/mm/yyyy or yyyy-mm-dd")]
    ReadDate,
    /// A day that the calendar does not have.
    #[error("the date does not exist")]
    FindDay,
    /// A year before 2000 or after 2099.
    #[error("the year of the date cannot be meant")]
    RecogniseYear,
}

impl DateError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadDate => "due_on_malformed",
            Self::FindDay => "due_on_does_not_exist",
            Self::RecogniseYear => "due_on_year",
        }
    }
}

/// Reads a date; the day comes first where slashes are used, as in Brazil.
pub(super) fn parse(text: &str) -> Result<NaiveDate, DateError> {
    let (year, month, day) = match text.bytes().filter(|byte| *byte == b'/').count() {
        2 => numbers(text, '/', [2, 2, 4]).map(|[day, month, year]| (year, month, day)),
        _ => numbers(text, '-', [4, 2, 2]).map(|[year, month, day]| (year, month, day)),
    }
    .ok_or(DateError::ReadDate)?;
    let year = i32::try_from(year).map_err(|_| DateError::RecogniseYear)?;
    if !YEARS.contains(&year) {
        return Err(DateError::RecogniseYear);
    }
    NaiveDate::from_ymd_opt(year, month, day).ok_or(DateError::FindDay)
}

/// Reads three numbers; a leading zero may be left out, but not of the year.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = text.split(separator);
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let fits = part.len() == digits || (digits == 2 && part.len() == 1);
        let is_number = fits && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok())?
    };
    let found = [number(digits[0])?, number(digits[1])?, number(digits[2])?];
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_date_are_read() {
        let expected = NaiveDate::from_ymd_opt(2026, 3, 1);
        for text in ["01/03/2026", "1/3/2026", "2026-03-01", "2026-3-1"] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_due_date_is_refused_by_name() {
        use DateError::{FindDay, ReadDate, RecogniseYear};
        let cases = [
            ("", ReadDate),
            ("amanhã", ReadDate),
            ("01/03/26", ReadDate),
            ("01/03/2026/", ReadDate),
            ("+1/03/2026", ReadDate),
            ("01/03/2026 00:00", ReadDate),
            ("46082", ReadDate),
            ("２０26-03-01", ReadDate),
            ("31/02/2026", FindDay),
            ("13/13/2026", FindDay),
            ("00/01/2026", FindDay),
            ("2026-02-29", FindDay),
            ("01/01/1999", RecogniseYear),
            ("9999-12-31", RecogniseYear),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
