//! The nemesis watches: it strikes where a claim is under way, because elsewhere nothing can go
//! wrong. Drawn instants alone would meet a claim once in a hundred runs.

use schedules::time::{MINUTE_MS, SECOND_MS};

use super::{Event, World};
use crate::machine::Decision;
use crate::machine::change::{Change, Claim};
use crate::machine::input::FactBody;
use crate::ports::ShardId;
use crate::sim::journal::DoorEvent;
use crate::sim::workload::Op;

/// How many claims in a thousand meet an event about their subject.
const RACES: i64 = 50;
/// How many in a thousand meet a fault of the node that made them.
const STRIKES: i64 = 25;

impl World {
    /// Looks at a decision that is about to be committed.
    pub(super) fn lie_in_wait(
        &mut self,
        node: usize,
        tenant: schedules::id::TenantId,
        decision: &Decision,
    ) {
        for change in &decision.changes {
            let Change::Claimed(claim) = change else {
                continue;
            };
            if self.rng.per_mille(RACES) {
                self.race(tenant, claim);
            }
            if self.rng.per_mille(STRIKES) {
                self.strike_at(node, self.shard_of(tenant));
            }
        }
    }

    /// Sends an event that meets the claim before, in or after its commit and hand-over.
    fn race(&mut self, tenant: schedules::id::TenantId, claim: &Claim) {
        let (boleto, contact, campaign) = (claim.boleto, claim.contact, claim.campaign);
        let (channel, own) = (None, claim.channel);
        let (body, back) = match self.rng.range(0, 7) {
            0..=1 => (
                FactBody::BoletoPaid { boleto },
                FactBody::BoletoReopened { boleto },
            ),
            2 => (
                FactBody::ContactOptedOut {
                    contact,
                    also: Vec::new(),
                    channel,
                },
                FactBody::ContactOptedIn {
                    contact,
                    also: Vec::new(),
                    channel,
                },
            ),
            3 => (
                FactBody::CampaignPaused { campaign },
                FactBody::CampaignResumed { campaign },
            ),
            4 => (FactBody::TenantPaused, FactBody::TenantResumed),
            5 => (FactBody::TenantHeld, FactBody::TenantReleased),
            6 => (
                FactBody::ChannelPaused { channel: own },
                FactBody::ChannelResumed { channel: own },
            ),
            _ => (
                FactBody::ContactReplied {
                    contact,
                    also: Vec::new(),
                },
                FactBody::BoletoReopened { boleto },
            ),
        };
        let most_ms = self.rng.pick(&[10, 100, 1_000, 4_000]);
        let wait_ms = self.rng.range(0, most_ms);
        self.say_later(tenant, wait_ms, body);
        if self.rng.per_mille(800) {
            let later_ms = self
                .rng
                .pick(&[50, SECOND_MS, 20 * SECOND_MS, 20 * MINUTE_MS]);
            let later_ms = self.rng.range(1, later_ms);
            self.say_later(tenant, wait_ms + later_ms, back);
        }
    }

    fn say_later(&mut self, tenant: schedules::id::TenantId, wait_ms: i64, body: FactBody) {
        let at = self.now.plus_ms(wait_ms);
        let index = self.ops.len();
        let event = DoorEvent {
            event_id: format!("race-{index}"),
            occurred_at: at,
            body,
            write: None,
        };
        self.ops.push(Op {
            tenant,
            at,
            event,
            acked: false,
        });
        self.at(at, Event::Bring(index));
    }

    /// Strikes the node with one of the faults that this run has.
    fn strike_at(&mut self, node: usize, shard: ShardId) {
        let wait_ms = self.rng.pick(&[1, 20, 200, 2_000]);
        let wait_ms = self.rng.range(0, wait_ms);
        let faults = self.faults;
        match self.rng.range(0, 2) {
            0 if faults.crash_every_min > 0 => self.after(wait_ms, Event::Crash(node)),
            1 if faults.pause_every_min > 0 => self.after(wait_ms, Event::Pause(node)),
            2 if faults.steal_every_min > 0 => self.after(wait_ms, Event::Steal(shard)),
            _ => {}
        }
    }
}
