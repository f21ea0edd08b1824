//! What is counted, on small worlds whose outcome can be worked out by hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use actors::clock::{Clock, SystemClock};
use actors::machine::change::Claim;
use actors::ports::{Boleto, CampaignState, Contact, Credits, Cursor, Enrollment};
use chrono::NaiveTime;
use chrono_tz::America::Sao_Paulo;
use schedules::cadence::{Cadence, Campaign, Step};
use schedules::channel::Channel;
use schedules::id::{
    AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId,
};
use schedules::pace::Pace;
use schedules::template::Variable;
use schedules::time::{DAY_MS, HOUR_MS, SECOND_MS, Timestamp};
use schedules::verdict::ContactEvents;

use super::confirm::{Footing, hash};
use super::estimate::{Estimate, Prices, Question, estimate};
use super::load::Loaded;
use super::{Event, Known, Patience, World, rehearse};
use crate::bench::synthetic;
use crate::store::{LeftOut, Seen};

/// Four days before everything is due, at nine on a Friday.
fn begin() -> Timestamp {
    synthetic::due_at().plus_ms(-4 * DAY_MS)
}

/// One boleto each of as many contacts as `owners` names, due on the synthetic Tuesday.
fn world(owners: &[i64]) -> World {
    let known = owners.iter().zip(1..).map(|(owner, id)| Known {
        boleto: boleto(id),
        contact: ContactId(*owner),
        is_in: false,
    });
    let contacts: BTreeSet<i64> = owners.iter().copied().collect();
    World {
        settings: synthetic::settings(TenantId(1)),
        campaign: CampaignId(1),
        replans: false,
        unsettled: Vec::new(),
        tallies: Vec::new(),
        boletos: known.collect(),
        contacts: contacts.into_iter().map(contact).collect(),
        standing: Vec::new(),
    }
}

fn boleto(id: i64) -> Boleto {
    Boleto {
        id: BoletoId(id),
        reference: format!("B{id}"),
        amount_centavos: 12_345,
        due_on: synthetic::DUE_ON,
        digitable_line: None,
        pix_code: None,
        payment_link: None,
    }
}

fn contact(id: i64) -> Contact {
    Contact {
        id: ContactId(id),
        version: 1,
        name: "Maria da Silva".to_owned(),
        phone: Some(format!("+55119{:08}", 80_000_000 + id)),
        email: None,
        zones: vec![Sao_Paulo],
        suppressed: Vec::new(),
        events: ContactEvents::default(),
        confirmed: false,
        sends: Vec::new(),
    }
}

fn loaded(world: World) -> Loaded {
    Loaded {
        version: 1,
        settings: world.settings.clone(),
        seen: Seen::default(),
        truncated: false,
        meant: std::collections::BTreeMap::new(),
        world,
    }
}

fn question(now: Timestamp) -> Question {
    Question {
        now,
        days: 30,
        prices: Prices::from([(Channel::Whatsapp, 35)]),
        left_out: LeftOut::default(),
    }
}

fn estimated(world: World) -> Estimate {
    estimate(loaded(world), &question(begin()), &Patience::endless())
}

/// Replaces the steps; each is of one channel, so many days after the due date.
fn steps(world: &mut World, hour: u32, steps: &[(i32, Channel)]) {
    let at = NaiveTime::from_hms_opt(hour, 0, 0).expect("a time of day");
    let steps = steps.iter().zip(0..).map(|((days, channel), no)| Step {
        expires_after_ms: DAY_MS,
        ..Step::on_calendar_day(no, *days, at, &[*channel], "lembrete")
    });
    world.settings.campaigns[0].campaign.cadence = Cadence::of(steps.collect(), 10);
}

fn days(estimate: &Estimate) -> Vec<(String, u64)> {
    let days = estimate.messages.by_day.iter();
    days.map(|day| (day.on.format("%d/%m").to_string(), day.total))
        .collect()
}

fn never(estimate: &Estimate) -> Vec<(&'static str, u64)> {
    let never = estimate.never.iter();
    never.map(|one| (one.reason, one.reminders)).collect()
}

