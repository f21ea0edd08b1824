//! Several boletos of one contact in one message: what counts, what a stop leaves, what comes back.

use schedules::cadence::Merge;
use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::rule::{Rule, RuleBody};
use schedules::template::{Template, Variable};
use schedules::time::MINUTE_MS;

mod ahead;
mod parted;

use super::*;
use crate::machine::effect::HandOver;
use crate::machine::merge::MERGED_MAX;

const WITHIN_MS: i64 = 2 * DAY_MS;

/// A tenant of one campaign whose first step merges within two days.
fn merging() -> Settings {
    let steps = vec![
        Step {
            merge: Some(Merge {
                within_ms: WITHIN_MS,
                template: "varios".into(),
            }),
            ..step(0, -3)
        },
        step(1, 0),
    ];
    let mut settings = fixtures::settings(TenantId(1), at(1, 0, 0), steps, &CHANNELS);
    settings.tenant.credits = Some(Credits {
        balance: 10,
        held: 0,
    });
    let several = settings.templates.iter().map(|template| Template {
        code: "varios".into(),
        version: 7,
        body: "Olá {{contact_name}}: {{boletos}}".into(),
        variables: vec![Variable::ContactName, Variable::Boletos],
        ..template.clone()
    });
    let several: Vec<Template> = several.collect();
    settings.templates.extend(several);
    settings
}

fn capped(scope: CapScope, max: u32) -> Settings {
    let mut settings = merging();
    let window = CapWindow::RollingMs(DAY_MS);
    settings.tenant.rules.rules.push(Rule {
        code: "teto".into(),
        version: 1,
        channels: Vec::new(),
        body: RuleBody::Cap(Cap { scope, window, max }),
    });
    settings
}

