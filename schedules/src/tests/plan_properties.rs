//! What holds for every plan, whatever the cadence.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::cadences::{cadence, customary, offset, plan_input, recurring, step};
use super::instants::{day, local};
use crate::cadence::{Cadence, Condition, DayUnit, Step, When};
use crate::calendar::Calendar;
use crate::plan::{PlanInput, Progress, Touch, condition_met, next_touch, passed_steps, upcoming};
use crate::time::{DAY_MS, Timestamp};

const ZONES: [Tz; 4] = [
    Tz::America__Sao_Paulo,
    Tz::America__Manaus,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let when = (-20_i32..40, any::<bool>(), 0_u32..96).prop_map(|(days, business, quarter)| {
        let unit = if business {
            DayUnit::Business
        } else {
            DayUnit::Calendar
        };
        let at = NaiveTime::from_num_seconds_from_midnight_opt(quarter * 900, 0).expect("a time");
        When::Offset { days, unit, at }
    });
    let recurring_step = (-10_i32..20, 1_u32..6, 0_u32..24)
        .prop_map(|(from, max, hour)| recurring(40, &format!("0 {hour} * * MON,WED"), from, max));
    (
        proptest::collection::btree_map(0_u8..30, (when, 1_i64..10 * DAY_MS), 1..8),
        proptest::option::of(recurring_step),
    )
        .prop_map(|(once, recurring_step)| {
            let once = once.into_iter().map(|(no, (when, expires_after_ms))| Step {
                expires_after_ms,
                ..step(no, when)
            });
            once.chain(recurring_step).collect()
        })
}

fn cadences() -> impl Strategy<Value = Cadence> {
    (steps(), 0_u16..5, 1_u16..15).prop_map(|(steps, grace_business_days, reminders_max)| Cadence {
        grace_business_days,
        reminders_max,
        ..cadence(steps)
    })
}

fn due_days() -> impl Strategy<Value = NaiveDate> {
    (0_u64..400).prop_map(|days| day("2026-01-01") + Days::new(days))
}

fn key(touch: &Touch) -> (Timestamp, u8, u32) {
    (touch.slot_at, touch.step_no, touch.occurrence)
}

proptest! {
    #[test]
    fn touches_follow_one_another_and_none_comes_twice(
        cadence in cadences(), due_on in due_days(), zone in 0..ZONES.len(), begun in -40_i64..40,
    ) {
        let calendar = Calendar::brazil();
        let noon = local(ZONES[zone], &format!("{due_on}T12:00"));
        let since = noon.plus_ms(begun * DAY_MS);
        let progress = Progress::beginning_at(since);
        let zone = ZONES[zone];
        let input = PlanInput { zone, progress, ..plan_input(&cadence, &calendar, due_on) };
        let touches = upcoming(&input, 100);
        prop_assert!(touches.len() <= usize::from(cadence.reminders_max));
        let reminders: BTreeSet<_> =
            touches.iter().map(|touch| (touch.step_no, touch.occurrence)).collect();
        prop_assert_eq!(reminders.len(), touches.len());
        for pair in touches.windows(2) {
            prop_assert!(pair[0].slot_at <= pair[1].slot_at);
            // A touch is over when the next one falls.
            let together = pair[0].slot_at == pair[1].slot_at;
            prop_assert!(together || pair[0].expires_at <= pair[1].slot_at);
        }
        for touch in &touches {
            prop_assert!(touch.slot_at >= since && touch.expires_at > touch.slot_at);
        }
    }

    #[test]
    fn what_comes_after_the_due_date_waits_for_the_shift_and_the_grace(
        cadence in cadences(), due_on in due_days(),
    ) {
        let calendar = Calendar::brazil();
        let zone = Tz::America__Sao_Paulo;
        let input = plan_input(&cadence, &calendar, due_on);
        let effective = calendar.effective_due_on(due_on);
        for touch in upcoming(&input, 100) {
            let days = cadence.step(touch.step_no).expect("a step").when.days();
            let on = touch.slot_at.local_date(zone);
            let passed = effective.iter_days().skip(1).take_while(|day| *day < on);
            let passed = passed.filter(|day| calendar.effective_due_on(*day) == *day).count();
            prop_assert!(on <= effective || passed >= cadence.grace_business_days.into());
            if days > 0 {
                prop_assert!(on > effective);
            } else if days == 0 {
                prop_assert!(on >= effective);
            } else if !cadence.step(touch.step_no).expect("a step").when.is_recurring() {
                prop_assert!(on < due_on);
            }
        }
    }

    #[test]
    fn every_step_is_walked_or_passed_and_a_later_start_changes_no_slot(
        cadence in cadences(), due_on in due_days(), begun in -40_i64..40,
    ) {
        let calendar = Calendar::brazil();
        let zone = Tz::America__Sao_Paulo;
        let cadence = Cadence { reminders_max: u16::MAX, ..cadence };
        let at_once = plan_input(&cadence, &calendar, due_on);
        let since = local(zone, &format!("{due_on}T12:00")).plus_ms(begun * DAY_MS);
        let late = PlanInput { progress: Progress::beginning_at(since), ..at_once };
        let passed = passed_steps(&late, since);
        let once = |touches: Vec<Touch>| {
            touches
                .into_iter()
                .filter(|touch| touch.step_no != 40)
                .map(|touch| key(&touch))
                .collect::<Vec<_>>()
        };
        let (all, rest) = (once(upcoming(&at_once, 100)), once(upcoming(&late, 100)));
        for slot in &all {
            prop_assert_eq!(passed.contains(slot.1), slot.0 < since);
            prop_assert_eq!(rest.contains(slot), slot.0 >= since);
        }
        prop_assert_eq!(rest.len() + passed.iter().count(), all.len());
    }
}

