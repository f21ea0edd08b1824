//! Recurrences against a scan of every minute, over weeks in which clocks shift.

use std::str::FromStr;

use chrono::{NaiveDateTime, Utc};
use chrono_tz::Tz;
use cron::Schedule;
use proptest::prelude::*;

use super::instants::{SHIFTS, local, minutes, utc};
use crate::recurrence::{Recurrence, RecurrenceError};
use crate::time::{DAY_MS, MINUTE_MS, SECOND_MS, Timestamp};

/// Expressions in our reading, and in the one of the `cron` crate, where Sunday is 1.
const EXPRESSIONS: [(&str, &str); 11] = [
    ("0 9 * * *", "0 0 9 * * *"),
    ("*/15 * * * *", "0 */15 * * * *"),
    ("30 0 * * *", "0 30 0 * * *"),
    ("0 0 * * *", "0 0 0 * * *"),
    ("30 1 * * 1-5", "0 30 1 * * MON-FRI"),
    ("30 1-2 * * sun", "0 30 1-2 * * SUN"),
    ("30 2 * * 5-7", "0 30 2 * * FRI,SAT,SUN"),
    ("0 0 1 * *", "0 0 0 1 * *"),
    ("15,45 0-3 * * *", "0 15,45 0-3 * * *"),
    ("30 23 * 2,10-12 *", "0 30 23 * 2,10-12 *"),
    ("0 12 31 */2 *", "0 0 12 31 */2 *"),
];

/// Fields as people get them nearly right.
const ALMOST_FIELD: &str =
    "[*?]|[*]/[0-9]{1,11}|[0-9]{1,2}(-[0-9]{1,2}(/[0-9]{1,2})?)?(,[0-9]{1,2}){0,3}|[A-Z]{3}";

/// Lists the slots by their definition: the first instant at which the wall clock has reached a
/// matching reading. The matching readings come from the `cron` crate, asked in UTC.
fn slots_by_scan(cron_text: &str, zone: Tz, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let schedule = Schedule::from_str(cron_text).expect("a schedule");
    // Readings up to here were reached before `from`.
    let mut reached = minutes(from.plus_ms(-2 * DAY_MS), from)
        .map(|at| at.local(zone))
        .max()
        .expect("a minute");
    let mut slots = Vec::new();
    for at in minutes(from, until) {
        let reading = at.local(zone);
        if reading > reached {
            if any_reading_in(&schedule, reached, reading) {
                slots.push(at);
            }
            reached = reading;
        }
    }
    slots
}

fn any_reading_in(schedule: &Schedule, after: NaiveDateTime, to: NaiveDateTime) -> bool {
    let next = schedule.after::<Utc>(&after.and_utc()).next();
    next.is_some_and(|next| next <= to.and_utc())
}

#[test]
fn every_slot_is_the_one_that_a_scan_of_all_minutes_finds() {
    for (zone, week) in SHIFTS {
        let (from, until) = (utc(week), utc(week).plus_ms(7 * DAY_MS));
        for (text, cron_text) in EXPRESSIONS {
            let recurrence = Recurrence::parse(text).expect("an expression");
            let expected = slots_by_scan(cron_text, zone, from, until);
            let mut found = Vec::new();
            let mut at = from.plus_ms(-1);
            while let Some(next) = recurrence.next_after(zone, at).filter(|next| *next < until) {
                assert!(next > at, "{text} in {zone} does not move on from {at}");
                found.push(next);
                at = next;
            }
            assert_eq!(found, expected, "{text} in {zone}, week of {week}");
        }
    }
}

#[test]
fn a_restart_at_any_minute_changes_no_slot() {
    for (zone, week) in SHIFTS {
        let (from, until) = (utc(week), utc(week).plus_ms(7 * DAY_MS));
        for (text, cron_text) in [EXPRESSIONS[1], EXPRESSIONS[5], EXPRESSIONS[8]] {
            let recurrence = Recurrence::parse(text).expect("an expression");
            let slots = slots_by_scan(cron_text, zone, from, until);
            for at in minutes(from, until).step_by(7) {
                let Some(expected) = slots.iter().find(|slot| **slot > at) else {
                    break;
                };
                assert_eq!(
                    recurrence.next_after(zone, at),
                    Some(*expected),
                    "{text} {zone} {at}"
                );
            }
        }
    }
}

#[test]
fn the_day_that_local_midnight_skips_has_its_slot_all_the_same() {
    let zone = Tz::America__Sao_Paulo;
    let evening = utc("2018-11-03T22:00");
    for text in ["0 0 * * *", "30 0 * * *"] {
        let next = Recurrence::parse(text)
            .expect("an expression")
            .next_after(zone, evening);
        assert_eq!(next, Some(utc("2018-11-04T03:00")), "{text}");
    }
}

#[test]
fn a_reading_that_comes_twice_fires_at_the_first_only() {
    let recurrence = Recurrence::parse("30 1 * * *").expect("an expression");
    let zone = Tz::America__New_York;
    let first = recurrence
        .next_after(zone, utc("2026-11-01T04:00"))
        .expect("a slot");
    assert_eq!(first, utc("2026-11-01T05:30"));
    for after in [first, utc("2026-11-01T06:00"), utc("2026-11-01T06:29")] {
        assert_eq!(
            recurrence.next_after(zone, after),
            Some(utc("2026-11-02T06:30"))
        );
    }
}

#[test]
fn the_29th_of_february_is_found_across_the_year_2100() {
    let recurrence = Recurrence::parse("0 9 29 2 *").expect("an expression");
    let zone = Tz::America__Sao_Paulo;
    let after = local(zone, "2096-02-29T09:00");
    assert_eq!(
        recurrence.next_after(zone, after),
        Some(local(zone, "2104-02-29T09:00"))
    );
}

