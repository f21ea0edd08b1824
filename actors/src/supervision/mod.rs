//! Node → shard → tenant: who acts for a tenant, and what happens when he fails.
//!
//! One for one: each tenant has a [`slot`] that outlives its actors. An actor that panics, stops
//! without having left, or freezes is counted by the [`restart`] policy and rebuilt from the
//! journal, or quarantined; other tenants do not notice. `actix::Supervisor` is not used: it keeps
//! the failed value, has no backoff, and ends for good at a panic.

mod arbiters;
pub(crate) mod life;
pub mod node;
pub mod restart;
mod shard;
pub(crate) mod slot;
pub(crate) mod tenure;
pub(crate) mod watchdog;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod thawed;

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};

use actix::Context;
use futures::FutureExt;
use schedules::id::TenantId;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use self::arbiters::Arbiters;
use self::node::{NodeConfig, Ports};
use self::restart::AfterFailure;
use self::shard::Shards;
use self::slot::{Birth, Ended, Post, Slot};
use self::tenure::Tenure;
use crate::dispatch::{Dispatcher, Home};
use crate::locked::lock;
use crate::observe::{Activity, Alert, AlertKind, Alerts, Token};
use crate::ports::{Returned, ShardId};
use crate::tenant::TenantActor;
use crate::timer::{Timer, Wake};

/// What the parts of a node share.
pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    pub(crate) ports: Ports,
    pub(crate) runtime: Handle,
    pub(crate) activity: Arc<Activity>,
    pub(crate) timer: Timer,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) loads: Arc<Semaphore>,
    alerts: Alerts,
    shards: Shards,
    arbiters: Arbiters,
    slots: Mutex<HashMap<TenantId, Arc<Slot>>>,
    beginning: Mutex<Option<Token>>,
    me: Weak<Shared>,
    #[cfg(test)]
    pub(crate) faults: Arc<crate::fake::Faults>,
}

