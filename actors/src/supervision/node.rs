//! A node: what the engine holds of the actors.
//!
//! Doors hint and withdraw here, an operator releases and drains here, and a demo or a test walks
//! through time here. Nothing is global: several nodes live in one process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use schedules::id::TenantId;
use schedules::time::{MINUTE_MS, SECOND_MS, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::arbiters::Arbiters;
pub use super::arbiters::ThreadRefused;
use super::shard::Shards;
use super::slot::Post;
use super::{Shared, shard, watchdog};
use crate::clock::Clock;
use crate::dispatch::{DispatchLimits, Dispatcher, Home};
use crate::lease::{LeaseTimes, Leases, NodeId};
use crate::machine::HORIZON_MS;
use crate::machine::effect::Subject;
use crate::observe::{Activity, Alert, AlertKind, Alerts, NodeView, Presence, TenantView};
use crate::ports::{Gateway, Journal, JournalError, ShardId};
use crate::timer::{Timer, Wake};

/// After how long a failed look-ahead is tried again.
const LOOK_AGAIN_MS: i64 = SECOND_MS;

/// The world, as a node reaches it.
#[derive(Clone)]
pub struct Ports {
    /// The durable record.
    pub journal: Arc<dyn Journal>,
    /// The way to the providers.
    pub gateway: Arc<dyn Gateway>,
    /// Who owns which shard.
    pub leases: Arc<dyn Leases>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

/// How a node works.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The name of this life of the node.
    pub id: NodeId,
    /// How many shards there are in all.
    pub shards: i32,
    /// The shards that the node wants to own at first.
    pub wanted: BTreeSet<ShardId>,
    /// How long leases last.
    pub lease: LeaseTimes,
    /// How many threads run actors.
    pub arbiters: usize,
    /// How much is handed over at once.
    pub dispatch: DispatchLimits,
    /// How often the node looks for tenants with something to do.
    pub look_ahead_every_ms: i64,
    /// How long a journal call may take; then its outcome is unknown.
    pub journal_call_ms: i64,
    /// How many tenants are loaded at once.
    pub loads_max: usize,
    /// How long a tenant without anything to do keeps its actor.
    pub linger_ms: i64,
    /// How often the watchdog looks.
    pub heartbeat_ms: i64,
    /// After how many of its looks without a sign of life something counts as frozen.
    pub freeze_beats: u64,
    /// How long a drain, or the giving away of a shard, may take.
    pub drain_ms: i64,
}

impl NodeConfig {
    /// Returns the usual settings of a node that owns all of `shards` shards.
    pub fn owning_all(id: NodeId, shards: i32) -> Self {
        Self {
            id,
            shards,
            wanted: (0..shards).map(ShardId).collect(),
            lease: LeaseTimes::default(),
            arbiters: std::thread::available_parallelism().map_or(1, usize::from),
            dispatch: DispatchLimits::default(),
            look_ahead_every_ms: 10 * SECOND_MS,
            journal_call_ms: 30 * SECOND_MS,
            loads_max: 64,
            linger_ms: 30 * SECOND_MS,
            heartbeat_ms: SECOND_MS,
            freeze_beats: 10,
            drain_ms: 20 * SECOND_MS,
        }
    }
}

/// What a drain left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Hand-overs that had begun and did not come back in time; their outcome is unknown.
    pub at_gateways: usize,
    /// Every shard was given back in order.
    pub in_order: bool,
}

/// The actors of one process.
pub struct Node {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Node {
    /// Starts the threads and tasks of a node; its shards are taken soon after.
    ///
    /// `runtime` is the multi-threaded runtime on which everything but the actors runs.
    ///
    /// # Errors
    /// [`ThreadRefused`].
    pub fn start(config: NodeConfig, ports: Ports, runtime: Handle) -> Result<Self, ThreadRefused> {
        Self::start_with(config, ports, runtime, |_| {})
    }

