//! Failures of actors, threads, leases and nodes: who is harmed, and who is not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use schedules::id::TenantId;
use schedules::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

use super::node::{Node, NodeConfig};
use super::slot::{Ended, Look, Post, Rest, Rested, Slot};
use crate::clock::Clock;
use crate::fake::{Fault, ORIGIN, World};
use crate::lease::{LeaseTimes, NodeId};
use crate::machine::input::Outcome;
use crate::observe::{AlertKind, Presence};
use crate::ports::{JournalError, ShardId};
use crate::tenant::sabotage::Sabotage;

const HARMED: TenantId = TenantId(1);
const OTHER: TenantId = TenantId(5);

/// Lets others work until the observation holds.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

fn presence(node: &Node, tenant: TenantId) -> Option<Presence> {
    node.tenant_view(tenant).map(|view| view.presence)
}

fn alerted(node: &Node, what: AlertKind) -> bool {
    node.alerts().iter().any(|alert| alert.what == what)
}

/// Two tenants with reminders in an hour, both awake.
async fn two_awake(world: &Arc<World>) -> Node {
    two_awake_under(world, |_| {}).await
}

/// A watchdog that barks within a second: printing a panic's backtrace takes some time, too.
fn quick_watchdog(config: &mut NodeConfig) {
    config.heartbeat_ms = 25;
    config.freeze_beats = 20;
}

async fn two_awake_under(world: &Arc<World>, adjust: impl FnOnce(&mut NodeConfig)) -> Node {
    let at = ORIGIN.plus_ms(HOUR_MS);
    world.open_with(HARMED, 3, at);
    world.open_with(OTHER, 3, at);
    let node = world
        .settled(|config| {
            config.linger_ms = 24 * HOUR_MS;
            adjust(config);
        })
        .await;
    node.hint(HARMED);
    node.hint(OTHER);
    node.at_rest().await;
    assert_eq!(node.view().awake, 2);
    node
}

async fn sabotage(node: &Node, how: Sabotage) {
    let addr = node.shared().slot(HARMED).addr().expect("awake");
    addr.send(how).await.unwrap_or_default();
}

