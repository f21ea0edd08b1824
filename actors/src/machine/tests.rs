//! The machine's walk of one reminder, step by step. The simulation looks at everything else.

use chrono::NaiveDate;
use chrono_tz::America::Sao_Paulo;
use schedules::cadence::Step;
use schedules::channel::Channel;
use schedules::id::{BoletoId, ContactId, EnrollmentId, TenantId};
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::stop::StopReason;
use schedules::time::{DAY_MS, Timestamp, resolve_local};
use schedules::verdict::{Reason, Ruling};

mod addresses;
mod comebacks;
mod introductions;
mod lapses;
mod meetings;
mod merging;
mod priority;
mod reach;
mod turns;

use super::change::{Change, Claim, Enrolled};
use super::effect::{Effect, Subject};
use super::input::{Abandoned, FactBody, InboxFact, Input, Outcome, Sweep, SweepKind};
use super::{Machine, Need, Paces};
use crate::fake::fixtures::{self, CAMPAIGN, DUE_ON};
use crate::ports::{
    Candidate, Committed, Contact, Credits, Cursor, DuePage, DueRow, Enrollment, Mark, Returned,
    Settings, Snapshot, SweepPage,
};

fn at(day: u32, hour: u32, minute: u32) -> Timestamp {
    let on = NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    resolve_local(Sao_Paulo, on.and_hms_opt(hour, minute, 0).unwrap())
}

const CHANNELS: [Channel; 2] = [Channel::Whatsapp, Channel::Email];

fn step(no: u8, days: i32) -> Step {
    fixtures::step(no, days, &CHANNELS)
}

/// Returns a tenant under the Brazilian rules, with ten credits.
fn settings() -> Settings {
    let steps = vec![step(0, -3), step(1, 0)];
    let mut settings = fixtures::settings(TenantId(1), at(1, 0, 0), steps, &CHANNELS);
    settings.tenant.rules = RulePack::brazil();
    settings.tenant.credits = Some(Credits {
        balance: 10,
        held: 0,
    });
    settings
}

fn machine() -> Machine {
    machine_with(settings())
}

fn machine_with(settings: Settings) -> Machine {
    let snapshot = Snapshot {
        settings,
        unsettled: Vec::new(),
        tallies: Vec::new(),
        sweeps: Vec::new(),
    };
    Machine::restore(snapshot, None, at(1, 0, 0))
}

/// Enrolls boletos 1..=n of contact 1 by a sweep at `now`, and admits them as the journal would.
fn enroll(machine: &mut Machine, boletos: i64, now: Timestamp) -> Vec<Enrolled> {
    let kind = SweepKind::EnrollImport { import: 1 };
    let fact = InboxFact {
        seq: 1,
        event_id: "import".into(),
        occurred_at: now,
        received_at: now,
        body: FactBody::BoletosImported { import: 1 },
    };
    step_with(machine, &[Input::Facts(vec![fact])], now);
    let sweep = Sweep {
        seq: 1,
        kind,
        after: i64::MIN,
    };
    assert!(matches!(machine.need(now), Some(Need::DuePage(_))));
    machine.admit(DuePage {
        read_to: mark(now),
        ..DuePage::default()
    });
    assert_eq!(machine.need(now), Some(Need::Sweep(sweep)));
    let candidates = (1..=boletos).map(|id| Candidate {
        boleto: BoletoId(id),
        contact: ContactId(1),
        due_on: DUE_ON,
        amount_centavos: 12_345,
        zone: Sao_Paulo,
    });
    let page = SweepPage {
        candidates: candidates.collect(),
        last: true,
        ..SweepPage::default()
    };
    let changes = step_with(machine, &[Input::Swept(1, page)], now).0;
    let enrolled = changes.into_iter().filter_map(|change| match change {
        Change::Enrolled(enrolled) => Some(enrolled),
        _ => None,
    });
    enrolled.collect()
}

fn mark(next_at: Timestamp) -> Mark {
    Mark {
        next_at,
        enrollment: EnrollmentId(i64::MAX),
    }
}

