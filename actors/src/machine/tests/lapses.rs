//! What memory may lose or never had: the senders' past, the clock's, an entry's, credits.

use super::*;

fn ruled(changes: &[Change]) -> Vec<(Ruling, Reason)> {
    let ruled = changes.iter().filter_map(|change| match change {
        Change::Ruled(ruled) => Some((ruled.verdict.ruling, ruled.verdict.reason)),
        _ => None,
    });
    ruled.collect()
}

/// Settings without rules, two messages at once and one a second.
fn slow_settings(credits: Option<i64>) -> Settings {
    let mut settings = settings();
    settings.tenant.rules.rules.clear();
    settings.tenant.credits = credits.map(|balance| Credits { balance, held: 0 });
    for sender in &mut settings.tenant.senders {
        sender.pace.per_second = 1;
        sender.pace.burst = 2;
    }
    settings
}

/// A machine with three boletos that are due at nine.
fn slow() -> Machine {
    let mut machine = machine();
    machine.adopt(slow_settings(Some(10)));
    let enrolled = enroll(&mut machine, 3, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 9, 5));
    machine
}

#[test]
fn a_sender_whose_past_nobody_remembers_begins_slowly() {
    let fresh = |paces: Option<Paces>, now| {
        let snapshot = Snapshot {
            settings: slow_settings(None),
            unsettled: Vec::new(),
            tallies: Vec::new(),
            sweeps: Vec::new(),
        };
        let mut machine = Machine::restore(snapshot, paces, now);
        let enrolled = enroll(&mut machine, 3, at(1, 10, 0));
        admit(&mut machine, &enrolled, at(7, 9, 5));
        claims(&step_with(&mut machine, &[Input::Tick], now).0).len()
    };
    let nine = at(7, 9, 0);
    assert_eq!(fresh(None, nine), 0, "it may have sent right before");
    let mut former = slow();
    assert_eq!(
        claims(&step_with(&mut former, &[Input::Tick], nine).0).len(),
        2
    );
    assert_eq!(fresh(Some(former.paces().clone()), nine), 0);
    assert_eq!(fresh(Some(slow().paces().clone()), nine), 2);
    let mut of_tomorrow = slow();
    step_with(&mut of_tomorrow, &[Input::Tick], at(7, 9, 30));
    let paces = of_tomorrow.paces().clone();
    assert_eq!(fresh(Some(paces), nine), 2, "the clock was set back");
}

#[test]
fn what_waits_for_credits_goes_out_when_they_are_bought() {
    let mut machine = slow();
    machine.adopt(slow_settings(Some(0)));
    let nine = at(7, 9, 0);
    let (changes, _) = step_with(&mut machine, &[Input::Tick], nine);
    let until = nine.plus_ms(schedules::verdict::RECHECK_MS);
    let held = (Ruling::Hold { until }, Reason::CreditsExhausted);
    assert_eq!(ruled(&changes), vec![held; 3]);
    assert!(!machine.is_due(at(7, 9, 1)), "it is not looked at for ever");
    assert!(!machine.is_idle(), "the purchase must find it");
    machine.adopt(slow_settings(Some(5)));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 1));
    assert_eq!(claims(&changes).len(), 2);
}

#[test]
fn what_waits_for_a_paused_channel_goes_out_when_it_is_free() {
    let mut machine = slow();
    let mut settings = slow_settings(None);
    settings.tenant.paused_channels = vec![CHANNELS[0]];
    machine.adopt(settings);
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 0));
    let reasons: Vec<Reason> = ruled(&changes).iter().map(|one| one.1).collect();
    assert_eq!(reasons, [Reason::ChannelPaused; 3]);
    machine.adopt(slow_settings(None));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 1));
    assert_eq!(claims(&changes).len(), 2);
}

#[test]
fn a_paused_channel_gives_up_its_messages_and_nothing_is_decided_before_it_is_known() {
    let (mut machine, claim) = claimed();
    let channel = claim.channel;
    let paused = InboxFact {
        seq: 7,
        event_id: "pause".into(),
        occurred_at: at(7, 9, 1),
        received_at: at(7, 9, 1),
        body: FactBody::ChannelPaused { channel },
    };
    let (_, effects) = step_with(&mut machine, &[Input::Facts(vec![paused])], at(7, 9, 1));
    let [Effect::Withdraw(subject)] = effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(subject, Subject::Channel(channel));
    assert_eq!(machine.need(at(7, 9, 1)), Some(Need::Settings));
}

