//! When a hand-over that did not begin is looked at again.

use schedules::time::{DAY_MS, SECOND_MS};

use super::*;

/// Brings the claim home, and returns what follows.
fn abandon(machine: &mut Machine, claim: &Claim, why: Abandoned, now: Timestamp) -> Vec<Change> {
    let abandoned = returned(claim, Outcome::Abandoned { why }, now);
    step_with(machine, &[abandoned], now).0
}

fn came_back(changes: &[Change]) -> &super::super::change::CameBack {
    let back = changes.iter().find_map(|change| match change {
        Change::CameBack(back) => Some(back),
        _ => None,
    });
    back.expect("an attempt that came back")
}

/// Puts other values into the claim that is in flight.
fn alter(machine: &mut Machine, claim: &Claim, change: impl FnOnce(&mut Claim)) -> Claim {
    let mut claim = machine.in_flight.remove(claim.attempt).unwrap();
    change(&mut claim);
    machine.in_flight.insert(claim.clone());
    claim
}

#[test]
fn what_a_stop_took_back_is_looked_at_again_at_once() {
    let (mut machine, claim) = claimed();
    let now = at(7, 9, 1);
    abandon(&mut machine, &claim, Abandoned::Stopped, now);
    let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
    assert_eq!(
        claims(&changes)[0].attempt.try_no,
        1,
        "its send was refunded to the cap"
    );
}

#[test]
fn what_could_not_begin_in_time_is_put_off_longer_each_time_up_to_a_minute() {
    for why in [
        Abandoned::TooLate,
        Abandoned::TrustLost,
        Abandoned::Draining,
    ] {
        let (mut machine, mut claim) = claimed();
        let mut now = at(7, 9, 0);
        for (try_no, base_ms) in [(1, 30_000), (2, 60_000), (3, 60_000)] {
            let changes = abandon(&mut machine, &claim, why, now);
            let next_at = came_back(&changes).to.next_at.unwrap();
            let pause_ms = next_at.since(now);
            let fifth_ms = base_ms / 5;
            assert!(
                (base_ms - fifth_ms..=base_ms + fifth_ms).contains(&pause_ms),
                "{why:?}, {pause_ms}"
            );
            assert!(!machine.is_due(next_at.plus_ms(-1)));
            assert!(
                step_with(&mut machine, &[Input::Tick], next_at.plus_ms(-1))
                    .0
                    .is_empty()
            );
            let (changes, _) = step_with(&mut machine, &[Input::Tick], next_at);
            claim = claims(&changes)[0].clone();
            assert_eq!(claim.attempt.try_no, try_no);
            now = next_at;
        }
    }
}

#[test]
fn a_provider_that_does_not_answer_is_tried_as_often_as_the_policy_says() {
    for tries_max in [1, 2, 5] {
        let (mut machine, mut claim) = claimed();
        // Short waits: what falls behind the page that was read leaves the memory.
        machine.walks.tenant_mut().retry = RetryPolicy {
            first_ms: SECOND_MS,
            tries_max,
            ..RetryPolicy::default()
        };
        let (mut now, mut hand_overs) = (at(7, 9, 0), 0);
        while claim.channel == Channel::Whatsapp {
            hand_overs += 1;
            let unavailable = returned(&claim, Outcome::Unavailable, now);
            let (changes, _) = step_with(&mut machine, &[unavailable], now);
            now = came_back(&changes).to.next_at.expect("another channel");
            let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
            claim = claims(&changes)[0].clone();
        }
        assert_eq!(hand_overs, tries_max);
        assert_eq!(claim.attempt.try_no, tries_max);
    }
}

#[test]
fn a_policy_without_patience_does_not_make_a_storm() {
    let (mut machine, claim) = claimed();
    machine.walks.tenant_mut().retry = RetryPolicy {
        first_ms: 0,
        longest_ms: 0,
        tries_max: 1,
    };
    let now = at(7, 9, 0);
    let changes = abandon(&mut machine, &claim, Abandoned::TooLate, now);
    let back = came_back(&changes);
    assert_eq!(back.failed, None);
    assert!(back.to.next_at.unwrap() >= now.plus_ms(SECOND_MS / 2));
}

