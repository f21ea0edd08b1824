//! Caps against a count of every window, over random sequences of sends.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::instants::{local, utc};
use crate::cap::{Cap, CapScope, CapWindow, Tally};
use crate::cooldown::{Cooldown, CooldownAfter};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

fn cap(window: CapWindow, max: u32) -> Cap {
    Cap {
        scope: CapScope::Contact,
        window,
        max,
    }
}

/// Says whether `max` holds in every window, by looking at the one that ends at each send.
fn holds(cap: &Cap, zone: Tz, sends: &[Timestamp]) -> bool {
    sends.iter().all(|end| {
        let inside = |send: &&Timestamp| match cap.window {
            CapWindow::RollingMs(ms) => **send <= *end && end.since(**send) < ms,
            CapWindow::TenantDay => send.local_date(zone) == end.local_date(zone),
        };
        sends.iter().filter(inside).count() <= cap.max as usize
    })
}

fn windows() -> impl Strategy<Value = CapWindow> {
    prop_oneof![
        Just(CapWindow::TenantDay),
        Just(CapWindow::RollingMs(DAY_MS)),
        (1_i64..3 * DAY_MS).prop_map(CapWindow::RollingMs),
    ]
}

fn zones() -> impl Strategy<Value = Tz> {
    prop_oneof![
        Just(Tz::America__Sao_Paulo),
        Just(Tz::America__New_York),
        Just(Tz::Australia__Lord_Howe),
        Just(Tz::Pacific__Apia),
    ]
}

/// The week of New York's longer day, or the one of São Paulo's shorter one.
fn beginnings() -> impl Strategy<Value = Timestamp> {
    prop_oneof![Just(utc("2026-10-29T00:00")), Just(utc("2018-11-01T00:00"))]
}

proptest! {
    #[test]
    fn who_always_sends_as_soon_as_it_is_free_never_passes_the_cap(
        window in windows(), max in 1_u32..5, zone in zones(), start in beginnings(),
        waits in proptest::collection::vec(0_i64..8 * HOUR_MS, 1..40),
    ) {
        let cap = cap(window, max);
        let (mut sends, mut now) = (Vec::new(), start);
        for wait_ms in waits {
            now = now.plus_ms(wait_ms);
            let free_at = cap.free_at(sends.iter().copied(), zone, now).expect("an instant");
            prop_assert!(free_at >= now);
            if free_at > now {
                // A moment earlier would have been one too many.
                let early: Vec<_> = sends.iter().copied().chain([free_at.plus_ms(-1)]).collect();
                prop_assert!(!holds(&cap, zone, &early));
            }
            now = free_at;
            sends.push(now);
            prop_assert!(holds(&cap, zone, &sends));
        }
    }

    #[test]
    fn a_tally_is_never_freer_than_the_list_and_at_most_a_minute_behind(
        window in windows(), max in 1_u32..5, zone in zones(), start in beginnings(),
        waits in proptest::collection::vec(0_i64..8 * HOUR_MS, 1..40),
    ) {
        let cap = cap(window, max);
        let (mut sends, mut tally, mut now) = (Vec::new(), Tally::default(), start);
        for wait_ms in waits {
            now = now.plus_ms(wait_ms);
            let exact = cap.free_at(sends.iter().copied(), zone, now).expect("an instant");
            let tallied = tally.free_at(&cap, zone, now).expect("an instant");
            prop_assert!(exact <= tallied && tallied.since(exact) < MINUTE_MS);
            now = tallied;
            sends.push(now);
            tally.add(now, 1);
            prop_assert!(holds(&cap, zone, &sends));
        }
    }

    #[test]
    fn a_tally_counts_what_was_added_and_not_taken_back(
        steps in proptest::collection::vec((0_i64..200, 1_u32..9, any::<bool>()), 1..60),
        pruned_minute in 0_i64..100,
    ) {
        let at = |minute: i64| utc("2026-03-01T00:00").plus_ms(minute * MINUTE_MS + 30);
        let (mut tally, mut by_minute) = (Tally::default(), [0_u64; 200]);
        for (minute, n, adds) in steps {
            let counted = &mut by_minute[usize::try_from(minute).expect("a minute")];
            if adds {
                tally.add(at(minute), n);
                *counted += u64::from(n);
            } else {
                tally.remove(at(minute), n);
                *counted = counted.saturating_sub(n.into());
            }
        }
        tally.prune(at(pruned_minute));
        for (minute, from) in (pruned_minute..200).enumerate() {
            let window = CapWindow::RollingMs(at(250).since(at(from)));
            let first = usize::try_from(pruned_minute).expect("a minute") + minute;
            let counted: u64 = by_minute[first..].iter().sum();
            let counted = u32::try_from(counted).expect("few");
            // One more fits under a larger cap, and not under one that is reached.
            let free_at = |max| tally.free_at(&cap(window, max), Tz::UTC, at(250));
            prop_assert_eq!(free_at(counted + 1), Some(at(250)));
            prop_assert!(counted == 0 || free_at(counted) > Some(at(250)));
        }
    }
}