    fn start_with(
        config: NodeConfig,
        ports: Ports,
        runtime: Handle,
        adjust: impl FnOnce(&mut Shared),
    ) -> Result<Self, ThreadRefused> {
        let mut shared = assemble(config, ports, runtime)?;
        adjust(&mut shared);
        let shared = Arc::new_cyclic(|me| {
            shared.me = me.clone();
            shared
        });
        let home: Arc<dyn Home> = Arc::clone(&shared) as Arc<dyn Home>;
        shared.dispatcher.settle_at(Arc::downgrade(&home));
        let tasks = vec![
            shared.keep_running("shards", shard::keep),
            shared.keep_running("watchdog", watchdog::watch),
            shared.keep_running("timer", |shared| async move {
                let fire = |wake| shared.fire(wake);
                shared.timer.run(&*shared.ports.clock, fire).await;
            }),
        ];
        Ok(Self { shared, tasks })
    }

    #[cfg(test)]
    pub(crate) fn start_faulty(
        config: NodeConfig,
        ports: Ports,
        faults: Arc<crate::fake::Faults>,
        runtime: Handle,
    ) -> Self {
        let set = |shared: &mut Shared| shared.faults = faults;
        Self::start_with(config, ports, runtime, set).expect("the threads")
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Says that facts of the tenant wait; false when its shard is not owned here.
    pub fn hint(&self, tenant: TenantId) -> bool {
        let slot = self.shared.slot_if_owned(tenant);
        if let Some(slot) = &slot {
            self.shared.post(slot, Post::Facts);
        }
        slot.is_some()
    }

    /// Takes back what has not begun of the subject, and returns how many hand-overs have begun
    /// and have not come back. To be called after the stop is committed and before it is
    /// acknowledged.
    pub fn withdraw(&self, tenant: TenantId, subject: Subject) -> usize {
        self.shared.dispatcher.withdraw(tenant, subject)
    }

    /// Lets a quarantined tenant try again; false when it was not quarantined.
    pub fn release(&self, tenant: TenantId) -> bool {
        let Some(slot) = self.shared.known_slot(tenant) else {
            return false;
        };
        let released = slot.release();
        if released {
            self.shared.post(&slot, Post::Stir);
        }
        released
    }

    /// Returns the tenants in quarantine, in order.
    pub fn quarantined(&self) -> Vec<TenantId> {
        let slots = self.shared.slots();
        let views = slots.iter().map(|slot| slot.view());
        let quarantined: BTreeSet<TenantId> = views
            .filter(|view| view.presence == Presence::Quarantined)
            .map(|view| view.tenant)
            .collect();
        quarantined.into_iter().collect()
    }

    /// Says which shards the node wants to own from now on; others are given away.
    pub fn want(&self, shards: BTreeSet<ShardId>) {
        self.shared.shards.want(shards);
    }

    /// Returns the shards that the node owns and trusts.
    pub fn shards(&self) -> BTreeSet<ShardId> {
        let mono_ms = self.shared.ports.clock.monotonic_ms();
        self.shared.shards.trusted(mono_ms)
    }

    /// Returns figures of the node.
    pub fn view(&self) -> NodeView {
        let (queued, at_gateways) = self.shared.dispatcher.load();
        let mut view = NodeView {
            shards: self.shards(),
            queued,
            at_gateways,
            ..NodeView::default()
        };
        for slot in self.shared.slots() {
            let tenant = slot.view();
            view.failures += tenant.failures;
            *match tenant.presence {
                Presence::Asleep => &mut view.asleep,
                Presence::Awake => &mut view.awake,
                Presence::Down(_) => &mut view.down,
                Presence::Quarantined => &mut view.quarantined,
            } += 1;
        }
        view
    }

    /// Returns figures of a tenant that was seen on this node.
    pub fn tenant_view(&self, tenant: TenantId) -> Option<TenantView> {
        self.shared.known_slot(tenant).map(|slot| slot.view())
    }

    /// Returns the newest alerts, oldest first.
    pub fn alerts(&self) -> Vec<Alert> {
        self.shared.alerts.list()
    }

    /// Waits until no message, journal call, hand-over or wake-up that is due is under way.
    ///
    /// What is done by then holds for a moment only: whoever hints or advances the clock ends it.
    pub async fn at_rest(&self) {
        let nothing_due = || {
            let first_at = self.shared.timer.first_at();
            first_at.is_none_or(|at| at > self.shared.ports.clock.now())
        };
        self.shared.activity.calm(nothing_due).await;
    }

    /// Returns the instant at which the node does something next if nothing comes in.
    pub fn next_wake_at(&self) -> Option<Timestamp> {
        self.shared.timer.first_at()
    }

    /// Ends the node in order: begins nothing new, lets what is under way come back, gives the
    /// shards back. Takes the configured time at most. The node owns nothing from then on.
    pub async fn drain(&self) -> Drained {
        self.shared.dispatcher.drain();
        self.shared.shards.want(BTreeSet::new());
        // The shards' own limit is the same; a call more may follow it.
        let limit_ms = self.shared.config.drain_ms + self.shared.config.lease.renew_every_ms;
        let in_order = tokio::select! {
            () = self.shared.shards.all_gone() => true,
            () = self.shared.ports.clock.elapse(limit_ms) => false,
        };
        let (_, at_gateways) = self.shared.dispatcher.load();
        Drained {
            at_gateways,
            in_order,
        }
    }
}

/// Ends threads and tasks at once; leases end by themselves.
impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.shared.shards.end_all();
        for slot in self.shared.slots() {
            slot.dismiss(&self.shared.timer);
        }
        self.shared.arbiters.stop();
    }
}

