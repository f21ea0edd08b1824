//! The shards of a node: takes and renews their leases, and ends what acts for a lost one.
//!
//! It knows leases and slots, not what tenants do. The invariants:
//!
//! - a hand-over asks its own tenure right before it begins: nothing depends on this loop being
//!   quick;
//! - a tenure is ended before its slots are dismissed, so that whoever slips in between learns it
//!   at his first step;
//! - a shard is given away only when its actors have left and its hand-overs have come back, or
//!   the limit has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use schedules::time::SECOND_MS;
use tokio::sync::Notify;

use super::Shared;
use super::slot::{Post, Slot};
use super::tenure::Tenure;
use crate::lease::Trust;
use crate::locked::lock;
use crate::observe::AlertKind;
use crate::ports::{Fence, JournalError, ShardId};
use crate::timer::Wake;

/// How many lease calls run at once.
const CALLS_MAX: usize = 8;
/// After how long a failed lease call is tried again, at the latest.
const RETRY_MS: i64 = SECOND_MS;

/// What a node owns and wants to own.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    state: Mutex<State>,
    changed: Notify,
    gone: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<ShardId, Held>,
    wanted: BTreeSet<ShardId>,
    /// When leases are asked for again, in monotonic milliseconds.
    renew_mono_ms: Option<i64>,
}

#[derive(Debug)]
struct Held {
    tenure: Arc<Tenure>,
    /// Until when its leaving may take, in monotonic milliseconds.
    leave_by_mono_ms: Option<i64>,
}

impl Shards {
    pub(crate) fn tenure(&self, shard: ShardId) -> Option<Arc<Tenure>> {
        let state = lock(&self.state);
        let held = state
            .held
            .get(&shard)
            .filter(|held| !held.tenure.has_ended());
        held.map(|held| Arc::clone(&held.tenure))
    }

    /// Ends every tenure for good: the node is gone.
    pub(crate) fn end_all(&self) {
        lock(&self.state)
            .held
            .values()
            .for_each(|held| held.tenure.end());
    }

    /// Returns the shards that may be acted for.
    pub(crate) fn trusted(&self, mono_ms: i64) -> BTreeSet<ShardId> {
        let state = lock(&self.state);
        let trusted = state
            .held
            .values()
            .filter(|held| held.tenure.holds(mono_ms));
        trusted.map(|held| held.tenure.shard()).collect()
    }

    /// Waits until no shard is held.
    pub(crate) async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            tokio::pin!(gone);
            gone.as_mut().enable();
            if lock(&self.state).held.is_empty() {
                return;
            }
            gone.await;
        }
    }

    /// Has the shard looked at if it is being given away: one of its actors ended.
    pub(crate) fn changed_if_leaving(&self, shard: ShardId) {
        if self.tenure(shard).is_some_and(|tenure| tenure.is_leaving()) {
            self.changed.notify_one();
        }
    }

    /// Says which shards the node wants to own from now on.
    pub(crate) fn want(&self, wanted: BTreeSet<ShardId>) {
        let mut state = lock(&self.state);
        state.wanted = wanted;
        state.renew_mono_ms = None;
        drop(state);
        self.changed.notify_one();
    }

    fn take_out(&self, tenure: &Arc<Tenure>) -> bool {
        let mut state = lock(&self.state);
        let shard = tenure.shard();
        let ours = state
            .held
            .get(&shard)
            .is_some_and(|it| Arc::ptr_eq(&it.tenure, tenure));
        if ours {
            state.held.remove(&shard);
            self.gone.notify_waiters();
        }
        ours
    }

    fn put_in(&self, tenure: Arc<Tenure>) {
        let held = Held {
            tenure: Arc::clone(&tenure),
            leave_by_mono_ms: None,
        };
        lock(&self.state).held.insert(tenure.shard(), held);
    }

    fn untrusted(&self, mono_ms: i64) -> Vec<Arc<Tenure>> {
        let state = lock(&self.state);
        let untrusted = state
            .held
            .values()
            .filter(|held| !held.tenure.holds(mono_ms));
        untrusted.map(|held| Arc::clone(&held.tenure)).collect()
    }

    /// Returns the shards whose leases are to be asked for now: what is wanted, and what is still
    /// held.
    fn to_ask(&self, mono_ms: i64, every_ms: i64) -> Vec<ShardId> {
        let mut state = lock(&self.state);
        if state.renew_mono_ms.is_some_and(|at| mono_ms < at) {
            return Vec::new();
        }
        state.renew_mono_ms = Some(mono_ms + every_ms);
        let held: BTreeSet<ShardId> = state.held.keys().copied().collect();
        state.wanted.union(&held).copied().collect()
    }

    fn ask_again_by(&self, mono_ms: i64) {
        let mut state = lock(&self.state);
        state.renew_mono_ms = state.renew_mono_ms.map(|at| at.min(mono_ms));
    }

    /// Returns what is held and not wanted; those that begin to leave come with `true`.
    fn unwanted(&self, leave_by_mono_ms: i64) -> Vec<(Arc<Tenure>, i64, bool)> {
        let mut state = lock(&self.state);
        let State { held, wanted, .. } = &mut *state;
        let unwanted = held
            .values_mut()
            .filter(|held| held.tenure.is_leaving() || !wanted.contains(&held.tenure.shard()));
        unwanted
            .map(|held| {
                let begins = held.leave_by_mono_ms.is_none();
                let by = *held.leave_by_mono_ms.get_or_insert(leave_by_mono_ms);
                (Arc::clone(&held.tenure), by, begins)
            })
            .collect()
    }

    /// Returns how long nothing is to be done: until the next renewal or end of trust, and not
    /// long while a shard leaves.
    fn quiet_ms(&self, mono_ms: i64) -> i64 {
        let state = lock(&self.state);
        let ends = state.held.values().map(|held| held.tenure.until_mono_ms());
        let leaves = state.held.values().filter_map(|held| held.leave_by_mono_ms);
        let leaves = leaves.map(|by| by.min(mono_ms + RETRY_MS));
        let next = ends.chain(leaves).chain(state.renew_mono_ms).min();
        next.map_or(RETRY_MS, |at| at - mono_ms)
    }
}

