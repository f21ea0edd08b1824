//! What waits for its sender's pace: one record for the wait, and its turn in memory.

use std::collections::BTreeMap;

use schedules::id::ReminderId;
use schedules::rule::{Rule, RuleBody};

use super::super::change::Ruled;
use super::super::{DUE_BATCH_MAX, ENTRIES_MAX};
use super::*;

const BURST: i64 = 5;

/// Settings without rules or credits: five messages at once and ten a second.
fn paced() -> Settings {
    let mut settings = settings();
    settings.tenant.rules.rules.clear();
    settings.tenant.credits = None;
    for sender in &mut settings.tenant.senders {
        sender.pace.per_second = 10;
        sender.pace.burst = BURST as u32;
    }
    settings
}

/// A machine with boletos 1..=n that are due at nine, and nothing read beyond nine.
fn crowd(boletos: i64) -> (Machine, Vec<Enrolled>) {
    let mut machine = machine_with(paced());
    let enrolled = enroll(&mut machine, boletos, at(1, 10, 0));
    admit(&mut machine, &enrolled, nine());
    (machine, enrolled)
}

fn nine() -> Timestamp {
    at(7, 9, 0)
}

fn tick(machine: &mut Machine, now: Timestamp) -> Vec<Change> {
    step_with(machine, &[Input::Tick], now).0
}

fn waits(changes: &[Change]) -> Vec<&Ruled> {
    let waits = changes.iter().filter_map(|change| match change {
        Change::Ruled(ruled) => Some(ruled),
        _ => None,
    });
    waits.collect()
}

/// Says who leaves a record, and why.
fn ruled(changes: &[Change]) -> Vec<(i64, Reason)> {
    let ruled = waits(changes).into_iter();
    ruled
        .map(|one| (one.reminder.enrollment.0, one.verdict.reason))
        .collect()
}

fn accept_all(machine: &mut Machine, changes: &[Change], now: Timestamp) {
    let accepted = || Outcome::Accepted {
        provider_ref: String::new(),
    };
    let claimed = claims(changes).into_iter();
    let inputs: Vec<Input> = claimed
        .map(|claim| returned(claim, accepted(), now))
        .collect();
    step_with(machine, &inputs, now);
}

/// Forgets what the senders are owed: as many as may go out at once went out at `now`.
fn spend_the_pace(machine: &mut Machine, now: Timestamp) {
    let senders = paced().tenant.senders;
    let spent = senders.iter().map(|it| (it.channel, it.pace.spent(now)));
    machine.paces = spent.collect();
}

/// A machine whose boleto 6 waits until a tenth of a second after nine, the others being done.
fn one_waits() -> (Machine, Timestamp) {
    let (mut machine, _) = crowd(BURST + 1);
    let changes = tick(&mut machine, nine());
    let turn_at = nine().plus_ms(100);
    assert_eq!(ruled(&changes), [(6, Reason::SenderPace)]);
    assert_eq!(waits(&changes)[0].to.next_at, Some(turn_at));
    accept_all(&mut machine, &changes, nine());
    (machine, turn_at)
}

#[test]
fn a_burst_goes_out_at_the_pace_in_order_with_one_record_for_each_wait() {
    let (mut machine, _) = crowd(200);
    let mut sent: Vec<(i64, Timestamp)> = Vec::new();
    let mut records: BTreeMap<ReminderId, usize> = BTreeMap::new();
    let mut now = nine();
    while machine.view().queued > 0 {
        let changes = tick(&mut machine, now);
        for wait in waits(&changes) {
            assert_eq!(wait.verdict.reason, Reason::SenderPace);
            let until = wait.to.next_at.expect("an instant");
            assert_eq!(wait.verdict.ruling, Ruling::Hold { until });
            *records.entry(wait.reminder).or_default() += 1;
        }
        let claimed = claims(&changes).into_iter();
        sent.extend(claimed.map(|claim| (claim.attempt.reminder.enrollment.0, now)));
        accept_all(&mut machine, &changes, now);
        now = machine.memory.queue().first_at().unwrap_or(now);
    }
    let order: Vec<i64> = sent.iter().map(|one| one.0).collect();
    assert_eq!(order, (1..=200).collect::<Vec<i64>>());
    for (place, (_, at)) in (0..).zip(&sent) {
        let turn_at = nine().plus_ms((place + 1 - BURST).max(0) * 100);
        assert_eq!(*at, turn_at, "never faster, nor slower, than agreed");
    }
    assert_eq!(records.len(), 195, "all but those that went out at once");
    assert!(records.values().all(|count| *count == 1));
}

