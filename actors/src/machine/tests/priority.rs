//! Which of a contact's reminders go when not all of them can.

use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::rule::{Rule, RuleBody};

use super::*;

/// A tenant that sends a contact two messages a day.
fn two_a_day() -> Machine {
    let steps = vec![step(0, -3), step(1, 0)];
    let mut settings = fixtures::settings(TenantId(1), at(1, 0, 0), steps, &CHANNELS);
    settings.tenant.rules.rules.push(Rule {
        code: "teto".into(),
        version: 1,
        channels: Vec::new(),
        body: RuleBody::Cap(Cap {
            scope: CapScope::Contact,
            window: CapWindow::RollingMs(DAY_MS),
            max: 2,
        }),
    });
    machine_with(settings)
}

/// Admits due rows: enrollment, contact, due day, amount.
fn admit_rows(machine: &mut Machine, rows: &[(i64, i64, u32, i64)]) {
    let enrolled = enroll(machine, 1, at(1, 10, 0));
    let due = rows.iter().map(|(id, contact, due_day, amount_centavos)| {
        let boleto = crate::ports::Boleto {
            due_on: NaiveDate::from_ymd_opt(2026, 11, *due_day).unwrap(),
            amount_centavos: *amount_centavos,
            ..fixtures::boleto(BoletoId(*id))
        };
        DueRow {
            enrollment: Enrollment {
                id: EnrollmentId(*id),
                campaign: CAMPAIGN,
                boleto: BoletoId(*id),
                contact: ContactId(*contact),
                cursor: enrolled[0].cursor,
            },
            boleto,
        }
    });
    let contacts = rows
        .iter()
        .map(|(_, contact, ..)| fixtures::contact(ContactId(*contact)));
    machine.admit(DuePage {
        rows: due.collect(),
        contacts: contacts.collect(),
        read_to: mark(at(7, 9, 5)),
        ..DuePage::default()
    });
}

fn claimed_in_order(machine: &mut Machine) -> Vec<i64> {
    let (changes, _) = step_with(machine, &[Input::Tick], at(7, 9, 0));
    claims(&changes)
        .iter()
        .map(|claim| claim.boleto.0)
        .collect()
}

#[test]
fn the_oldest_goes_first_and_of_those_the_largest() {
    let mut machine = two_a_day();
    let rows = [
        (1, 1, 12, 900),
        (2, 1, 10, 100),
        (3, 1, 10, 500),
        (4, 1, 11, 999),
    ];
    admit_rows(&mut machine, &rows);
    assert_eq!(machine.first_due(at(7, 9, 0)), Some(EnrollmentId(3)));
    assert_eq!(claimed_in_order(&mut machine), [3, 2]);
}

#[test]
fn an_open_amount_is_the_least_and_of_equals_the_first_goes_first() {
    let mut machine = two_a_day();
    let rows = [(1, 1, 10, 0), (2, 1, 10, 5), (3, 1, 10, 5)];
    admit_rows(&mut machine, &rows);
    assert_eq!(claimed_in_order(&mut machine), [2, 3]);
}

#[test]
fn no_contact_is_looked_at_sooner_for_having_several_boletos() {
    let mut machine = two_a_day();
    let rows = [(1, 1, 12, 1), (2, 2, 12, 1), (3, 1, 10, 1), (4, 3, 10, 1)];
    admit_rows(&mut machine, &rows);
    assert_eq!(claimed_in_order(&mut machine), [3, 2, 1, 4]);
}

#[test]
fn tried_one_by_one_they_come_in_the_same_order() {
    let mut machine = two_a_day();
    let rows = [(1, 1, 12, 900), (2, 1, 10, 100), (3, 1, 10, 500)];
    admit_rows(&mut machine, &rows);
    let mut order = Vec::new();
    while let Some(first) = machine.first_due(at(7, 9, 0)) {
        let (changes, _) = step_with(&mut machine, &[Input::Look(first)], at(7, 9, 0));
        assert_eq!(changes.len(), 1, "{changes:?}");
        order.push(first.0);
    }
    assert_eq!(order, [3, 2, 1]);
}
