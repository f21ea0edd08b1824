//! An actor that freezes in the middle of its work, is replaced, thaws and goes on: whatever it was
//! at, nothing of its successor's changes, and every reminder goes out once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use schedules::id::{EnrollmentId, TenantId};
use schedules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};

use super::node::Node;
use super::watchdog;
use crate::clock::Clock;
use crate::fake::holds::{Held, Point};
use crate::fake::{Fault, ORIGIN, World};
use crate::machine::Paces;
use crate::machine::change::Change;
use crate::machine::input::{Abandoned, Outcome, Part};
use crate::observe::{Alert, AlertKind, TenantView};

const FROZEN: TenantId = TenantId(1);
const NEIGHBOUR: TenantId = TenantId(5);
const DUE: Timestamp = ORIGIN.plus_ms(HOUR_MS);

/// Lets others work until the observation holds.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// A node with one thread for actors, whose watchdog looks when the test wants it.
fn start(world: &Arc<World>) -> Node {
    world.start(|config| {
        config.arbiters = 1;
        config.heartbeat_ms = DAY_MS;
        config.freeze_beats = 2;
        config.linger_ms = DAY_MS;
        config.look_ahead_every_ms = DAY_MS;
    })
}

/// A tenant with three reminders, and one with none, both awake a minute before the instant.
async fn awake(world: &Arc<World>) -> Node {
    world.open_with(FROZEN, 3, DUE);
    world.open(NEIGHBOUR);
    let node = start(world);
    world.walk(&node, DUE.plus_ms(-MINUTE_MS)).await;
    node.hint(FROZEN);
    node.hint(NEIGHBOUR);
    node.at_rest().await;
    assert_eq!(node.view().awake, 2);
    node
}

/// Waits until the thread is held, and has the watchdog replace it.
async fn replaced(node: &Node, held: &Held) {
    until(|| held.is_reached()).await;
    let frozen = || {
        let alerts = node.alerts().into_iter();
        alerts
            .filter(|it| it.what == AlertKind::ArbiterFrozen)
            .count()
    };
    let before = frozen();
    while frozen() == before {
        watchdog::look_round(node.shared());
    }
}

/// Lets the held thread go on to its end.
async fn thawed(node: &Node, held: Held) {
    thawed_with(node, held, || {}).await;
}

async fn thawed_with(node: &Node, held: Held, first: fn()) {
    held.let_go(first);
    until(|| node.shared().arbiters.left_have_ended()).await;
}

/// Moves the clock on a little, and waits for a frozen journal call.
async fn frozen_call(world: &World) {
    world.clock.jump_to(world.clock.now().plus_ms(SECOND_MS));
    world.until(|state| state.frozen.then_some(())).await;
}

/// Lets frozen journal calls end, and everything be done until the instant.
async fn unfrozen_until(world: &World, node: &Node, at: Timestamp) {
    world.with(|state| state.frozen = false);
    world.walk(node, at).await;
}

async fn on_the_wire(world: &World, count: usize) {
    world
        .until(|state| (state.wire.len() == count).then_some(()))
        .await;
}

/// Each reminder went out once, and each attempt was settled once.
fn assert_each_went_out_once(world: &World, count: i64) {
    let mut wire = world.wire_of(FROZEN);
    wire.sort();
    assert_eq!(wire, (1..=count).map(EnrollmentId).collect::<Vec<_>>());
    let mut settled: Vec<_> = world.with(|state| {
        let changes = state.commits.iter().flat_map(|(_, changes)| changes);
        let settled = changes.filter_map(|change| match change {
            Change::Settled(settled) => Some(settled.attempt),
            _ => None,
        });
        settled.collect()
    });
    settled.sort();
    let claimed = world.with(|state| state.books[&FROZEN].claims.keys().copied().collect());
    let claimed: Vec<_> = claimed;
    assert_eq!(settled, claimed);
    assert_eq!(world.with(|state| state.overlapping), 0);
}

