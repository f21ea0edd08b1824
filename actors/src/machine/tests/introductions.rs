//! What a contact is told that has not confirmed yet that it is who is meant.

use schedules::cadence::Merge;
use schedules::template::{PaymentButton, Template, Variable};

use super::*;

const WHO: &str = "Olá, aqui é {{tenant_name}}. Falamos com {{contact_name}}?";

/// A tenant whose first step merges, and introduces itself by this text to who is unconfirmed.
fn introducing(body: &str, variables: &[Variable]) -> Settings {
    let steps = vec![
        Step {
            merge: Some(Merge {
                within_ms: 2 * DAY_MS,
                template: "varios".into(),
            }),
            introduction: Some("apresentacao".into()),
            ..step(0, -3)
        },
        step(1, 0),
    ];
    let mut settings = fixtures::settings(TenantId(1), at(1, 0, 0), steps, &CHANNELS);
    let of = |code: &str, body: &str, variables: &[Variable]| {
        let variant = settings.templates.iter().map(|template| Template {
            code: code.into(),
            body: body.into(),
            variables: variables.to_vec(),
            ..template.clone()
        });
        variant.collect::<Vec<_>>()
    };
    let several = [Variable::ContactName, Variable::Boletos];
    let several = of("varios", "Olá {{contact_name}}: {{boletos}}", &several);
    let introduction = of("apresentacao", body, variables);
    settings.templates.extend(several);
    settings.templates.extend(introduction);
    settings
}

fn neutral() -> Settings {
    introducing(WHO, &[Variable::TenantName, Variable::ContactName])
}

/// What is sent three days before the due dates of so many boletos of one contact.
fn sent(settings: Settings, boletos: i64, confirmed: bool) -> (Vec<Change>, Vec<String>) {
    let mut machine = machine_with(settings);
    let enrolled = enroll(&mut machine, boletos, at(1, 10, 0));
    let contact = Contact {
        confirmed,
        ..fixtures::contact(ContactId(1))
    };
    admit_of(&mut machine, &enrolled, at(7, 9, 5), contact);
    tick(&mut machine)
}

fn tick(machine: &mut Machine) -> (Vec<Change>, Vec<String>) {
    let (changes, effects) = step_with(machine, &[Input::Tick], at(7, 9, 0));
    let bodies = effects.iter().filter_map(|effect| match effect {
        Effect::HandOver(message) => Some(message.rendered.body.clone()),
        _ => None,
    });
    let bodies = bodies.collect();
    (changes, bodies)
}

#[test]
fn whoever_is_not_confirmed_reads_of_no_debt_and_whoever_is_reads_of_it() {
    let (_, bodies) = sent(neutral(), 1, false);
    let name = fixtures::settings(TenantId(1), at(1, 0, 0), Vec::new(), &CHANNELS);
    let who = WHO.replace("{{tenant_name}}", &name.tenant.name);
    assert_eq!(bodies, [who.replace("{{contact_name}}", "Maria")]);
    let (_, bodies) = sent(neutral(), 1, true);
    assert!(bodies[0].contains("R$ 123,45"), "{bodies:?}");
}

#[test]
fn one_introduction_goes_out_for_all_boletos_of_a_contact() {
    let (changes, bodies) = sent(neutral(), 3, false);
    assert_eq!(bodies.len(), 1);
    assert!(bodies[0].starts_with("Olá, aqui é"), "{bodies:?}");
    assert_eq!(claims(&changes).len(), 3);
    let (_, bodies) = sent(neutral(), 3, true);
    assert!(bodies[0].contains("B3, venc."), "{bodies:?}");
}

/// What is sent to who was not confirmed, after a reply of theirs and of others.
fn sent_after_a_reply(also: Vec<ContactId>) -> Vec<String> {
    let mut machine = machine_with(neutral());
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    let replied = InboxFact {
        seq: 9,
        event_id: "reply".into(),
        occurred_at: at(7, 8, 0),
        received_at: at(7, 8, 0),
        body: FactBody::ContactReplied {
            contact: ContactId(1),
            also,
        },
    };
    step_with(&mut machine, &[Input::Facts(vec![replied])], at(7, 8, 0));
    tick(&mut machine).1
}

#[test]
fn a_reply_confirms_whoever_was_not_and_one_from_a_shared_address_confirms_nobody() {
    let bodies = sent_after_a_reply(Vec::new());
    assert!(bodies[0].contains("R$ 123,45"), "{bodies:?}");
    let bodies = sent_after_a_reply(vec![ContactId(2)]);
    assert!(bodies[0].starts_with("Olá, aqui é"), "{bodies:?}");
}

#[test]
fn an_introduction_that_names_a_debt_goes_to_nobody() {
    let mut settings = introducing("Vence {{due_on}}", &[Variable::DueOn]);
    let unusable = |settings: Settings| {
        let (changes, bodies) = sent(settings, 1, false);
        assert!(bodies.is_empty(), "{bodies:?}");
        let reasons = changes.iter().filter_map(|change| match change {
            Change::Ruled(ruled) => Some(ruled.verdict.reason),
            _ => None,
        });
        assert_eq!(reasons.collect::<Vec<_>>(), [Reason::TemplateUnusable]);
    };
    unusable(settings.clone());
    // Nor does one with a button that pays it.
    for template in &mut settings.templates {
        if template.code == "apresentacao" {
            template.body = "Olá".into();
            template.variables = Vec::new();
            template.approved.buttons = vec![PaymentButton::Boleto];
        }
    }
    unusable(settings);
}