impl Shared {
    /// Returns the slot of a tenant.
    pub(crate) fn slot(&self, tenant: TenantId) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        let slot = slots.entry(tenant).or_insert_with(|| {
            let shard = ShardId::of(tenant, self.config.shards);
            Arc::new(Slot::new(tenant, shard))
        });
        Arc::clone(slot)
    }

    /// Returns the slot of a tenant that was seen before.
    fn known_slot(&self, tenant: TenantId) -> Option<Arc<Slot>> {
        lock(&self.slots).get(&tenant).cloned()
    }

    /// Returns the slot of a tenant whose shard takes work here.
    fn slot_if_owned(&self, tenant: TenantId) -> Option<Arc<Slot>> {
        let shard = ShardId::of(tenant, self.config.shards);
        self.takes_work(shard).then(|| self.slot(tenant))
    }

    /// Returns every slot.
    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        lock(&self.slots).values().cloned().collect()
    }

    fn slots_of(&self, shard: ShardId) -> Vec<Arc<Slot>> {
        let slots = lock(&self.slots);
        slots
            .values()
            .filter(|slot| slot.shard == shard)
            .cloned()
            .collect()
    }

    pub(crate) fn alert(&self, tenant: Option<TenantId>, what: AlertKind) {
        let at = self.ports.clock.now();
        self.alerts.raise(Alert { at, tenant, what });
    }

    /// Notes that the first leases were asked for.
    fn begun(&self) {
        drop(lock(&self.beginning).take());
    }

    /// Says whether the shard is held here and takes new work.
    fn takes_work(&self, shard: ShardId) -> bool {
        self.shards
            .tenure(shard)
            .is_some_and(|tenure| !tenure.is_leaving())
    }

    /// Hands something to a tenant's slot, and starts an actor where one is needed.
    pub(crate) fn post(self: &Arc<Self>, slot: &Arc<Slot>, post: Post) {
        let leaving_only = matches!(post, Post::Returned(_)) || !slot.is_vacant();
        let owned = match self.shards.tenure(slot.shard) {
            Some(tenure) => leaving_only || !tenure.is_leaving(),
            None => false,
        };
        let now = self.ports.clock.now();
        if let Some(birth) = slot.post(post, owned, now, &self.activity) {
            self.start(slot, birth);
        }
    }

    /// Starts an actor on the tenant's thread.
    pub(crate) fn start(self: &Arc<Self>, slot: &Arc<Slot>, birth: Birth) {
        let number = birth.number;
        let Some(tenure) = self.shards.tenure(slot.shard) else {
            return slot.dismiss(&self.timer);
        };
        let (shared, its_slot) = (Arc::clone(self), Arc::clone(slot));
        let started = self.arbiters.run(slot.tenant, move || {
            drop(actix::spawn(live(shared, its_slot, tenure, birth)));
        });
        if !started {
            self.failed(slot, number, "thread ended");
        }
    }

    /// Notes that an actor ended.
    fn ended(self: &Arc<Self>, slot: &Arc<Slot>, number: u64, how: &'static str) {
        match slot.ended(number, &self.activity) {
            Ended::InOrder => {}
            Ended::WakeAgain if slot.has_returned() => {
                self.post(slot, Post::Returned(Vec::new()));
            }
            Ended::WakeAgain => self.post(slot, Post::Stir),
            Ended::Failed => self.failed(slot, number, how),
        }
        self.shards.changed_if_leaving(slot.shard);
    }

    /// Counts the failure of an actor that is gone or must go.
    pub(crate) fn failed(self: &Arc<Self>, slot: &Arc<Slot>, number: u64, how: &'static str) {
        let clock = &self.ports.clock;
        let after = slot.fail(number, clock.now(), clock.monotonic_ms(), &self.timer);
        self.note_failure(slot.tenant, after, how);
    }

    /// Tells of a failure and what follows from it.
    pub(crate) fn note_failure(
        &self,
        tenant: TenantId,
        after: Option<AfterFailure>,
        how: &'static str,
    ) {
        match after {
            None => {}
            Some(AfterFailure::Quarantine) => self.alert(Some(tenant), AlertKind::Quarantined),
            Some(AfterFailure::Restart { after_ms }) => {
                tracing::warn!(tenant = tenant.0, how, after_ms, "tenant failed");
            }
        }
    }

    /// Ends what acts for a shard whose lease another node holds.
    pub(crate) fn fenced(self: &Arc<Self>, tenure: &Arc<Tenure>) {
        shard::lose(self, tenure);
    }

    /// Runs a task of the node until the node ends; one that panics is started again.
    fn keep_running<F>(
        self: &Arc<Self>,
        name: &'static str,
        task: impl Fn(Arc<Self>) -> F + Send + 'static,
    ) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::clone(self);
        let running = self.runtime.spawn(async move {
            while AssertUnwindSafe(task(Arc::clone(&shared)))
                .catch_unwind()
                .await
                .is_err()
            {
                shared.alert(None, AlertKind::TaskPanicked(name));
                shared.ports.clock.elapse(restart::BACKOFF_MIN_MS).await;
            }
        });
        running.abort_handle()
    }

    fn fire(self: &Arc<Self>, wake: Wake) {
        match wake {
            Wake::Tenant(tenant) => self.post(&self.slot(tenant), Post::Stir),
            Wake::LookAhead => {
                let (shared, token) = (Arc::clone(self), self.activity.token());
                self.runtime.spawn(async move {
                    let looked = AssertUnwindSafe(node::look_ahead(&shared)).catch_unwind();
                    if looked.await.is_err() {
                        node::look_ahead_panicked(&shared);
                    }
                    drop(token);
                });
            }
        }
    }
}

impl Home for Shared {
    fn returned(&self, tenant: TenantId, returned: Vec<Returned>) {
        let Some(shared) = self.me.upgrade() else {
            return;
        };
        shared.post(&shared.slot(tenant), Post::Returned(returned));
    }
}

/// One life of a tenant's actor, from its start to its end, whatever the end is.
async fn live(shared: Arc<Shared>, slot: Arc<Slot>, tenure: Arc<Tenure>, birth: Birth) {
    let Birth {
        number,
        pulse,
        killed,
    } = birth;
    let mut context = Context::new();
    context.set_mailbox_capacity(crate::tenant::MAILBOX_MAX);
    if !slot.arrive(number, actix::AsyncContext::address(&context)) {
        return;
    }
    let actor = TenantActor::new(
        Arc::clone(&shared),
        Arc::clone(&slot),
        tenure,
        number,
        pulse,
    );
    let mut life = Box::pin(context.into_future(actor));
    let how = tokio::select! {
        ended = AssertUnwindSafe(&mut life).catch_unwind() => match ended {
            Ok(()) => "stopped",
            Err(_) => "panicked",
        },
        _ = killed => "ended from outside",
    };
    // The end is noted before the actor is dropped: dropping lets actix run it once more.
    shared.ended(&slot, number, how);
    let dropped = catch_unwind(AssertUnwindSafe(move || drop(life)));
    if dropped.is_err() {
        tracing::warn!(
            tenant = slot.tenant.0,
            "actor panicked while it was dropped"
        );
    }
}