#[test]
fn what_is_put_off_to_its_expiry_is_passed_over_there() {
    let (mut machine, claim) = claimed();
    let now = at(7, 9, 0);
    let expires_at = now.plus_ms(2 * SECOND_MS);
    let claim = alter(&mut machine, &claim, |claim| {
        claim.touch.expires_at = expires_at;
        claim.from.touch = Some(claim.touch);
    });
    let changes = abandon(&mut machine, &claim, Abandoned::TooLate, now);
    assert_eq!(came_back(&changes).to.next_at, Some(expires_at));
    let (changes, effects) = step_with(&mut machine, &[Input::Tick], expires_at);
    let skipped = changes.iter().any(|change| {
        matches!(change, Change::Ruled(ruled) if ruled.verdict.ruling == Ruling::Skip
            && ruled.verdict.reason == Reason::Expired)
    });
    assert!(skipped && effects.is_empty());
}

fn held(for_ms: i64) -> Outcome {
    Outcome::Held {
        for_ms,
        code: "131049".into(),
    }
}

#[test]
fn what_its_provider_holds_is_looked_at_again_right_after_it_and_no_try_is_lost() {
    let (mut machine, claim) = claimed();
    // No policy for failures shortens it.
    machine.walks.tenant_mut().retry = RetryPolicy {
        tries_max: 1,
        ..RetryPolicy::default()
    };
    let (now, day_and_more) = (at(7, 9, 0), DAY_MS + SECOND_MS);
    let claim = alter(&mut machine, &claim, |claim| {
        claim.touch.expires_at = now.plus_ms(2 * DAY_MS);
        claim.from.touch = Some(claim.touch);
    });
    let home = returned(&claim, held(day_and_more), now);
    let (changes, _) = step_with(&mut machine, &[home], now);
    let back = came_back(&changes);
    assert_eq!(back.failed, None);
    assert_eq!(back.to.next_at, Some(now.plus_ms(day_and_more)));
    let place = (back.to.channel_from, back.to.channel_tries, back.to.try_no);
    assert_eq!(place, (claim.from.channel_from, 0, 1));
}

#[test]
fn a_provider_that_asks_for_more_patience_than_any_retry_has_is_obeyed_and_costs_no_try() {
    let longest_ms = RetryPolicy::default().longest_ms;
    for (asked_ms, tries, is_obeyed) in [
        (longest_ms, 1, false),
        (longest_ms + 1, 0, true),
        (DAY_MS, 0, true),
    ] {
        let (mut machine, claim) = claimed();
        machine.walks.tenant_mut().retry = RetryPolicy::default();
        let now = at(7, 9, 0);
        let claim = alter(&mut machine, &claim, |claim| {
            claim.touch.expires_at = now.plus_ms(2 * DAY_MS);
            claim.from.touch = Some(claim.touch);
        });
        let throttled = Outcome::Throttled {
            retry_after_ms: Some(asked_ms),
        };
        let home = returned(&claim, throttled, now);
        let (changes, _) = step_with(&mut machine, &[home], now);
        let back = came_back(&changes);
        let waits_ms = back.to.next_at.unwrap().since(now);
        assert_eq!((back.failed, back.to.channel_tries), (None, tries));
        assert_eq!(waits_ms == asked_ms, is_obeyed, "{asked_ms}: {waits_ms}");
    }
}

#[test]
fn what_would_be_held_beyond_its_expiry_goes_to_the_next_channel_at_once() {
    let (mut machine, claim) = claimed();
    let now = at(7, 9, 0);
    let for_ms = claim.touch.expires_at.since(now);
    let home = returned(&claim, held(for_ms), now);
    let (changes, _) = step_with(&mut machine, &[home], now);
    assert_eq!(came_back(&changes).to.next_at, Some(now));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
    let claim = &claims(&changes)[0];
    assert_ne!(claim.channel, Channel::Whatsapp);
}