/// Each reminder went out once, under its first attempt.
fn assert_each_went_out_at_once(world: &World, count: i64) {
    assert_each_went_out_once(world, count);
    let outcomes = world.outcomes(FROZEN);
    assert_eq!(outcomes.len(), usize::try_from(count).unwrap());
    let accepted = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Accepted { .. }));
    assert!(outcomes.iter().all(|(_, outcome)| accepted(outcome)));
}

/// Lets everything be done until the instant: nothing is lost, repeated or blamed twice.
async fn ends_well(world: &World, node: &Node, at: Timestamp, count: i64) {
    unfrozen_until(world, node, at).await;
    assert_each_went_out_at_once(world, count);
    assert_eq!(node.view().failures, 1);
}

/// What an outdated actor must leave as it is.
#[derive(Debug, PartialEq)]
struct Scene {
    calls: usize,
    commits: usize,
    in_flight: usize,
    queued: usize,
    next_wake_at: Option<Timestamp>,
    paces: Option<Paces>,
    view: Option<TenantView>,
    working: Option<u64>,
    calling: bool,
    alerts: Vec<Alert>,
}

fn scene(world: &World, node: &Node) -> Scene {
    let slot = node.shared().slot(FROZEN);
    Scene {
        calls: world.with(|state| state.calls.iter().filter(|(_, of)| *of == FROZEN).count()),
        commits: world.commits_of(FROZEN),
        in_flight: node.shared().dispatcher.in_flight(FROZEN),
        queued: node.view().queued,
        next_wake_at: node.next_wake_at(),
        paces: slot.paces(),
        view: node.tenant_view(FROZEN),
        working: slot.working(),
        calling: slot.pulse().calling.load(Ordering::SeqCst),
        alerts: node.alerts(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_while_its_successor_commits_the_same_claims_takes_nothing_from_it() {
    for point in [Point::Deciding, Point::Decided, Point::Announced] {
        let world = World::new();
        let node = awake(&world).await;
        let held = world.faults.holds.plan(point, FROZEN);
        world.clock.jump_to(DUE);
        replaced(&node, &held).await;
        world.plan("commit", FROZEN, Fault::Freeze);
        frozen_call(&world).await;
        let before = scene(&world, &node);
        // After a freeze, the successor tries one after the other.
        assert_eq!((before.commits, before.in_flight), (0, 1));
        thawed(&node, held).await;
        assert_eq!(scene(&world, &node), before, "{point:?}");
        unfrozen_until(&world, &node, DUE.plus_ms(MINUTE_MS)).await;
        assert_each_went_out_at_once(&world, 3);
        assert_eq!(world.calls_of(FROZEN, "load"), 2);
        assert_eq!(node.view().failures, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_after_its_successor_has_done_the_work_does_nothing_any_more() {
    for point in [Point::Deciding, Point::Decided, Point::Announced] {
        let world = World::new();
        let node = awake(&world).await;
        let held = world.faults.holds.plan(point, FROZEN);
        world.clock.jump_to(DUE);
        replaced(&node, &held).await;
        world.walk(&node, DUE.plus_ms(30 * SECOND_MS)).await;
        assert_each_went_out_at_once(&world, 3);
        let before = scene(&world, &node);
        thawed(&node, held).await;
        node.at_rest().await;
        assert_eq!(scene(&world, &node), before, "{point:?}");
        assert_each_went_out_at_once(&world, 3);
        assert_eq!(node.view().failures, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_in_its_decision_does_not_even_announce_it() {
    let world = World::new();
    let node = awake(&world).await;
    let held = world.faults.holds.plan(Point::Deciding, FROZEN);
    world.clock.jump_to(DUE);
    replaced(&node, &held).await;
    world.walk(&node, DUE.plus_ms(30 * SECOND_MS)).await;
    let further = world.faults.holds.plan(Point::Announced, FROZEN);
    held.let_go(|| {});
    until(|| further.is_reached() || node.shared().arbiters.left_have_ended()).await;
    assert!(!further.is_reached());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waited_for_its_turn_is_not_made_for_an_actor_that_was_replaced_meanwhile() {
    let world = World::new();
    let node = awake(&world).await;
    let before_its_call = world.faults.holds.plan(Point::Announced, FROZEN);
    world.clock.jump_to(DUE);
    until(|| before_its_call.is_reached()).await;
    let gate = Arc::clone(&node.shared().slot(FROZEN).gate);
    let turn = gate.try_lock_owned().expect("no call is under way");
    let held = world.faults.holds.plan(Point::Deciding, NEIGHBOUR);
    world.say(NEIGHBOUR, 1);
    node.hint(NEIGHBOUR);
    // Both have one thread: the neighbour gets it when the commit stands in the line.
    before_its_call.let_go(|| {});
    replaced(&node, &held).await;
    drop(turn);
    world.walk(&node, DUE.plus_ms(30 * SECOND_MS)).await;
    let before = scene(&world, &node);
    thawed(&node, held).await;
    node.at_rest().await;
    assert_eq!(scene(&world, &node), before);
    assert_each_went_out_at_once(&world, 3);
    assert_eq!(world.calls_of(FROZEN, "load"), 2);
    assert_eq!(node.tenant_view(FROZEN).expect("seen").failures, 0);
    assert_eq!(node.tenant_view(NEIGHBOUR).expect("seen").failures, 1);
    let applied = world.with(|state| state.books[&NEIGHBOUR].applied.len());
    assert_eq!(applied, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_after_its_commit_was_loaded_by_its_successor_sends_nothing_and_says_so() {
    for point in [Point::Concluding, Point::Releasing] {
        let world = World::new();
        let node = awake(&world).await;
        let held = world.faults.holds.plan(point, FROZEN);
        world.clock.jump_to(DUE);
        replaced(&node, &held).await;
        world.walk(&node, DUE.plus_ms(SECOND_MS)).await;
        assert_eq!(world.calls_of(FROZEN, "load"), 2);
        assert_eq!(world.commits_of(FROZEN), 1);
        thawed(&node, held).await;
        node.at_rest().await;
        assert_eq!(world.wire_of(FROZEN), [], "{point:?}");
        let too_late = Some(Outcome::Abandoned {
            why: Abandoned::TooLate,
        });
        let outcomes = world.outcomes(FROZEN);
        assert!(outcomes.iter().all(|(_, outcome)| *outcome == too_late));
        world.walk(&node, DUE.plus_ms(MINUTE_MS)).await;
        assert_each_went_out_once(&world, 3);
        assert_eq!(node.view().failures, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_durable_goes_out_once_when_its_actor_thaws_before_its_successor_has_loaded() {
    for point in [Point::Concluding, Point::Releasing] {
        let world = World::new();
        let node = awake(&world).await;
        let held = world.faults.holds.plan(point, FROZEN);
        world.clock.jump_to(DUE);
        until(|| held.is_reached()).await;
        world.plan("load", FROZEN, Fault::Freeze);
        world.with(|state| state.gateway.answers_slowly = true);
        replaced(&node, &held).await;
        frozen_call(&world).await;
        thawed(&node, held).await;
        on_the_wire(&world, 3).await;
        // The successor finds them under way, and hears what becomes of them.
        let read = world.calls_of(FROZEN, "inbox_page");
        world.with(|state| state.frozen = false);
        until(|| world.calls_of(FROZEN, "inbox_page") > read).await;
        world.with(|state| state.gateway.answers_slowly = false);
        world.walk(&node, DUE.plus_ms(MINUTE_MS)).await;
        assert_each_went_out_at_once(&world, 3);
        assert_eq!(node.view().failures, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_a_tenant_whose_thread_another_holds_sends_at_most_once() {
    let world = World::new();
    let node = awake(&world).await;
    world.plan("commit", FROZEN, Fault::Freeze);
    world.clock.jump_to(DUE);
    world.until(|state| state.frozen.then_some(())).await;
    let held = world.faults.holds.plan(Point::Deciding, NEIGHBOUR);
    world.say(NEIGHBOUR, 1);
    node.hint(NEIGHBOUR);
    replaced(&node, &held).await;
    unfrozen_until(&world, &node, DUE.plus_ms(SECOND_MS)).await;
    assert_eq!(world.calls_of(FROZEN, "load"), 2);
    assert_eq!(world.wire_of(FROZEN), []);
    // Whether it is polled once more or dropped is chance.
    thawed(&node, held).await;
    world.walk(&node, DUE.plus_ms(MINUTE_MS)).await;
    let unknown = world
        .outcomes(FROZEN)
        .into_iter()
        .filter(|(_, outcome)| *outcome == Some(Outcome::Unknown))
        .map(|(enrollment, _)| enrollment);
    let mut ends = world.wire_of(FROZEN);
    ends.extend(unknown);
    ends.sort();
    assert_eq!(ends, [1, 2, 3].map(EnrollmentId));
    assert_eq!(world.with(|state| state.overlapping), 0);
    assert_eq!(node.tenant_view(FROZEN).expect("seen").failures, 0);
    assert_eq!(node.tenant_view(NEIGHBOUR).expect("seen").failures, 1);
}

/// Has the outcomes of `count` messages wait behind a frozen look into the inbox.
async fn outcomes_wait(world: &World, node: &Node, count: usize) {
    world.plan("inbox_page", FROZEN, Fault::Freeze);
    node.hint(FROZEN);
    world.until(|state| state.frozen.then_some(())).await;
    world.with(|state| state.gateway.answers_slowly = false);
    let waiting = || node.tenant_view(FROZEN).expect("seen").outcomes_waiting;
    // An outcome is in the slot before its message leaves the dispatcher.
    let gone = || node.shared().dispatcher.in_flight(FROZEN) == 0;
    until(|| waiting() == count && gone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_after_its_commit_of_outcomes_drops_none_that_came_later() {
    let world = World::new();
    let later = DUE.plus_ms(30 * SECOND_MS);
    let node = awake(&world).await;
    world.with(|state| {
        let books = state.books.get_mut(&FROZEN).expect("the tenant");
        books.remind(4, later);
        books.remind(5, later);
        state.gateway.answers_slowly = true;
    });
    world.clock.jump_to(DUE);
    on_the_wire(&world, 3).await;
    outcomes_wait(&world, &node, 3).await;
    let held = world.faults.holds.plan(Point::Concluding, FROZEN);
    world.with(|state| state.frozen = false);
    replaced(&node, &held).await;
    world.walk(&node, DUE.plus_ms(5 * SECOND_MS)).await;
    let view = node.tenant_view(FROZEN).expect("seen");
    assert_eq!(view.outcomes_waiting, 0, "its successor has settled them");
    world.with(|state| state.gateway.answers_slowly = true);
    world.clock.jump_to(later);
    on_the_wire(&world, 5).await;
    outcomes_wait(&world, &node, 2).await;
    let before = scene(&world, &node);
    thawed(&node, held).await;
    assert_eq!(scene(&world, &node), before);
    ends_well(&world, &node, later.plus_ms(30 * SECOND_MS), 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_with_an_old_snapshot_takes_nothing_from_its_successor() {
    let world = World::new();
    world.open_with(FROZEN, 3, ORIGIN);
    let held = world.faults.holds.plan(Point::Restoring, FROZEN);
    let node = start(&world);
    until(|| held.is_reached()).await;
    world.plan("commit", FROZEN, Fault::Freeze);
    replaced(&node, &held).await;
    frozen_call(&world).await;
    let before = scene(&world, &node);
    assert_eq!((before.commits, before.in_flight), (0, 3));
    thawed(&node, held).await;
    assert_eq!(scene(&world, &node), before);
    ends_well(&world, &node, ORIGIN.plus_ms(MINUTE_MS), 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_before_its_rest_does_not_lay_its_successor_to_rest() {
    let world = World::new();
    let node = awake(&world).await;
    let held = world.faults.holds.plan(Point::Resting, FROZEN);
    node.hint(FROZEN);
    replaced(&node, &held).await;
    world.walk(&node, DUE.plus_ms(-30 * SECOND_MS)).await;
    world.plan("inbox_page", FROZEN, Fault::Freeze);
    world.say(FROZEN, 1);
    node.hint(FROZEN);
    world.until(|state| state.frozen.then_some(())).await;
    let before = scene(&world, &node);
    assert!(before.working.is_some());
    thawed(&node, held).await;
    assert_eq!(scene(&world, &node), before);
    ends_well(&world, &node, DUE.plus_ms(MINUTE_MS), 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_thaws_hears_no_hint_that_its_successor_has_not_heard_yet() {
    let world = World::new();
    let node = awake(&world).await;
    let held = world.faults.holds.plan(Point::Deciding, FROZEN);
    world.say(FROZEN, 1);
    node.hint(FROZEN);
    replaced(&node, &held).await;
    world.walk(&node, DUE.plus_ms(-30 * SECOND_MS)).await;
    // The successor's thread is busy with its neighbour.
    let busy = world.faults.holds.plan(Point::Deciding, NEIGHBOUR);
    world.say(NEIGHBOUR, 1);
    node.hint(NEIGHBOUR);
    until(|| busy.is_reached()).await;
    world.say(FROZEN, 1);
    node.hint(FROZEN);
    thawed(&node, held).await;
    busy.let_go(|| {});
    node.at_rest().await;
    for (tenant, facts) in [(FROZEN, 2), (NEIGHBOUR, 1)] {
        let applied = world.with(|state| state.books[&tenant].applied.len());
        assert_eq!(applied, facts);
    }
    assert_eq!(node.view().failures, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_panics_when_it_thaws_blames_neither_its_tenant_nor_the_facts() {
    let world = World::new();
    let node = awake(&world).await;
    let held = world.faults.holds.plan(Point::Deciding, FROZEN);
    world.say(FROZEN, 2);
    node.hint(FROZEN);
    replaced(&node, &held).await;
    world.walk(&node, DUE.plus_ms(-30 * SECOND_MS)).await;
    assert_eq!(world.with(|state| state.books[&FROZEN].applied.len()), 2);
    let slot = node.shared().slot(FROZEN);
    let trial = || slot.with_trial(slot.awake().expect("awake"), |trial| trial.clone());
    let before = (scene(&world, &node), trial());
    thawed_with(&node, held, || panic!("a planted bug")).await;
    node.at_rest().await;
    assert_eq!((scene(&world, &node), trial()), before);
    world.walk(&node, DUE.plus_ms(MINUTE_MS)).await;
    assert_each_went_out_at_once(&world, 3);
    assert_eq!(node.view().failures, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_at_which_its_actor_freezes_again_and_again_becomes_a_dead_letter() {
    let world = World::new();
    let node = awake(&world).await;
    let mut all = Vec::new();
    for freeze in 0..4 {
        let held = world.faults.holds.plan(Point::Deciding, FROZEN);
        world.clock.jump_to(DUE.plus_ms(freeze * SECOND_MS));
        replaced(&node, &held).await;
        all.push(held);
    }
    world.walk(&node, DUE.plus_ms(MINUTE_MS)).await;
    let first = Part::Enrollment(EnrollmentId(1));
    assert_eq!(
        world.with(|state| state.books[&FROZEN].dead.clone()),
        [first]
    );
    let mut wire = world.wire_of(FROZEN);
    wire.sort();
    assert_eq!(wire, [2, 3].map(EnrollmentId));
    assert_eq!(node.tenant_view(FROZEN).expect("seen").failures, 4);
    for held in all {
        held.let_go(|| {});
    }
    until(|| node.shared().arbiters.left_have_ended()).await;
    assert_eq!(world.wire_of(FROZEN).len(), 2);
}
