//! What can be seen of a node from outside: views, alerts, and whether anything is under way.
//!
//! Everything that is under way holds a [`Token`]. The invariants that make rest exact:
//!
//! - who takes work over takes its token before the one who had it lets go of his;
//! - a wake-up takes its token before it leaves the timer, and stands in the timer before the token
//!   of the work that asked for it is let go.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use schedules::id::TenantId;
use schedules::time::Timestamp;
use tokio::sync::Notify;

use crate::locked::lock;
use crate::machine::MachineView;
use crate::machine::input::Part;
use crate::ports::ShardId;

/// Counts what is under way on a node.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    live: AtomicU64,
    issued: AtomicU64,
    calm: Notify,
}

impl Activity {
    /// Notes that something is under way until the token is dropped.
    pub(crate) fn token(self: &Arc<Self>) -> Token {
        // In this order: who saw nothing live and then an effect of this token sees it issued.
        self.live.fetch_add(1, Ordering::SeqCst);
        self.issued.fetch_add(1, Ordering::SeqCst);
        Token(Arc::clone(self))
    }

    /// Says whether there is an instant at which nothing was under way and `also` held.
    pub(crate) fn is_calm(&self, also: impl Fn() -> bool) -> bool {
        let issued = self.issued.load(Ordering::SeqCst);
        // Nothing was issued from before the first look to after the last: both held together.
        self.live.load(Ordering::SeqCst) == 0
            && also()
            && self.issued.load(Ordering::SeqCst) == issued
    }

    /// Waits for such an instant.
    pub(crate) async fn calm(&self, also: impl Fn() -> bool) {
        loop {
            let calm = self.calm.notified();
            tokio::pin!(calm);
            calm.as_mut().enable();
            if self.is_calm(&also) {
                return;
            }
            calm.await;
        }
    }
}

/// Something is under way as long as this exists.
#[derive(Debug)]
pub(crate) struct Token(Arc<Activity>);

impl Drop for Token {
    fn drop(&mut self) {
        if self.0.live.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.calm.notify_waiters();
        }
    }
}

/// Where a tenant stands on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No actor: it wakes by its instant, or by what comes in.
    Asleep,
    /// It has an actor.
    Awake,
    /// It failed and is rebuilt at this instant.
    Down(Timestamp),
    /// It failed too often and waits for its release.
    Quarantined,
}

/// What can be seen of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantView {
    /// The tenant.
    pub tenant: TenantId,
    /// Its shard.
    pub shard: ShardId,
    /// Where it stands.
    pub presence: Presence,
    /// How often it was rebuilt or loaded again after a failure since the node started.
    pub failures: u64,
    /// Outcomes that are not committed yet.
    pub outcomes_waiting: usize,
    /// Its machine when it last came to rest.
    pub machine: Option<MachineView>,
}

/// What can be seen of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// The shards that it owns and trusts.
    pub shards: BTreeSet<ShardId>,
    /// Tenants with an actor.
    pub awake: usize,
    /// Tenants without one.
    pub asleep: usize,
    /// Tenants that are about to be rebuilt.
    pub down: usize,
    /// Tenants that wait for their release.
    pub quarantined: usize,
    /// Failures of tenants since the start.
    pub failures: u64,
    /// Messages that wait for their turn at the dispatcher.
    pub queued: usize,
    /// Messages at a gateway.
    pub at_gateways: usize,
}

/// Something an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When.
    pub at: Timestamp,
    /// Whom it is about.
    pub tenant: Option<TenantId>,
    /// What happened; nothing personal.
    pub what: AlertKind,
}

/// What an operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// A tenant failed too often and is parked.
    Quarantined,
    /// Something was set aside as a dead letter: its tenant could not go on with it.
    SetAside(Part),
    /// The store has not answered a tenant for many tries.
    StoreAway,
    /// The store refuses to work for a tenant until someone mends it.
    StoreRefuses,
    /// A tenant's actor did not move any more and was replaced.
    ActorFrozen,
    /// A thread of actors did not move any more and was replaced.
    ArbiterFrozen,
    /// A shard was lost to another owner, or its lease could not be renewed.
    ShardLost(ShardId),
    /// A task of the node itself panicked and was started again.
    TaskPanicked(&'static str),
}

/// The most alerts that are kept; the log has them all.
const ALERTS_MAX: usize = 1_000;

/// The newest alerts.
#[derive(Debug, Default)]
pub(crate) struct Alerts(Mutex<VecDeque<Alert>>);

impl Alerts {
    pub(crate) fn raise(&self, alert: Alert) {
        tracing::error!(tenant = alert.tenant.map(|tenant| tenant.0), what = ?alert.what, "alert");
        let mut alerts = lock(&self.0);
        if alerts.len() == ALERTS_MAX {
            alerts.pop_front();
        }
        alerts.push_back(alert);
    }

    pub(crate) fn list(&self) -> Vec<Alert> {
        lock(&self.0).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_was_taken_over_between_two_looks_is_no_rest() {
        let activity = Arc::new(Activity::default());
        let taken_over = || {
            drop(activity.token());
            true
        };
        assert!(!activity.is_calm(taken_over));
        assert!(activity.is_calm(|| true));
        let token = activity.token();
        assert!(!activity.is_calm(|| true));
        drop(token);
        assert!(activity.is_calm(|| true));
    }

    #[tokio::test]
    async fn who_waits_for_rest_is_woken_by_the_last_token() {
        let activity = Arc::new(Activity::default());
        let (first, second) = (activity.token(), activity.token());
        let waiter = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.calm(|| true).await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(second);
        waiter.await.expect("the waiter");
    }

    #[test]
    fn old_alerts_make_room_for_new_ones() {
        let alerts = Alerts::default();
        for seq in 0..=1_000 {
            alerts.raise(Alert {
                at: Timestamp::from_unix_ms(0),
                tenant: None,
                what: AlertKind::SetAside(Part::Fact(seq)),
            });
        }
        let listed = alerts.list();
        assert_eq!(listed.len(), ALERTS_MAX);
        assert_eq!(listed[0].what, AlertKind::SetAside(Part::Fact(1)));
    }
}
