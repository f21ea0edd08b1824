//! Nodes: their clocks, leases and lives.

use std::collections::{BTreeMap, BTreeSet};

use schedules::id::{AttemptId, TenantId};
use schedules::time::{SECOND_MS, Timestamp};

use super::database::{Answer, Request};
use super::dispatch::Slot;
use super::owner::Owner;
use super::{At, Event, Life, World};
use crate::lease::{NodeId, Trust};
use crate::ports::{Fence, ShardId};
use crate::sim::counters::Sometimes;
use crate::sim::plant::PlantedBug;

/// A process on a machine.
pub(super) struct Node {
    index: usize,
    pub(super) life: u32,
    pub(super) up: bool,
    pub(super) paused: bool,
    /// What came in during a pause.
    pub(super) held: Vec<Event>,
    /// How far its wall clock is ahead of the database's, in milliseconds.
    pub(super) offset_ms: i64,
    pub(super) booted_at: Timestamp,
    pub(super) trust: BTreeMap<ShardId, Trust>,
    pub(super) owners: BTreeMap<TenantId, Owner>,
    pub(super) slots: BTreeMap<(TenantId, AttemptId), Slot>,
}

impl Node {
    pub(super) fn new(index: usize) -> Self {
        Self {
            index,
            life: 0,
            up: false,
            paused: false,
            held: Vec::new(),
            offset_ms: 0,
            booted_at: Timestamp::default(),
            trust: BTreeMap::new(),
            owners: BTreeMap::new(),
            slots: BTreeMap::new(),
        }
    }

    pub(super) fn lives(&self, life: Life) -> bool {
        self.up && self.life == life.life
    }

    pub(super) fn this_life(&self) -> Life {
        Life {
            node: self.index,
            life: self.life,
        }
    }

    pub(super) fn wall(&self, now: Timestamp) -> Timestamp {
        now.plus_ms(self.offset_ms)
    }

    pub(super) fn mono_ms(&self, now: Timestamp) -> i64 {
        now.since(self.booted_at)
    }

    /// Returns the attempts of a tenant whose messages are here.
    pub(super) fn attempts_of(&self, tenant: TenantId) -> BTreeSet<AttemptId> {
        let here = self.slots.iter().filter(|((of, _), _)| *of == tenant);
        here.flat_map(|(_, slot)| slot.attempts()).collect()
    }

    /// Says whether the node may act on a shard under this fence.
    pub(super) fn trusts(&self, fence: Fence, now: Timestamp) -> bool {
        let trust = self.trust.get(&fence.shard);
        trust.is_some_and(|trust| trust.fence == fence && trust.holds(self.mono_ms(now)))
    }

    /// Forgets everything that only memory knew.
    fn lose_memory(&mut self) {
        self.held.clear();
        self.trust.clear();
        self.owners.clear();
        self.slots.clear();
        self.paused = false;
    }

    /// Returns the name of this life; a process that reuses it is a planted bug.
    pub(super) fn name(&self, bug: Option<PlantedBug>) -> NodeId {
        match bug {
            Some(PlantedBug::EpochReused) => NodeId(format!("node-{}", self.index)),
            _ => NodeId(format!("node-{}-{}", self.index, self.life)),
        }
    }
}

impl World {
    pub(super) fn start(&mut self, index: usize) {
        let skew_ms = self.faults.skew_ms;
        let offset_ms = self.rng.range(-skew_ms, skew_ms);
        let now = self.now;
        let node = &mut self.nodes[index];
        if node.up {
            return;
        }
        node.lose_memory();
        node.life += 1;
        node.up = true;
        node.offset_ms = offset_ms;
        node.booted_at = now;
        let life = node.this_life();
        self.record("start", [index as i64, i64::from(life.life), offset_ms]);
        self.at(now, Event::Renew(life));
        self.after(500, Event::Poll(life));
    }

    pub(super) fn crash(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !node.up {
            return;
        }
        let busy = !node.slots.is_empty();
        node.lose_memory();
        node.up = false;
        self.record("crash", [index as i64, i64::from(busy), 0]);
        if busy {
            self.hit(Sometimes::CrashedInFlight);
        }
        let wait_ms = self.rng.pick(&[50, 1_000, 20_000, 300_000]);
        self.after(wait_ms, Event::Start(index));
    }

    pub(super) fn resume(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !node.paused {
            return;
        }
        node.paused = false;
        let held = std::mem::take(&mut node.held);
        self.record("resume", [index as i64, held.len() as i64, 0]);
        for event in held {
            self.at(self.now, event);
        }
    }

    /// Renews what the node owns and takes what is free.
    pub(super) fn renew(&mut self, life: Life) {
        self.renew_now(life);
        self.after(self.draw.lease.renew_every_ms, Event::Renew(life));
    }