fn on(days: &[(&str, u64)]) -> Vec<(String, u64)> {
    let days = days.iter();
    days.map(|(day, count)| ((*day).to_owned(), *count))
        .collect()
}

#[test]
fn each_step_of_each_boleto_falls_on_its_day_and_costs_its_price() {
    let estimate = estimated(world(&[1, 2]));
    let whole = [
        ("07/11", 2),
        ("10/11", 2),
        ("11/11", 2),
        ("17/11", 2),
        ("25/11", 2),
    ];
    assert_eq!(days(&estimate), on(&whole));
    assert_eq!(estimate.messages.contacts, 2);
    assert_eq!(estimate.boletos.taken, 2);
    assert_eq!(
        (estimate.cost.centavos, estimate.cost.unpriced.len()),
        (350, 0)
    );
    assert_eq!(never(&estimate), []);
    assert_eq!(
        estimate.over_cap,
        [],
        "a second after 24 hours puts off nobody"
    );
    assert_eq!(
        (estimate.boletos.go_on_later, estimate.truncated),
        (0, false)
    );
}

#[test]
fn a_contact_with_two_boletos_is_over_its_caps_and_named() {
    let mut world = world(&[7, 7, 8]);
    steps(&mut world, 9, &[(0, Channel::Whatsapp)]);
    let estimate = estimated(world);
    // Its second boleto has 24 hours: to the very instant at which the first cap allows it again.
    assert_eq!(days(&estimate), on(&[("10/11", 2)]));
    assert_eq!(never(&estimate), [("expired", 1)]);
    let over: Vec<_> = estimate.over_cap.iter().collect();
    assert_eq!(over.len(), 1, "{over:?}");
    assert_eq!(over[0].rule, "cap.contact.rolling_24h");
    assert_eq!((over[0].contacts, over[0].never_sent), (1, 1));
    assert_eq!(over[0].first, ["con_7"]);
}

#[test]
fn what_falls_outside_the_window_goes_out_when_it_opens() {
    let mut world = world(&[1]);
    steps(&mut world, 22, &[(0, Channel::Whatsapp)]);
    let mut sent = Vec::new();
    rehearse(
        world,
        begin(),
        synthetic::due_at().plus_ms(9 * DAY_MS),
        &Patience::endless(),
        &mut |event| {
            if let Event::Sent(at, _) = event {
                sent.push(at.local(Sao_Paulo).to_string());
            }
        },
    );
    assert_eq!(sent, ["2026-11-11 08:00:00"]);
}

/// A way to take a world's only channel away.
type Break = fn(&mut World);

#[test]
fn reminders_that_never_go_out_are_told_by_what_keeps_them() {
    let cases: [(&str, Break); 6] = [
        ("no_contact_point", |world| world.contacts[0].phone = None),
        ("no_sender", |world| world.settings.tenant.senders.clear()),
        ("suppressed", |world| {
            world.contacts[0].suppressed.push(Channel::Whatsapp);
        }),
        ("template_unusable", |world| {
            world.settings.templates.clear()
        }),
        ("template_variable_missing", |world| {
            let template = &mut world.settings.templates[0];
            template.body.push_str(" {{pix_code}}");
            template.variables.push(Variable::PixCode);
        }),
        ("condition_unmet", |world| {
            let cadence = &mut world.settings.campaigns[0].campaign.cadence;
            cadence.condition.amount_centavos_min = Some(99_999_999);
        }),
    ];
    for (reason, spoil) in cases {
        let mut world = world(&[1]);
        steps(&mut world, 9, &[(0, Channel::Whatsapp)]);
        spoil(&mut world);
        let estimate = estimated(world);
        assert_eq!(never(&estimate), [(reason, 1)]);
        assert_eq!(estimate.messages.total, 0, "{reason}");
        assert!(
            estimate.never[0]
                .explanation
                .starts_with("Não será enviado")
        );
        let warned = estimate.warnings.iter().map(|warning| warning.code);
        assert_eq!(warned.collect::<Vec<_>>(), ["nothing_to_send"], "{reason}");
    }
}