#[test]
fn what_waits_its_turn_stays_in_memory_however_full_that_is() {
    let boletos = ENTRIES_MAX as i64 + 1;
    let (mut machine, _) = crowd(boletos);
    let mut records = 0;
    while machine.is_due(nine()) {
        records += waits(&tick(&mut machine, nine())).len();
    }
    let everyone = usize::try_from(boletos).expect("a count");
    assert_eq!(records, everyone - BURST as usize);
    assert_eq!(machine.view().entries, everyone);
    // Many wait for the same turn: one takes it, the others go on waiting without a word.
    let turn_at = nine().plus_ms(100);
    assert!(machine.memory.queue().due(turn_at).count() > 1);
    let changes = tick(&mut machine, turn_at);
    assert_eq!((claims(&changes).len(), changes.len()), (1, 1));
    assert_eq!(machine.view().entries, everyone);
    assert!(everyone > DUE_BATCH_MAX);
}

#[test]
fn a_wait_that_goes_on_leaves_no_second_record() {
    let (mut machine, turn_at) = one_waits();
    spend_the_pace(&mut machine, turn_at);
    assert_eq!(tick(&mut machine, turn_at), []);
    assert!(!machine.is_due(turn_at), "it is not looked at for ever");
    let later = turn_at.plus_ms(100);
    let changes = tick(&mut machine, later);
    assert_eq!(claims(&changes).len(), 1);
}

#[test]
fn what_was_held_for_something_else_in_between_waits_anew() {
    let (mut machine, turn_at) = one_waits();
    let bought = |balance| Settings {
        tenant: crate::ports::Tenant {
            credits: Some(Credits { balance, held: 0 }),
            ..paced().tenant
        },
        ..paced()
    };
    machine.adopt(bought(0));
    let changes = tick(&mut machine, turn_at);
    assert_eq!(ruled(&changes), [(6, Reason::CreditsExhausted)]);
    assert!(!machine.is_idle(), "the purchase must find it");
    machine.adopt(bought(1));
    spend_the_pace(&mut machine, turn_at);
    let changes = tick(&mut machine, turn_at);
    assert_eq!(ruled(&changes), [(6, Reason::SenderPace)]);
    assert!(machine.is_idle(), "no purchase is waited for any more");
}

#[test]
fn an_attempt_that_came_back_waits_anew() {
    let (mut machine, turn_at) = one_waits();
    admit(&mut machine, &[], at(7, 9, 5));
    let changes = tick(&mut machine, turn_at);
    let stopped = Outcome::Abandoned {
        why: Abandoned::Stopped,
    };
    let back = returned(claims(&changes)[0], stopped, turn_at);
    step_with(&mut machine, &[back], turn_at);
    let changes = tick(&mut machine, turn_at);
    let try_nos: Vec<u16> = waits(&changes).iter().map(|one| one.try_no).collect();
    assert_eq!(try_nos, [1], "the second try has a record of its own");
}

#[test]
fn a_wait_ends_by_itself_in_memory_and_in_the_journal() {
    let (mut machine, turn_at) = one_waits();
    assert!(machine.is_idle(), "no event is waited for");
    assert_eq!(machine.memory.queue().first_at(), Some(turn_at));
    // Whoever reads the row finds when it is looked at again.
    let cursor = machine
        .memory
        .entry(EnrollmentId(6))
        .map(|it| it.enrollment.cursor);
    assert_eq!(cursor.and_then(|it| it.next_at), Some(turn_at));
    assert_eq!(claims(&tick(&mut machine, turn_at)).len(), 1);
}