#[test]
fn what_would_be_held_beyond_its_expiry_on_its_last_channel_is_too_late_and_was_not_refused() {
    let beyond = RetryPolicy::default().longest_ms + 1;
    let throttled = Outcome::Throttled {
        retry_after_ms: Some(beyond),
    };
    let rejected = Outcome::Rejected { code: "550".into() };
    for (outcome, reason) in [
        (held(i64::MAX), Reason::Expired),
        (throttled, Reason::Expired),
        (rejected, Reason::ProviderRejected),
    ] {
        let (mut machine, claim) = claimed();
        machine.walks.tenant_mut().retry = RetryPolicy::default();
        let now = at(7, 9, 0);
        let refused = Outcome::Rejected { code: "550".into() };
        step_with(&mut machine, &[returned(&claim, refused, now)], now);
        let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
        let last = claims(&changes)[0].clone();
        assert_eq!(last.channel, Channel::Email, "the last channel");
        let last = alter(&mut machine, &last, |claim| {
            claim.touch.expires_at = now.plus_ms(SECOND_MS);
            claim.from.touch = Some(claim.touch);
        });
        let home = returned(&last, outcome.clone(), now);
        let (changes, _) = step_with(&mut machine, &[home], now);
        assert_eq!(came_back(&changes).failed, Some(reason), "{outcome:?}");
    }
}

#[test]
fn a_provider_that_holds_for_no_time_does_not_make_a_storm() {
    for for_ms in [i64::MIN, 0, 1] {
        let (mut machine, claim) = claimed();
        let now = at(7, 9, 0);
        let home = returned(&claim, held(for_ms), now);
        let (changes, _) = step_with(&mut machine, &[home], now);
        let next_at = came_back(&changes).to.next_at;
        assert_eq!(next_at, Some(now.plus_ms(SECOND_MS)), "{for_ms}");
    }
}

#[test]
fn a_provider_that_is_left_alone_costs_no_tries_and_few_looks() {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 12, 0));
    let mut now = at(7, 9, 0);
    let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
    let mut claim = claims(&changes)[0].clone();
    let (channel, mut looks) = (claim.channel, 0);
    while now < at(7, 11, 0) {
        let changes = abandon(&mut machine, &claim, Abandoned::CircuitOpen, now);
        let back = came_back(&changes);
        assert_eq!((back.failed, back.to.channel_tries), (None, 0));
        now = back.to.next_at.unwrap();
        let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
        claim = claims(&changes)[0].clone();
        assert_eq!(claim.channel, channel);
        looks += 1;
    }
    assert!(looks < 20, "{looks}");
}

#[test]
fn a_provider_that_is_left_alone_for_too_long_leaves_the_touch_to_the_next_channel() {
    let (mut machine, claim) = claimed();
    let now = at(7, 9, 0);
    let claim = alter(&mut machine, &claim, |claim| {
        claim.touch.expires_at = now.plus_ms(2 * SECOND_MS);
        claim.from.touch = Some(claim.touch);
    });
    assert_eq!(claim.channel, Channel::Whatsapp);
    let changes = abandon(&mut machine, &claim, Abandoned::CircuitOpen, now);
    assert_eq!(came_back(&changes).to.next_at, Some(now));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
    let claim = claims(&changes)[0].clone();
    assert_eq!(claim.channel, Channel::Email);
    // There is no other channel to wait for.
    let changes = abandon(&mut machine, &claim, Abandoned::CircuitOpen, now);
    let back = came_back(&changes);
    assert_eq!(back.failed, Some(Reason::RetriesExhausted));
}

#[test]
fn a_touch_without_a_key_left_has_failed_for_good() {
    let outcomes = [
        Outcome::Abandoned {
            why: Abandoned::Stopped,
        },
        Outcome::Abandoned {
            why: Abandoned::TooLate,
        },
        Outcome::Unavailable,
        held(1_000),
        Outcome::Rejected { code: "550".into() },
    ];
    for outcome in outcomes {
        let (mut machine, claim) = claimed();
        let mut last = machine.in_flight.remove(claim.attempt).unwrap();
        last.attempt.try_no = u16::MAX;
        machine.in_flight.insert(last.clone());
        let now = at(7, 9, 0);
        let (changes, _) = step_with(&mut machine, &[returned(&last, outcome, now)], now);
        let back = came_back(&changes);
        assert_eq!(back.failed, Some(Reason::RetriesExhausted));
        assert_eq!((back.try_no, back.to.try_no), (u16::MAX, u16::MAX));
    }
}
