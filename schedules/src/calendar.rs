//! Business days: weekdays that are no holiday of the nation, the place or the tenant.
//!
//! Knows dates only. What may be sent on a holiday is the send window's business.

mod holidays;
mod month_day;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

pub use holidays::{easter_sunday, national_holiday};
pub use month_day::{MonthDay, UnreadableMonthDay};

/// How many days a search for a business day looks at before it gives up.
pub const SEARCH_DAYS_MAX: u32 = 366;

/// The most business days that [`Calendar::add_business_days`] adds or takes away.
pub const ADDED_DAYS_MAX: u32 = 3_660;

/// The days on which a tenant, its city and its banks do not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// What people call it, such as `brasil` or `sao-paulo`.
    pub name: String,
    /// Counts the edits; a decision record names the version that it used.
    pub version: u32,
    /// Whether the national bank holidays are holidays.
    pub national: bool,
    /// Single days on which the tenant itself does not work, with their names; banks do.
    #[serde(default)]
    pub closed: BTreeMap<NaiveDate, String>,
    /// Holidays on which the tenant works all the same; they open neither weekends nor banks.
    #[serde(default)]
    pub open: BTreeSet<NaiveDate>,
    /// Days off of the tenant itself that come back every year, with their names; banks work.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, String>))]
    pub yearly: BTreeMap<MonthDay, String>,
    /// Single days on which the banks of the place are closed, with their names.
    #[serde(default)]
    pub bank_closed: BTreeMap<NaiveDate, String>,
    /// Days that come back every year on which the banks of the place are closed, such as the
    /// holidays of its state or city, with their names.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, String>))]
    pub bank_yearly: BTreeMap<MonthDay, String>,
}

impl Calendar {
    /// Returns the national bank holidays alone.
    pub fn brazil() -> Self {
        Self {
            name: "brasil".to_owned(),
            version: 1,
            national: true,
            closed: BTreeMap::new(),
            open: BTreeSet::new(),
            yearly: BTreeMap::new(),
            bank_closed: BTreeMap::new(),
            bank_yearly: BTreeMap::new(),
        }
    }

    /// Returns why the tenant does not work on `on`, weekends apart: the nearest name (its own,
    /// then the place's, then the national one), or nothing.
    pub fn holiday_name(&self, on: NaiveDate) -> Option<&str> {
        if self.open.contains(&on) {
            return None;
        }
        named(&self.closed, &self.yearly, on).or_else(|| self.bank_holiday_name(on))
    }

    /// Tells whether `on` is a holiday on which the tenant does not work.
    pub fn is_holiday(&self, on: NaiveDate) -> bool {
        self.holiday_name(on).is_some()
    }

    /// Tells whether `on` is Monday to Friday and no holiday.
    pub fn is_business_day(&self, on: NaiveDate) -> bool {
        !is_weekend(on) && !self.is_holiday(on)
    }

    /// Returns the `n`-th business day strictly after `on`, or strictly before it for `n < 0`.
    ///
    /// `n = 0` is `on` itself, rolled forward to a business day. Nothing is returned when `n`
    /// exceeds [`ADDED_DAYS_MAX`], when [`SEARCH_DAYS_MAX`] days in a row are closed, or at the
    /// end of the representable dates.
    pub fn add_business_days(&self, on: NaiveDate, n: i32) -> Option<NaiveDate> {
        let is_open = |day| self.is_business_day(day);
        let step = if n < 0 {
            NaiveDate::pred_opt
        } else {
            NaiveDate::succ_opt
        };
        match n.unsigned_abs() {
            0 => first_after(on, step, is_open),
            count if count > ADDED_DAYS_MAX => None,
            count => (0..count).try_fold(on, |day, _| first_after(step(&day)?, step, is_open)),
        }
    }

