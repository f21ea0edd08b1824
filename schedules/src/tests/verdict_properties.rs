//! A hold ends where it says, not earlier and not later; a send may go out until it says.

use proptest::prelude::*;

use super::instants::local;
use super::verdict_cases::{Sample, ZONE, cap, send};
use crate::cap::{CapScope, CapWindow};
use crate::channel::Channel;
use crate::cooldown::{Cooldown, CooldownAfter};
use crate::rule::RuleBody;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
use crate::verdict::{Reason, Ruling};

/// The days before Carnival 2026, from midnight on.
fn friday() -> Timestamp {
    local(ZONE, "2026-02-13T00:00")
}

fn samples() -> impl Strategy<Value = Sample> {
    let ago =
        |hours: i64| (0..hours * 60).prop_map(|minutes| friday().plus_ms(-minutes * MINUTE_MS));
    (
        proptest::collection::vec((ago(200), any::<bool>()), 0..6),
        proptest::option::of(ago(80)),
        proptest::option::of(ago(80)),
        (1_i64..100, 1_u32..4, 0_i64..40),
        (0_i64..240, 1_i64..200),
    )
        .prop_map(
            |(mut sends, replied_at, promised_at, (cap_hours, max, cooled_hours), rest)| {
                let mut sample = Sample::open();
                sends.sort();
                sample.sends = sends
                    .into_iter()
                    .map(|(at, sms)| send(at, if sms { Channel::Sms } else { Channel::Whatsapp }))
                    .collect();
                sample.events.replied_at = replied_at;
                sample.events.promised_at = promised_at;
                sample.tenant_tally.add(friday(), 1);
                let rolling = CapWindow::RollingMs(cap_hours * HOUR_MS);
                sample.add_rule(
                    "channel",
                    &[Channel::Whatsapp],
                    cap(CapScope::Channel, rolling, max),
                );
                sample.add_rule("tenant", &[], cap(CapScope::Tenant, rolling, 1));
                let cooldown = Cooldown {
                    after: CooldownAfter::Send,
                    lasts_ms: cooled_hours * HOUR_MS,
                };
                sample.add_rule("cooldown", &[], RuleBody::Cooldown(cooldown));
                sample.reach[0].template_ttl_ms = Some(rest.0 * MINUTE_MS);
                sample.reach[0].pace_free_at = friday().plus_ms(rest.0 * 777);
                sample.feed.silence_max_ms = None;
                sample.touch.slot_at = friday().plus_ms(-HOUR_MS);
                sample.touch.expires_at = friday().plus_ms(rest.1 * HOUR_MS);
                sample
            },
        )
}

/// Instants between two, the ends included.
fn between(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let span = to.since(from);
    [0, 1, span - 1, span]
        .into_iter()
        .chain((0..40).map(move |part| span / 40 * part))
        .filter(move |ms| (0..=span).contains(ms))
        .map(move |ms| from.plus_ms(ms))
}

proptest! {
    #[test]
    fn a_hold_ends_at_the_first_instant_that_is_allowed(
        sample in samples(), begun_minutes in 0_i64..6 * 24 * 60,
    ) {
        let now = friday().plus_ms(begun_minutes * MINUTE_MS);
        let expires_at = sample.touch.expires_at;
        let verdict = sample.verdict_at(now);
        match verdict.ruling {
            Ruling::Hold { until } => {
                prop_assert!(now < until && until < expires_at);
                for at in between(now, until).filter(|at| *at < until) {
                    prop_assert_eq!(sample.verdict_at(at).ruling, verdict.ruling, "{}", at);
                }
                let then = sample.verdict_at(until);
                prop_assert!(matches!(then.ruling, Ruling::Send { .. }), "{:?}", then);
            }
            Ruling::Send { not_after_at, .. } => {
                prop_assert!(now < not_after_at && not_after_at <= expires_at);
                for at in between(now, not_after_at).filter(|at| *at < not_after_at) {
                    prop_assert_eq!(sample.verdict_at(at).ruling, verdict.ruling, "{}", at);
                }
                let then = sample.verdict_at(not_after_at);
                prop_assert!(!matches!(then.ruling, Ruling::Send { .. }), "{:?}", then);
            }
            Ruling::Skip => {
                prop_assert_eq!(verdict.reason, Reason::Expired);
                prop_assert!(now >= expires_at || verdict.rule.is_some());
                for at in between(now, expires_at.max(now)) {
                    prop_assert_eq!(sample.verdict_at(at).ruling, Ruling::Skip, "{}", at);
                }
            }
            Ruling::Cancel => prop_assert!(false, "nothing was stopped"),
        }
        prop_assert!(sample.rules.lookback_ms() >= 7 * DAY_MS);
    }

    #[test]
    fn sends_beyond_the_lookback_change_no_verdict(
        sample in samples(), begun_minutes in 0_i64..3 * 24 * 60,
    ) {
        let now = friday().plus_ms(begun_minutes * MINUTE_MS);
        let oldest_at = now.plus_ms(-sample.rules.lookback_ms());
        let mut shorter = sample.clone();
        shorter.sends.retain(|send| send.at > oldest_at);
        shorter.tenant_tally.prune(now.plus_ms(-sample.rules.tally_lookback_ms()));
        prop_assert_eq!(shorter.verdict_at(now), sample.verdict_at(now));
    }
}