#[test]
fn a_machine_that_is_loaded_anew_says_so_once_more() {
    let (mut machine, enrolled) = crowd(BURST + 1);
    let changes = tick(&mut machine, nine());
    let mut read = enrolled[5].clone();
    read.cursor = waits(&changes)[0].to;
    let turn_at = nine().plus_ms(100);
    let mut next = machine_with(paced());
    spend_the_pace(&mut next, turn_at);
    admit(&mut next, &[read], turn_at);
    assert!(!next.is_due(nine()), "it is not due before its turn");
    assert_eq!(ruled(&tick(&mut next, turn_at)), [(6, Reason::SenderPace)]);
    assert_eq!(tick(&mut next, turn_at), []);
}

#[test]
fn a_stop_ends_a_wait() {
    let paid = InboxFact {
        seq: 9,
        event_id: "p".into(),
        occurred_at: nine(),
        received_at: nine(),
        body: FactBody::BoletoPaid {
            boleto: BoletoId(6),
        },
    };
    let (mut machine, turn_at) = one_waits();
    step_with(&mut machine, &[Input::Facts(vec![paid])], nine());
    assert!(!machine.is_due(turn_at));
    assert_eq!(machine.view().entries, 0);
}

#[test]
fn those_who_wait_take_turns_on_the_channel_that_they_will_go_out_on() {
    let mut settings = paced();
    settings
        .templates
        .retain(|one| one.channel == Channel::Email);
    let mut machine = machine_with(settings);
    let enrolled = enroll(&mut machine, 4, at(1, 10, 0));
    admit(&mut machine, &enrolled, nine());
    spend_the_pace(&mut machine, nine());
    let changes = tick(&mut machine, nine());
    let waits = waits(&changes).into_iter();
    let turns: Vec<i64> = waits
        .filter_map(|one| one.to.next_at)
        .map(|turn_at| turn_at.since(nine()))
        .collect();
    assert_eq!(turns, [100, 200, 300, 400]);
}

#[test]
fn a_wait_that_a_stop_refused_is_read_again() {
    let (mut machine, _) = crowd(BURST + 1);
    step_refusing(&mut machine, &[Input::Tick], nine(), &[EnrollmentId(6)]);
    assert!(machine.memory.entry(EnrollmentId(6)).is_none());
    assert!(matches!(machine.need(nine()), Some(Need::DuePage(_))));
}

#[test]
fn a_window_that_shuts_before_the_turn_has_a_record_of_its_own() {
    let mut settings = paced();
    let window = |rule: &Rule| matches!(rule.body, RuleBody::SendWindow(_));
    settings.tenant.rules = RulePack::brazil();
    settings.tenant.rules.rules.retain(window);
    for step in &mut settings.campaigns[0].campaign.cadence.steps {
        step.channels = vec![Channel::Email];
        step.expires_after_ms = 7 * DAY_MS;
    }
    let mut machine = machine_with(settings);
    let enrolled = enroll(&mut machine, BURST + 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, nine());
    // 7 November 2026 is a Saturday: its window shuts at 14, and opens again on Monday.
    let shut_at = at(7, 14, 0);
    let changes = tick(&mut machine, shut_at.plus_ms(-150));
    assert_eq!(waits(&changes)[0].to.next_at, Some(shut_at.plus_ms(-50)));
    spend_the_pace(&mut machine, shut_at.plus_ms(-50));
    let changes = tick(&mut machine, shut_at.plus_ms(-50));
    assert_eq!(ruled(&changes), [(6, Reason::SenderPace)]);
    assert_eq!(waits(&changes)[0].to.next_at, Some(at(9, 8, 0)));
    assert!(
        machine.memory.entry(EnrollmentId(6)).is_none(),
        "until Monday"
    );
}