#[test]
fn a_boleto_that_comes_late_is_taken_without_what_has_passed() {
    let question = question(synthetic::due_at().plus_ms(12 * DAY_MS));
    let estimate = estimate(loaded(world(&[1])), &question, &Patience::endless());
    assert_eq!(days(&estimate), on(&[("25/11", 1)]));
    assert_eq!(never(&estimate), [("passed_at_planning", 4)]);
    let mut late = question;
    late.now = synthetic::due_at().plus_ms(20 * DAY_MS);
    let estimate = super::estimate::estimate(loaded(world(&[1])), &late, &Patience::endless());
    assert_eq!(estimate.boletos.taken, 0);
    assert_eq!(estimate.boletos.left_out[0].why, "nothing_to_come");
}

#[test]
fn credits_are_counted_and_the_day_is_named_on_which_they_are_used_up() {
    let mut world = world(&[1, 2]);
    world.settings.tenant.credits = Some(Credits {
        balance: 6,
        held: 1,
    });
    let estimate = estimated(world);
    assert_eq!(estimate.messages.total, 10, "nothing is held for them");
    assert_eq!(
        (estimate.credits.needed, estimate.credits.available),
        (10, Some(5))
    );
    let used_up_on = estimate.credits.used_up_on.map(|on| on.to_string());
    assert_eq!(used_up_on.as_deref(), Some("2026-11-11"));
}

#[test]
fn a_slow_sender_sends_one_after_the_other() {
    let mut world = world(&[1, 2, 3]);
    steps(&mut world, 9, &[(0, Channel::Whatsapp)]);
    world.settings.tenant.senders[0].pace = Pace {
        per_second: 1,
        burst: 1,
    };
    let mut sent = Vec::new();
    rehearse(
        world,
        begin(),
        synthetic::due_at().plus_ms(DAY_MS),
        &Patience::endless(),
        &mut |event| {
            if let Event::Sent(at, _) = event {
                sent.push(at.since(synthetic::due_at()));
            }
        },
    );
    assert_eq!(sent, [0, SECOND_MS, 2 * SECOND_MS]);
}

#[test]
fn an_estimate_ends_with_the_patience_of_who_waits_for_it_and_says_so() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let question = question(begin());
    let of = |patience: &Patience| estimate(loaded(world(&[1])), &question, patience);
    let over = of(&Patience(Some((Arc::clone(&clock), 0))));
    assert_eq!((over.truncated, over.messages.total), (true, 0));
    let whole = of(&Patience::of_a_request(&clock));
    assert_eq!((whole.truncated, whole.messages.total), (false, 5));
}

#[test]
fn what_another_campaign_sends_counts_against_the_same_contact() {
    let mut world = world(&[1, 1]);
    steps(&mut world, 10, &[(0, Channel::Whatsapp)]);
    let other = Campaign {
        id: CampaignId(2),
        cadence: synthetic::cadence(),
        ..world.settings.campaigns[0].campaign.clone()
    };
    world.settings.campaigns.push(CampaignState {
        campaign: other,
        running: true,
    });
    world.standing.push(Enrollment {
        id: EnrollmentId(5),
        campaign: CampaignId(2),
        boleto: BoletoId(1),
        contact: ContactId(1),
        cursor: synthetic::cursor(&world.settings),
    });
    world.boletos.remove(1);
    let estimate = estimated(world);
    assert_eq!(estimate.messages.total, 0);
    assert!(estimate.messages.of_other_campaigns >= 1);
    assert_eq!(never(&estimate), [("expired", 1)]);
}