fn admit(machine: &mut Machine, enrolled: &[Enrolled], until: Timestamp) {
    admit_of(machine, enrolled, until, fixtures::contact(ContactId(1)));
}

fn admit_of(machine: &mut Machine, enrolled: &[Enrolled], until: Timestamp, contact: Contact) {
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
    machine.admit(DuePage {
        rows: rows.collect(),
        contacts: vec![contact],
        read_to: mark(until),
        ..DuePage::default()
    });
}

fn step_with(
    machine: &mut Machine,
    inputs: &[Input],
    now: Timestamp,
) -> (Vec<Change>, Vec<Effect>) {
    step_refusing(machine, inputs, now, &[])
}

fn step_refusing(
    machine: &mut Machine,
    inputs: &[Input],
    now: Timestamp,
    refused: &[EnrollmentId],
) -> (Vec<Change>, Vec<Effect>) {
    let decision = machine.decide(inputs, now);
    let changes = decision.changes.clone();
    let committed = Committed {
        refused: refused.to_vec(),
    };
    let effects = machine.conclude(decision, &committed, now);
    (changes, effects)
}

fn claims(changes: &[Change]) -> Vec<&Claim> {
    let claims = changes.iter().filter_map(|change| match change {
        Change::Claimed(claim) => Some(claim),
        _ => None,
    });
    claims.collect()
}

fn returned(claim: &Claim, outcome: Outcome, now: Timestamp) -> Input {
    Input::Returned(vec![Returned {
        attempt: claim.attempt,
        at: now,
        outcome,
    }])
}

fn credits(machine: &Machine) -> (i64, i64) {
    let credits = machine.walks.tenant().credits.unwrap();
    (credits.balance, credits.held)
}

/// A machine with one claim in flight, made at 9 o'clock three days before the due date.
fn claimed() -> (Machine, Claim) {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 0));
    let claim = claims(&changes)[0].clone();
    (machine, claim)
}

#[test]
fn a_boleto_is_enrolled_at_its_first_step_to_come() {
    let enrolled = enroll(&mut machine(), 1, at(1, 10, 0));
    assert_eq!(enrolled[0].cursor.next_at, Some(at(7, 9, 0)));
    assert!(enrolled[0].passed.is_empty());
}

#[test]
fn a_late_boleto_leaves_a_record_for_each_step_whose_day_has_passed() {
    let enrolled = enroll(&mut machine(), 1, at(9, 18, 0));
    assert_eq!(enrolled[0].cursor.next_at, Some(at(10, 9, 0)));
    let passed: Vec<_> = enrolled[0]
        .passed
        .iter()
        .map(|one| one.reminder.step_no)
        .collect();
    assert_eq!(passed, [0]);
}

#[test]
fn a_due_reminder_is_claimed_and_handed_over_once() {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    assert!(!machine.is_due(at(7, 8, 59)));
    assert!(machine.is_due(at(7, 9, 0)));
    let (changes, effects) = step_with(&mut machine, &[Input::Tick], at(7, 9, 0));
    let claim = claims(&changes)[0];
    assert_eq!(claim.channel, Channel::Whatsapp);
    assert_eq!(claim.to.next_at, Some(at(10, 9, 0)));
    let Effect::HandOver(message) = &effects[0] else {
        panic!("no hand-over")
    };
    assert_eq!(
        message.rendered.body,
        "Olá Maria, R$ 123,45 vence em 10/11/2026. Escola, 11.222.333/0001-81, \
         Rua das Acácias 120, São Paulo, SP"
    );
    assert!(!machine.is_due(at(7, 9, 1)));
    let (changes, effects) = step_with(&mut machine, &[Input::Tick], at(7, 9, 1));
    assert!(changes.is_empty() && effects.is_empty());
}