#[test]
fn what_waits_for_the_payment_feed_goes_out_when_it_speaks() {
    let mut machine = slow();
    let mut settings = slow_settings(None);
    settings.tenant.feed.silence_max_ms = Some(schedules::time::HOUR_MS);
    machine.adopt(settings);
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 0));
    let reasons: Vec<Reason> = ruled(&changes).iter().map(|one| one.1).collect();
    assert_eq!(reasons, [Reason::PaymentFeedStale; 3]);
    let heard = InboxFact {
        seq: 7,
        event_id: "feed".into(),
        occurred_at: at(7, 9, 1),
        received_at: at(7, 9, 1),
        body: FactBody::FeedHeard,
    };
    step_with(&mut machine, &[Input::Facts(vec![heard])], at(7, 9, 1));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 9, 1));
    assert_eq!(claims(&changes).len(), 2);
}

#[test]
fn what_failed_out_of_sight_is_passed_over_and_the_next_step_comes() {
    let (mut machine, claim) = claimed();
    machine.memory.forget(Subject::Boleto(claim.boleto));
    let walk = machine.walks.walk(claim.campaign).expect("a campaign");
    let last = walk.step(0).expect("a step").channels(true).len() - 1;
    let claim = {
        let mut altered = machine.in_flight.remove(claim.attempt).expect("a claim");
        altered.channel = CHANNELS[last];
        altered.from.channel_from = u8::try_from(last).expect("a place");
        machine.in_flight.insert(altered.clone());
        altered
    };
    let now = at(7, 9, 1);
    let rejected = Outcome::Rejected { code: "550".into() };
    let (changes, _) = step_with(&mut machine, &[returned(&claim, rejected, now)], now);
    let back = changes.iter().find_map(|change| match change {
        Change::CameBack(back) => Some(back),
        _ => None,
    });
    let back = back.expect("an attempt that came back");
    assert_eq!((back.failed, back.to.next_at), (None, Some(now)));
    // It is read again, as it was left.
    machine.admit(DuePage {
        rows: vec![DueRow {
            enrollment: Enrollment {
                id: claim.attempt.reminder.enrollment,
                campaign: claim.campaign,
                boleto: claim.boleto,
                contact: claim.contact,
                cursor: back.to,
            },
            boleto: fixtures::boleto(claim.boleto),
        }],
        contacts: vec![fixtures::contact(claim.contact)],
        read_to: mark(at(7, 9, 5)),
        ..DuePage::default()
    });
    let (changes, _) = step_with(&mut machine, &[Input::Tick], now);
    let failed = changes.iter().find_map(|change| match change {
        Change::CameBack(back) => back.failed.map(|reason| (reason, back.to)),
        _ => None,
    });
    let (reason, to) = failed.expect("a final record");
    assert_eq!(reason, Reason::RetriesExhausted);
    assert_eq!(to.next_at, Some(at(10, 9, 0)), "the step of the due date");
    assert_eq!(to.progress.reminders, 0, "nothing was sent");
}

#[test]
fn messages_from_before_the_first_credits_are_not_paid_with_them() {
    let mut unmetered = slow();
    unmetered.adopt(slow_settings(None));
    let (changes, _) = step_with(&mut unmetered, &[Input::Tick], at(7, 9, 0));
    let claimed: Vec<Claim> = claims(&changes).into_iter().cloned().collect();
    assert_eq!(claimed.len(), 2);
    unmetered.adopt(slow_settings(Some(2)));
    let now = at(7, 9, 1);
    let abandoned = Outcome::Abandoned {
        why: Abandoned::TooLate,
    };
    let inputs = claimed
        .iter()
        .map(|claim| returned(claim, abandoned.clone(), now));
    let inputs: Vec<Input> = inputs.chain([Input::Tick]).collect();
    let (changes, _) = step_with(&mut unmetered, &inputs, now);
    assert_eq!(
        claims(&changes).len(),
        0,
        "both credits may be needed for what is under way"
    );
    assert_eq!(credits(&unmetered), (2, 0));
}
