//! The due-date factor of a bank slip: four digits that count days, in two cycles.
//!
//! Knows the two calendars of FEBRABAN; knows no line and no bank.

use chrono::{Days, NaiveDate};

/// How many days before the reference date a due date may lie.
pub const PAST_DAYS_MAX: i64 = 3_000;

/// How many days after the reference date a due date may lie.
pub const FUTURE_DAYS_MAX: i64 = 5_500;

/// The first factor that counts; those below, but for 0000, are not used.
pub const FIRST_FACTOR: u16 = 1_000;

// No reference date may make a factor mean two dates.
const CYCLE_DAYS: i64 = 9_000;
const _: () = assert!(PAST_DAYS_MAX + FUTURE_DAYS_MAX < CYCLE_DAYS);

/// Factor 1000 was 2000-07-03 at first, and is 2025-02-22 since 9999 was used up.
const FIRST_DAYS: [NaiveDate; 2] = [day(2000, 7, 3), day(2025, 2, 22)];

/// Returns the due date that a factor of 1000 or more means to a reader at `reference_on`.
///
/// Each factor has two dates, 9,000 days apart. The one from [`PAST_DAYS_MAX`] days before to
/// [`FUTURE_DAYS_MAX`] days after the reference date is meant; nothing is returned when neither
/// is. Source: bank manuals; the window is the one that brcobranca documents.
pub fn due_on_of_factor(factor: u16, reference_on: NaiveDate) -> Option<NaiveDate> {
    let days = Days::new(u64::from(factor.checked_sub(FIRST_FACTOR)?));
    FIRST_DAYS
        .into_iter()
        .filter_map(|first| first.checked_add_days(days))
        .find(|due_on| {
            let distance = due_on.signed_duration_since(reference_on).num_days();
            (-PAST_DAYS_MAX..=FUTURE_DAYS_MAX).contains(&distance)
        })
}

const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a cycle begins on a day that exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_includes_its_first_and_last_day_and_no_other() {
        let due_on = day(2026, 9, 10);
        let at = |days| due_on - chrono::TimeDelta::days(days);
        for (days, expected) in [
            (5_500, Some(due_on)),
            (5_501, None),
            (-3_000, Some(due_on)),
            (-3_001, None),
        ] {
            assert_eq!(due_on_of_factor(1565, at(days)), expected, "{days}");
        }
    }

    #[test]
    fn an_unused_factor_and_the_ends_of_time_mean_no_date() {
        let today = day(2026, 11, 21);
        for factor in [0, 1, 999] {
            assert_eq!(due_on_of_factor(factor, today), None);
        }
        assert_eq!(due_on_of_factor(9_999, NaiveDate::MAX), None);
        assert_eq!(due_on_of_factor(9_999, NaiveDate::MIN), None);
    }
}
