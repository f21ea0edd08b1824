//! Each gate by itself, and which one speaks when several are shut.

use chrono_tz::Tz;

use super::instants::local;
use super::verdict_cases::{
    Sample, Shut, ZONE, held_until, moratorium, rule_code, send, suppression, ten_o_clock,
    ten_o_clock_verdict,
};
use crate::channel::Channel;
use crate::stop::StopReason;
use crate::time::{HOUR_MS, Timestamp};
use crate::verdict::{RECHECK_MS, Reason, RuleRef, Ruling, Verdict};

/// The gates in their order, each shut by one change to the open case. None changes another's.
fn gates() -> Vec<(Reason, Shut)> {
    vec![
        (Reason::Stopped(StopReason::Paid), |case| {
            case.stop = Some(StopReason::Paid)
        }),
        (Reason::PaymentFeedStale, |case| {
            case.feed.heard_at = Timestamp::default()
        }),
        (Reason::Suppressed, |case| {
            case.add_rule("bar", &[Channel::Whatsapp, Channel::Sms], suppression());
        }),
        (Reason::Moratorium, |case| {
            case.add_rule("flood", &[], moratorium("2026-03-05"))
        }),
        (Reason::ConditionUnmet, |case| case.condition_met = false),
        (Reason::ChannelPaused, |case| case.reach[0].paused = true),
        (Reason::OutsideSendWindow, |case| {
            case.zones.push(Tz::Pacific__Honolulu)
        }),
        (Reason::Cooldown, |case| {
            case.events.replied_at = Some(ten_o_clock())
        }),
        (Reason::CapReached, |case| {
            let yesterday = ten_o_clock().plus_ms(-20 * HOUR_MS);
            case.sends.push(send(yesterday, Channel::Sms));
        }),
        (Reason::CreditsExhausted, |case| case.credits = Some(0)),
        (Reason::SenderPace, |case| {
            case.reach[0].pace_free_at = ten_o_clock().plus_ms(1);
        }),
    ]
}

#[test]
fn nothing_in_the_way_sends_on_the_first_channel_until_shortly_before_the_window_shuts() {
    let verdict = ten_o_clock_verdict(|_| {});
    // The template's ten minutes must pass before eight in the evening.
    let not_after_at = local(ZONE, "2026-03-03T19:50");
    assert_eq!(
        verdict.ruling,
        Ruling::Send {
            channel: Channel::Whatsapp,
            not_after_at
        }
    );
    assert_eq!((verdict.reason, verdict.rule), (Reason::Due, None));
}

#[test]
fn the_touch_may_end_before_the_window_does() {
    let end = local(ZONE, "2026-03-03T12:00");
    let verdict = ten_o_clock_verdict(|case| case.touch.expires_at = end);
    assert_eq!(
        verdict.ruling,
        Ruling::Send {
            channel: Channel::Whatsapp,
            not_after_at: end
        }
    );
}

#[test]
fn of_several_shut_gates_the_first_in_order_speaks() {
    let gates = gates();
    for first in 0..gates.len() {
        let mut case = Sample::open();
        // Shut backwards, so that the order of the rules in the pack is no help.
        for (_, shut) in gates[first..].iter().rev() {
            shut(&mut case);
        }
        // Some gates push the end past the expiry when all are shut; here they only speak.
        case.touch.expires_at = Timestamp::MAX;
        assert_eq!(case.verdict_at(ten_o_clock()).reason, gates[first].0);
    }
}

#[test]
fn every_gate_is_enough_by_itself() {
    for (reason, shut) in gates() {
        let verdict = ten_o_clock_verdict(|case| {
            shut(case);
            case.touch.expires_at = Timestamp::MAX;
        });
        assert_eq!(verdict.reason, reason);
        assert!(!matches!(verdict.ruling, Ruling::Send { .. }), "{reason:?}");
    }
}

#[test]
fn every_stop_cancels() {
    for stop in StopReason::ALL {
        let verdict = ten_o_clock_verdict(|case| case.stop = Some(stop));
        assert_eq!(
            (verdict.ruling, verdict.reason),
            (Ruling::Cancel, Reason::Stopped(stop))
        );
    }
}