#[test]
fn two_boletos_of_one_contact_meet_its_cap_in_the_same_step() {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 2, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(6, 9, 5).max(at(7, 9, 5)));
    // 7 November 2026 is a Saturday: the cap's day ends when the window opens again on Monday.
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 0));
    assert_eq!(claims(&changes).len(), 1);
    let held = changes.iter().find_map(|change| match change {
        Change::Ruled(ruled) => Some(ruled),
        _ => None,
    });
    let verdict = &held.expect("a held reminder").verdict;
    assert_eq!(
        verdict.reason,
        Reason::Expired,
        "a day later the step is too late"
    );
    assert_eq!(verdict.ruling, Ruling::Skip);
}

#[test]
fn a_claim_that_a_stop_refused_leaves_nothing_behind() {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    let refused = [EnrollmentId(1)];
    let (_, effects) = step_refusing(&mut machine, &[Input::Tick], at(7, 9, 0), &refused);
    assert!(effects.is_empty());
    assert_eq!((machine.view().in_flight, machine.view().entries), (0, 0));
    assert_eq!(credits(&machine), (10, 0), "it holds no credit");
}

#[test]
fn an_accepted_message_spends_the_credit_that_it_held() {
    let (mut machine, claim) = claimed();
    let accepted = Outcome::Accepted {
        provider_ref: "m1".into(),
    };
    let input = returned(&claim, accepted, at(7, 9, 0));
    step_with(&mut machine, &[input], at(7, 9, 0));
    assert_eq!(credits(&machine), (9, 0));
    assert_eq!(machine.view().in_flight, 0);
    assert!(machine.is_idle());
}

#[test]
fn a_refused_message_takes_the_next_channel_under_a_new_key() {
    let (mut machine, claim) = claimed();
    let rejected = Outcome::Rejected {
        code: "131026".into(),
    };
    step_with(
        &mut machine,
        &[returned(&claim, rejected, at(7, 9, 0))],
        at(7, 9, 0),
    );
    assert_eq!(credits(&machine), (10, 0));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 1));
    let second = claims(&changes)[0].clone();
    assert_eq!((second.channel, second.attempt.try_no), (Channel::Email, 1));
    let rejected = Outcome::Rejected { code: "550".into() };
    let (changes, _) = step_with(
        &mut machine,
        &[returned(&second, rejected, at(7, 9, 1))],
        at(7, 9, 1),
    );
    let failed = changes.iter().any(|change| {
        matches!(change, Change::CameBack(back) if back.failed == Some(Reason::ProviderRejected))
    });
    assert!(failed, "the reminder has a final record");
}

#[test]
fn an_unknown_outcome_is_never_sent_again_and_counts() {
    let (mut machine, claim) = claimed();
    let (changes, _) = step_with(
        &mut machine,
        &[Input::Orphaned(vec![claim.attempt])],
        at(7, 9, 9),
    );
    assert_eq!(credits(&machine), (9, 0));
    assert!(
        !changes
            .iter()
            .any(|change| matches!(change, Change::Moved(_)))
    );
}

#[test]
fn a_paid_boleto_is_dropped_withdrawn_and_recorded() {
    let mut machine = machine();
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    let fact = InboxFact {
        seq: 9,
        event_id: "p".into(),
        occurred_at: at(7, 8, 59),
        received_at: at(7, 8, 59),
        body: FactBody::BoletoPaid {
            boleto: BoletoId(1),
        },
    };
    let (changes, effects) = step_with(&mut machine, &[Input::Facts(vec![fact])], at(7, 8, 59));
    assert!(changes.contains(&Change::StopRecorded {
        seq: 9,
        reason: StopReason::Paid
    }));
    assert!(matches!(
        effects[..],
        [Effect::Withdraw(Subject::Boleto(BoletoId(1)))]
    ));
    assert!(!machine.is_due(at(7, 9, 0)));
}

#[test]
fn a_retry_that_falls_behind_what_was_read_is_read_again() {
    let (mut machine, claim) = claimed();
    let back = Cursor {
        next_at: Some(at(7, 9, 1)),
        ..claim.from
    };
    machine.memory.drop_entry(EnrollmentId(1));
    machine.memory.moved(EnrollmentId(1), back, false);
    assert!(matches!(machine.need(at(7, 9, 1)), Some(Need::DuePage(_))));
}