fn assemble(config: NodeConfig, ports: Ports, runtime: Handle) -> Result<Shared, ThreadRefused> {
    let activity = Arc::new(Activity::default());
    let dispatcher = Arc::new(Dispatcher::new(
        config.dispatch,
        Arc::clone(&ports.gateway),
        Arc::clone(&ports.clock),
        runtime.clone(),
        Arc::clone(&activity),
    ));
    let shards = Shards::default();
    shards.want(config.wanted.clone());
    Ok(Shared {
        beginning: Mutex::new(Some(activity.token())),
        timer: Timer::new(Arc::clone(&activity)),
        loads: Arc::new(Semaphore::new(config.loads_max.max(1))),
        arbiters: Arbiters::start(config.arbiters)?,
        slots: Mutex::new(HashMap::new()),
        alerts: Alerts::default(),
        me: std::sync::Weak::new(),
        config,
        ports,
        runtime,
        activity,
        dispatcher,
        shards,
        #[cfg(test)]
        faults: Arc::default(),
    })
}

/// Wakes the tenants that have something to do now, and notes when the others have.
pub(super) async fn look_ahead(shared: &Arc<Shared>) {
    let clock = &shared.ports.clock;
    let every_ms = shared.config.look_ahead_every_ms;
    let shards: Vec<ShardId> = shared
        .shards
        .trusted(clock.monotonic_ms())
        .into_iter()
        .collect();
    // Should this look never come to its end, another one comes all the same.
    look_again_in(shared, every_ms + shared.config.journal_call_ms);
    let until = clock.now().plus_ms(every_ms + MINUTE_MS);
    let looked = tokio::select! {
        looked = shared.ports.journal.look_ahead(&shards, until) => looked,
        () = clock.elapse(shared.config.journal_call_ms) => Err(JournalError::Retryable),
    };
    let again_ms = match looked {
        Ok(wakes) => {
            wakes
                .into_iter()
                .for_each(|(tenant, at)| foresee(shared, tenant, at));
            every_ms
        }
        Err(error) => {
            tracing::warn!(error = %error, "look-ahead failed");
            LOOK_AGAIN_MS.min(every_ms)
        }
    };
    look_again_in(shared, again_ms);
}

/// Notes that a look-ahead panicked, and that another one follows soon.
pub(super) fn look_ahead_panicked(shared: &Shared) {
    shared.alert(None, AlertKind::TaskPanicked("look-ahead"));
    look_again_in(shared, LOOK_AGAIN_MS.min(shared.config.look_ahead_every_ms));
}

fn look_again_in(shared: &Shared, ms: i64) {
    let at = shared.ports.clock.now().plus_ms(ms);
    shared.timer.bring_forward(Wake::LookAhead, at);
}

fn foresee(shared: &Arc<Shared>, tenant: TenantId, at: Timestamp) {
    let (slot, now) = (shared.slot(tenant), shared.ports.clock.now());
    if at <= now {
        shared.post(&slot, Post::Facts);
    } else if shared.takes_work(slot.shard) && slot.is_asleep() {
        // Before the instant, so that what comes due is in memory by then.
        let ahead = at.plus_ms(-HORIZON_MS).max(now);
        shared.timer.bring_forward(Wake::Tenant(tenant), ahead);
    }
}