#[test]
fn a_silent_payment_feed_holds_and_is_looked_at_again() {
    let heard_at = ten_o_clock().plus_ms(-2 * HOUR_MS);
    assert_eq!(
        ten_o_clock_verdict(|case| case.feed.heard_at = heard_at).reason,
        Reason::Due
    );
    let stale = |case: &mut Sample| case.feed.heard_at = heard_at.plus_ms(-1);
    let verdict = ten_o_clock_verdict(stale);
    assert_eq!(verdict.reason, Reason::PaymentFeedStale);
    assert_eq!(held_until(&verdict), ten_o_clock().plus_ms(RECHECK_MS));
    // Not expected to speak: nothing to wait for.
    let verdict = ten_o_clock_verdict(|case| {
        stale(case);
        case.feed.silence_max_ms = None;
    });
    assert_eq!(verdict.reason, Reason::Due);
}

#[test]
fn what_waits_for_a_silent_feed_is_looked_at_when_it_may_go_out_and_when_it_expires() {
    let mut case = Sample::open();
    case.feed.heard_at = Timestamp::default();
    let evening = local(ZONE, "2026-03-03T19:45");
    let verdict = case.verdict_at(evening);
    assert_eq!(held_until(&verdict), local(ZONE, "2026-03-04T08:00"));
    case.touch.expires_at = local(ZONE, "2026-03-03T22:00");
    let verdict = case.verdict_at(evening);
    assert_eq!(held_until(&verdict), case.touch.expires_at);
    assert_eq!(
        case.verdict_at(case.touch.expires_at).reason,
        Reason::Expired
    );
    assert_eq!(case.verdict_at(case.touch.expires_at).ruling, Ruling::Skip);
}

#[test]
fn the_verdict_names_what_the_nearest_channel_lacked() {
    let changes: [(Reason, Shut); 6] = [
        (Reason::NoContactPoint, |case| {
            case.reach
                .iter_mut()
                .for_each(|reach| reach.has_point = false);
        }),
        (Reason::NoContactPoint, |case| case.reach.clear()),
        (Reason::NoSender, |case| {
            case.reach[0].has_sender = false;
            case.reach[1].has_point = false;
        }),
        (Reason::Suppressed, |case| {
            case.reach[0].suppressed = true;
            case.reach[1].has_point = false;
        }),
        (Reason::TemplateUnusable, |case| {
            case.reach[0].template_ttl_ms = None;
            case.reach[1].suppressed = true;
        }),
        (Reason::TemplateVariableMissing, |case| {
            case.reach[0].template_ttl_ms = None;
            case.reach[1].variables_present = false;
        }),
    ];
    for (reason, change) in changes {
        let verdict = ten_o_clock_verdict(change);
        assert_eq!((verdict.ruling, verdict.reason), (Ruling::Skip, reason));
    }
}

#[test]
fn the_next_channel_is_taken_when_the_first_cannot_reach() {
    let changes: [Shut; 6] = [
        |case| case.reach[0].has_point = false,
        |case| case.reach[0].has_sender = false,
        |case| case.reach[0].suppressed = true,
        |case| case.reach[0].template_ttl_ms = None,
        |case| case.reach[0].variables_present = false,
        |case| case.add_rule("bar", &[Channel::Whatsapp], suppression()),
    ];
    for change in changes {
        let verdict = ten_o_clock_verdict(change);
        assert!(matches!(
            verdict.ruling,
            Ruling::Send {
                channel: Channel::Sms,
                ..
            }
        ));
    }
}

#[test]
fn a_channel_that_is_only_busy_is_not_passed_over() {
    let free_at = ten_o_clock().plus_ms(40);
    let verdict = ten_o_clock_verdict(|case| case.reach[0].pace_free_at = free_at);
    assert_eq!(
        (verdict.reason, held_until(&verdict)),
        (Reason::SenderPace, free_at)
    );
}

#[test]
fn a_rule_that_holds_past_the_end_of_the_touch_is_named_when_it_is_skipped() {
    let mut case = Sample::open();
    case.add_rule("flood", &[], moratorium("2026-04-01"));
    let verdict = case.verdict_at(ten_o_clock());
    assert_eq!(
        (verdict.ruling, verdict.reason),
        (Ruling::Skip, Reason::Expired)
    );
    assert_eq!(rule_code(&verdict), Some("flood"));

    // The window would let it through tomorrow, the cap does not.
    let mut case = Sample::open();
    let evening = local(ZONE, "2026-03-03T21:00");
    case.feed.silence_max_ms = None;
    case.sends
        .push(send(local(ZONE, "2026-03-03T09:30"), Channel::Sms));
    case.touch.expires_at = local(ZONE, "2026-03-04T09:15");
    let verdict = case.verdict_at(evening);
    assert_eq!(
        (verdict.reason, rule_code(&verdict)),
        (Reason::Expired, Some("cap.contact.rolling_24h"))
    );
}

