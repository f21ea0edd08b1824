//! Whose message is next: a lane per provider, in each lane a round over the tenants that wait.
//!
//! A value: it knows tickets and counts, no clock and no task. A tenant with ten thousand messages
//! gets one turn a round, like a tenant with ten.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use schedules::id::TenantId;

use super::ticket::Ticket;

/// The messages that wait, by provider.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    last: String,
    total_max: usize,
    lane_max: usize,
    running: usize,
    queued: usize,
}

/// The messages that wait for one provider.
#[derive(Debug, Default)]
struct Lane {
    round: VecDeque<TenantId>,
    queues: HashMap<TenantId, VecDeque<Arc<Ticket>>>,
    running: usize,
}

impl Lanes {
    pub(super) fn new(total_max: usize, lane_max: usize) -> Self {
        Self {
            lanes: BTreeMap::new(),
            last: String::new(),
            total_max,
            lane_max,
            running: 0,
            queued: 0,
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn push(&mut self, ticket: Arc<Ticket>) {
        let provider = &ticket.message.provider;
        if !self.lanes.contains_key(provider) {
            self.lanes.insert(provider.clone(), Lane::default());
        }
        if let Some(lane) = self.lanes.get_mut(&ticket.message.provider) {
            lane.push(ticket);
            self.queued += 1;
        }
    }

    /// Takes the next message for which there is room.
    pub(super) fn take(&mut self) -> Option<Arc<Ticket>> {
        if self.running >= self.total_max {
            return None;
        }
        let lane_max = self.lane_max;
        let free = |lane: &Lane| lane.running < lane_max && !lane.round.is_empty();
        let after = (Bound::Excluded(self.last.clone()), Bound::Unbounded);
        let provider = self
            .lanes
            .range(after)
            .chain(self.lanes.iter())
            .find(|(_, lane)| free(lane))
            .map(|(provider, _)| provider.clone())?;
        let ticket = self.lanes.get_mut(&provider)?.take()?;
        self.last = provider;
        self.running += 1;
        self.queued -= 1;
        Some(ticket)
    }

    /// Makes room again after a message that was taken.
    pub(super) fn done(&mut self, provider: &str) {
        self.running -= 1;
        if let Some(lane) = self.lanes.get_mut(provider) {
            lane.running -= 1;
        }
    }

    /// Takes out what waits of a tenant and is `wanted`.
    pub(super) fn remove(&mut self, tenant: TenantId, wanted: impl Fn(&Arc<Ticket>) -> bool) {
        for lane in self.lanes.values_mut() {
            self.queued -= lane.remove(tenant, &wanted);
        }
    }
}

impl Lane {
    fn push(&mut self, ticket: Arc<Ticket>) {
        let tenant = ticket.message.tenant;
        let queue = self.queues.entry(tenant).or_default();
        if queue.is_empty() {
            self.round.push_back(tenant);
        }
        queue.push_back(ticket);
    }

    fn take(&mut self) -> Option<Arc<Ticket>> {
        let tenant = self.round.pop_front()?;
        let queue = self.queues.get_mut(&tenant)?;
        let ticket = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&tenant);
        } else {
            self.round.push_back(tenant);
        }
        self.running += 1;
        Some(ticket)
    }

    fn remove(&mut self, tenant: TenantId, wanted: impl Fn(&Arc<Ticket>) -> bool) -> usize {
        let Some(queue) = self.queues.get_mut(&tenant) else {
            return 0;
        };
        let before = queue.len();
        queue.retain(|ticket| !wanted(ticket));
        let removed = before - queue.len();
        if queue.is_empty() {
            self.queues.remove(&tenant);
            self.round.retain(|waiting| *waiting != tenant);
        }
        removed
    }
}