/// A machine with so many boletos of one contact that are due on the seventh at nine.
fn with_due(settings: Settings, boletos: i64) -> Machine {
    let mut machine = machine_with(settings);
    let enrolled = enroll(&mut machine, boletos, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    machine
}

fn tick(machine: &mut Machine, now: Timestamp) -> (Vec<Change>, Vec<Effect>) {
    step_with(machine, &[Input::Tick], now)
}

fn messages(effects: &[Effect]) -> Vec<&HandOver> {
    let messages = effects.iter().filter_map(|effect| match effect {
        Effect::HandOver(message) => Some(&**message),
        _ => None,
    });
    messages.collect()
}

fn boletos_of(message: &HandOver) -> Vec<i64> {
    message.parts().map(|(_, boleto)| boleto.0).collect()
}

fn all_returned(message: &HandOver, outcome: &Outcome, now: Timestamp) -> Input {
    let returned = message.attempts().map(|attempt| Returned {
        attempt,
        at: now,
        outcome: outcome.clone(),
    });
    Input::Returned(returned.collect())
}

fn accepted() -> Outcome {
    Outcome::Accepted {
        provider_ref: "m1".into(),
    }
}

fn paid(boleto: i64, now: Timestamp) -> Input {
    Input::Facts(vec![InboxFact {
        seq: 9,
        event_id: "p".into(),
        occurred_at: now,
        received_at: now,
        body: FactBody::BoletoPaid {
            boleto: BoletoId(boleto),
        },
    }])
}

#[test]
fn boletos_that_are_due_together_go_out_in_one_message() {
    let mut machine = with_due(merging(), 3);
    let (changes, effects) = tick(&mut machine, at(7, 9, 0));
    let [message] = messages(&effects)[..] else {
        panic!("one message")
    };
    assert_eq!(boletos_of(message), [1, 2, 3]);
    let list = "B1, venc. 10/11/2026, R$ 123,45 \u{2022} B2, venc. 10/11/2026, R$ 123,45 \u{2022} \
                B3, venc. 10/11/2026, R$ 123,45";
    assert_eq!(message.rendered.body, format!("Olá Maria: {list}"));
    let claims = claims(&changes);
    let lead = claims[0].attempt;
    let leads: Vec<_> = claims.iter().map(|claim| claim.lead).collect();
    assert_eq!(leads, [None, Some(lead), Some(lead)]);
    let alike = |claim: &&Claim| {
        let expected = (message.deadline_at, 7, Some(at(10, 9, 0)));
        (claim.deadline_at, claim.template_version, claim.to.next_at) == expected
    };
    assert!(claims.iter().all(alike));
    assert!(!machine.is_due(at(7, 9, 1)));
}

#[test]
fn a_boleto_alone_has_the_ordinary_text() {
    let mut machine = with_due(merging(), 1);
    let (changes, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(claims(&changes)[0].lead, None);
    let body = &messages(&effects)[0].rendered.body;
    assert!(body.starts_with("Olá Maria, R$ 123,45 vence em 10/11/2026. "));
}

#[test]
fn a_message_holds_and_spends_one_credit_whatever_it_is_about() {
    let mut machine = with_due(merging(), 3);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(credits(&machine), (10, 1));
    let input = all_returned(messages(&effects)[0], &accepted(), at(7, 9, 0));
    step_with(&mut machine, &[input], at(7, 9, 0));
    assert_eq!(credits(&machine), (9, 0));
    assert_eq!(machine.view().in_flight, 0);
    assert!(machine.is_idle());
}

#[test]
fn the_last_credit_is_enough_for_one_message() {
    let mut settings = merging();
    settings.tenant.credits = Some(Credits {
        balance: 1,
        held: 0,
    });
    let mut machine = with_due(settings, 3);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(boletos_of(messages(&effects)[0]), [1, 2, 3]);
    assert_eq!(credits(&machine), (1, 1));
}

#[test]
fn a_message_counts_once_for_its_contact_and_for_each_of_its_boletos() {
    for scope in [
        CapScope::Contact,
        CapScope::Channel,
        CapScope::Campaign,
        CapScope::Tenant,
    ] {
        let mut machine = with_due(capped(scope, 1), 3);
        let (_, effects) = tick(&mut machine, at(7, 9, 0));
        assert_eq!(boletos_of(messages(&effects)[0]), [1, 2, 3], "{scope:?}");
    }
    let mut machine = with_due(capped(CapScope::Tenant, 2), 3);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let input = all_returned(messages(&effects)[0], &accepted(), at(7, 9, 0));
    step_with(&mut machine, &[input], at(7, 9, 0));
    let tally = machine.memory.tenant_tally();
    let cap = Cap {
        scope: CapScope::Tenant,
        window: CapWindow::RollingMs(DAY_MS),
        max: 2,
    };
    assert_eq!(
        tally.free_at(&cap, Sao_Paulo, at(7, 9, 1)),
        Some(at(7, 9, 1))
    );
}

#[test]
fn a_boleto_whose_own_cap_is_full_stays_behind() {
    let mut machine = machine_with(capped(CapScope::Boleto, 1));
    let enrolled = enroll(&mut machine, 3, at(1, 10, 0));
    let mut contact = fixtures::contact(ContactId(1));
    contact.sends.push(schedules::verdict::PastSend {
        at: at(6, 20, 0),
        channel: Channel::Whatsapp,
        boleto: BoletoId(2),
        campaign: CAMPAIGN,
        merged: true,
    });
    admit_of(&mut machine, &enrolled, at(7, 9, 5), contact);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(boletos_of(messages(&effects)[0]), [1, 3]);
}

/// Admits the first of two enrollments, and the other ahead of the page, two days later.
#[test]
fn others_that_are_tried_elsewhere_or_of_another_step_go_by_themselves() {
    let mut machine = machine_with(merging());
    let mut enrolled = enroll(&mut machine, 4, at(1, 10, 0));
    enrolled[1].cursor.channel_from = 1;
    enrolled[2].cursor.channel_tries = 1;
    enrolled[3].cursor.touch = enrolled[3]
        .cursor
        .touch
        .map(|touch| schedules::plan::Touch {
            step_no: 1,
            ..touch
        });
    admit(&mut machine, &enrolled, at(7, 9, 5));
    let (changes, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(messages(&effects).len(), 4);
    assert!(claims(&changes).iter().all(|claim| claim.lead.is_none()));
}

#[test]
fn no_message_is_about_more_boletos_than_it_may_hold() {
    let mut settings = merging();
    settings.tenant.credits = None;
    let mut machine = with_due(settings.clone(), 25);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let sizes: Vec<_> = messages(&effects)
        .iter()
        .map(|one| one.parts().count())
        .collect();
    assert_eq!(sizes, [MERGED_MAX, MERGED_MAX, 5]);
    // A text that would be too long is about fewer; it is never cut.
    for template in settings
        .templates
        .iter_mut()
        .filter(|it| it.code == "varios")
    {
        template.body = format!("{}{{{{boletos}}}}", "x".repeat(920));
        template.variables = vec![Variable::Boletos];
    }
    let mut machine = with_due(settings, 5);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let sizes: Vec<_> = messages(&effects)
        .iter()
        .map(|one| one.parts().count())
        .collect();
    assert_eq!(sizes, [3, 2]);
}

#[test]
fn a_boleto_that_the_list_cannot_name_goes_by_itself() {
    let mut settings = merging();
    for template in settings
        .templates
        .iter_mut()
        .filter(|it| it.code == "varios")
    {
        template.body = "{{boletos_with_lines}}".into();
        template.variables = vec![Variable::BoletosWithLines];
    }
    let mut machine = with_due(settings, 3);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(messages(&effects).len(), 3, "none of them has a line");
}

#[test]
fn what_is_tried_alone_takes_no_other_with_it() {
    let mut machine = with_due(merging(), 3);
    let first = machine.first_due(at(7, 9, 0)).expect("one that is due");
    let (changes, effects) = step_with(&mut machine, &[Input::Look(first)], at(7, 9, 0));
    assert_eq!(boletos_of(messages(&effects)[0]), [1]);
    assert_eq!(changes.len(), 1);
}