#[test]
fn what_is_late_by_itself_expires_without_a_rule() {
    let mut case = Sample::open();
    case.touch.expires_at = ten_o_clock();
    let verdict = case.verdict_at(ten_o_clock());
    assert_eq!(
        (verdict.ruling, verdict.reason, verdict.rule),
        (Ruling::Skip, Reason::Expired, None)
    );
}

#[test]
fn expiry_comes_after_the_moratorium_and_before_the_condition() {
    let expired = |shut: Shut| {
        let verdict = ten_o_clock_verdict(|case| {
            case.touch.expires_at = ten_o_clock();
            shut(case);
        });
        (
            verdict.ruling,
            verdict.reason,
            rule_code(&verdict).map(str::to_owned),
        )
    };
    for (reason, shut) in gates() {
        let expected = match reason {
            Reason::Stopped(_) => (Ruling::Cancel, reason, None),
            Reason::Suppressed => (Ruling::Skip, reason, Some("bar".to_owned())),
            Reason::Moratorium => (Ruling::Skip, Reason::Expired, Some("flood".to_owned())),
            // What is late is not sent blindly by skipping it, so a silent feed need not hold it.
            _ => (Ruling::Skip, Reason::Expired, None),
        };
        assert_eq!(expired(shut), expected, "{reason:?}");
    }
}

#[test]
fn before_its_slot_a_touch_waits_for_it() {
    // A clock that was set back must not make a reminder early.
    let mut case = Sample::open();
    case.feed.silence_max_ms = None;
    let verdict = case.verdict_at(local(ZONE, "2026-03-03T08:59"));
    assert_eq!(
        (verdict.reason, held_until(&verdict)),
        (Reason::NotYetDue, case.touch.slot_at)
    );
}

#[test]
fn a_paused_channel_holds_and_no_other_takes_over() {
    let verdict = ten_o_clock_verdict(|case| case.reach[0].paused = true);
    assert_eq!(verdict.reason, Reason::ChannelPaused);
    assert_eq!(held_until(&verdict), ten_o_clock().plus_ms(RECHECK_MS));
    let verdict = ten_o_clock_verdict(|case| case.reach[1].paused = true);
    assert_eq!(verdict.reason, Reason::Due);
}

#[test]
fn no_credits_hold_and_none_needed_do_not() {
    let verdict = ten_o_clock_verdict(|case| case.credits = Some(0));
    assert_eq!(held_until(&verdict), ten_o_clock().plus_ms(RECHECK_MS));
    assert_eq!(
        ten_o_clock_verdict(|case| case.credits = Some(-1)).reason,
        Reason::CreditsExhausted
    );
    assert_eq!(
        ten_o_clock_verdict(|case| case.credits = None).reason,
        Reason::Due
    );
}

#[test]
fn every_reason_has_a_code_of_its_own_and_reads_back() {
    let mut codes: Vec<&str> = Reason::ALL.iter().map(Reason::code).collect();
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.code()), Ok(reason));
        let text = serde_json::to_string(&reason).expect("text");
        assert_eq!(text, format!("\"{}\"", reason.code()));
        assert_eq!(serde_json::from_str::<Reason>(&text).ok(), Some(reason));
    }
    for stop in StopReason::ALL {
        assert_eq!(
            Reason::Stopped(stop).code(),
            format!("stopped.{}", stop.as_str())
        );
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert!(Reason::from_code("stopped.sleepy").is_err());
}

#[test]
fn a_verdict_is_explained_in_plain_words() {
    let until = ten_o_clock();
    let rule = RuleRef {
        code: "cap.contact.day".to_owned(),
        version: 2,
    };
    let send = Ruling::Send {
        channel: Channel::Email,
        not_after_at: until,
    };
    let mut verdicts = vec![
        Verdict {
            ruling: send,
            reason: Reason::Due,
            rule: None,
        },
        Verdict {
            ruling: Ruling::Cancel,
            reason: Reason::Stopped(StopReason::Paid),
            rule: None,
        },
        Verdict {
            ruling: Ruling::Hold { until },
            reason: Reason::CapReached,
            rule: Some(rule),
        },
    ];
    let skips = Reason::ALL.map(|reason| Verdict {
        ruling: Ruling::Skip,
        reason,
        rule: None,
    });
    verdicts.extend(skips);
    let sentences = verdicts
        .iter()
        .flat_map(|verdict| [verdict.explain_pt(ZONE), verdict.explain_en(ZONE)]);
    insta::assert_snapshot!(sentences.collect::<Vec<_>>().join("\n"));
}
