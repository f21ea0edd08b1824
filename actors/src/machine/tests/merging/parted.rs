//! What comes of a merged message when a part of it is lost, or all of it fails.

use super::*;

#[test]
fn a_stop_of_one_boleto_leaves_the_others_in_a_smaller_message() {
    let mut machine = with_due(merging(), 3);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let first = messages(&effects)[0];
    assert!(
        first.concerns(Subject::Boleto(BoletoId(2))),
        "a companion's stop"
    );
    assert!(!first.concerns(Subject::Boleto(BoletoId(4))));
    let stopped = Outcome::Abandoned {
        why: Abandoned::Stopped,
    };
    let inputs = [
        paid(2, at(7, 9, 0)),
        all_returned(first, &stopped, at(7, 9, 0)),
    ];
    step_refusing(&mut machine, &inputs, at(7, 9, 0), &[EnrollmentId(2)]);
    assert_eq!(credits(&machine), (10, 0));
    let (changes, effects) = tick(&mut machine, at(7, 9, 0));
    assert_eq!(boletos_of(messages(&effects)[0]), [1, 3]);
    let tries: Vec<_> = claims(&changes)
        .iter()
        .map(|one| one.attempt.try_no)
        .collect();
    assert_eq!(tries, [1, 1]);
    let inputs = [all_returned(messages(&effects)[0], &stopped, at(7, 9, 0))];
    step_refusing(&mut machine, &inputs, at(7, 9, 0), &[EnrollmentId(1)]);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let last = messages(&effects)[0];
    assert_eq!(boletos_of(last), [3]);
    assert!(
        last.rendered.body.contains("vence em"),
        "alone, by the ordinary text"
    );
}

#[test]
fn nothing_is_sent_when_nothing_is_left() {
    let mut machine = with_due(merging(), 2);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let stopped = Outcome::Abandoned {
        why: Abandoned::Stopped,
    };
    let inputs = [all_returned(messages(&effects)[0], &stopped, at(7, 9, 0))];
    let refused = [EnrollmentId(1), EnrollmentId(2)];
    step_refusing(&mut machine, &inputs, at(7, 9, 0), &refused);
    let (changes, effects) = tick(&mut machine, at(7, 9, 0));
    assert!(changes.is_empty() && effects.is_empty());
    assert_eq!(machine.view().in_flight, 0);
    assert_eq!(credits(&machine), (10, 0));
}

#[test]
fn a_message_that_lost_a_part_in_its_commit_never_leaves() {
    for lost in [1, 3] {
        let mut machine = machine_with(merging());
        let enrolled = enroll(&mut machine, 3, at(1, 10, 0));
        admit(&mut machine, &enrolled, at(7, 9, 5));
        let refused = [EnrollmentId(lost)];
        let (_, effects) = step_refusing(&mut machine, &[Input::Tick], at(7, 9, 0), &refused);
        let [Effect::GiveBack(left)] = &effects[..] else {
            panic!("{effects:?}")
        };
        let of: Vec<_> = left.iter().map(|one| one.reminder.enrollment.0).collect();
        let others: Vec<i64> = (1..=3).filter(|one| *one != lost).collect();
        assert_eq!(of, others);
        assert_eq!(machine.view().in_flight, 2);
        let given_back = left.iter().map(|attempt| Returned {
            attempt: *attempt,
            at: at(7, 9, 0),
            outcome: Outcome::Abandoned {
                why: Abandoned::Stopped,
            },
        });
        let input = Input::Returned(given_back.collect());
        let (changes, _) = step_with(&mut machine, &[input], at(7, 9, 0));
        assert_eq!((machine.view().in_flight, credits(&machine)), (0, (10, 0)));
        // What was refused is read anew, and the others with it if they were let go of.
        assert!(matches!(machine.need(at(7, 9, 0)), Some(Need::DuePage(_))));
        let back = changes.iter().filter_map(|change| match change {
            Change::CameBack(back) => Some(back),
            _ => None,
        });
        let rows = back.map(|back| Enrolled {
            cursor: back.to,
            ..enrolled[usize::try_from(back.reminder.enrollment.0).unwrap() - 1].clone()
        });
        admit(&mut machine, &rows.collect::<Vec<_>>(), at(7, 9, 5));
        let (_, effects) = tick(&mut machine, at(7, 9, 0));
        assert_eq!(boletos_of(messages(&effects)[0]), others);
    }
}

#[test]
fn the_parts_of_a_message_that_failed_are_tried_again_together() {
    let mut machine = with_due(merging(), 3);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let input = all_returned(messages(&effects)[0], &Outcome::Unavailable, at(7, 9, 0));
    step_with(&mut machine, &[input], at(7, 9, 0));
    let wakes_at = machine.next_wake_at(at(7, 9, 0)).expect("a retry");
    let (_, effects) = tick(&mut machine, wakes_at);
    let second = messages(&effects)[0];
    assert_eq!(
        (boletos_of(second), second.channel),
        (vec![1, 2, 3], Channel::Whatsapp)
    );
    let rejected = Outcome::Rejected { code: "x".into() };
    let input = all_returned(second, &rejected, wakes_at);
    step_with(&mut machine, &[input], wakes_at);
    let (_, effects) = tick(&mut machine, wakes_at);
    let third = messages(&effects)[0];
    assert_eq!(
        (boletos_of(third), third.channel),
        (vec![1, 2, 3], Channel::Email)
    );
}

#[test]
fn a_machine_that_is_loaded_again_counts_one_message_and_closes_every_part() {
    let mut machine = with_due(merging(), 3);
    let (changes, _) = tick(&mut machine, at(7, 9, 0));
    let unsettled: Vec<Claim> = claims(&changes).into_iter().cloned().collect();
    let mut settings = merging();
    settings.tenant.credits = Some(Credits {
        balance: 10,
        held: 1,
    });
    let snapshot = Snapshot {
        settings,
        unsettled,
        tallies: Vec::new(),
        sweeps: Vec::new(),
    };
    let mut again = Machine::restore(snapshot, None, at(7, 9, 0));
    assert_eq!(again.in_flight.messages(), 1);
    let orphans: Vec<_> = again.in_flight().collect();
    step_with(&mut again, &[Input::Orphaned(orphans)], at(7, 9, 1));
    assert_eq!((again.view().in_flight, credits(&again)), (0, (9, 0)));
}

#[test]
fn an_outcome_that_comes_twice_or_for_one_part_alone_breaks_nothing() {
    let mut machine = with_due(merging(), 2);
    let (_, effects) = tick(&mut machine, at(7, 9, 0));
    let message = messages(&effects)[0];
    let companion = Input::Returned(vec![Returned {
        attempt: message.companions[0].attempt,
        at: at(7, 9, 0),
        outcome: accepted(),
    }]);
    step_with(&mut machine, &[companion], at(7, 9, 0));
    assert_eq!(credits(&machine), (10, 1), "the credit is the lead's");
    let all = all_returned(message, &accepted(), at(7, 9, 0));
    let (changes, _) = step_with(&mut machine, &[all.clone(), all.clone()], at(7, 9, 0));
    let settled = changes
        .iter()
        .filter(|change| matches!(change, Change::Settled(_)));
    assert_eq!(settled.count(), 1);
    let (changes, _) = step_with(&mut machine, &[all], at(7, 9, 0));
    assert!(changes.is_empty());
    assert_eq!(credits(&machine), (9, 0));
}
