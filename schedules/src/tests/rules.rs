//! The default pack, and what a pack may not say.

use super::verdict_cases::{cap, rule};
use crate::cap::{CapScope, CapWindow};
use crate::channel::Channel;
use crate::code::CodeError;
use crate::cooldown::{Cooldown, CooldownAfter};
use crate::retry::RetryPolicy;
use crate::rule::{
    MandatoryText, REACH_MS_MAX, Rule, RuleBody, RuleError, RulePack, Suppression, ZoneUncertainty,
};
use crate::send_window::{SendWindow, SendWindowError, Stretch};
use crate::template::TemplateError;
use crate::time::{DAY_MS, Timestamp};

fn pack(rules: Vec<Rule>) -> RulePack {
    RulePack {
        name: "test".to_owned(),
        version: 1,
        rules,
    }
}

#[test]
fn the_brazilian_pack_is_valid_and_reads_as_expected() {
    let pack = RulePack::brazil();
    assert_eq!(pack.validate(), Ok(()));
    assert_eq!(pack.lookback_ms(), 7 * DAY_MS);
    assert_eq!(pack.tally_lookback_ms(), 0);
    assert_eq!(pack.zone_uncertainty(), ZoneUncertainty::EveryZone);
    let texts = |channel| pack.mandatory_texts(channel).map(|text| text.text.as_str());
    let short = ["{{tenant_name}}", "{{tenant_document}}"];
    assert!(texts(Channel::Whatsapp).eq(short));
    assert!(texts(Channel::Email).eq([short[0], short[1], "{{tenant_address}}"]));
    let text = serde_json::to_string_pretty(&pack).expect("text");
    assert_eq!(serde_json::from_str::<RulePack>(&text).ok(), Some(pack));
    insta::assert_snapshot!(text);
}

fn cooldown(lasts_ms: i64) -> RuleBody {
    RuleBody::Cooldown(Cooldown {
        after: CooldownAfter::Reply,
        lasts_ms,
    })
}

#[test]
fn a_rule_that_makes_no_sense_is_refused() {
    let name = || "a".to_owned();
    let window = SendWindow::daily(vec![Stretch {
        from: 540,
        until: 540,
    }]);
    let too_long = CapWindow::RollingMs(REACH_MS_MAX + 1);
    let mandatory = MandatoryText {
        text: "{{x}}".to_owned(),
    };
    let suppression = Suppression {
        why: "x".to_owned(),
    };
    for (channels, body, error) in [
        (&[][..], cooldown(0), RuleError::DurationOutOfRange(name())),
        (
            &[],
            cap(CapScope::Tenant, too_long, 1),
            RuleError::DurationOutOfRange(name()),
        ),
        (
            &[Channel::Sms; 2],
            cooldown(1),
            RuleError::RepeatedChannel(name()),
        ),
        (
            &[],
            RuleBody::SendWindow(window),
            RuleError::SendWindow(name(), SendWindowError::EmptyStretch),
        ),
        (
            &[],
            RuleBody::MandatoryText(mandatory),
            RuleError::MandatoryText(name(), TemplateError::UnknownVariable),
        ),
        (
            &[],
            RuleBody::Suppression(suppression),
            RuleError::SuppressionOfEverything(name()),
        ),
        (
            &[Channel::Sms],
            RuleBody::ZoneUncertainty(ZoneUncertainty::EveryZone),
            RuleError::ChannelsNotAllowed(name()),
        ),
    ] {
        assert_eq!(
            pack(vec![rule("a", channels, body)]).validate(),
            Err(vec![error])
        );
    }
}

#[test]
fn a_pack_names_everything_that_is_wrong_between_its_rules() {
    let zones = RuleBody::ZoneUncertainty(ZoneUncertainty::EveryZone);
    let rules = vec![
        rule("", &[], cooldown(1)),
        rule("a", &[], zones.clone()),
        rule("a", &[], cooldown(2)),
        rule("b", &[], zones),
    ];
    let expected = [
        RuleError::Code(0, CodeError::FindText),
        RuleError::RepeatedCode("a".to_owned()),
        RuleError::SecondZoneUncertainty("b".to_owned()),
    ];
    assert_eq!(pack(rules).validate(), Err(expected.to_vec()));
    let many = (0..65)
        .map(|no| rule(&format!("r{no}"), &[], cooldown(1)))
        .collect();
    assert_eq!(pack(many).validate(), Err(vec![RuleError::TooManyRules]));
}