#[test]
fn a_window_is_half_open_so_that_a_day_later_is_a_day_later() {
    let (cap, sent_at) = (
        cap(CapWindow::RollingMs(DAY_MS), 1),
        utc("2026-03-01T12:00"),
    );
    let free_at = cap.free_at([sent_at].into_iter(), Tz::UTC, sent_at);
    assert_eq!(free_at, Some(sent_at.plus_ms(DAY_MS)));
}

#[test]
fn a_tenants_day_begins_at_its_midnight_even_where_that_does_not_exist() {
    let zone = Tz::America__Sao_Paulo;
    let (cap, sent_at) = (
        cap(CapWindow::TenantDay, 1),
        local(zone, "2018-11-03T21:00"),
    );
    let free_at = cap.free_at([sent_at].into_iter(), zone, sent_at);
    assert_eq!(free_at, Some(utc("2018-11-04T03:00")));
    let next_day = local(zone, "2018-11-04T09:00");
    assert_eq!(
        cap.free_at([sent_at].into_iter(), zone, next_day),
        Some(next_day)
    );
}

#[test]
fn a_send_that_is_dated_ahead_counts_now_and_on_its_own_day() {
    let zone = Tz::America__Sao_Paulo;
    let (now, ahead) = (
        local(zone, "2026-03-02T23:59"),
        local(zone, "2026-03-03T00:00"),
    );
    for window in [CapWindow::TenantDay, CapWindow::RollingMs(HOUR_MS)] {
        let free_at = cap(window, 1)
            .free_at([ahead].into_iter(), zone, now)
            .expect("an instant");
        assert!(free_at > ahead, "{window:?}");
        let mut tally = Tally::default();
        tally.add(ahead, 1);
        assert!(
            tally.free_at(&cap(window, 1), zone, now) >= Some(free_at),
            "{window:?}"
        );
    }
}

#[test]
fn a_cap_of_none_is_never_free() {
    let never = cap(CapWindow::RollingMs(HOUR_MS), 0);
    let now = utc("2026-03-01T12:00");
    assert_eq!(never.free_at(std::iter::empty(), Tz::UTC, now), None);
    assert_eq!(Tally::default().free_at(&never, Tz::UTC, now), None);
}

#[test]
fn a_cap_that_was_lowered_waits_for_the_older_sends() {
    let cap = cap(CapWindow::RollingMs(DAY_MS), 1);
    let sends = [1, 2, 3].map(|hour| utc("2026-03-01T00:00").plus_ms(hour * HOUR_MS));
    let free_at = cap.free_at(sends.into_iter(), Tz::UTC, sends[2]);
    assert_eq!(free_at, Some(sends[2].plus_ms(DAY_MS)));
}

#[test]
fn a_cooldown_ends_after_the_latest_event() {
    let cooldown = Cooldown {
        after: CooldownAfter::Reply,
        lasts_ms: HOUR_MS,
    };
    let now = utc("2026-03-01T12:00");
    let events = [-50, -20, -90].map(|minutes| now.plus_ms(minutes * MINUTE_MS));
    assert_eq!(cooldown.free_at(events, now), now.plus_ms(40 * MINUTE_MS));
    assert_eq!(cooldown.free_at([now.plus_ms(-HOUR_MS)], now), now);
    assert_eq!(cooldown.free_at([], now), now);
}
