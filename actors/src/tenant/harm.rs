//! What a part of an input costs that does harm: itself, and nothing else.

use std::sync::Arc;

use schedules::id::{BoletoId, ContactId, EnrollmentId, TenantId};
use schedules::time::{MINUTE_MS, SECOND_MS};

use crate::fake::{Fault, ORIGIN, World};
use crate::machine::change::Change;
use crate::machine::input::{FactBody, Outcome, Part};
use crate::observe::{AlertKind, Presence};
use crate::ports::Candidate;
use crate::supervision::node::Node;
use crate::supervision::restart::INTENSITY;

const TENANT: TenantId = TenantId(1);

fn row(id: i64) -> Part {
    Part::Enrollment(EnrollmentId(id))
}

/// Spoils the rows of these parts: nobody can read them any more.
fn smudge(world: &World, parts: impl IntoIterator<Item = Part>) {
    world.with(|state| {
        let books = state.books.get_mut(&TENANT).expect("the tenant");
        books.smudged.extend(parts);
    });
}

fn set_aside(node: &Node) -> Vec<Part> {
    let parts = node
        .alerts()
        .into_iter()
        .filter_map(|alert| match alert.what {
            AlertKind::SetAside(part) => Some(part),
            _ => None,
        });
    parts.collect()
}

fn failures(node: &Node) -> u64 {
    node.tenant_view(TENANT).expect("seen").failures
}

fn dead(world: &World) -> Vec<Part> {
    world.with(|state| state.books[&TENANT].dead.clone())
}

fn sent(world: &World) -> Vec<i64> {
    let mut sent: Vec<i64> = world.wire_of(TENANT).iter().map(|one| one.0).collect();
    sent.sort_unstable();
    sent
}