#[test]
fn a_message_under_way_counts_as_sent_and_its_enrollment_goes_on() {
    let mut world = world(&[1]);
    let (at, cursor) = (
        synthetic::due_at().plus_ms(-2 * HOUR_MS),
        synthetic::cursor(&world.settings),
    );
    let enrollment = EnrollmentId(9);
    let claim = Claim {
        lead: None,
        attempt: AttemptId {
            reminder: ReminderId {
                enrollment,
                step_no: 0,
                occurrence: 0,
            },
            try_no: 0,
        },
        boleto: BoletoId(1),
        contact: ContactId(1),
        contact_version: 1,
        campaign: CampaignId(1),
        campaign_version: 1,
        rules_version: 1,
        template: "lembrete".to_owned(),
        template_version: 1,
        channel: Channel::Whatsapp,
        at,
        deadline_at: at.plus_ms(3 * SECOND_MS),
        touch: cursor.touch.expect("a touch"),
        from: Cursor::default(),
        to: cursor,
    };
    world.boletos[0].is_in = true;
    world.contacts[0].sends.push(claim.as_send());
    world.standing.push(Enrollment {
        id: enrollment,
        campaign: CampaignId(1),
        boleto: BoletoId(1),
        contact: ContactId(1),
        cursor,
    });
    world.unsettled.push(claim);
    let estimate = estimate(loaded(world), &question(at), &Patience::endless());
    // At seven one was under way: the due day's own waits for the next morning, and so does its.
    let later = [("11/11", 1), ("12/11", 1), ("17/11", 1), ("25/11", 1)];
    assert_eq!(days(&estimate), on(&later));
}

#[test]
fn another_version_is_planned_anew_for_those_who_are_in_it() {
    for (replans, expected) in [(true, "12/11"), (false, "10/11")] {
        let mut world = world(&[1]);
        world.boletos[0].is_in = true;
        world.standing.push(Enrollment {
            id: EnrollmentId(3),
            campaign: CampaignId(1),
            boleto: BoletoId(1),
            contact: ContactId(1),
            cursor: synthetic::cursor(&world.settings),
        });
        steps(&mut world, 9, &[(2, Channel::Whatsapp)]);
        world.settings.campaigns[0].campaign.cadence.steps[0].no = 1;
        world.replans = replans;
        if !replans {
            steps(
                &mut world,
                9,
                &[(-3, Channel::Email), (0, Channel::Whatsapp)],
            );
        }
        assert_eq!(days(&estimated(world)), on(&[(expected, 1)]));
    }
}

#[test]
fn the_hash_changes_with_what_the_estimate_rests_on() {
    let of = |change: fn(&mut World), days: u32| {
        let mut world = world(&[1, 2]);
        change(&mut world);
        let loaded = loaded(world);
        let question = Question {
            days,
            ..question(begin())
        };
        let footing = Footing::of(&loaded, question.now).expect("a footing");
        let comes_to = estimate(loaded, &question, &Patience::endless());
        hash(&footing, &question, &comes_to).expect("a hash")
    };
    let same = of(|_| {}, 30);
    assert_eq!(same, of(|_| {}, 30));
    assert_eq!(same.len(), 64);
    let changes: [fn(&mut World); 5] = [
        |world| world.settings.tenant.rules.version += 1,
        |world| world.settings.templates[1].body.push('.'),
        |world| world.settings.campaigns[0].campaign.version += 1,
        |world| world.boletos[0].boleto.amount_centavos += 1,
        |world| world.settings.tenant.senders[1].provider.push('x'),
    ];
    let mut all: BTreeSet<String> = changes.into_iter().map(|change| of(change, 30)).collect();
    all.extend([same, of(|_| {}, 29)]);
    assert_eq!(all.len(), 7);
}

#[test]
fn a_channel_that_is_held_is_told_where_the_campaign_uses_it() {
    let held = |channel| {
        let mut world = world(&[1]);
        steps(&mut world, 9, &[(0, Channel::Whatsapp)]);
        world.settings.tenant.paused_channels = vec![channel];
        let loaded = loaded(world);
        let footing = Footing::of(&loaded, begin()).expect("a footing");
        let question = question(begin());
        let estimate = estimate(loaded, &question, &Patience::endless());
        let codes: Vec<_> = estimate.warnings.iter().map(|it| it.code).collect();
        let hash = hash(&footing, &question, &estimated(self::world(&[1])));
        (codes.contains(&"channel_paused"), hash.expect("a hash"))
    };
    let (used, unused) = (held(Channel::Whatsapp), held(Channel::Email));
    assert!(used.0 && !unused.0);
    assert_ne!(used.1, unused.1, "it rests on what is held");
}
