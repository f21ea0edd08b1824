//! Send windows against a scan of every minute, over weeks in which clocks shift.

use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::instants::{SHIFTS, local, minutes, utc};
use crate::calendar::Calendar;
use crate::rule::{RuleBody, RulePack};
use crate::send_window::{SendWindow, SendWindowError, Stretch};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

fn stretch(from: u16, until: u16) -> Stretch {
    Stretch { from, until }
}

fn brazil() -> SendWindow {
    let rules = RulePack::brazil().rules;
    let mut windows = rules.into_iter().filter_map(|rule| match rule.body {
        RuleBody::SendWindow(window) => Some(window),
        _ => None,
    });
    windows.next().expect("a window")
}

/// Reads the window off the wall clock, by its definition.
fn open_by_definition(
    window: &SendWindow,
    calendar: &Calendar,
    zones: &[Tz],
    at: Timestamp,
) -> bool {
    zones.iter().all(|zone| {
        let reading = at.local(*zone);
        let weekday = reading.weekday().num_days_from_monday() as usize;
        let stretches = if calendar.is_holiday(reading.date()) {
            &window.holidays
        } else {
            &window.weekdays[weekday]
        };
        let minute = u16::try_from(reading.hour() * 60 + reading.minute()).expect("a minute");
        stretches
            .iter()
            .any(|stretch| (stretch.from..stretch.until).contains(&minute))
    })
}

/// Compares all three questions with a scan of the week from `from` on.
fn compare(window: &SendWindow, zones: &[Tz], from: Timestamp, need_minutes: usize) {
    let calendar = Calendar::brazil();
    let week: Vec<Timestamp> = minutes(from, from.plus_ms(7 * DAY_MS)).collect();
    let open: Vec<bool> = week
        .iter()
        .map(|at| open_by_definition(window, &calendar, zones, *at))
        .collect();
    // Backwards: how many minutes from each one on are open.
    let mut run = vec![0; week.len() + 1];
    for index in (0..week.len()).rev() {
        run[index] = if open[index] { run[index + 1] + 1 } else { 0 };
    }
    let mut next_open = None;
    let need_ms = i64::try_from(need_minutes).expect("minutes") * MINUTE_MS;
    for index in (0..week.len()).rev() {
        let at = week[index];
        if run[index] > need_minutes {
            next_open = Some(at);
        }
        if !index.is_multiple_of(11) && index != 0 && open[index] == open[index - 1] {
            continue;
        }
        let until = window.open_until(&calendar, zones, at);
        match week.get(index + run[index]) {
            Some(shut_at) => assert_eq!(until, open[index].then_some(*shut_at), "from {at}"),
            None => assert!(until > week.last().copied(), "from {at}"),
        }
        if let Some(expected) = next_open {
            let found = window.next_open(&calendar, zones, at, need_ms);
            assert_eq!(
                found,
                Some(expected),
                "next open from {at}, {need_minutes} min"
            );
        }
    }
}

#[test]
fn the_customary_window_is_the_one_of_the_wall_clock_in_every_week_of_a_shift() {
    for (zone, week) in SHIFTS {
        for need_minutes in [0, 30] {
            compare(&brazil(), &[zone], utc(week), need_minutes);
        }
    }
}

#[test]
fn windows_around_midnight_hold_on_days_without_midnight_and_with_two() {
    let nightly = SendWindow::daily(vec![
        stretch(0, 90),
        stretch(90, 150),
        stretch(1_350, 1_440),
    ]);
    for (zone, week) in SHIFTS {
        compare(&nightly, &[zone], utc(week), 45);
    }
}

#[test]
fn a_contact_between_two_zones_is_reached_only_when_both_are_open() {
    let (calendar, window) = (Calendar::brazil(), brazil());
    let zones = [Tz::America__Sao_Paulo, Tz::America__Rio_Branco];
    // Tuesday after Carnival; Acre is two hours behind.
    let morning = local(zones[0], "2026-02-18T06:00");
    let opens_at = window.next_open(&calendar, &zones, morning, 0);
    assert_eq!(opens_at, Some(local(zones[1], "2026-02-18T08:00")));
    let until = window.open_until(&calendar, &zones, opens_at.expect("an opening"));
    assert_eq!(until, Some(local(zones[0], "2026-02-18T20:00")));
    compare(&window, &zones, utc("2026-02-12T00:00"), 20);
}

#[test]
fn carnival_is_shut_from_saturday_afternoon_to_ash_wednesday() {
    let zone = [Tz::America__Sao_Paulo];
    let saturday = local(zone[0], "2026-02-14T14:00");
    assert_eq!(
        brazil().open_until(&Calendar::brazil(), &zone, saturday),
        None
    );
    assert_eq!(
        brazil().next_open(&Calendar::brazil(), &zone, saturday, HOUR_MS),
        Some(local(zone[0], "2026-02-18T08:00"))
    );
}