#[test]
fn who_enrolls_at_a_slot_is_on_time_for_it() {
    let (cadence, calendar) = (customary(), Calendar::brazil());
    let mut input = plan_input(&cadence, &calendar, day("2026-03-06"));
    let second = upcoming(&input, 2)[1];
    input.progress = Progress::beginning_at(second.slot_at);
    assert_eq!(next_touch(&input), Some(second));
    assert_eq!(
        passed_steps(&input, second.slot_at)
            .iter()
            .collect::<Vec<_>>(),
        [1]
    );
    assert_eq!(
        passed_steps(&input, second.slot_at.plus_ms(1))
            .iter()
            .count(),
        2
    );
}

#[test]
fn a_recurrence_begins_with_the_midnight_of_its_first_day() {
    let cadence = cadence(vec![recurring(1, "0 0 * * *", -2, 2)]);
    let calendar = Calendar::brazil();
    let input = plan_input(&cadence, &calendar, day("2026-03-06"));
    let first = next_touch(&input).expect("a touch");
    assert_eq!(first.slot_at, local(input.zone, "2026-03-04T00:00"));
}

#[test]
fn the_grace_is_counted_in_days_of_the_banks_whatever_the_tenant_does() {
    let mut cadence = cadence(vec![offset(1, 1, DayUnit::Calendar, "09:00")]);
    cadence.grace_business_days = 1;
    // Friday the 6th; the tenant stays closed on Monday, the banks do not.
    let mut calendar = Calendar::brazil();
    calendar
        .closed
        .insert(day("2026-03-09"), "Inventário".to_owned());
    let input = plan_input(&cadence, &calendar, day("2026-03-06"));
    let touch = next_touch(&input).expect("a touch");
    assert_eq!(touch.slot_at, local(input.zone, "2026-03-10T09:00"));
}

#[test]
fn a_recurrence_from_before_the_due_date_pauses_for_the_grace() {
    let mut cadence = cadence(vec![recurring(1, "0 9 * * *", -1, 4)]);
    cadence.grace_business_days = 1;
    let calendar = Calendar::brazil();
    let input = plan_input(&cadence, &calendar, day("2026-03-06"));
    let days: Vec<_> = upcoming(&input, 9)
        .iter()
        .map(|touch| touch.slot_at.local_date(input.zone).to_string())
        .collect();
    assert_eq!(
        days,
        ["2026-03-05", "2026-03-06", "2026-03-10", "2026-03-11"]
    );
}

