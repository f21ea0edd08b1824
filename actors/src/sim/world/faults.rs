//! What goes wrong, and when.

use schedules::time::{MINUTE_MS, SECOND_MS};

use super::{Event, World};
use crate::ports::{Fence, ShardId};
use crate::sim::counters::Sometimes;

/// A fault that strikes now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    DatabaseDown,
    Crash,
    Pause,
    Steal,
    Drain,
    ClockStep,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] = [
        Kind::DatabaseDown,
        Kind::Crash,
        Kind::Pause,
        Kind::Steal,
        Kind::Drain,
        Kind::ClockStep,
    ];
}

impl World {
    pub(super) fn strike_later(&mut self, kind: Kind) {
        let every_min = match kind {
            Kind::DatabaseDown => self.faults.database_down_every_min,
            Kind::Crash => self.faults.crash_every_min,
            Kind::Pause => self.faults.pause_every_min,
            Kind::Steal => self.faults.steal_every_min,
            Kind::Drain => self.faults.drain_every_min,
            Kind::ClockStep => self.faults.clock_every_min,
        };
        if every_min > 0 {
            let mut wait_ms = self.rng.range(1, 2 * every_min * MINUTE_MS);
            if self.rng.per_mille(700) {
                wait_ms = self.near_a_slot(wait_ms);
            }
            self.after(wait_ms, Event::Strike(kind));
        }
    }

    /// Moves a fault to a quarter of an hour, where reminders are due.
    fn near_a_slot(&mut self, wait_ms: i64) -> i64 {
        let quarter_ms = 15 * MINUTE_MS;
        let at_ms = self.now.plus_ms(wait_ms).unix_ms();
        let slot_ms = (at_ms.div_euclid(quarter_ms) + 1) * quarter_ms;
        slot_ms - self.now.unix_ms() + self.rng.range(-500, 2_500)
    }

    pub(super) fn strike(&mut self, kind: Kind) {
        let node = self.rng.index(self.nodes.len());
        match kind {
            Kind::DatabaseDown => {
                let lasts_ms = self.rng.pick(&[200, 5 * SECOND_MS, 2 * MINUTE_MS]);
                self.database_back_at = self.now.plus_ms(lasts_ms);
                self.record("database down", [lasts_ms, 0, 0]);
            }
            Kind::Crash => self.crash(node),
            Kind::Pause => self.pause(node),
            Kind::Steal => {
                let shard = ShardId(self.rng.range(0, i64::from(self.draw.shards) - 1) as i32);
                self.steal(shard);
            }
            Kind::Drain => self.drain(node),
            Kind::ClockStep => self.step_clock(node),
        }
        self.strike_later(kind);
    }

    /// Moves a lease on purpose: it ends, and another node takes it at once.
    pub(super) fn steal(&mut self, shard: ShardId) {
        self.journal.expire(shard);
        self.record("lease ended", [i64::from(shard.0), 0, 0]);
        let node = self.rng.index(self.nodes.len());
        let life = self.nodes[node].this_life();
        let wait_ms = self.rng.range(1, 500);
        self.after(wait_ms, Event::RenewOnce(life));
    }

    pub(super) fn pause(&mut self, index: usize) {
        let ttl_ms = self.draw.lease.ttl_ms;
        let lasts_ms = self
            .rng
            .pick(&[50, 800, 3_500, ttl_ms / 2, 2 * ttl_ms, 5 * ttl_ms]);
        let node = &mut self.nodes[index];
        if !node.up || node.paused {
            return;
        }
        let owned = !node.trust.is_empty();
        node.paused = true;
        self.record("pause", [index as i64, lasts_ms, 0]);
        if owned && lasts_ms > ttl_ms {
            self.hit(Sometimes::PausedBeyondLease);
        }
        self.after(lasts_ms, Event::Resume(index));
    }

    /// A graceful end: the leases are given back and do not have to expire. What the dispatcher
    /// has under way dies with the process, as in a crash.
    fn drain(&mut self, index: usize) {
        let node = &self.nodes[index];
        if !node.up || node.paused {
            return;
        }
        let name = node.name(self.bug);
        let fences: Vec<Fence> = node.trust.values().map(|trust| trust.fence).collect();
        for fence in fences {
            self.journal.release(&name, fence);
        }
        self.record("drain", [index as i64, 0, 0]);
        self.crash(index);
    }

    fn step_clock(&mut self, index: usize) {
        let skew_ms = self.faults.skew_ms;
        let offset_ms = self.rng.range(-skew_ms, skew_ms);
        let node = &mut self.nodes[index];
        let back = offset_ms < node.offset_ms;
        node.offset_ms = offset_ms;
        self.record("clock step", [index as i64, offset_ms, 0]);
        if back {
            self.hit(Sometimes::ClockSetBack);
        }
    }

    /// Ends all faults and lets everyone come back.
    pub(super) fn faults_over(&mut self) {
        self.record("faults over", [0, 0, 0]);
        self.faults = self.faults.over();
        self.database_back_at = self.now;
        for index in 0..self.nodes.len() {
            self.nodes[index].offset_ms = 0;
            self.resume(index);
            self.at(self.now, Event::Start(index));
        }
    }
}