    pub(super) fn renew_now(&mut self, life: Life) {
        let node = &self.nodes[life.node];
        let name = node.name(self.bug);
        let began_ms = node.mono_ms(self.now);
        self.call(life, None, Request::Renew { name, began_ms });
    }

    /// Takes the database's side of a renewal.
    pub(super) fn grant(&mut self, life: Life, name: &NodeId) -> Vec<(ShardId, Option<Fence>)> {
        let ttl_ms = self.draw.lease.ttl_ms;
        let mut grants = Vec::new();
        for shard in (0..self.draw.shards).map(ShardId) {
            let before = self.journal.leases.get(&shard).map(|lease| lease.epoch);
            let fence = self.journal.take_or_renew(name, shard, ttl_ms);
            if let Some(fence) = fence {
                let grant = (shard, fence.epoch, life.node, life.life);
                self.history.grants.push(grant);
                if before.is_some_and(|before| before != fence.epoch) {
                    self.count_steal(life, shard);
                }
            }
            grants.push((shard, fence));
        }
        grants
    }

    fn count_steal(&mut self, life: Life, shard: ShardId) {
        self.record("taken over", [life.node as i64, i64::from(shard.0), 0]);
        let now = self.now;
        let others = || {
            let nodes = self.nodes.iter().filter(|node| node.up);
            nodes.filter(|node| node.index != life.node)
        };
        let alive = others().any(|node| node.trust.contains_key(&shard));
        let believing = others().any(|node| {
            let trust = node.trust.get(&shard);
            trust.is_some_and(|trust| trust.holds(node.mono_ms(now)))
        });
        if alive {
            self.hit(Sometimes::LeaseStolen);
        }
        if believing {
            self.hit(Sometimes::TwoBelievers);
        }
    }

    /// Believes an answer about leases, from the start of the call on.
    pub(super) fn renewed(&mut self, life: Life, began_ms: i64, answer: Answer) {
        let Answer::Grants(grants) = answer else {
            return;
        };
        let times = self.draw.lease;
        for (shard, fence) in grants {
            let node = &mut self.nodes[life.node];
            let Some(fence) = fence else {
                node.trust.remove(&shard);
                continue;
            };
            let is_new = node
                .trust
                .get(&shard)
                .is_none_or(|trust| trust.fence != fence);
            let trust = Trust::granted(fence, times, began_ms);
            let known = node.trust.insert(shard, trust);
            if let Some(known) = known.filter(|known| known.fence == fence) {
                // Answers may come back in another order than their calls were made.
                let until_mono_ms = known.until_mono_ms.max(trust.until_mono_ms);
                let longest = Trust {
                    until_mono_ms,
                    ..trust
                };
                node.trust.insert(shard, longest);
            }
            if is_new {
                self.drop_owners(life, shard);
                self.at(self.now, Event::Poll(life));
            }
        }
    }

    /// Forgets the tenants of a shard; what they have in flight stays with the dispatcher.
    pub(super) fn drop_owners(&mut self, life: Life, shard: ShardId) {
        let tenants: Vec<TenantId> = self.nodes[life.node].owners.keys().copied().collect();
        for tenant in tenants {
            if self.shard_of(tenant) == shard {
                self.nodes[life.node].owners.remove(&tenant);
            }
        }
    }

    /// Looks ahead over the shards that are owned, in case that hints were lost.
    pub(super) fn poll(&mut self, life: Life) {
        let node = &self.nodes[life.node];
        let now = self.now;
        let shards: Vec<ShardId> = node
            .trust
            .values()
            .filter(|trust| trust.holds(node.mono_ms(now)))
            .map(|trust| trust.fence.shard)
            .collect();
        let until = node.wall(now).plus_ms(self.draw.poll_ms + SECOND_MS);
        if !shards.is_empty() {
            self.call(life, None, Request::LookAhead { shards, until });
        }
        self.after(self.draw.poll_ms, Event::Poll(life));
    }

    pub(super) fn looked_ahead(&mut self, life: Life, tenants: Vec<(TenantId, Timestamp)>) {
        for (tenant, at) in tenants {
            let at_life = At { life, tenant };
            let wall = self.nodes[life.node].wall(self.now);
            if !self.ensure_owner(at_life) {
                continue;
            }
            if at <= wall {
                self.hint(at_life);
            } else {
                self.after(at.since(wall), Event::Hint(at_life));
            }
        }
    }

    /// Makes sure that a tenant has its owner here, if the shard is trusted.
    pub(super) fn ensure_owner(&mut self, at: At) -> bool {
        let shard = self.shard_of(at.tenant);
        let now = self.now;
        let node = &mut self.nodes[at.life.node];
        let Some(trust) = node.trust.get(&shard).copied() else {
            return false;
        };
        if !trust.holds(node.mono_ms(now)) {
            return false;
        }
        let owner = node
            .owners
            .entry(at.tenant)
            .or_insert_with(|| Owner::new(trust.fence));
        owner.fence == trust.fence
    }
}
