//! Touches that are brought forward to go out with one that is due.

use super::*;

#[test]
fn a_touch_is_brought_forward_within_the_window_and_fires_no_second_time() {
    let mut machine = machine_with(merging());
    let mut enrolled = enroll(&mut machine, 3, at(1, 10, 0));
    for (one, hours) in enrolled.iter_mut().zip([0, 48, 49]) {
        let slot_at = at(7, 9, 0).plus_ms(hours * 60 * MINUTE_MS);
        one.cursor.next_at = Some(slot_at);
        one.cursor.touch = one.cursor.touch.map(|touch| schedules::plan::Touch {
            slot_at,
            expires_at: slot_at.plus_ms(DAY_MS),
            ..touch
        });
    }
    admit(&mut machine, &enrolled, at(12, 0, 0));
    let (changes, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(boletos_of(messages(&effects)[0]), [1, 2]);
    let brought = claims(&changes)[1].clone();
    assert_eq!(brought.touch.slot_at, at(9, 9, 0));
    let input = all_returned(messages(&effects)[0], &accepted(), at(7, 9, 0));
    step_with(&mut machine, &[input], at(7, 9, 0));
    let (changes, _) = tick(&mut machine, at(9, 9, 0));
    assert!(claims(&changes).is_empty(), "its slot has fired");
    let (changes, _) = tick(&mut machine, at(9, 10, 0));
    assert_eq!(claims(&changes)[0].boleto, BoletoId(3));
}

#[test]
fn a_touch_that_was_brought_forward_comes_back_to_its_own_slot() {
    let mut machine = machine_with(merging());
    let mut enrolled = enroll(&mut machine, 2, at(1, 10, 0));
    let later = at(8, 9, 0);
    enrolled[1].cursor.next_at = Some(later);
    enrolled[1].cursor.touch = enrolled[1]
        .cursor
        .touch
        .map(|touch| schedules::plan::Touch {
            slot_at: later,
            expires_at: later.plus_ms(DAY_MS),
            ..touch
        });
    admit(&mut machine, &enrolled, at(9, 0, 0));
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let message = messages(&effects)[0];
    assert_eq!(boletos_of(message), [1, 2]);
    let stopped = Outcome::Abandoned {
        why: Abandoned::Stopped,
    };
    let input = [
        paid(1, at(7, 9, 0)),
        all_returned(message, &stopped, at(7, 9, 0)),
    ];
    let (changes, _) = step_refusing(&mut machine, &input, at(7, 9, 0), &[EnrollmentId(1)]);
    let mut back = changes.iter().filter_map(|change| match change {
        Change::CameBack(back) => Some((back.reminder.enrollment.0, back.to.next_at)),
        _ => None,
    });
    assert_eq!(back.next_back(), Some((2, Some(later))));
    let (changes, effects) = tick(&mut machine, at(7, 9, 1));
    assert!(
        changes.is_empty() && effects.is_empty(),
        "nothing due is left"
    );
    let (_, effects) = tick(&mut machine, later);
    let body = &messages(&effects)[0].rendered.body;
    assert!(body.starts_with("Olá Maria, R$ 123,45 vence em 10/11/2026. "));
}

fn admit_ahead(machine: &mut Machine) {
    let mut enrolled = enroll(machine, 2, at(1, 10, 0));
    let later = at(9, 9, 0);
    enrolled[1].cursor.next_at = Some(later);
    enrolled[1].cursor.touch = enrolled[1]
        .cursor
        .touch
        .map(|touch| schedules::plan::Touch {
            slot_at: later,
            expires_at: later.plus_ms(DAY_MS),
            ..touch
        });
    let rows = enrolled.iter().map(|one| DueRow {
        enrollment: Enrollment {
            id: EnrollmentId(one.boleto.0),
            campaign: one.campaign,
            boleto: one.boleto,
            contact: one.contact,
            cursor: one.cursor,
        },
        boleto: fixtures::boleto(one.boleto),
    });
    let mut rows: Vec<DueRow> = rows.collect();
    let ahead = rows.split_off(1);
    machine.admit(DuePage {
        rows,
        ahead,
        contacts: vec![fixtures::contact(ContactId(1))],
        read_to: mark(at(7, 9, 5)),
        next_after_at: Some(later),
        unreadable: Vec::new(),
    });
}

#[test]
fn a_page_is_asked_for_what_its_touches_may_bring_forward() {
    let Some(Need::DuePage(request)) = machine_with(merging()).need(at(1, 0, 0)) else {
        panic!("no page")
    };
    assert_eq!(request.ahead_ms, WITHIN_MS);
    let Some(Need::DuePage(request)) = machine().need(at(1, 0, 0)) else {
        panic!("no page")
    };
    assert_eq!(request.ahead_ms, 0);
}

#[test]
fn what_was_read_ahead_goes_out_with_what_is_due_or_leaves_memory_with_it() {
    let mut machine = machine_with(merging());
    admit_ahead(&mut machine);
    assert_eq!(machine.view().entries, 2);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(boletos_of(messages(&effects)[0]), [1, 2]);
    let input = all_returned(messages(&effects)[0], &accepted(), at(7, 9, 0));
    step_with(&mut machine, &[input], at(7, 9, 0));
    assert_eq!(machine.view().entries, 0);
    let mut machine = machine_with(merging());
    admit_ahead(&mut machine);
    step_with(&mut machine, &[paid(1, at(7, 8, 0))], at(7, 8, 0));
    assert_eq!(machine.view().entries, 0, "nothing that is due is left");
    assert!(!machine.is_due(at(9, 9, 0)));
    assert!(matches!(machine.need(at(9, 8, 58)), Some(Need::DuePage(_))));
}

#[test]
fn what_was_read_ahead_stays_when_its_own_page_comes() {
    let mut machine = machine_with(merging());
    admit_ahead(&mut machine);
    let enrolled = machine
        .memory
        .entry(EnrollmentId(2))
        .expect("an entry")
        .enrollment;
    machine.admit(DuePage {
        rows: vec![DueRow {
            enrollment: enrolled,
            boleto: fixtures::boleto(BoletoId(2)),
        }],
        contacts: vec![fixtures::contact(ContactId(1))],
        read_to: mark(at(9, 9, 5)),
        ..DuePage::default()
    });
    step_with(&mut machine, &[paid(1, at(7, 8, 0))], at(7, 8, 0));
    assert_eq!(machine.view().entries, 1);
    let (changes, _) = tick(&mut machine, at(9, 9, 0));
    assert_eq!(claims(&changes)[0].boleto, BoletoId(2));
}