/// Keeps the shards for ever.
pub(crate) async fn keep(shared: Arc<Shared>) {
    loop {
        let token = shared.activity.token();
        pass(&shared).await;
        shared.begun();
        drop(token);
        let quiet_ms = shared.shards.quiet_ms(shared.ports.clock.monotonic_ms());
        tokio::select! {
            () = shared.shards.changed.notified() => {}
            () = shared.ports.clock.elapse(quiet_ms) => {}
        }
    }
}

async fn pass(shared: &Arc<Shared>) {
    expire(shared);
    give_away(shared).await;
    let every_ms = shared.config.lease.renew_every_ms;
    let shards = shared
        .shards
        .to_ask(shared.ports.clock.monotonic_ms(), every_ms);
    let calls = shards.into_iter().map(|shard| ask(shared, shard));
    futures::stream::iter(calls)
        .buffer_unordered(CALLS_MAX)
        .collect::<Vec<()>>()
        .await;
    expire(shared);
}

/// Takes or renews one lease.
async fn ask(shared: &Arc<Shared>, shard: ShardId) {
    let clock = &shared.ports.clock;
    let began_mono_ms = clock.monotonic_ms();
    let times = shared.config.lease;
    let asked = shared
        .ports
        .leases
        .take_or_renew(&shared.config.id, shard, times.ttl_ms);
    let asked = tokio::select! {
        asked = asked => asked,
        () = clock.elapse(times.renew_every_ms) => Err(JournalError::Retryable),
    };
    match asked {
        Ok(Some(fence)) => granted(shared, Trust::granted(fence, times, began_mono_ms)),
        Ok(None) => {
            if let Some(tenure) = shared.shards.tenure(shard) {
                lose(shared, &tenure);
            }
        }
        Err(error) => {
            tracing::warn!(shard = shard.0, error = %error, "lease was not renewed");
            shared.shards.ask_again_by(clock.monotonic_ms() + RETRY_MS);
        }
    }
}

fn granted(shared: &Arc<Shared>, trust: Trust) {
    match shared.shards.tenure(trust.fence.shard) {
        Some(tenure) if tenure.fence() == trust.fence => return tenure.renew(trust),
        Some(tenure) => lose(shared, &tenure),
        None => {}
    }
    if !trust.holds(shared.ports.clock.monotonic_ms()) {
        return;
    }
    shared.shards.put_in(Arc::new(Tenure::new(trust)));
    for slot in shared.slots_of(trust.fence.shard) {
        if slot.has_left_overs() {
            shared.post(&slot, Post::Stir);
        }
    }
    shared
        .timer
        .bring_forward(Wake::LookAhead, shared.ports.clock.now());
}

/// Ends what acts for shards that are not trusted any more.
fn expire(shared: &Arc<Shared>) {
    for tenure in shared.shards.untrusted(shared.ports.clock.monotonic_ms()) {
        lose(shared, &tenure);
    }
}

/// Ends what acts for a shard whose lease is lost.
pub(crate) fn lose(shared: &Arc<Shared>, tenure: &Arc<Tenure>) {
    tenure.end();
    if !shared.shards.take_out(tenure) {
        return;
    }
    for slot in shared.slots_of(tenure.shard()) {
        slot.dismiss(&shared.timer);
    }
    shared.alert(None, AlertKind::ShardLost(tenure.shard()));
    shared.shards.changed.notify_one();
}

/// Gives back what is not wanted, when it has come to an end.
async fn give_away(shared: &Arc<Shared>) {
    let mono_ms = shared.ports.clock.monotonic_ms();
    let mut left = Vec::new();
    for (tenure, by_mono_ms, begins) in shared.shards.unwanted(mono_ms + shared.config.drain_ms) {
        let slots = shared.slots_of(tenure.shard());
        if begins {
            tenure.leave();
            slots.iter().for_each(|slot| send_off(shared, slot));
        }
        if mono_ms >= by_mono_ms || slots.iter().all(|slot| has_left(shared, slot)) {
            tenure.end();
            slots.iter().for_each(|slot| slot.dismiss(&shared.timer));
            left.push(tenure);
        }
    }
    let releases = left.into_iter().map(|tenure| async move {
        release(shared, tenure.fence()).await;
        shared.shards.take_out(&tenure);
    });
    futures::stream::iter(releases)
        .buffer_unordered(CALLS_MAX)
        .collect::<Vec<()>>()
        .await;
}

fn send_off(shared: &Arc<Shared>, slot: &Arc<Slot>) {
    shared.dispatcher.recall(slot.tenant);
    if !slot.is_vacant() {
        shared.post(slot, Post::Stir);
    }
}

fn has_left(shared: &Shared, slot: &Slot) -> bool {
    slot.is_vacant() && shared.dispatcher.in_flight(slot.tenant) == 0
}

async fn release(shared: &Shared, fence: Fence) {
    let released = tokio::select! {
        released = shared.ports.leases.release(&shared.config.id, fence) => released,
        () = shared.ports.clock.elapse(shared.config.lease.renew_every_ms) => {
            Err(JournalError::Retryable)
        }
    };
    if let Err(error) = released {
        // It ends by itself; others take it then.
        tracing::warn!(shard = fence.shard.0, error = %error, "lease was not released");
    }
}