async fn walked(world: &Arc<World>) -> Node {
    let node = world.settled(|_| {}).await;
    world.walk(&node, ORIGIN.plus_ms(MINUTE_MS)).await;
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poisonous_facts_become_dead_letters_and_the_others_are_applied() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN.plus_ms(30 * SECOND_MS));
    world.say(TENANT, 6);
    world.faults.poison(Part::Fact(2));
    world.faults.poison(Part::Fact(5));
    let node = world.settled(|_| {}).await;
    world.walk(&node, ORIGIN.plus_ms(MINUTE_MS)).await;
    let (dead, applied) = world.with(|state| {
        (
            state.books[&TENANT].dead.clone(),
            state.books[&TENANT].applied.clone(),
        )
    });
    assert_eq!(dead, [Part::Fact(2), Part::Fact(5)]);
    assert_eq!(applied.into_iter().collect::<Vec<_>>(), [1, 3, 4, 6]);
    assert_eq!(world.wire_of(TENANT).len(), 1);
    assert_eq!(set_aside(&node), [Part::Fact(2), Part::Fact(5)]);
    // Once together, then three times each.
    assert_eq!(node.tenant_view(TENANT).expect("seen").failures, 7);
    world.say(TENANT, 1);
    node.hint(TENANT);
    node.at_rest().await;
    assert!(world.with(|state| state.books[&TENANT].applied.contains(&7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_nobody_can_read_becomes_a_dead_letter_and_harms_nobody() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN);
    world.say(TENANT, 3);
    smudge(&world, [Part::Fact(2)]);
    let node = world.settled(|_| {}).await;
    let (dead, applied) = world.with(|state| {
        let books = &state.books[&TENANT];
        (books.dead.clone(), books.applied.clone())
    });
    assert_eq!(dead, [Part::Fact(2)]);
    assert_eq!(applied.into_iter().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(set_aside(&node), [Part::Fact(2)]);
    assert_eq!(node.tenant_view(TENANT).expect("seen").failures, 0);
    assert_eq!(world.wire_of(TENANT).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_enrollments_that_kill_become_dead_letters_and_the_others_go_out() {
    let world = World::new();
    world.open_with(TENANT, 6, ORIGIN);
    world.faults.poison(row(2));
    world.faults.poison(row(5));
    let node = walked(&world).await;
    assert_eq!(dead(&world), [row(2), row(5)]);
    assert_eq!(set_aside(&node), [row(2), row(5)]);
    assert_eq!(sent(&world), [1, 3, 4, 6]);
    // Once together, then three times each.
    assert_eq!(failures(&node), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boleto_that_kills_while_it_is_enrolled_is_enrolled_in_nothing_and_the_others_are() {
    let world = World::new();
    world.open(TENANT);
    world.with(|state| {
        let books = state.books.get_mut(&TENANT).expect("the tenant");
        let candidate = |id| Candidate {
            boleto: BoletoId(id),
            contact: ContactId(id),
            due_on: ORIGIN.local_date(chrono_tz::Tz::America__Sao_Paulo),
            amount_centavos: 100,
            zone: chrono_tz::Tz::America__Sao_Paulo,
        };
        books.candidates = (1..=4).map(candidate).collect();
        books.say(FactBody::BoletosImported { import: 1 }, ORIGIN);
    });
    let harmful = Part::Boleto {
        sweep: 1,
        boleto: BoletoId(3),
        contact: ContactId(3),
    };
    world.faults.poison(harmful);
    let node = walked(&world).await;
    assert_eq!(set_aside(&node), [harmful]);
    let enrolled = world.with(|state| state.books[&TENANT].enrolled.clone());
    let planned = |one: &&crate::machine::change::Enrolled| one.cursor.touch.is_some();
    let with_plan: Vec<i64> = enrolled
        .iter()
        .filter(planned)
        .map(|one| one.boleto.0)
        .collect();
    assert_eq!(with_plan, [1, 2, 4]);
    let without = enrolled.iter().find(|one| one.boleto == BoletoId(3));
    let without = without.expect("it is seen that it is in no plan");
    assert_eq!(without.passed.len(), 1, "with a record for its step");
    assert!(world.with(|state| state.books[&TENANT].sweeps.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_kills_is_kept_and_its_enrollment_becomes_a_dead_letter() {
    let world = World::new();
    world.open_with(TENANT, 3, ORIGIN);
    world.faults.poison_outcomes(EnrollmentId(2));
    let node = walked(&world).await;
    assert_eq!(sent(&world), [1, 2, 3]);
    assert_eq!(dead(&world), [row(2)]);
    let outcomes = world.outcomes(TENANT);
    assert_eq!(outcomes.len(), 3);
    let accepted = |one: &(_, Option<Outcome>)| matches!(one.1, Some(Outcome::Accepted { .. }));
    assert!(outcomes.iter().all(accepted), "{outcomes:?}");
    assert_eq!(node.tenant_view(TENANT).expect("seen").outcomes_waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphaned_claim_that_kills_is_closed_as_unknown() {
    let world = World::new();
    world.open_with(TENANT, 3, ORIGIN);
    world.plan("commit", TENANT, Fault::LostAnswer);
    world.faults.poison_outcomes(EnrollmentId(2));
    let _node = walked(&world).await;
    assert_eq!(dead(&world), [row(2)]);
    let outcomes = world.outcomes(TENANT);
    let unknown = |one: &(_, Option<Outcome>)| one.1 == Some(Outcome::Unknown);
    assert!(
        outcomes.len() == 3 && outcomes.iter().all(unknown),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_enrollment_that_nobody_can_read_becomes_a_dead_letter_and_harms_nobody() {
    let world = World::new();
    world.open_with(TENANT, 4, ORIGIN);
    smudge(&world, [row(3)]);
    let node = walked(&world).await;
    assert_eq!(dead(&world), [row(3)]);
    assert_eq!(set_aside(&node), [row(3)]);
    assert_eq!(sent(&world), [1, 2, 4]);
    assert_eq!(failures(&node), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_the_journal_contradicts_is_found_among_many() {
    let world = World::new();
    world.open_with(TENANT, 3, ORIGIN);
    world.with(|state| {
        let books = state.books.get_mut(&TENANT).expect("the tenant");
        books.contradicted = Some(EnrollmentId(1));
    });
    let node = walked(&world).await;
    assert_eq!(
        dead(&world),
        [row(1)],
        "three times alone, after once with the others"
    );
    assert_eq!(sent(&world), [2, 3]);
    assert_eq!(failures(&node), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bug_that_everything_meets_ends_in_quarantine_and_not_in_dead_letters() {
    let world = World::new();
    world.open_with(TENANT, 20, ORIGIN);
    (1..=20).for_each(|id| world.faults.poison(row(id)));
    let node = walked(&world).await;
    let view = node.tenant_view(TENANT).expect("seen");
    assert_eq!(view.presence, Presence::Quarantined);
    assert_eq!(dead(&world), [row(1), row(2), row(3)]);
    let deaths = 1 + 3 * 3 + INTENSITY as u64;
    assert_eq!(view.failures, deaths);
    assert_eq!(sent(&world), [] as [i64; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_rows_are_unreadable_the_tenant_is_quarantined() {
    let world = World::new();
    world.open_with(TENANT, 20, ORIGIN);
    smudge(&world, (1..=20).map(row));
    let node = walked(&world).await;
    let view = node.tenant_view(TENANT).expect("seen");
    assert_eq!(view.presence, Presence::Quarantined);
    assert_eq!(dead(&world), []);
    assert_eq!(sent(&world), [] as [i64; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handful_of_unreadable_rows_goes_at_once_and_costs_nobody_anything() {
    let world = World::new();
    world.open_with(TENANT, 20, ORIGIN);
    smudge(&world, (1..=8).map(row));
    let node = walked(&world).await;
    assert_eq!(dead(&world), (1..=8).map(row).collect::<Vec<_>>());
    assert_eq!(sent(&world), (9..=20).collect::<Vec<_>>());
    assert_eq!(failures(&node), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fact_that_is_set_aside_would_have_said_is_read_from_the_journal() {
    let world = World::new();
    world.open_with(TENANT, 1, ORIGIN.plus_ms(30 * SECOND_MS));
    let node = world.settled(|_| {}).await;
    let before = world.calls_of(TENANT, "load");
    world.say(TENANT, 1);
    smudge(&world, [Part::Fact(1)]);
    node.hint(TENANT);
    node.at_rest().await;
    assert_eq!(dead(&world), [Part::Fact(1)]);
    assert_eq!(world.calls_of(TENANT, "load"), before + 1);
    world.walk(&node, ORIGIN.plus_ms(MINUTE_MS)).await;
    assert_eq!(sent(&world), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_row_and_a_poisonous_fact_in_the_same_minute_cost_the_two_of_them() {
    let world = World::new();
    world.open_with(TENANT, 4, ORIGIN);
    world.say(TENANT, 4);
    world.faults.poison(row(2));
    world.faults.poison(Part::Fact(3));
    let node = walked(&world).await;
    let mut dead = dead(&world);
    dead.sort();
    assert_eq!(dead, [Part::Fact(3), row(2)]);
    assert_eq!(sent(&world), [1, 3, 4]);
    assert_eq!(failures(&node), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_followed_at_once_while_rows_are_tried_one_by_one() {
    let world = World::new();
    world.open_with(TENANT, 40, ORIGIN);
    world.faults.poison(row(1));
    let node = world.start(|_| {});
    let dies = |state: &mut crate::fake::State| {
        let loads = state.calls.iter().filter(|call| call.0 == "load").count();
        (loads > 2).then_some(())
    };
    // The clock is moved on until the rows are tried.
    let walk = world.walk(&node, ORIGIN.plus_ms(SECOND_MS));
    let stop = async {
        world.until(dies).await;
        world.pay(TENANT, BoletoId(40));
        node.hint(TENANT);
    };
    tokio::join!(walk, stop);
    world.walk(&node, ORIGIN.plus_ms(30 * SECOND_MS)).await;
    assert_eq!(sent(&world), (2..40).collect::<Vec<_>>());
    assert_eq!(dead(&world), [row(1)]);
    let commits = world.with(|state| state.commits.clone());
    let has = |wanted: fn(&Change) -> bool| {
        commits
            .iter()
            .position(|(_, changes)| changes.iter().any(wanted))
    };
    let applied = has(|change| matches!(change, Change::FactApplied { .. }));
    let claims = |(_, changes): &&(TenantId, Vec<Change>)| {
        changes
            .iter()
            .any(|change| matches!(change, Change::Claimed(_)))
    };
    let last = commits.iter().rposition(|commit| claims(&commit));
    assert!(
        applied.expect("applied") + 5 < last.expect("claims"),
        "not after the rows"
    );
}
