//! The shell round the machine, in a fake world: what is committed, when, and what a failure costs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use schedules::cadence::Merge;
use schedules::id::{BoletoId, ContactId, EnrollmentId, TenantId};
use schedules::template::{Template, Variable};
use schedules::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

use crate::clock::Clock;
use crate::fake::{Fault, ORIGIN, World};
use crate::machine::change::Change;
use crate::machine::effect::Subject;
use crate::machine::input::{Abandoned, Outcome};
use crate::observe::{AlertKind, Presence};
use crate::ports::JournalError;
use crate::supervision::node::Node;

const TENANT: TenantId = TenantId(1);

fn accepted(outcomes: &[(EnrollmentId, Option<Outcome>)]) -> usize {
    let accepted =
        |one: &&(EnrollmentId, Option<Outcome>)| matches!(one.1, Some(Outcome::Accepted { .. }));
    outcomes.iter().filter(accepted).count()
}

/// Lets others work until the observation holds.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

fn assert_one_call_at_a_time(world: &World) {
    assert_eq!(
        world.with(|state| state.overlapping),
        0,
        "journal calls overlapped"
    );
}

fn alerts(node: &Node) -> Vec<AlertKind> {
    node.alerts().into_iter().map(|alert| alert.what).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_reminder_goes_out_once_and_its_tenant_falls_asleep_sealed() {
    let world = World::new();
    world.open_with(TENANT, 3, ORIGIN);
    let node = world.settled(|_| {}).await;
    assert_eq!(world.wire_of(TENANT).len(), 3);
    assert_eq!(accepted(&world.outcomes(TENANT)), 3);
    assert!(world.with(|state| state.books[&TENANT].seals) >= 1);
    until(|| node.tenant_view(TENANT).expect("seen").presence == Presence::Asleep).await;
    assert_one_call_at_a_time(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_are_read_before_anything_due_is_looked_at() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN);
    world.say(TENANT, 2);
    let _node = world.settled(|_| {}).await;
    let calls = world.with(|state| state.calls.clone());
    let of = |wanted| {
        calls
            .iter()
            .position(|(call, _)| *call == wanted)
            .expect("called")
    };
    assert!(of("load") < of("inbox_page") && of("inbox_page") < of("due_page"));
    let first = world.with(|state| state.commits[0].1.clone());
    let applied = |change: &Change| matches!(change, Change::FactApplied { .. });
    assert_eq!(first.iter().filter(|change| applied(change)).count(), 2);
    assert_eq!(world.wire_of(TENANT).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_that_wait_are_committed_together() {
    let world = World::new();
    world.open_with(TENANT, 30, ORIGIN);
    world.with(|state| state.gateway.answers_slowly = true);
    let node = world.start(|_| {});
    world
        .until(|state| (state.wire.len() == 30).then_some(()))
        .await;
    world.plan("inbox_page", TENANT, Fault::Freeze);
    node.hint(TENANT);
    world.until(|state| state.frozen.then_some(())).await;
    world.with(|state| state.gateway.answers_slowly = false);
    until(|| node.tenant_view(TENANT).expect("seen").outcomes_waiting == 30).await;
    let before = world.commits_of(TENANT);
    world.with(|state| state.frozen = false);
    node.at_rest().await;
    assert_eq!(world.commits_of(TENANT), before + 1);
    assert_eq!(accepted(&world.outcomes(TENANT)), 30);
    assert_one_call_at_a_time(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_before_the_hand_over_begins_takes_the_message_back() {
    let world = World::new();
    world.open_with(TENANT, 2, ORIGIN);
    world.with(|state| state.gateway.connects_slowly = true);
    let node = world.start(|_| {});
    world
        .until(|state| (state.connecting.len() == 2).then_some(()))
        .await;
    world.pay(TENANT, BoletoId(1));
    assert_eq!(node.withdraw(TENANT, Subject::Boleto(BoletoId(1))), 0);
    node.hint(TENANT);
    world.with(|state| state.gateway.connects_slowly = false);
    node.at_rest().await;
    assert_eq!(world.wire_of(TENANT), [EnrollmentId(2)]);
    let stopped = Outcome::Abandoned {
        why: Abandoned::Stopped,
    };
    assert!(
        world
            .outcomes(TENANT)
            .contains(&(EnrollmentId(1), Some(stopped)))
    );
    assert_eq!(world.with(|state| state.books[&TENANT].applied.len()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_claims_are_being_committed_is_met_by_the_journal_or_the_dispatcher() {
    let world = World::new();
    world.open_with(TENANT, 4, ORIGIN);
    world.plan("commit", TENANT, Fault::Freeze);
    let node = world.start(|_| {});
    world.until(|state| state.frozen.then_some(())).await;
    // One stop is committed and withdrawn, one is withdrawn only: its claim may have come first.
    world.pay(TENANT, BoletoId(1));
    assert_eq!(node.withdraw(TENANT, Subject::Boleto(BoletoId(1))), 0);
    assert_eq!(node.withdraw(TENANT, Subject::Boleto(BoletoId(2))), 0);
    world.with(|state| state.frozen = false);
    world
        .until(|state| (state.wire.len() >= 2).then_some(()))
        .await;
    let claimed = world.outcomes(TENANT);
    assert!(
        claimed
            .iter()
            .all(|(enrollment, _)| *enrollment != EnrollmentId(1))
    );
    node.at_rest().await;
    // Boleto 2 is not stopped in the journal: it is planned again and goes out under a new attempt.
    let tries = world.with(|state| {
        state.books[&TENANT]
            .claims
            .keys()
            .copied()
            .collect::<Vec<_>>()
    });
    let of_two = tries
        .iter()
        .filter(|attempt| attempt.reminder.enrollment == EnrollmentId(2));
    assert_eq!(
        of_two.map(|attempt| attempt.try_no).collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(world.wire_of(TENANT).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_could_not_be_made_is_made_later() {
    let world = World::new();
    world.open_with(TENANT, 2, ORIGIN);
    world.plan("load", TENANT, Fault::Error(JournalError::Retryable));
    world.plan("commit", TENANT, Fault::Error(JournalError::Retryable));
    let node = world.settled(|_| {}).await;
    world.walk(&node, ORIGIN.plus_ms(SECOND_MS)).await;
    assert_eq!(world.wire_of(TENANT).len(), 2);
    assert_eq!(node.view().failures, 0);
    assert_eq!(world.calls_of(TENANT, "load"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_whose_commit_is_unknown_are_closed_as_unknown_and_never_handed_over() {
    let world = World::new();
    world.open_with(TENANT, 2, ORIGIN);
    world.plan("commit", TENANT, Fault::LostAnswer);
    let node = world.settled(|_| {}).await;
    world.walk(&node, ORIGIN.plus_ms(SECOND_MS)).await;
    // A former owner might still hand them over: nothing is said before its time is over.
    assert_eq!(
        world.outcomes(TENANT),
        [(EnrollmentId(1), None), (EnrollmentId(2), None)]
    );
    world.walk(&node, ORIGIN.plus_ms(MINUTE_MS)).await;
    let unknown = Some(Outcome::Unknown);
    let outcomes = [
        (EnrollmentId(1), unknown.clone()),
        (EnrollmentId(2), unknown),
    ];
    assert_eq!(world.outcomes(TENANT), outcomes);
    assert_eq!(world.wire_of(TENANT), []);
    assert_eq!(world.calls_of(TENANT, "load"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_survive_a_commit_that_got_lost() {
    let world = World::new();
    world.open_with(TENANT, 2, ORIGIN);
    world.with(|state| state.gateway.answers_slowly = true);
    let node = world.start(|_| {});
    world
        .until(|state| (state.wire.len() == 2).then_some(()))
        .await;
    world.plan("commit", TENANT, Fault::Error(JournalError::Unknown));
    world.with(|state| state.gateway.answers_slowly = false);
    world.walk(&node, ORIGIN.plus_ms(SECOND_MS)).await;
    assert_eq!(accepted(&world.outcomes(TENANT)), 2);
    assert_eq!(world.wire_of(TENANT).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_outlives_its_limit_is_over_before_the_tenant_is_loaded_again() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN);
    world.plan("commit", TENANT, Fault::Freeze);
    let node = world.start(|config| config.journal_call_ms = 200);
    world.until(|state| state.frozen.then_some(())).await;
    let slot = node.shared().slot(TENANT);
    let calls = || slot.pulse().calling.load(Ordering::SeqCst);
    until(|| !calls()).await;
    world.clock.jump_to(world.clock.now().plus_ms(SECOND_MS));
    until(calls).await;
    assert_eq!(world.calls_of(TENANT, "load"), 1, "it waits for its turn");
    world.with(|state| state.frozen = false);
    world.walk(&node, ORIGIN.plus_ms(MINUTE_MS)).await;
    assert!(world.calls_of(TENANT, "load") >= 2);
    // The commit came through: what it claimed is known after the load, and closed.
    assert_eq!(world.outcomes(TENANT)[0].1, Some(Outcome::Unknown));
    assert_eq!(world.wire_of(TENANT), []);
    assert_one_call_at_a_time(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_that_were_given_up_in_the_line_are_not_made_afterwards() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN);
    world.plan("commit", TENANT, Fault::Freeze);
    let node = world.start(|config| config.journal_call_ms = 100);
    world.until(|state| state.frozen.then_some(())).await;
    let slot = node.shared().slot(TENANT);
    let calls = || slot.pulse().calling.load(Ordering::SeqCst);
    for _ in 0..3 {
        until(|| !calls()).await;
        world.clock.jump_to(world.clock.now().plus_ms(MINUTE_MS));
        until(calls).await;
    }
    until(|| !calls()).await;
    let before = world.calls_of(TENANT, "load");
    world.with(|state| state.frozen = false);
    until(|| Arc::clone(&slot.gate).try_lock_owned().is_ok()).await;
    // Three were given up; one more may be wanted by now.
    assert!(world.calls_of(TENANT, "load") <= before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_refuses_is_reported_and_asked_again_a_minute_later() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN);
    world.plan("commit", TENANT, Fault::Error(JournalError::Permanent));
    let node = world.settled(|_| {}).await;
    assert_eq!(alerts(&node), [AlertKind::StoreRefuses]);
    world
        .walk(&node, ORIGIN.plus_ms(MINUTE_MS - 5 * SECOND_MS))
        .await;
    assert_eq!(world.wire_of(TENANT), []);
    world
        .walk(&node, ORIGIN.plus_ms(MINUTE_MS + 5 * SECOND_MS))
        .await;
    assert_eq!(world.wire_of(TENANT).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_does_not_exist_is_let_go() {
    let world = World::new();
    let node = world.settled(|_| {}).await;
    assert!(node.hint(TENANT));
    node.at_rest().await;
    assert_eq!(world.calls_of(TENANT, "load"), 1);
    assert_eq!(node.view().failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_panics_is_loaded_again_and_goes_on() {
    let world = World::new();
    world.open_with(TENANT, 3, ORIGIN);
    world.faults.fail_ticks(TENANT, 2);
    let node = world.settled(|_| {}).await;
    world.walk(&node, ORIGIN.plus_ms(SECOND_MS)).await;
    assert_eq!(world.wire_of(TENANT).len(), 3);
    let view = node.tenant_view(TENANT).expect("seen");
    assert_eq!(view.failures, 2);
    assert_eq!(world.calls_of(TENANT, "load"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_clock_was_set_back_is_loaded_anew_and_repeats_nothing() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN);
    let later = ORIGIN.plus_ms(30 * SECOND_MS);
    world.with(|state| {
        let books = state.books.get_mut(&TENANT).expect("the tenant");
        books.remind(2, later);
    });
    let node = world.settled(|_| {}).await;
    assert_eq!(world.wire_of(TENANT).len(), 1);
    let before = world.calls_of(TENANT, "load");
    world.clock.set_back(HOUR_MS);
    world.say(TENANT, 1);
    node.hint(TENANT);
    node.at_rest().await;
    assert_eq!(world.calls_of(TENANT, "load"), before + 1);
    assert!(world.with(|state| state.books[&TENANT].applied.contains(&1)));
    world.walk(&node, later.plus_ms(SECOND_MS)).await;
    assert_eq!(world.wire_of(TENANT).len(), 2, "each went out once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_tenant_wakes_at_its_instant() {
    let world = World::new();
    let at = ORIGIN.plus_ms(30 * HOUR_MS);
    world.open_with(TENANT, 2, at);
    world.say(TENANT, 1);
    let node = world
        .settled(|config| config.look_ahead_every_ms = 100 * HOUR_MS)
        .await;
    until(|| node.view().awake == 0).await;
    world.walk(&node, at.plus_ms(-SECOND_MS)).await;
    assert_eq!(world.wire_of(TENANT), []);
    world.walk(&node, at).await;
    assert_eq!(world.wire_of(TENANT).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_ahead_finds_what_nobody_hinted_at() {
    let world = World::new();
    let node = world
        .settled(|config| config.look_ahead_every_ms = HOUR_MS)
        .await;
    let (due, said) = (TENANT, TenantId(2));
    world.open_with(due, 1, ORIGIN.plus_ms(90 * MINUTE_MS));
    world.open(said);
    world.say(said, 1);
    world.walk(&node, ORIGIN.plus_ms(59 * MINUTE_MS)).await;
    assert_eq!(world.calls_of(said, "load"), 0);
    world.walk(&node, ORIGIN.plus_ms(61 * MINUTE_MS)).await;
    assert_eq!(world.with(|state| state.books[&said].applied.len()), 1);
    assert_eq!(world.wire_of(due), []);
    world.walk(&node, ORIGIN.plus_ms(91 * MINUTE_MS)).await;
    assert_eq!(world.wire_of(due).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_at_work_is_sealed_every_minute_and_a_lingering_one_when_it_leaves() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN);
    let node = world
        .settled(|config| config.linger_ms = 10 * MINUTE_MS)
        .await;
    assert_eq!(world.with(|state| state.books[&TENANT].seals), 0);
    world.walk(&node, ORIGIN.plus_ms(2 * MINUTE_MS)).await;
    assert_eq!(world.with(|state| state.books[&TENANT].seals), 1);
    assert_eq!(node.view().awake, 1);
    world.walk(&node, ORIGIN.plus_ms(11 * MINUTE_MS)).await;
    until(|| node.view().awake == 0).await;
    assert_eq!(world.with(|state| state.books[&TENANT].seals), 1);
}

/// A tenant whose one contact has boletos 1 and 2, due now, which go out in one message.
fn open_merging(world: &World) {
    world.open_with(TENANT, 2, ORIGIN);
    world.with(|state| {
        let books = state.books.get_mut(&TENANT).expect("the tenant");
        for enrollment in books.active.values_mut() {
            enrollment.contact = ContactId(1);
        }
        let step = &mut books.settings.campaigns[0].campaign.cadence.steps[0];
        step.merge = Some(Merge {
            within_ms: 0,
            template: "varios".to_owned(),
        });
        let several = Template {
            code: "varios".to_owned(),
            body: "{{boletos}}".to_owned(),
            variables: vec![Variable::Boletos],
            ..books.settings.templates[0].clone()
        };
        books.settings.templates.push(several);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boletos_of_one_contact_go_out_in_one_message() {
    let world = World::new();
    open_merging(&world);
    let _node = world.settled(|_| {}).await;
    assert_eq!(world.wire_of(TENANT), [EnrollmentId(1)]);
    assert_eq!(accepted(&world.outcomes(TENANT)), 2);
    assert_one_call_at_a_time(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_one_boleto_during_the_commit_leaves_the_other_a_message_of_its_own() {
    let world = World::new();
    open_merging(&world);
    world.plan("commit", TENANT, Fault::Freeze);
    let node = world.start(|_| {});
    world.until(|state| state.frozen.then_some(())).await;
    world.pay(TENANT, BoletoId(2));
    assert_eq!(node.withdraw(TENANT, Subject::Boleto(BoletoId(2))), 0);
    world.with(|state| state.frozen = false);
    node.hint(TENANT);
    node.at_rest().await;
    let moment = world.clock.now().plus_ms(SECOND_MS);
    world.walk(&node, moment).await;
    assert_eq!(world.wire_of(TENANT), [EnrollmentId(1)]);
    let outcomes = world.outcomes(TENANT);
    let stopped = Outcome::Abandoned {
        why: Abandoned::Stopped,
    };
    assert_eq!(outcomes[0], (EnrollmentId(1), Some(stopped)));
    assert_eq!((outcomes.len(), accepted(&outcomes)), (2, 1));
}
