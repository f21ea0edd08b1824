//! A message about several boletos: a stop of any of them is about it, and each has its outcome.

use super::*;
use crate::machine::effect::Companion;

/// A message about boletos `ids` of one contact, the first of which leads.
fn about(desk: &Desk, ids: &[i64]) -> Arc<HandOver> {
    let parts = ids.iter().map(|id| desk.message(TENANT, *id));
    let parts: Vec<Arc<HandOver>> = parts.collect();
    let companions = parts[1..].iter().map(|part| Companion {
        attempt: part.attempt,
        boleto: part.boleto,
    });
    let companions = companions.collect();
    let lead = desk.message(TENANT, ids[0]);
    let Ok(lead) = Arc::try_unwrap(lead) else {
        panic!("a message that nobody else has")
    };
    Arc::new(HandOver { companions, ..lead })
}

#[tokio::test]
async fn a_message_begins_once_and_brings_an_outcome_for_each_boleto() {
    let desk = desk(DispatchLimits::default());
    desk.send(&[about(&desk, &[1, 2, 3])]);
    let outcomes = desk.outcomes().await;
    let of: Vec<i64> = outcomes.iter().map(|(id, _)| *id).collect();
    assert_eq!(of, [1, 2, 3]);
    let accepted = |one: &&(i64, Outcome)| matches!(one.1, Outcome::Accepted { .. });
    assert_eq!(outcomes.iter().filter(accepted).count(), 3);
    assert_eq!(desk.wire_len(), 1);
    assert_eq!(desk.dispatcher.in_flight(TENANT), 0);
}

#[tokio::test]
async fn a_stop_of_any_boleto_takes_the_whole_message_back() {
    for stopped in [1, 2, 3] {
        let desk = desk(DispatchLimits::default());
        desk.mood(|mood| mood.connects_slowly = true);
        desk.send(&[about(&desk, &[1, 2, 3])]);
        desk.connecting(1).await;
        assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(4)), 0);
        assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(stopped)), 0);
        desk.mood(|mood| mood.connects_slowly = false);
        let outcomes = desk.outcomes().await;
        let all_back = [1, 2, 3].map(|id| (id, abandoned(Abandoned::Stopped)));
        assert_eq!(outcomes, all_back, "stop of {stopped}");
        assert_eq!(desk.wire_len(), 0);
    }
}

#[tokio::test]
async fn a_message_that_has_begun_is_under_way_for_the_stop_of_any_boleto() {
    let desk = desk(DispatchLimits::default());
    desk.mood(|mood| mood.answers_slowly = true);
    desk.send(&[about(&desk, &[1, 2])]);
    desk.on_the_wire(1).await;
    assert_eq!(desk.dispatcher.withdraw(TENANT, boleto(2)), 1);
    desk.mood(|mood| mood.answers_slowly = false);
    assert_eq!(desk.outcomes().await.len(), 2);
}

#[tokio::test]
async fn a_new_life_of_the_owner_inherits_every_claim_of_a_message() {
    let desk = desk(DispatchLimits::default());
    desk.mood(|mood| mood.connects_slowly = true);
    let message = about(&desk, &[1, 2]);
    desk.send(std::slice::from_ref(&message));
    desk.connecting(1).await;
    let claims: BTreeSet<_> = message.attempts().collect();
    assert_eq!(desk.dispatcher.inherit(TENANT, NOW), claims);
    desk.mood(|mood| mood.connects_slowly = false);
    desk.outcomes().await;
}