#[test]
fn expressions_that_mean_different_things_to_different_people_are_refused() {
    use RecurrenceError as E;
    for (text, error) in [
        ("", E::FieldCount(0)),
        ("0 9 * *", E::FieldCount(4)),
        ("0 0 9 * * * 2026", E::FieldCount(7)),
        ("@daily", E::FieldCount(1)),
        ("0 0 9 * * 1", E::NumericWeekday),
        ("0 0 9 * * 0", E::NumericWeekday),
        ("0 9 * * FRI-MON", E::WrappedWeekdays),
        ("0 9 * * 6-1", E::WrappedWeekdays),
        ("0 9 L * *", E::Unsupported('L')),
        ("0 9 15W * *", E::Unsupported('W')),
        ("0 9 * * 5L", E::Unsupported('L')),
        ("0 9 * * MON#2", E::Unsupported('#')),
        ("0 9 13 * FRI", E::DayAndWeekday),
        ("*/10 * * * *", E::TooFrequent),
        ("* * * * *", E::TooFrequent),
        ("* * * * * *", E::TooFrequent),
        ("0,10 9 * * *", E::TooFrequent),
        ("0,50 0,23 * * *", E::TooFrequent),
        ("0 9 30 2 *", E::NeverFires),
        ("0 9 31 4,6,9,11 *", E::NeverFires),
        ("60 9 * * *", E::Syntax),
        ("0 24 * * *", E::Syntax),
        ("0 9 0 * *", E::Syntax),
        ("0 9 * 13 *", E::Syntax),
        ("0 9 * * 8", E::Syntax),
        ("0 9 * * MON/2", E::Syntax),
        ("0 9 * * */0", E::Syntax),
        ("*/0 9 * * *", E::Syntax),
        ("0 9 */0 * *", E::Syntax),
        ("0-0/0 9 * * *", E::Syntax),
        ("0 9-8 * * *", E::Syntax),
        ("0 4294967305 * * *", E::Syntax),
        ("a b c d e", E::Syntax),
    ] {
        assert_eq!(Recurrence::parse(text).err(), Some(error), "{text}");
    }
    // Every day, in other words, leaves the weekday free.
    assert!(Recurrence::parse("0 9 1-31 * MON").is_ok());
    let long = format!("0 9 {} * *", "1,".repeat(200));
    assert_eq!(Recurrence::parse(&long).err(), Some(E::TextTooLong));
}

#[test]
fn close_times_over_midnight_are_fine_when_the_days_are_apart() {
    assert!(Recurrence::parse("0,55 0,23 * * MON").is_ok());
    assert_eq!(
        Recurrence::parse("0,55 0,23 * * MON,TUE").err(),
        Some(RecurrenceError::TooFrequent)
    );
    assert!(Recurrence::parse("0,55 0,23 31 12 *").is_ok());
    assert_eq!(
        Recurrence::parse("0,55 0,23 1,31 * *").err(),
        Some(RecurrenceError::TooFrequent)
    );
}

#[test]
fn an_expression_reads_back_from_its_text() {
    let recurrence = Recurrence::parse("  0  9 * *   1-5 ").expect("an expression");
    assert_eq!(recurrence.as_str(), "0 9 * * 1-5");
    let text = serde_json::to_string(&recurrence).expect("text");
    assert_eq!(text, r#""0 9 * * 1-5""#);
    assert_eq!(
        serde_json::from_str::<Recurrence>(&text).ok(),
        Some(recurrence)
    );
    assert!(serde_json::from_str::<Recurrence>(r#""0 9 L * *""#).is_err());
}

#[test]
fn the_ends_of_time_have_no_slots_and_do_not_panic() {
    let recurrence = Recurrence::parse("0 9 * * *").expect("an expression");
    for zone in [Tz::UTC, Tz::Pacific__Apia, Tz::America__Sao_Paulo] {
        for at in [i64::MIN, i64::MIN + DAY_MS, i64::MAX - DAY_MS, i64::MAX] {
            let at = Timestamp::from_unix_ms(at);
            assert!(recurrence.next_after(zone, at).is_none_or(|next| next > at));
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[0-9*/,LW#?A-Za-z -]{0,40}") {
        let _ = Recurrence::parse(&text);
    }

    #[test]
    fn almost_expressions_are_read_or_refused(
        fields in proptest::collection::vec(ALMOST_FIELD, 5..=6)
    ) {
        if let Ok(recurrence) = Recurrence::parse(&fields.join(" ")) {
            let now = utc("2026-01-01T00:00");
            let next = recurrence.next_after(Tz::America__Sao_Paulo, now);
            prop_assert!(next.is_some_and(|next| next.since(now) < 9 * 366 * DAY_MS));
        }
    }

    #[test]
    fn slots_with_seconds_are_where_a_scan_of_all_seconds_finds_them(
        hour in 0_u32..24, minute in 0_u32..60, second in 0_u32..60, shift in 0..SHIFTS.len(),
    ) {
        let (zone, week) = SHIFTS[shift];
        let text = format!("{second} {minute} {hour} * * *");
        let recurrence = Recurrence::parse(&text).expect("an expression");
        let mut at = utc(week);
        for _ in 0..8 {
            let next = recurrence.next_after(zone, at).expect("a slot");
            let reading = next.local(zone);
            let exact = reading.format("%-S %-M %-H * * *").to_string() == text;
            // Otherwise the reading was swallowed: a second before, the clock was far behind it.
            let before = next.plus_ms(-SECOND_MS).local(zone);
            let shifted = reading.signed_duration_since(before).num_seconds() > 1;
            prop_assert!(exact || shifted, "{text} in {zone}: {reading}");
            prop_assert!(next.since(at) <= 49 * 60 * MINUTE_MS);
            at = next;
        }
    }
}
