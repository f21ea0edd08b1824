//! Plans as people read them, over Carnival, shifted clocks and weekends.

use std::fmt::Write as _;

use chrono_tz::Tz;

use super::cadences::{cadence, customary, offset, plan_input, recurring};
use super::instants::{day, local};
use crate::cadence::{Cadence, DayUnit};
use crate::calendar::Calendar;
use crate::plan::{PlanInput, Progress, passed_steps, upcoming};
use crate::time::{DAY_MS, HOUR_MS, Timestamp};

const SAO_PAULO: Tz = Tz::America__Sao_Paulo;

/// Writes a plan a touch a line, from an enrollment at `since`.
fn plan(cadence: &Cadence, zone: Tz, due_on: &str, since: Timestamp) -> String {
    let calendar = Calendar::brazil();
    cadence.validate().expect("a cadence");
    let progress = Progress::beginning_at(since);
    let input = PlanInput {
        zone,
        progress,
        ..plan_input(cadence, &calendar, day(due_on))
    };
    let effective = calendar.effective_due_on(day(due_on));
    let passed: Vec<u8> = passed_steps(&input, since).iter().collect();
    let mut text = format!(
        "due {}, effectively {}\npassed {passed:?}\n",
        day(due_on).format("%a %F"),
        effective.format("%a %F")
    );
    for touch in upcoming(&input, 12) {
        writeln!(
            text,
            "step {}.{} {} = {} until {}",
            touch.step_no,
            touch.occurrence,
            touch.slot_at.local(zone).format("%a %F %T"),
            touch.slot_at,
            touch.expires_at.local(zone).format("%a %F %T"),
        )
        .expect("text");
    }
    text
}

fn long_before(due_on: &str) -> Timestamp {
    local(SAO_PAULO, &format!("{due_on}T00:00")).plus_ms(-60 * DAY_MS)
}

#[test]
fn carnival_moves_what_comes_from_the_due_date_on() {
    for (name, due_on) in [
        ("carnival_2026", "2026-02-14"),
        ("carnival_2027", "2027-02-08"),
    ] {
        insta::assert_snapshot!(
            name,
            plan(&customary(), SAO_PAULO, due_on, long_before(due_on))
        );
    }
}

#[test]
fn a_weekend_due_date_is_due_on_monday_and_overdue_on_tuesday() {
    let due_on = "2026-10-10";
    // Monday the 12th is a holiday as well.
    insta::assert_snapshot!(plan(&customary(), SAO_PAULO, due_on, long_before(due_on)));
}

#[test]
fn business_days_are_counted_over_weekends_and_holidays() {
    let days = [(1, -2), (2, 0), (3, 1), (4, 5)];
    let steps = days.map(|(no, days)| offset(no, days, DayUnit::Business, "10:30"));
    let due_on = "2026-04-20";
    insta::assert_snapshot!(plan(
        &cadence(steps.to_vec()),
        SAO_PAULO,
        due_on,
        long_before(due_on)
    ));
}

#[test]
fn grace_holds_back_what_comes_after_the_due_date() {
    let mut cadence = customary();
    cadence.grace_business_days = 3;
    insta::assert_snapshot!(plan(
        &cadence,
        SAO_PAULO,
        "2026-03-06",
        long_before("2026-03-06")
    ));
}

#[test]
fn who_enrolls_late_gets_what_is_still_to_come() {
    let since = local(SAO_PAULO, "2026-03-09T09:00").plus_ms(1);
    insta::assert_snapshot!(plan(&customary(), SAO_PAULO, "2026-03-06", since));
}

#[test]
fn a_step_in_a_gap_falls_on_the_first_instant_after_it() {
    let steps = [(1, -1, "00:30"), (2, 0, "00:30"), (3, 1, "00:30")]
        .map(|(no, days, at)| offset(no, days, DayUnit::Calendar, at));
    let mut cadence = cadence(steps.to_vec());
    cadence.grace_business_days = 0;
    // Sunday 2018-11-04 has no midnight in São Paulo: the clock goes from 23:59:59 to 01:00.
    insta::assert_snapshot!(plan(
        &cadence,
        SAO_PAULO,
        "2018-11-05",
        long_before("2018-11-05")
    ));
}

#[test]
fn a_step_in_a_fold_falls_on_the_first_of_the_two() {
    let steps = [
        offset(1, -1, DayUnit::Calendar, "23:30"),
        recurring(2, "30 23 * * *", -3, 5),
    ];
    let cadence = cadence(steps.to_vec());
    // The evening of Saturday 2018-02-17 came twice in São Paulo.
    insta::assert_snapshot!(plan(
        &cadence,
        SAO_PAULO,
        "2018-02-18",
        long_before("2018-02-18")
    ));
}

#[test]
fn a_recurrence_begins_after_the_grace_and_ends_with_its_occurrences() {
    let mut cadence = cadence(vec![
        offset(1, 0, DayUnit::Calendar, "09:00"),
        recurring(2, "0 10 * * MON,THU", 1, 4),
        offset(3, 20, DayUnit::Calendar, "09:00"),
    ]);
    cadence.grace_business_days = 2;
    insta::assert_snapshot!(plan(
        &cadence,
        SAO_PAULO,
        "2026-02-13",
        long_before("2026-02-13")
    ));
}

#[test]
fn steps_at_one_instant_all_come_the_recurring_one_first() {
    let cadence = cadence(vec![
        offset(4, 3, DayUnit::Calendar, "09:00"),
        recurring(7, "0 9 * * *", 2, 3),
        offset(2, 3, DayUnit::Calendar, "09:00"),
    ]);
    insta::assert_snapshot!(plan(
        &cadence,
        SAO_PAULO,
        "2026-03-02",
        long_before("2026-03-02")
    ));
}

#[test]
fn a_zone_further_west_has_its_own_nine_o_clock() {
    let at = |zone| {
        let calendar = Calendar::brazil();
        let cadence = customary();
        let input = PlanInput {
            zone,
            ..plan_input(&cadence, &calendar, day("2026-03-06"))
        };
        upcoming(&input, 1)[0].slot_at
    };
    assert_eq!(
        at(Tz::America__Rio_Branco).since(at(SAO_PAULO)),
        2 * HOUR_MS
    );
}