#[test]
fn the_last_moments_are_too_short_for_a_message_that_takes_long() {
    let (calendar, window, zone) = (Calendar::brazil(), brazil(), [Tz::America__Sao_Paulo]);
    let shut_at = local(zone[0], "2026-03-03T20:00");
    let last_at = shut_at.plus_ms(-HOUR_MS - 1);
    assert_eq!(
        window.next_open(&calendar, &zone, last_at, HOUR_MS),
        Some(last_at)
    );
    assert_eq!(
        window.next_open(&calendar, &zone, last_at.plus_ms(1), HOUR_MS),
        Some(local(zone[0], "2026-03-04T08:00"))
    );
    assert_eq!(
        window.next_open(&calendar, &zone, last_at, 12 * HOUR_MS),
        None
    );
}

#[test]
fn a_window_that_never_shuts_is_open_to_the_horizon() {
    let (calendar, always) = (
        Calendar::brazil(),
        SendWindow::daily(vec![stretch(0, 1_440)]),
    );
    let (zone, now) = ([Tz::America__Sao_Paulo], utc("2026-03-03T12:00"));
    assert!(always.open_until(&calendar, &zone, now) > Some(now.plus_ms(399 * DAY_MS)));
    assert_eq!(
        always.next_open(&calendar, &zone, now, 10 * DAY_MS),
        Some(now)
    );
}

#[test]
fn without_a_zone_nothing_is_open() {
    let (calendar, now) = (Calendar::brazil(), utc("2026-03-03T15:00"));
    assert_eq!(brazil().open_until(&calendar, &[], now), None);
    assert_eq!(brazil().next_open(&calendar, &[], now, 0), None);
}

#[test]
fn the_ends_of_time_do_not_panic() {
    let (calendar, zone) = (
        Calendar::brazil(),
        [Tz::America__Sao_Paulo, Tz::Pacific__Apia],
    );
    for at in [i64::MIN, i64::MIN + DAY_MS, i64::MAX - DAY_MS, i64::MAX] {
        let at = Timestamp::from_unix_ms(at);
        assert!(
            brazil()
                .open_until(&calendar, &zone, at)
                .is_none_or(|until| until > at)
        );
        assert!(
            brazil()
                .next_open(&calendar, &zone, at, 0)
                .is_none_or(|open| open >= at)
        );
    }
}

#[test]
fn stretches_out_of_order_or_out_of_the_day_are_refused() {
    for (stretches, error) in [
        (vec![stretch(0, 1_441)], SendWindowError::EndsAfterMidnight),
        (vec![stretch(60, 60)], SendWindowError::EmptyStretch),
        (vec![stretch(90, 60)], SendWindowError::EmptyStretch),
        (
            vec![stretch(0, 90), stretch(60, 120)],
            SendWindowError::OutOfOrder,
        ),
        (
            vec![stretch(600, 700), stretch(60, 120)],
            SendWindowError::OutOfOrder,
        ),
        (vec![], SendWindowError::NeverOpens),
    ] {
        assert_eq!(SendWindow::daily(stretches).validate(), Err(error));
    }
    assert_eq!(brazil().validate(), Ok(()));
    assert_eq!(
        SendWindow::daily(vec![stretch(0, 60), stretch(60, 1_440)]).validate(),
        Ok(())
    );
}

/// What the walk by segments takes for granted.
#[test]
fn no_clock_shifts_twice_within_a_day() {
    let six_hours = usize::try_from(6 * HOUR_MS).expect("a step");
    for (zone, _) in SHIFTS {
        let instants = (0..68 * 365 * DAY_MS)
            .step_by(six_hours)
            .map(Timestamp::from_unix_ms);
        let offsets: Vec<i64> = instants.map(|at| at.offset_ms(zone)).collect();
        let twice = |day: &[i64]| day.windows(2).filter(|pair| pair[0] != pair[1]).count() > 1;
        assert!(!offsets.windows(5).any(twice), "{zone}");
        assert!(
            offsets.windows(2).any(|pair| pair[0] != pair[1]),
            "{zone} never shifts"
        );
    }
}

fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
    proptest::collection::btree_set(0_u16..=1_440, 0..=3_usize).prop_map(|edges| {
        let edges: Vec<u16> = edges.into_iter().collect();
        edges
            .chunks_exact(2)
            .map(|pair| stretch(pair[0], pair[1]))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_window_in_any_two_zones_is_the_one_of_the_wall_clocks(
        weekdays in proptest::array::uniform7(stretches()),
        holidays in stretches(),
        shift in 0..SHIFTS.len(),
        other in 0..SHIFTS.len(),
        need_minutes in 0_usize..120,
    ) {
        let window = SendWindow { weekdays, holidays };
        compare(&window, &[SHIFTS[shift].0, SHIFTS[other].0], utc(SHIFTS[shift].1), need_minutes);
    }
}
