//! What everyone who acts for a shard holds: its fence, and how long it is trusted.
//!
//! One value per grant: when the shard is lost it ends for good, and a new grant brings a new one.
//! So nothing that began under a lost lease ever acts again.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::lease::Trust;
use crate::ports::{Fence, ShardId};

/// A node's hold of one shard under one epoch.
#[derive(Debug)]
pub(crate) struct Tenure {
    fence: Fence,
    until_mono_ms: AtomicI64,
    ended: AtomicBool,
    leaving: AtomicBool,
}

impl Tenure {
    pub(crate) fn new(trust: Trust) -> Self {
        Self {
            fence: trust.fence,
            until_mono_ms: AtomicI64::new(trust.until_mono_ms),
            ended: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
        }
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    pub(crate) fn shard(&self) -> ShardId {
        self.fence.shard
    }

    /// Goes on until the trust of a renewal ends.
    pub(crate) fn renew(&self, trust: Trust) {
        debug_assert_eq!(trust.fence, self.fence);
        self.until_mono_ms
            .fetch_max(trust.until_mono_ms, Ordering::SeqCst);
    }

    /// Says whether the shard may be acted for.
    pub(crate) fn holds(&self, mono_ms: i64) -> bool {
        let trust = Trust {
            fence: self.fence,
            until_mono_ms: self.until_mono_ms(),
        };
        !self.has_ended() && trust.holds(mono_ms)
    }

    /// Returns the monotonic millisecond at which the trust ends.
    pub(crate) fn until_mono_ms(&self) -> i64 {
        self.until_mono_ms.load(Ordering::SeqCst)
    }

    /// Ends it for good.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Says that the shard is given away as soon as what is under way has come back: nothing new
    /// begins.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }
}
