//! One word of several contacts: an address may be a couple's or an accountant's.

use super::*;

fn word(seq: i64, body: FactBody) -> Input {
    Input::Facts(vec![InboxFact {
        seq,
        event_id: format!("word {seq}"),
        occurred_at: at(7, 8, 59),
        received_at: at(7, 8, 59),
        body,
    }])
}

/// A machine that knows contact 1 by a due boleto.
fn due() -> Machine {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    machine
}

#[test]
fn an_opt_in_sweeps_one_contact_after_the_other() {
    let mut machine = due();
    let now = at(7, 8, 59);
    let opted_in = FactBody::ContactOptedIn {
        contact: ContactId(1),
        also: vec![ContactId(2), ContactId(3)],
        channel: None,
    };
    step_with(&mut machine, &[word(9, opted_in)], now);
    let mut swept = Vec::new();
    while let Some(Need::Sweep(sweep)) = machine.need(now) {
        assert_eq!(sweep.after, i64::MIN, "each from the start");
        swept.push(match sweep.kind {
            SweepKind::ReplanContact { contact, .. } => ("replan", contact.0),
            SweepKind::EnrollContact { contact, .. } => ("enroll", contact.0),
            other => panic!("{other:?}"),
        });
        let page = SweepPage {
            last: true,
            ..SweepPage::default()
        };
        step_with(&mut machine, &[Input::Swept(9, page)], now);
    }
    let both = (1..=3).flat_map(|contact| [("replan", contact), ("enroll", contact)]);
    assert_eq!(swept, both.collect::<Vec<_>>());
}

#[test]
fn a_word_counts_for_a_contact_that_is_not_named_first() {
    let (contact, also) = (ContactId(2), vec![ContactId(1)]);
    let barred = FactBody::ContactOptedOut {
        contact,
        also: also.clone(),
        channel: Some(CHANNELS[0]),
    };
    let promised = FactBody::ContactPromised { contact, also };
    let mut machine = due();
    let inputs = [word(9, barred), word(10, promised)];
    let (_, effects) = step_with(&mut machine, &inputs, at(7, 8, 59));
    let known = machine.memory.contact(ContactId(1)).unwrap();
    assert_eq!(known.suppressed, [CHANNELS[0]]);
    assert_eq!(known.events.promised_at, Some(at(7, 8, 59)));
    let of_first = Subject::Contact(ContactId(1));
    let given_up = |effect: &&Effect| matches!(effect, Effect::Withdraw(it) if *it == of_first);
    assert_eq!(effects.iter().filter(given_up).count(), 2);
}

#[test]
fn an_opt_out_by_an_address_lets_go_of_everyone_who_has_it() {
    let mut machine = due();
    let out = FactBody::ContactOptedOut {
        contact: ContactId(2),
        also: vec![ContactId(1)],
        channel: None,
    };
    let (changes, effects) = step_with(&mut machine, &[word(9, out)], at(7, 8, 59));
    let recorded = |change: &&Change| matches!(change, Change::StopRecorded { seq: 9, .. });
    assert_eq!(changes.iter().filter(recorded).count(), 1);
    assert_eq!(effects.len(), 2);
    assert!(!machine.is_due(at(7, 9, 0)));
}

#[test]
fn a_contact_that_changed_is_read_again_before_anything_is_sent_to_it() {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    let now = at(7, 8, 59);
    let contact = ContactId(1);
    let (changes, effects) = step_with(
        &mut machine,
        &[word(9, FactBody::ContactChanged { contact })],
        now,
    );
    let of_contact = Subject::Contact(contact);
    let given_up = |effect: &Effect| matches!(effect, Effect::Withdraw(it) if *it == of_contact);
    assert!(effects.iter().any(given_up));
    let swept = changes.iter().find_map(|change| match change {
        Change::SweepMoved(sweep) => Some(sweep.kind.clone()),
        _ => None,
    });
    let also = Vec::new();
    assert_eq!(swept, Some(SweepKind::ReplanContact { contact, also }));
    assert_eq!(machine.memory.contact(contact), None);
    assert!(!machine.is_due(at(7, 9, 0)), "nothing is known to be due");
    // Read again, it is what it is now.
    let mut known = fixtures::contact(contact);
    (known.version, known.phone) = (2, Some("+5592988887777".to_owned()));
    admit_of(&mut machine, &enrolled, at(7, 9, 5), known);
    let (changes, effects) = step_with(&mut machine, &[Input::Tick], at(7, 9, 0));
    assert_eq!(claims(&changes)[0].contact_version, 2);
    let to = effects.iter().find_map(|effect| match effect {
        Effect::HandOver(message) => Some(message.to.clone()),
        _ => None,
    });
    assert_eq!(to.as_deref(), Some("+5592988887777"));
}
