//! Each kind of rule in a verdict: what it counts, when it opens, and several at once.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::instants::local;
use super::verdict_cases::{
    Sample, Shut, ZONE, cap, held_until, moratorium, rule_code, send, ten_o_clock,
    ten_o_clock_verdict,
};
use crate::cap::{CapScope, CapWindow};
use crate::channel::Channel;
use crate::cooldown::{Cooldown, CooldownAfter};
use crate::id::BoletoId;
use crate::rule::{Moratorium, RuleBody, RulePack, ZoneUncertainty};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
use crate::verdict::{PastSend, Reason, Ruling};

#[test]
fn a_reply_and_a_promise_are_followed_by_their_own_peace() {
    let earlier = ten_o_clock().plus_ms(-HOUR_MS);
    let verdict = ten_o_clock_verdict(|case| case.events.replied_at = Some(earlier));
    assert_eq!(rule_code(&verdict), Some("cooldown.reply"));
    assert_eq!(held_until(&verdict), local(ZONE, "2026-03-04T09:00"));
    let verdict = ten_o_clock_verdict(|case| case.events.promised_at = Some(earlier));
    assert_eq!(rule_code(&verdict), Some("cooldown.promise"));
    assert_eq!(held_until(&verdict), local(ZONE, "2026-03-06T09:00"));
}

#[test]
fn a_cooldown_of_a_channel_counts_the_sends_on_that_channel() {
    let pair_limit = RuleBody::Cooldown(Cooldown {
        after: CooldownAfter::Send,
        lasts_ms: 6 * MINUTE_MS,
    });
    let just_now = ten_o_clock().plus_ms(-MINUTE_MS);
    let verdict_after = |channel| {
        ten_o_clock_verdict(|case| {
            case.rules = RulePack {
                rules: Vec::new(),
                ..RulePack::brazil()
            };
            case.add_rule("pair", &[Channel::Whatsapp], pair_limit.clone());
            case.sends.push(send(just_now, channel));
        })
    };
    assert_eq!(
        held_until(&verdict_after(Channel::Whatsapp)),
        just_now.plus_ms(6 * MINUTE_MS)
    );
    assert_eq!(verdict_after(Channel::Sms).reason, Reason::Due);
}

#[test]
fn a_boleto_in_the_message_of_another_counts_for_itself_alone() {
    let day = CapWindow::RollingMs(DAY_MS);
    let by = |body: RuleBody| {
        ten_o_clock_verdict(|case| {
            case.rules = RulePack {
                rules: Vec::new(),
                ..RulePack::brazil()
            };
            case.add_rule("one", &[], body.clone());
            let sent = send(ten_o_clock().plus_ms(-HOUR_MS), Channel::Whatsapp);
            case.sends.push(PastSend {
                merged: true,
                ..sent
            });
        })
        .reason
    };
    assert_eq!(by(cap(CapScope::Boleto, day, 1)), Reason::CapReached);
    assert_eq!(by(cap(CapScope::Contact, day, 1)), Reason::Due);
    assert_eq!(by(cap(CapScope::Channel, day, 1)), Reason::Due);
    let after_a_send = RuleBody::Cooldown(Cooldown {
        after: CooldownAfter::Send,
        lasts_ms: DAY_MS,
    });
    assert_eq!(by(after_a_send), Reason::Due);
}

#[test]
fn a_cap_counts_what_its_scope_says() {
    let window = CapWindow::RollingMs(DAY_MS);
    let sent_at = ten_o_clock().plus_ms(-HOUR_MS);
    let by = |scope, change: Shut| {
        ten_o_clock_verdict(|case| {
            case.rules = RulePack {
                rules: Vec::new(),
                ..RulePack::brazil()
            };
            case.add_rule("cap", &[], cap(scope, window, 1));
            case.sends.push(send(sent_at, Channel::Whatsapp));
            change(case);
        })
        .reason
    };
    let (held, open) = (Reason::CapReached, Reason::Due);
    let same: Shut = |_| {};
    let other_boleto: Shut = |case| case.sends[0].boleto = BoletoId(2);
    let other_channel: Shut = |case| case.sends[0].channel = Channel::Email;
    for (scope, change, reason) in [
        (CapScope::Contact, same, held),
        (CapScope::Contact, other_boleto, held),
        (CapScope::Contact, other_channel, held),
        (CapScope::Boleto, same, held),
        (CapScope::Boleto, other_channel, held),
        (CapScope::Boleto, other_boleto, open),
        (CapScope::Channel, same, held),
        (CapScope::Channel, other_boleto, held),
        (CapScope::Channel, other_channel, open),
        (CapScope::Campaign, same, open),
        (CapScope::Tenant, same, open),
        (
            CapScope::Campaign,
            |case| case.campaign_tally.add(ten_o_clock(), 1),
            held,
        ),
        (
            CapScope::Campaign,
            |case| case.tenant_tally.add(ten_o_clock(), 1),
            open,
        ),
        (
            CapScope::Tenant,
            |case| case.tenant_tally.add(ten_o_clock(), 1),
            held,
        ),
        (
            CapScope::Tenant,
            |case| case.campaign_tally.add(ten_o_clock(), 1),
            open,
        ),
    ] {
        assert_eq!(by(scope, change), reason, "{scope:?}");
    }
}

#[test]
fn a_cap_of_nothing_skips_at_once() {
    let verdict = ten_o_clock_verdict(|case| {
        case.add_rule("none", &[], cap(CapScope::Contact, CapWindow::TenantDay, 0));
    });
    assert_eq!(
        (verdict.ruling, rule_code(&verdict)),
        (Ruling::Skip, Some("none"))
    );
}

