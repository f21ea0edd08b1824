//! Fenced ownership of shards, as logic: what a node may believe of its own lease.
//!
//! The database grants and counts; this part only says how long a node may trust an answer. The
//! trust window starts when the renewing call *started*, so a slow answer never stretches it.

use async_trait::async_trait;
use schedules::id::TenantId;

use crate::ports::{Fence, JournalError, ShardId};

/// The name of one life of a node: new at every process start, so that no node renews the lease of
/// its former life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub String);

impl ShardId {
    /// Returns the shard of a tenant among `shards`.
    pub fn of(tenant: TenantId, shards: i32) -> Self {
        let place = tenant.0.rem_euclid(i64::from(shards.max(1)));
        Self(i32::try_from(place).unwrap_or(0))
    }
}

/// Who owns which shard, on the database's clock.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the shard if it is free, expired or ours, for `ttl_ms` from the database's now on.
    ///
    /// Returns `None` when another node holds it.
    ///
    /// # Errors
    /// [`JournalError`].
    async fn take_or_renew(
        &self,
        node: &NodeId,
        shard: ShardId,
        ttl_ms: i64,
    ) -> Result<Option<Fence>, JournalError>;

    /// Gives the shard back, if it is still held under this fence.
    ///
    /// # Errors
    /// [`JournalError`].
    async fn release(&self, node: &NodeId, fence: Fence) -> Result<(), JournalError>;
}

/// How long leases last and how far from their end a node stops believing in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// How long a lease lasts, in milliseconds.
    pub ttl_ms: i64,
    /// How long before its end it is no longer trusted, in milliseconds.
    pub margin_ms: i64,
    /// How often it is renewed, in milliseconds.
    pub renew_every_ms: i64,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            ttl_ms: 10_000,
            margin_ms: 3_000,
            renew_every_ms: 3_000,
        }
    }
}

/// What a node believes of one lease, on its own monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The fence that commits carry.
    pub fence: Fence,
    /// From this monotonic millisecond on the lease is not trusted.
    pub until_mono_ms: i64,
}

impl Trust {
    /// Returns the trust that a renewal gives whose call started at `call_began_mono_ms`.
    pub fn granted(fence: Fence, times: LeaseTimes, call_began_mono_ms: i64) -> Self {
        Self {
            fence,
            until_mono_ms: call_began_mono_ms + times.ttl_ms - times.margin_ms,
        }
    }

    /// Says whether the lease may be acted on.
    pub fn holds(&self, mono_ms: i64) -> bool {
        mono_ms < self.until_mono_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_does_not_stretch_the_trust() {
        let fence = Fence {
            shard: ShardId(1),
            epoch: 1,
        };
        let trust = Trust::granted(fence, LeaseTimes::default(), 1_000);
        assert!(trust.holds(7_999));
        assert!(!trust.holds(8_000));
    }
}