    /// Returns the last day on which a boleto due on `due_on` can be paid without charges.
    ///
    /// That is the next day on which the banks work, whatever the tenant does: its own days off are
    /// days like others, and a holiday on which it works all the same (`open`) is none. Without one
    /// in the next [`SEARCH_DAYS_MAX`] days the due date stays as it is. Source: Lei 7.089/1983
    /// art. 1 and the notes of FEBRABAN.
    pub fn effective_due_on(&self, due_on: NaiveDate) -> NaiveDate {
        let banks_work = |day| self.banks_work(day);
        first_after(due_on, NaiveDate::succ_opt, banks_work).unwrap_or(due_on)
    }

    /// Returns the `n`-th day strictly after `on` on which the banks work; `on` itself for 0.
    ///
    /// Nothing is returned under the conditions of [`Calendar::add_business_days`].
    pub fn add_bank_days(&self, on: NaiveDate, n: u16) -> Option<NaiveDate> {
        if u32::from(n) > ADDED_DAYS_MAX {
            return None;
        }
        let banks_work = |day| self.banks_work(day);
        (0..n).try_fold(on, |day, _| {
            first_after(day.succ_opt()?, NaiveDate::succ_opt, banks_work)
        })
    }

    fn banks_work(&self, on: NaiveDate) -> bool {
        !is_weekend(on) && self.bank_holiday_name(on).is_none()
    }

    fn bank_holiday_name(&self, on: NaiveDate) -> Option<&str> {
        named(&self.bank_closed, &self.bank_yearly, on)
            .or_else(|| self.national.then(|| national_holiday(on)).flatten())
    }
}

fn named<'a>(
    closed: &'a BTreeMap<NaiveDate, String>,
    yearly: &'a BTreeMap<MonthDay, String>,
    on: NaiveDate,
) -> Option<&'a str> {
    closed
        .get(&on)
        .or_else(|| yearly.get(&MonthDay::from(on)))
        .map(String::as_str)
}

type DayStep = fn(&NaiveDate) -> Option<NaiveDate>;

/// Finds the first day that `is_open`, from `on` itself in the direction of `step`.
fn first_after(
    on: NaiveDate,
    step: DayStep,
    is_open: impl Fn(NaiveDate) -> bool,
) -> Option<NaiveDate> {
    let mut day = on;
    for _ in 0..SEARCH_DAYS_MAX {
        if is_open(day) {
            return Some(day);
        }
        day = step(&day)?;
    }
    None
}

