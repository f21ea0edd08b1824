//! Where edits and settings meet what is under way; the simulation found each of these.

use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::rule::{Rule, RuleBody};

use super::*;
use crate::ports::Standing;

const ENROLLMENT: EnrollmentId = EnrollmentId(1);

fn edited() -> InboxFact {
    InboxFact {
        seq: 5,
        event_id: "edit".into(),
        occurred_at: at(7, 9, 0),
        received_at: at(7, 9, 0),
        body: FactBody::CampaignEdited { campaign: CAMPAIGN },
    }
}

/// A page of the sweep that follows the edit, with the enrollment at `cursor`.
fn page(claim: &Claim, cursor: Cursor) -> Input {
    let enrollment = Enrollment {
        id: ENROLLMENT,
        campaign: CAMPAIGN,
        boleto: claim.boleto,
        contact: claim.contact,
        cursor,
    };
    let standing = Standing {
        enrollment,
        stopped: false,
        due_on: DUE_ON,
        amount_centavos: 12_345,
        zone: Sao_Paulo,
    };
    let page = SweepPage {
        standing: vec![standing],
        read_to: ENROLLMENT.0,
        last: true,
        ..SweepPage::default()
    };
    Input::Swept(5, page)
}

/// Settings whose first step was moved to the day before the due date, with one more on the 8th.
fn edited_settings() -> Settings {
    let mut settings = settings();
    settings.tenant.credits = None;
    let cadence = &mut settings.campaigns[0].campaign.cadence;
    cadence.steps = vec![step(0, -1), step(1, 0), step(7, -2)];
    settings
}

fn moved_to(changes: &[Change]) -> Option<Cursor> {
    changes.iter().find_map(|change| match change {
        Change::Moved(moved) => Some(moved.to),
        Change::CameBack(back) => Some(back.to),
        _ => None,
    })
}

#[test]
fn a_sweep_waits_for_the_outcome_of_an_attempt_in_flight() {
    let (mut machine, claim) = claimed();
    step_with(&mut machine, &[Input::Facts(vec![edited()])], at(7, 9, 0));
    machine.adopt(edited_settings());
    let (changes, _) = step_with(&mut machine, &[page(&claim, claim.to)], at(7, 9, 0));
    assert_eq!(moved_to(&changes), None);
    assert_eq!(
        machine.need(at(7, 9, 0)),
        None,
        "it does not ask in a circle"
    );
    let unavailable = returned(&claim, Outcome::Unavailable, at(7, 9, 0));
    let (changes, _) = step_with(&mut machine, &[unavailable], at(7, 9, 0));
    let back = moved_to(&changes).expect("the touch comes back");
    assert!(matches!(machine.need(at(7, 9, 0)), Some(Need::Sweep(sweep)) if sweep.after == 0));
    let (changes, _) = step_with(&mut machine, &[page(&claim, back)], at(7, 9, 0));
    assert!(changes.contains(&Change::SweepEnded { seq: 5 }));
    let to = moved_to(&changes).expect("a new plan");
    assert_eq!(to.touch.map(|touch| touch.step_no), Some(7));
}

#[test]
fn a_reminder_that_an_edit_puts_off_does_not_use_a_key_twice() {
    let (mut machine, claim) = claimed();
    let unavailable = returned(&claim, Outcome::Unavailable, at(7, 9, 0));
    let (changes, _) = step_with(&mut machine, &[unavailable], at(7, 9, 0));
    let back = moved_to(&changes).expect("the touch comes back");
    step_with(&mut machine, &[Input::Facts(vec![edited()])], at(7, 9, 0));
    machine.adopt(edited_settings());
    let (changes, _) = step_with(&mut machine, &[page(&claim, back)], at(7, 9, 0));
    let to = moved_to(&changes).expect("a new plan");
    assert_eq!(
        (to.try_no, to.touch.map(|touch| touch.step_no)),
        (1, Some(7))
    );
}

#[test]
fn an_enrollment_is_not_due_again_before_its_outcome_is_known() {
    let mut settings = settings();
    settings.tenant.rules.rules.clear();
    settings.campaigns[0].campaign.cadence.steps = vec![step(0, -3), step(1, -3)];
    let mut machine = machine();
    machine.adopt(settings);
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 0));
    let claim = claims(&changes)[0].clone();
    assert_eq!(
        claim.to.next_at,
        Some(at(7, 9, 0)),
        "the next touch is due already"
    );
    assert!(!machine.is_due(at(7, 9, 0)));
    step_with(
        &mut machine,
        &[returned(&claim, Outcome::Unknown, at(7, 9, 0))],
        at(7, 9, 0),
    );
    assert!(machine.is_due(at(7, 9, 0)));
}

#[test]
fn rules_that_look_further_back_than_what_was_read_ask_for_a_reload() {
    let mut machine = machine();
    let mut settings = settings();
    machine.adopt(settings.clone());
    assert!(!matches!(machine.need(at(7, 9, 0)), Some(Need::Reload)));
    let cap = Cap {
        scope: CapScope::Contact,
        window: CapWindow::RollingMs(30 * DAY_MS),
        max: 4,
    };
    settings.tenant.rules.rules.push(Rule {
        code: "cap.contact.month".into(),
        version: 1,
        channels: Vec::new(),
        body: RuleBody::Cap(cap),
    });
    machine.adopt(settings);
    assert_eq!(machine.need(at(7, 9, 0)), Some(Need::Reload));
    assert!(!machine.is_due(at(7, 9, 0)));
}

#[test]
fn an_archived_campaign_is_stopped_page_by_page() {
    let (mut machine, claim) = claimed();
    let now = at(7, 9, 1);
    let archived = InboxFact {
        body: FactBody::CampaignArchived { campaign: CAMPAIGN },
        ..edited()
    };
    let (changes, effects) = step_with(&mut machine, &[Input::Facts(vec![archived])], now);
    assert!(matches!(
        changes[..],
        [Change::SweepMoved(_), Change::FactApplied { seq: 5 }]
    ));
    assert!(matches!(
        effects[..],
        [Effect::Withdraw(Subject::Campaign(CAMPAIGN))]
    ));
    // The attempt in flight holds nothing up: what comes of it finds the enrollment stopped.
    let (changes, _) = step_with(&mut machine, &[page(&claim, claim.to)], now);
    let stopped = Change::Stopped {
        enrollment: ENROLLMENT,
        seq: 5,
    };
    assert_eq!(changes, [stopped, Change::SweepEnded { seq: 5 }]);
}