/// The reminders of both go out at their instant, each once.
async fn both_go_on(world: &Arc<World>, node: &Node) {
    world.walk(node, ORIGIN.plus_ms(HOUR_MS)).await;
    assert_eq!(world.wire_of(HARMED).len(), 3);
    assert_eq!(world.wire_of(OTHER).len(), 3);
    assert_eq!(world.calls_of(OTHER, "load"), 1);
    assert_eq!(world.with(|state| state.overlapping), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_panics_or_stops_is_rebuilt_and_others_do_not_notice() {
    for how in [Sabotage::Panic, Sabotage::PanicInSpawned, Sabotage::Stop] {
        let world = World::new();
        let node = two_awake(&world).await;
        sabotage(&node, how).await;
        until(|| node.view().failures == 1).await;
        both_go_on(&world, &node).await;
        assert_eq!(node.view().failures, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_that_comes_while_the_actor_is_down_is_not_lost() {
    let world = World::new();
    let node = two_awake(&world).await;
    sabotage(&node, Sabotage::Panic).await;
    until(|| node.view().failures == 1).await;
    world.say(HARMED, 1);
    node.hint(HARMED);
    world.walk(&node, ORIGIN.plus_ms(SECOND_MS)).await;
    assert_eq!(world.with(|state| state.books[&HARMED].applied.len()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_life_loads_after_the_last_call_of_the_former_one() {
    let world = World::new();
    world.open_with(HARMED, 1, ORIGIN);
    world.plan("commit", HARMED, Fault::Freeze);
    let node = world.start(|_| {});
    world.until(|state| state.frozen.then_some(())).await;
    sabotage(&node, Sabotage::Panic).await;
    until(|| node.view().failures == 1).await;
    world.clock.jump_to(world.clock.now().plus_ms(SECOND_MS));
    let slot = node.shared().slot(HARMED);
    until(|| slot.awake().is_some() && slot.pulse().calling.load(Ordering::SeqCst)).await;
    assert_eq!(world.calls_of(HARMED, "load"), 1);
    world.with(|state| state.frozen = false);
    // Whether a former owner still hands the message over is known after its deadline only.
    world.walk(&node, ORIGIN.plus_ms(MINUTE_MS)).await;
    assert_eq!(world.calls_of(HARMED, "load"), 2);
    assert_eq!(world.with(|state| state.overlapping), 0);
    // The commit came through, but nobody was left to hand the message over.
    assert_eq!(world.outcomes(HARMED)[0].1, Some(Outcome::Unknown));
    assert_eq!(world.wire_of(HARMED), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_between_the_last_look_and_the_rest_is_not_slept_over() {
    let node = World::new().start(|_| {});
    let shared = node.shared();
    let slot = Slot::new(HARMED, ShardId(1));
    let post = |post| slot.post(post, true, ORIGIN, &shared.activity);
    let number = post(Post::Stir).expect("a birth").number;
    let rest = |rest| slot.rest(number, rest, None, &shared.timer);
    assert_eq!(slot.look(number), Look::Current(false));
    assert!(post(Post::Facts).is_none());
    assert_eq!(rest(Rest::Leave(None)), Rested::NotYet);
    assert_eq!(slot.look(number), Look::Current(true));
    assert_eq!(rest(Rest::Leave(None)), Rested::Yes);
    assert!(post(Post::Stir).is_none());
    assert_eq!(slot.look(number), Look::Outdated);
    assert_eq!(slot.ended(number, &shared.activity), Ended::WakeAgain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_was_ended_with_its_shard_leaves_work_to_the_next_owner_here() {
    let node = World::new().start(|_| {});
    let shared = node.shared();
    let slot = Slot::new(HARMED, ShardId(1));
    let stir = || slot.post(Post::Stir, true, ORIGIN, &shared.activity);
    slot.dismiss(&shared.timer);
    assert!(!slot.has_left_overs(), "nobody was at work");
    let number = stir().expect("a birth").number;
    assert_eq!(slot.look(number), Look::Current(false));
    slot.dismiss(&shared.timer);
    assert!(slot.has_left_overs(), "a commit may be under way");
    assert!(stir().is_some());
    assert!(!slot.has_left_overs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_panics_is_tried_again() {
    let world = World::new();
    world.open_with(HARMED, 2, ORIGIN);
    world.open_with(OTHER, 2, ORIGIN);
    world.plan("load", HARMED, Fault::Panic);
    let node = world.settled(|_| {}).await;
    assert_eq!(world.wire_of(OTHER).len(), 2);
    world.walk(&node, ORIGIN.plus_ms(SECOND_MS)).await;
    assert_eq!(world.wire_of(HARMED).len(), 2);
    assert_eq!(node.view().failures, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_does_not_move_is_replaced() {
    let world = World::new();
    let node = two_awake_under(&world, quick_watchdog).await;
    let addr = node.shared().slot(HARMED).addr().expect("awake");
    addr.try_send(Sabotage::Freeze).expect("room");
    // It is noticed when something is to be done.
    world.say(HARMED, 1);
    node.hint(HARMED);
    until(|| alerted(&node, AlertKind::ActorFrozen)).await;
    both_go_on(&world, &node).await;
    assert_eq!(world.with(|state| state.books[&HARMED].applied.len()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_is_held_is_replaced_and_who_holds_it_is_to_blame() {
    let world = World::new();
    let node = two_awake_under(&world, quick_watchdog).await;
    let neighbours =
        node.shared().arbiters.seat_of(HARMED) == node.shared().arbiters.seat_of(OTHER);
    let (let_go, told) = mpsc::channel();
    let addr = node.shared().slot(HARMED).addr().expect("awake");
    addr.try_send(Sabotage::HoldThread(told)).expect("room");
    until(|| alerted(&node, AlertKind::ArbiterFrozen)).await;
    until(|| node.view().failures == 1).await;
    world.walk(&node, ORIGIN.plus_ms(HOUR_MS)).await;
    assert_eq!(world.wire_of(HARMED).len(), 3);
    assert_eq!(world.wire_of(OTHER).len(), 3);
    assert_eq!(node.tenant_view(OTHER).expect("seen").failures, 0);
    assert_eq!(
        world.calls_of(OTHER, "load"),
        if neighbours { 2 } else { 1 }
    );
    // The held thread goes on: its actor is outdated, and does nothing any more.
    let calls = world.with(|state| state.calls.len());
    drop(let_go);
    world.say(HARMED, 1);
    node.hint(HARMED);
    node.at_rest().await;
    assert_eq!(world.with(|state| state.books[&HARMED].applied.len()), 1);
    assert!(world.with(|state| state.calls.len()) > calls);
    assert_eq!(world.with(|state| state.overlapping), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fifth_failure_in_a_minute_ends_in_quarantine_until_the_release() {
    let world = World::new();
    let node = two_awake(&world).await;
    (0..5).for_each(|_| world.plan("inbox_page", HARMED, Fault::Panic));
    node.hint(HARMED);
    world
        .walk(&node, ORIGIN.plus_ms(HOUR_MS + 10 * MINUTE_MS))
        .await;
    assert_eq!(node.quarantined(), [HARMED]);
    assert!(alerted(&node, AlertKind::Quarantined));
    assert_eq!(world.wire_of(HARMED), []);
    assert_eq!(world.wire_of(OTHER).len(), 3);
    // What comes in waits, and a release of someone else is none.
    world.say(HARMED, 1);
    node.hint(HARMED);
    node.at_rest().await;
    assert_eq!(world.with(|state| state.books[&HARMED].applied.len()), 0);
    assert!(!node.release(OTHER));
    assert!(node.release(HARMED));
    node.at_rest().await;
    assert_eq!(world.wire_of(HARMED).len(), 3);
    assert_eq!(world.with(|state| state.books[&HARMED].applied.len()), 1);
    assert_eq!(node.quarantined(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_means_that_everything_hinted_at_was_done() {
    let world = World::new();
    world.open(HARMED);
    world.open(OTHER);
    let node = world.settled(|_| {}).await;
    // Without lingering, actors come and go all the time.
    for round in 1..=300 {
        for tenant in [HARMED, OTHER] {
            world.say(tenant, 1);
            assert!(node.hint(tenant));
        }
        node.at_rest().await;
        for tenant in [HARMED, OTHER] {
            assert_eq!(
                world.with(|state| state.books[&tenant].applied.len()),
                round
            );
        }
        assert!(world.with(|state| state.under_way.values().all(|calls| *calls == 0)));
    }
    assert_eq!(world.with(|state| state.overlapping), 0);
    assert_eq!(node.view().failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rest_holds_under_hints_from_many_sides() {
    let world = World::new();
    let tenants: Vec<TenantId> = (1..=16).map(TenantId).collect();
    tenants
        .iter()
        .for_each(|tenant| world.open_with(*tenant, 5, ORIGIN));
    let node = Arc::new(world.settled(|_| {}).await);
    let hinting = tenants.iter().map(|tenant| {
        let (world, node, tenant) = (Arc::clone(&world), Arc::clone(&node), *tenant);
        tokio::spawn(async move {
            for _ in 0..50 {
                world.say(tenant, 1);
                node.hint(tenant);
                tokio::task::yield_now().await;
            }
        })
    });
    for hinted in futures::future::join_all(hinting.collect::<Vec<_>>()).await {
        hinted.expect("the hints");
    }
    node.at_rest().await;
    for tenant in tenants {
        assert_eq!(world.with(|state| state.books[&tenant].applied.len()), 50);
        assert_eq!(world.wire_of(tenant).len(), 5);
    }
    assert_eq!(world.with(|state| state.overlapping), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_days_pass_in_a_moment() {
    let world = World::new();
    for tenant in 1..=8 {
        let at = ORIGIN.plus_ms(tenant * 9 * HOUR_MS);
        world.open_with(TenantId(tenant), 10, at);
    }
    let node = world
        .settled(|config| config.look_ahead_every_ms = HOUR_MS)
        .await;
    world.walk(&node, ORIGIN.plus_ms(72 * HOUR_MS)).await;
    assert_eq!(world.with(|state| state.wire.len()), 80);
    assert!(world.clock.now() >= ORIGIN.plus_ms(72 * HOUR_MS));
    assert_eq!(node.view().failures, 0);
}

fn quick_leases() -> LeaseTimes {
    LeaseTimes {
        ttl_ms: 400,
        margin_ms: 100,
        renew_every_ms: 50,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_renew_stops_and_takes_up_again() {
    let world = World::new();
    world.open_with(HARMED, 2, ORIGIN);
    world.with(|state| state.gateway.connects_slowly = true);
    let node = world.start(|config| config.lease = quick_leases());
    world
        .until(|state| (state.connecting.len() == 2).then_some(()))
        .await;
    world.with(|state| state.leases_answer = false);
    until(|| alerted(&node, AlertKind::ShardLost(ShardId(1)))).await;
    assert!(!node.hint(HARMED));
    world.with(|state| state.gateway.connects_slowly = false);
    world
        .until(|state| state.connecting.is_empty().then_some(()))
        .await;
    assert_eq!(world.wire_of(HARMED), []);
    world.with(|state| state.leases_answer = true);
    until(|| node.shards().len() == 4).await;
    world
        .walk(&node, world.clock.now().plus_ms(MINUTE_MS))
        .await;
    assert_eq!(world.wire_of(HARMED).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_fenced_loses_the_shard_and_hands_nothing_over() {
    let world = World::new();
    let node = two_awake(&world).await;
    let (mine, theirs) = (ShardId(1), NodeId("another".into()));
    world.with(|state| drop(state.epochs.insert(mine, (Some(theirs), 2))));
    world.clock.jump_to(ORIGIN.plus_ms(HOUR_MS));
    until(|| alerted(&node, AlertKind::ShardLost(mine))).await;
    node.at_rest().await;
    assert_eq!(world.with(|state| state.wire.len()), 0);
    assert_eq!(
        node.shards(),
        BTreeSet::from([ShardId(0), ShardId(2), ShardId(3)])
    );
    assert_eq!(presence(&node, HARMED), Some(Presence::Asleep));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_what_has_begun_come_back_and_gives_the_shards_to_the_next_node() {
    let world = World::new();
    world.open_with(HARMED, 3, ORIGIN);
    world.with(|state| state.gateway.answers_slowly = true);
    let first = world.start(|config| config.dispatch.total_max = 2);
    world
        .until(|state| (state.wire.len() == 2).then_some(()))
        .await;
    let draining = tokio::spawn(async move { first.drain().await });
    world
        .until(|state| (state.commits.len() >= 2).then_some(()))
        .await;
    assert!(world.with(|state| state.released.len()) < 4);
    world.with(|state| state.gateway.answers_slowly = false);
    let drained = draining.await.expect("the drain");
    assert!(drained.in_order);
    assert_eq!(drained.at_gateways, 0);
    let released = world.with(|state| state.released.iter().copied().collect::<BTreeSet<_>>());
    assert_eq!(released.len(), 4);
    let accepted = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Accepted { .. }));
    assert_eq!(
        world
            .outcomes(HARMED)
            .iter()
            .filter(|(_, it)| accepted(it))
            .count(),
        2
    );
    assert!(
        world
            .outcomes(HARMED)
            .iter()
            .all(|(_, outcome)| outcome.is_some())
    );
    let second = world.start(|config| config.id = NodeId("second".into()));
    // What the drain gave back is put off for a little while.
    let soon = world.clock.now().plus_ms(MINUTE_MS);
    world.walk(&second, soon).await;
    assert_eq!(world.wire_of(HARMED).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_does_not_wait_for_ever() {
    let world = World::new();
    world.open_with(HARMED, 1, ORIGIN);
    world.with(|state| state.gateway.answers_slowly = true);
    let node = world.start(|config| config.drain_ms = 50);
    world
        .until(|state| (state.wire.len() == 1).then_some(()))
        .await;
    let drained = node.drain().await;
    assert_eq!(drained.at_gateways, 1);
    assert_eq!(world.with(|state| state.released.len()), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_in_one_process_share_the_shards_and_hand_them_over() {
    let world = World::new();
    let tenants: Vec<TenantId> = (0..8).map(TenantId).collect();
    tenants.iter().for_each(|tenant| world.open(*tenant));
    let halves = [
        BTreeSet::from([ShardId(0), ShardId(1)]),
        BTreeSet::from([ShardId(2), ShardId(3)]),
    ];
    let [left, right] = halves.clone();
    let a = world.settled(|config| config.wanted = left).await;
    let name = NodeId("second".into());
    let b = world
        .settled(|config| {
            config.wanted = right;
            config.id = name;
        })
        .await;
    let all: BTreeSet<ShardId> = halves.into_iter().flatten().collect();
    for tenant in &tenants {
        world.say(*tenant, 1);
        assert_ne!(a.hint(*tenant), b.hint(*tenant), "one owner each");
    }
    a.at_rest().await;
    b.at_rest().await;
    a.want(BTreeSet::new());
    until(|| a.shards().is_empty()).await;
    world
        .until(|state| (state.released.len() == 2).then_some(()))
        .await;
    b.want(all.clone());
    until(|| b.shards() == all).await;
    for tenant in &tenants {
        world.say(*tenant, 1);
        assert!(!a.hint(*tenant));
        assert!(b.hint(*tenant));
    }
    b.at_rest().await;
    for tenant in &tenants {
        assert_eq!(world.with(|state| state.books[tenant].applied.len()), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrupt_rows_park_a_tenant_and_no_other() {
    let world = World::new();
    world.open_with(HARMED, 1, ORIGIN);
    world.open_with(OTHER, 1, ORIGIN);
    (0..5).for_each(|_| world.plan("load", HARMED, Fault::Error(JournalError::Corrupt)));
    let node = world.settled(|_| {}).await;
    world.walk(&node, ORIGIN.plus_ms(10 * SECOND_MS)).await;
    assert_eq!(node.quarantined(), [HARMED]);
    assert_eq!(world.wire_of(OTHER).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_ahead_that_panics_is_made_again() {
    let world = World::new();
    world.open_with(HARMED, 2, ORIGIN);
    world.plan("look_ahead", HARMED, Fault::Panic);
    let node = world.settled(|_| {}).await;
    assert!(alerted(&node, AlertKind::TaskPanicked("look-ahead")));
    world.walk(&node, ORIGIN.plus_ms(2 * SECOND_MS)).await;
    assert_eq!(world.wire_of(HARMED).len(), 2);
}