#[test]
fn the_lookback_covers_every_rule_that_counts_a_contacts_sends() {
    let sent = Cooldown {
        after: CooldownAfter::Send,
        lasts_ms: 9 * DAY_MS,
    };
    let replied = Cooldown {
        after: CooldownAfter::Reply,
        lasts_ms: 90 * DAY_MS,
    };
    let week = CapWindow::RollingMs(7 * DAY_MS);
    let month = CapWindow::RollingMs(30 * DAY_MS);
    let rules = vec![
        rule("a", &[], cap(CapScope::Boleto, week, 1)),
        rule("b", &[], cap(CapScope::Tenant, month, 1)),
        rule("c", &[], RuleBody::Cooldown(replied)),
    ];
    assert_eq!(pack(rules.clone()).lookback_ms(), 7 * DAY_MS);
    assert_eq!(pack(rules.clone()).tally_lookback_ms(), 30 * DAY_MS);
    let with_sends = [rules, vec![rule("d", &[], RuleBody::Cooldown(sent))]].concat();
    assert_eq!(pack(with_sends).lookback_ms(), 9 * DAY_MS);
    assert_eq!(pack(vec![]).lookback_ms(), 0);
}

#[test]
fn retries_double_and_stay_within_a_fifth_of_it() {
    let policy = RetryPolicy {
        first_ms: 1_000,
        longest_ms: 5_000,
        tries_max: 6,
    };
    let now = Timestamp::from_unix_ms(1_000_000);
    for (try_no, base_ms) in [(0, 1_000), (1, 2_000), (2, 4_000), (3, 5_000), (4, 5_000)] {
        let waits: Vec<i64> = (0..500)
            .map(|seed| {
                policy
                    .next_at(now, try_no, seed, None)
                    .expect("a retry")
                    .since(now)
            })
            .collect();
        let (least, most) = (waits.iter().min(), waits.iter().max());
        assert!(least >= Some(&(base_ms * 8 / 10)) && most <= Some(&(base_ms * 12 / 10)));
        // The jitter spreads over the whole range, evenly enough to keep a herd apart.
        assert!(least < Some(&(base_ms * 82 / 100)) && most > Some(&(base_ms * 118 / 100)));
        let mean = waits.iter().sum::<i64>() / 500;
        assert!(
            (base_ms * 98 / 100..=base_ms * 102 / 100).contains(&mean),
            "{mean}"
        );
    }
    assert_eq!(policy.next_at(now, 5, 1, None), None);
    assert_eq!(policy.next_at(now, u16::MAX, 1, Some(1)), None);
    assert_eq!(
        policy.next_at(now, 1, 7, None),
        policy.next_at(now, 1, 7, None)
    );
}

#[test]
fn a_provider_neither_hurries_a_retry_nor_puts_it_to_sleep() {
    let policy = RetryPolicy {
        first_ms: 1_000,
        longest_ms: 60_000,
        tries_max: 9,
    };
    let now = Timestamp::from_unix_ms(1_000_000);
    for (asked_ms, least, most) in [
        (-5, 1_000, 1_200),
        (1, 1_000, 1_200),
        (1_500, 1_500, 1_700),
        (i64::MAX, 2_000, 2_200),
    ] {
        for seed in 0..200 {
            let wait = policy
                .next_at(now, 0, seed, Some(asked_ms))
                .expect("a retry")
                .since(now);
            assert!(
                (least..=most).contains(&wait),
                "asked {asked_ms}, waits {wait}"
            );
        }
    }
}

#[test]
fn a_wait_is_beyond_a_policy_when_none_of_its_own_is_as_long_and_it_is_no_trifle() {
    for (longest_ms, asked_ms, expected) in [
        (900_000, 900_000, false),
        (900_000, 900_001, true),
        (1_000, 60_000, false),
        (1_000, 60_001, true),
        (i64::MAX, i64::MAX, false),
    ] {
        let policy = RetryPolicy {
            longest_ms,
            ..RetryPolicy::default()
        };
        assert_eq!(policy.is_beyond(asked_ms), expected, "{asked_ms}");
    }
}

#[test]
fn no_policy_makes_the_wait_overflow_or_vanish() {
    for (first_ms, longest_ms) in [(i64::MAX, i64::MAX), (0, 0), (-1, -1), (i64::MIN, i64::MAX)] {
        let policy = RetryPolicy {
            first_ms,
            longest_ms,
            tries_max: u16::MAX,
        };
        for try_no in [0, 1, 62, 63, 64, 1_000] {
            let now = Timestamp::from_unix_ms(1_000_000);
            for asked_ms in [None, Some(i64::MAX), Some(i64::MIN)] {
                assert!(policy.next_at(now, try_no, 3, asked_ms) > Some(now));
            }
        }
    }
}