#[test]
fn rules_for_other_channels_do_not_matter() {
    let verdict = ten_o_clock_verdict(|case| {
        case.add_rule(
            "sms",
            &[Channel::Sms],
            cap(CapScope::Contact, CapWindow::TenantDay, 0),
        );
        case.add_rule("mail", &[Channel::Email], moratorium("2027-01-01"));
    });
    assert_eq!(verdict.reason, Reason::Due);
}

#[test]
fn the_weeks_cap_of_the_default_pack_lets_three_through() {
    let mut case = Sample::open();
    case.touch.expires_at = Timestamp::MAX;
    case.feed.silence_max_ms = None;
    let mut sent: Vec<Timestamp> = Vec::new();
    let mut now = ten_o_clock();
    while sent.len() < 7 {
        match case.verdict_at(now).ruling {
            Ruling::Hold { until } => now = until,
            Ruling::Send { .. } => {
                sent.push(now);
                case.sends.push(send(now, Channel::Whatsapp));
            }
            ruling => panic!("neither sent nor held: {ruling:?}"),
        }
    }
    let expected = [
        "03-03T10:00",
        "03-04T10:00",
        "03-05T10:00",
        "03-10T10:00",
        "03-11T10:00",
        "03-12T10:00",
        "03-17T10:00",
    ]
    .map(|text| local(ZONE, &format!("2026-{text}")));
    assert_eq!(sent, expected);
}

#[test]
fn an_uncertain_zone_holds_until_the_window_is_open_in_all_of_them() {
    let mut case = Sample::open();
    case.zones.push(Tz::America__Rio_Branco);
    case.feed.silence_max_ms = None;
    let nine = local(ZONE, "2026-03-03T09:00");
    let verdict = case.verdict_at(nine);
    assert_eq!(rule_code(&verdict), Some("window.customary"));
    assert_eq!(held_until(&verdict), ten_o_clock());
    for rule in &mut case.rules.rules {
        if let RuleBody::ZoneUncertainty(policy) = &mut rule.body {
            *policy = ZoneUncertainty::LikeliestZone;
        }
    }
    assert_eq!(case.verdict_at(nine).reason, Reason::Due);
    // Without a rule the careful reading holds.
    case.rules
        .rules
        .retain(|rule| !matches!(rule.body, RuleBody::ZoneUncertainty(_)));
    assert_eq!(case.verdict_at(nine).reason, Reason::OutsideSendWindow);
}

#[test]
fn a_moratorium_holds_to_the_tenants_midnight_and_then_to_the_window() {
    let verdict = ten_o_clock_verdict(|case| case.add_rule("flood", &[], moratorium("2026-03-05")));
    assert_eq!(
        (verdict.reason, rule_code(&verdict)),
        (Reason::Moratorium, Some("flood"))
    );
    assert_eq!(held_until(&verdict), local(ZONE, "2026-03-05T08:00"));
}

#[test]
fn a_message_that_would_arrive_too_late_waits_for_the_next_day() {
    let mut case = Sample::open();
    case.feed.silence_max_ms = None;
    let ttl_ms = case.reach[0].template_ttl_ms.expect("a time to live");
    let last_at = local(ZONE, "2026-03-03T20:00").plus_ms(-ttl_ms - 1);
    assert_eq!(case.verdict_at(last_at).reason, Reason::Due);
    let verdict = case.verdict_at(last_at.plus_ms(1));
    assert_eq!(held_until(&verdict), local(ZONE, "2026-03-04T08:00"));
}

#[test]
fn of_two_moratoria_the_later_one_counts() {
    for days in [["2026-03-05", "2026-03-06"], ["2026-03-06", "2026-03-05"]] {
        let verdict = ten_o_clock_verdict(|case| {
            for until_on in days {
                case.add_rule(until_on, &[], moratorium(until_on));
            }
        });
        assert_eq!(held_until(&verdict), local(ZONE, "2026-03-06T08:00"));
    }
}

#[test]
fn a_hold_waits_for_the_senders_pace_as_well() {
    let free_at = local(ZONE, "2026-03-04T08:30");
    let mut case = Sample::open();
    case.feed.silence_max_ms = None;
    case.reach[0].pace_free_at = free_at;
    let verdict = case.verdict_at(local(ZONE, "2026-03-03T21:00"));
    assert_eq!(
        (verdict.reason, held_until(&verdict)),
        (Reason::OutsideSendWindow, free_at)
    );
}

#[test]
fn a_hold_that_would_end_with_the_touch_is_a_skip() {
    let sent_at = ten_o_clock().plus_ms(-20 * HOUR_MS);
    let verdict_expiring = |expires_at| {
        ten_o_clock_verdict(|case| {
            case.sends.push(send(sent_at, Channel::Sms));
            case.touch.expires_at = expires_at;
        })
    };
    let free_at = sent_at.plus_ms(DAY_MS);
    assert_eq!(verdict_expiring(free_at).reason, Reason::Expired);
    assert_eq!(held_until(&verdict_expiring(free_at.plus_ms(1))), free_at);
}

#[test]
fn a_moratorium_without_end_skips() {
    let until_on = NaiveDate::MAX;
    let body = RuleBody::Moratorium(Moratorium {
        until_on,
        why: "nunca".to_owned(),
    });
    let verdict = ten_o_clock_verdict(|case| case.add_rule("never", &[], body));
    assert_eq!(
        (verdict.ruling, rule_code(&verdict)),
        (Ruling::Skip, Some("never"))
    );
}
