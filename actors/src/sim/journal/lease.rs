//! Leases on the database's clock.

use super::{LeaseRow, Logged, SimJournal};
use crate::lease::NodeId;
use crate::ports::{Fence, ShardId};

impl SimJournal {
    /// Takes or renews a shard, as [`crate::lease::Leases::take_or_renew`] says.
    pub fn take_or_renew(&mut self, node: &NodeId, shard: ShardId, ttl_ms: i64) -> Option<Fence> {
        let now = self.now;
        let epoch = match self.leases.get(&shard) {
            Some(lease) if lease.owner == *node => lease.epoch,
            Some(lease) if lease.expires_at >= now => return None,
            Some(lease) => lease.epoch + 1,
            None => 1,
        };
        let row = LeaseRow {
            owner: node.clone(),
            epoch,
            expires_at: now.plus_ms(ttl_ms),
        };
        self.leases.insert(shard, row);
        self.log.push(Logged::Granted {
            at: now,
            shard,
            epoch,
            owner: node.clone(),
        });
        Some(Fence { shard, epoch })
    }

    /// Gives a shard back, if it is held under this fence.
    pub fn release(&mut self, node: &NodeId, fence: Fence) {
        let now = self.now;
        if let Some(lease) = self.leases.get_mut(&fence.shard)
            && lease.owner == *node
            && lease.epoch == fence.epoch
        {
            // Whoever takes it next, the same node too, takes it under a new epoch.
            lease.owner = NodeId(String::new());
            lease.expires_at = now.plus_ms(-1);
        }
    }

    /// Ends a lease before its time, as an operator or a stepped database clock would.
    pub fn expire(&mut self, shard: ShardId) {
        let now = self.now;
        if let Some(lease) = self.leases.get_mut(&shard) {
            lease.expires_at = now.plus_ms(-1);
        }
    }

    pub(super) fn is_fenced(&self, fence: Fence) -> bool {
        let epoch = self.leases.get(&fence.shard).map(|lease| lease.epoch);
        epoch != Some(fence.epoch)
    }
}