#[test]
fn no_touch_comes_once_the_reminders_are_used_up() {
    let (cadence, calendar) = (
        Cadence {
            reminders_max: 2,
            ..customary()
        },
        Calendar::brazil(),
    );
    let mut input = plan_input(&cadence, &calendar, day("2026-03-06"));
    assert_eq!(upcoming(&input, 9).len(), 2);
    // What was not sent does not count.
    let touch = next_touch(&input).expect("a touch");
    input.progress = input.progress.after(&cadence, &touch, false);
    assert_eq!(upcoming(&input, 9).len(), 2);
}

#[test]
fn an_occurrences_limit_that_was_lowered_ends_the_recurrence() {
    let (cadence, calendar) = (
        cadence(vec![recurring(1, "0 9 * * *", 1, 3)]),
        Calendar::brazil(),
    );
    let progress = Progress {
        occurrence: 3,
        ..Progress::default()
    };
    let input = PlanInput {
        progress,
        ..plan_input(&cadence, &calendar, day("2026-03-06"))
    };
    assert_eq!(next_touch(&input), None);
}

#[test]
fn a_recurring_step_that_an_edit_brings_begins_with_its_first_occurrence() {
    let calendar = Calendar::brazil();
    let before = cadence(vec![recurring(1, "0 9 * * *", 1, 3)]);
    let mut progress = Progress::default();
    for touch in upcoming(&plan_input(&before, &calendar, day("2026-03-06")), 3) {
        progress = progress.after(&before, &touch, true);
    }
    let edited = cadence(vec![
        before.steps[0].clone(),
        recurring(2, "0 9 * * MON", 20, 2),
    ]);
    let input = PlanInput {
        progress,
        ..plan_input(&edited, &calendar, day("2026-03-06"))
    };
    let left = upcoming(&input, 9);
    let left: Vec<_> = left
        .iter()
        .map(|touch| (touch.step_no, touch.occurrence))
        .collect();
    assert_eq!(left, [(2, 0), (2, 1)]);
}

#[test]
fn conditions_look_at_the_amount_and_at_the_day_of_the_touch() {
    let mut cadence = customary();
    cadence.condition.amount_centavos_min = Some(5_000);
    cadence.steps[3].condition.days_overdue_max = Some(6);
    let calendar = Calendar::brazil();
    let met = |amount_centavos| -> Vec<bool> {
        let input = PlanInput {
            amount_centavos,
            ..plan_input(&cadence, &calendar, day("2026-03-06"))
        };
        upcoming(&input, 5)
            .iter()
            .map(|touch| condition_met(&input, touch))
            .collect()
    };
    assert_eq!(met(5_000), [true, true, true, false, true]);
    assert_eq!(met(4_999), [false; 5]);
    // An open amount is not known to be large enough, nor small enough.
    assert_eq!(met(0), [false; 5]);
    let bounded = Condition {
        amount_centavos_max: Some(5_000),
        ..Condition::default()
    };
    let on = day("2026-03-06");
    assert!(bounded.is_met(5_000, on, on) && !bounded.is_met(0, on, on));
    assert!(Condition::default().is_met(0, on, on));
}

#[test]
fn the_ends_of_time_and_huge_distances_have_no_touch_and_do_not_panic() {
    let calendar = Calendar::brazil();
    let far = [i32::MIN, -4_000, 4_000, i32::MAX];
    let days = [DayUnit::Calendar, DayUnit::Business];
    for (days, unit) in far.into_iter().flat_map(|n| days.map(|unit| (n, unit))) {
        let steps = vec![
            offset(1, days, unit, "00:00"),
            recurring(2, "0 0 * * *", days, 2),
        ];
        let cadence = Cadence {
            grace_business_days: u16::MAX,
            ..cadence(steps)
        };
        for due_on in [NaiveDate::MIN, day("2026-03-06"), NaiveDate::MAX] {
            for after_at in [i64::MIN, 0, i64::MAX] {
                let progress = Progress::beginning_at(Timestamp::from_unix_ms(after_at));
                let zone = Tz::Pacific__Apia;
                let input = PlanInput {
                    zone,
                    progress,
                    ..plan_input(&cadence, &calendar, due_on)
                };
                for touch in upcoming(&input, 3) {
                    assert!(touch.slot_at >= progress.after_at);
                    condition_met(&input, &touch);
                }
            }
        }
    }
}