fn is_weekend(on: NaiveDate) -> bool {
    matches!(on.weekday(), Weekday::Sat | Weekday::Sun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn closed_for_ever() -> Calendar {
        let mut calendar = Calendar::brazil();
        for day in date("2026-01-01").iter_days().take(2_000) {
            calendar.bank_closed.insert(day, "Fechado".to_owned());
        }
        calendar
    }

    #[test]
    fn adding_business_days_counts_strictly_after_or_before_the_day() {
        let calendar = Calendar::brazil();
        // Friday 2026-11-20 is a holiday.
        for (on, n, expected) in [
            ("2026-11-19", 1, "2026-11-23"),
            ("2026-11-23", -1, "2026-11-19"),
            ("2026-11-21", 1, "2026-11-23"),
            ("2026-11-21", 0, "2026-11-23"),
            ("2026-11-21", -1, "2026-11-19"),
            ("2026-11-19", 0, "2026-11-19"),
            ("2026-11-19", 30, "2027-01-05"),
        ] {
            assert_eq!(
                calendar.add_business_days(date(on), n),
                Some(date(expected)),
                "{on} {n}"
            );
        }
    }

    #[test]
    fn a_calendar_that_is_always_closed_ends_every_search() {
        let (calendar, on) = (closed_for_ever(), date("2026-03-01"));
        assert_eq!(calendar.effective_due_on(on), on);
        assert_eq!(calendar.add_bank_days(on, 1), None);
        assert_eq!(calendar.add_business_days(on, 0), None);
        assert_eq!(calendar.add_business_days(on, 5), None);
    }

    #[test]
    fn the_ends_of_time_and_huge_numbers_do_not_panic() {
        let calendar = Calendar::brazil();
        for on in [NaiveDate::MIN, NaiveDate::MAX] {
            let rolled = calendar.add_business_days(on, 0);
            assert!(rolled.is_none_or(|rolled| calendar.is_business_day(rolled)));
            assert_eq!(calendar.add_bank_days(on, u16::MAX), None);
            assert_eq!(calendar.add_business_days(on, i32::MAX), None);
            assert_eq!(calendar.add_business_days(on, i32::MIN), None);
        }
    }

    #[test]
    fn an_exception_opens_a_holiday_for_the_tenant_but_not_for_the_banks() {
        let mut calendar = Calendar::brazil();
        let carnaval = date("2026-02-17");
        calendar.open.insert(carnaval);
        calendar.open.insert(date("2026-02-15"));
        assert!(calendar.is_business_day(carnaval));
        assert!(!calendar.is_business_day(date("2026-02-15")));
        assert_eq!(calendar.effective_due_on(carnaval), date("2026-02-18"));
    }

    #[test]
    fn a_day_off_of_the_tenant_moves_its_own_days_and_not_the_banks() {
        // A Tuesday and a Wednesday far from holidays.
        let (off, next) = (date("2026-08-04"), date("2026-08-05"));
        let day = MonthDay::new(8, 4).expect("a day");
        let mut once = Calendar::brazil();
        once.closed.insert(off, "Inventário".to_owned());
        let mut yearly = Calendar::brazil();
        yearly.yearly.insert(day, "Inventário".to_owned());
        for own in [once, yearly] {
            assert_eq!(own.effective_due_on(off), off);
            assert!(!own.is_business_day(off) && own.is_holiday(off));
            assert_eq!(own.add_business_days(off, 0), Some(next));
        }
        let mut once = Calendar::brazil();
        once.bank_closed.insert(off, "Luto".to_owned());
        let mut yearly = Calendar::brazil();
        yearly.bank_yearly.insert(day, "Padroeira".to_owned());
        for bank in [once, yearly] {
            assert_eq!(bank.effective_due_on(off), next);
            assert!(!bank.is_business_day(off) && bank.is_holiday(off));
            assert_eq!(bank.add_business_days(off, 0), Some(next));
        }
    }

    #[test]
    fn the_holidays_of_a_city_come_back_every_year_under_their_name() {
        let mut calendar = Calendar::brazil();
        let founded = MonthDay::new(1, 25).expect("a day");
        calendar
            .bank_yearly
            .insert(founded, "Aniversário de São Paulo".to_owned());
        for year in 2024..2034 {
            let on = NaiveDate::from_ymd_opt(year, 1, 25).expect("a date");
            assert_eq!(calendar.holiday_name(on), Some("Aniversário de São Paulo"));
        }
        assert_eq!(calendar.holiday_name(date("2026-12-25")), Some("Natal"));
        assert_eq!(calendar.holiday_name(date("2026-12-24")), None);
    }

    #[test]
    fn a_calendar_reads_back_from_its_text_and_refuses_unknown_fields() {
        let text = r#"{"name":"sp","version":2,"national":true,
            "closed":{"2026-07-09":"Revolução"},"open":["2026-02-16"],"yearly":{"01-25":"SP"}}"#;
        let calendar: Calendar = serde_json::from_str(text).expect("a calendar");
        let again = serde_json::to_string(&calendar).expect("text");
        assert_eq!(
            serde_json::from_str::<Calendar>(&again).ok(),
            Some(calendar.clone())
        );
        assert!(calendar.bank_closed.is_empty() && calendar.bank_yearly.is_empty());
        let text = text.replace(r#""yearly""#, r#""bank_yearly":{"01-25":"SP"},"yearly""#);
        let banks: Calendar = serde_json::from_str(&text).expect("a calendar");
        assert_eq!(banks.bank_yearly.len(), 1);
        for bad in [
            r#"{"name":"x","version":1,"national":true,"holidays":[]}"#,
            r#"{"name":"x","version":1,"national":true,"yearly":{"02-30":"x"}}"#,
            r#"{"name":"x","version":1,"national":true,"closed":{"2026-02-30":"x"}}"#,
        ] {
            assert!(serde_json::from_str::<Calendar>(bad).is_err(), "{bad}");
        }
    }
}
