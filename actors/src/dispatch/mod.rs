//! The fair dispatcher: hands claimed messages over, and takes back what a stop came before.
//!
//! It knows messages and the tenure that they go out under, not why they exist, and neither the
//! machine nor the journal. The invariants:
//!
//! - **A message is known here before its claim is committed** ([`Dispatcher::announce`]). So a
//!   withdrawal that follows the commit of a stop meets every message whose claim came before that
//!   stop, also one whose owner has not yet heard that its claim is durable.
//! - **One compare-exchange decides between begun and withdrawn**, also for a message that was
//!   already taken from its queue ([`ticket`]).
//! - **An outcome is at its tenant before the message leaves `live`.** Who looks here first and at
//!   the tenant's outcomes second overlooks none.
//! - A message holds a token of the node's activity from its announcement to that moment.
//! - Deadline, trust and drain are read right before that exchange, never after: what they let pass
//!   has begun, at most a pause of the process too late; the margins of the lease cover it.
//! - Tenants' locks are never taken under this one.

mod lanes;
mod ticket;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use futures::FutureExt;
use schedules::id::{AttemptId, TenantId};
use tokio::runtime::Handle;

use self::lanes::Lanes;
use self::ticket::{Ended, Ticket};
use crate::clock::Clock;
use crate::locked::lock;
use crate::machine::effect::{HandOver, Subject};
use crate::machine::input::{Abandoned, Outcome};
use crate::observe::{Activity, Token};
use crate::ports::{Gateway, Returned};
use crate::supervision::tenure::Tenure;

/// How much is handed over at once, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchLimits {
    /// The most hand-overs under way on the node.
    pub total_max: usize,
    /// The most hand-overs under way at one provider.
    pub per_provider_max: usize,
    /// How long a hand-over may take, in milliseconds; then its outcome is unknown.
    pub hand_over_ms: i64,
}

impl Default for DispatchLimits {
    fn default() -> Self {
        Self {
            total_max: 256,
            per_provider_max: 128,
            hand_over_ms: 15_000,
        }
    }
}

/// Where outcomes go.
pub(crate) trait Home: Send + Sync {
    /// Takes outcomes of a tenant's messages; from now on they are remembered there.
    fn returned(&self, tenant: TenantId, returned: Vec<Returned>);
}

/// Hands messages over, fairly between tenants.
pub(crate) struct Dispatcher {
    state: Mutex<State>,
    limits: DispatchLimits,
    gateway: Arc<dyn Gateway>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    activity: Arc<Activity>,
    home: OnceLock<Weak<dyn Home>>,
    draining: AtomicBool,
}

struct State {
    lanes: Lanes,
    live: HashMap<TenantId, BTreeMap<AttemptId, Live>>,
}

struct Live {
    ticket: Arc<Ticket>,
    place: Place,
    /// The life of its owner that announced it.
    life: u64,
    _token: Token,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Its claim is being committed.
    Announced,
    /// It waits for its turn.
    Queued,
    /// A task works on it.
    Taken,
}

/// Messages whose claims are being committed; they are forgotten unless they are released.
pub(crate) struct Announced {
    dispatcher: Arc<Dispatcher>,
    tickets: Vec<Arc<Ticket>>,
}

impl Dispatcher {
    pub(crate) fn new(
        limits: DispatchLimits,
        gateway: Arc<dyn Gateway>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                lanes: Lanes::new(limits.total_max, limits.per_provider_max),
                live: HashMap::new(),
            }),
            limits,
            gateway,
            clock,
            runtime,
            activity,
            home: OnceLock::new(),
            draining: AtomicBool::new(false),
        }
    }

    /// Says where outcomes go; only the first word counts.
    pub(crate) fn settle_at(&self, home: Weak<dyn Home>) {
        drop(self.home.set(home));
    }

    /// Makes messages known whose claims this life of their owner is about to commit.
    pub(crate) fn announce(
        self: &Arc<Self>,
        tenure: &Arc<Tenure>,
        life: u64,
        messages: impl Iterator<Item = Arc<HandOver>>,
    ) -> Announced {
        let tickets: Vec<Arc<Ticket>> = messages
            .map(|message| Arc::new(Ticket::new(message, Arc::clone(tenure), &*self.clock)))
            .collect();
        if !tickets.is_empty() {
            let mut state = lock(&self.state);
            for ticket in &tickets {
                let message = &ticket.message;
                let live = state.live.entry(message.tenant).or_default();
                // An owner that is outdated and does not know it yet claims what its successor
                // has sent or is about to claim.
                let stays = |live: &Live| live.place != Place::Announced || live.life > life;
                if !live.get(&message.attempt).is_some_and(stays) {
                    live.insert(
                        message.attempt,
                        Live {
                            ticket: Arc::clone(ticket),
                            place: Place::Announced,
                            life,
                            _token: self.activity.token(),
                        },
                    );
                }
            }
        }
        Announced {
            dispatcher: Arc::clone(self),
            tickets,
        }
    }

    /// Takes back what has not begun of the subject, and returns how much has begun and has not
    /// come back.
    pub(crate) fn withdraw(&self, tenant: TenantId, subject: Subject) -> usize {
        let (begun, back) = {
            let mut state = lock(&self.state);
            let State { lanes, live } = &mut *state;
            let mut begun = 0;
            let mut back = Vec::new();
            for live in live.get(&tenant).into_iter().flat_map(BTreeMap::values) {
                if !live.ticket.message.concerns(subject) {
                    continue;
                }
                if live.ticket.withdraw() && live.place == Place::Queued {
                    back.push(Arc::clone(&live.ticket));
                }
                begun += usize::from(live.ticket.has_begun());
            }
            lanes.remove(tenant, |queued| queued.is_withdrawn());
            (begun, back)
        };
        self.give_back(tenant, &back, Abandoned::Stopped);
        begun
    }

    /// Gives the tenant's messages over to a new life of its owner: returns the claims of those
    /// that are under way, and forgets those that a former life announced and never released. A
    /// life that is outdated by then forgets nothing of a later one.
    pub(crate) fn inherit(&self, tenant: TenantId, life: u64) -> BTreeSet<AttemptId> {
        let mut state = lock(&self.state);
        let Some(live) = state.live.get_mut(&tenant) else {
            return BTreeSet::new();
        };
        live.retain(|_, live| live.place != Place::Announced || live.life > life);
        let messages = live.values().map(|live| &live.ticket.message);
        messages.flat_map(|message| message.attempts()).collect()
    }

    /// Returns how many messages of the tenant are known here.
    pub(crate) fn in_flight(&self, tenant: TenantId) -> usize {
        lock(&self.state).live.get(&tenant).map_or(0, BTreeMap::len)
    }

    /// Returns how many messages wait, and how many are at gateways.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.lanes.queued(), state.lanes.running())
    }

    /// Begins no more hand-overs.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        let tenants: Vec<TenantId> = lock(&self.state).live.keys().copied().collect();
        tenants.into_iter().for_each(|tenant| self.recall(tenant));
    }

    /// Gives back what waits of a tenant whose shard leaves.
    pub(crate) fn recall(&self, tenant: TenantId) {
        let back: Vec<Arc<Ticket>> = {
            let mut state = lock(&self.state);
            let State { lanes, live } = &mut *state;
            lanes.remove(tenant, |_| true);
            let live = live.get(&tenant).into_iter().flat_map(BTreeMap::values);
            live.filter(|live| live.place == Place::Queued && live.ticket.withdraw())
                .map(|live| Arc::clone(&live.ticket))
                .collect()
        };
        self.give_back(tenant, &back, Abandoned::Draining);
    }

    fn barred(&self, ticket: &Ticket) -> Option<Abandoned> {
        let draining = self.draining.load(Ordering::SeqCst);
        ticket.barred(&*self.clock, draining)
    }

    /// Hands on what has room.
    fn pump(self: &Arc<Self>) {
        while let Some(ticket) = self.take() {
            let dispatcher = Arc::clone(self);
            self.runtime
                .spawn(async move { dispatcher.carry(ticket).await });
        }
    }

    fn take(&self) -> Option<Arc<Ticket>> {
        let mut state = lock(&self.state);
        let ticket = state.lanes.take()?;
        if let Some(live) = state.live_of(&ticket) {
            live.place = Place::Taken;
        }
        Some(ticket)
    }

    /// Hands one message over and brings its outcome home.
    async fn carry(self: Arc<Self>, ticket: Arc<Ticket>) {
        let outcome = self.hand_over(&ticket).await;
        self.bring_home(ticket.message.tenant, &[(&ticket, outcome)]);
        lock(&self.state).lanes.done(&ticket.message.provider);
        self.pump();
    }

    async fn hand_over(&self, ticket: &Ticket) -> Outcome {
        if let Some(why) = self.barred(ticket) {
            return ticket.outcome(Ended::Broken, Some(why));
        }
        let refused = OnceLock::new();
        let begin = || match self.barred(ticket) {
            Some(why) => {
                refused.get_or_init(|| why);
                false
            }
            None => ticket.begin(),
        };
        let hand_over = self.gateway.hand_over(&ticket.message, &begin);
        let ended = tokio::select! {
            ended = AssertUnwindSafe(hand_over).catch_unwind() => {
                ended.map_or(Ended::Broken, Ended::Answered)
            }
            () = self.clock.elapse(self.limits.hand_over_ms) => Ended::Broken,
        };
        ticket.outcome(ended, refused.get().copied())
    }

    fn give_back(&self, tenant: TenantId, tickets: &[Arc<Ticket>], why: Abandoned) {
        let outcomes: Vec<(&Arc<Ticket>, Outcome)> = tickets
            .iter()
            .map(|ticket| (ticket, Outcome::Abandoned { why }))
            .collect();
        self.bring_home(tenant, &outcomes);
    }

    /// Remembers outcomes at the tenant, one for each claim of a message; only then the messages
    /// are forgotten here.
    fn bring_home(&self, tenant: TenantId, outcomes: &[(&Arc<Ticket>, Outcome)]) {
        if outcomes.is_empty() {
            return;
        }
        let at = self.clock.now();
        let returned = outcomes.iter().flat_map(|(ticket, outcome)| {
            let attempts = ticket.message.attempts();
            attempts.map(|attempt| Returned {
                attempt,
                at,
                outcome: outcome.clone(),
            })
        });
        let returned = returned.collect();
        if let Some(home) = self.home.get().and_then(Weak::upgrade) {
            home.returned(tenant, returned);
        }
        let mut state = lock(&self.state);
        outcomes.iter().for_each(|(ticket, _)| state.forget(ticket));
    }
}

impl State {
    fn live_of(&mut self, ticket: &Arc<Ticket>) -> Option<&mut Live> {
        let message = &ticket.message;
        let live = self
            .live
            .get_mut(&message.tenant)?
            .get_mut(&message.attempt)?;
        Arc::ptr_eq(&live.ticket, ticket).then_some(live)
    }

    fn forget(&mut self, ticket: &Arc<Ticket>) {
        if self.live_of(ticket).is_none() {
            return;
        }
        let tenant = ticket.message.tenant;
        if let Some(live) = self.live.get_mut(&tenant) {
            live.remove(&ticket.message.attempt);
            if live.is_empty() {
                self.live.remove(&tenant);
            }
        }
    }
}

impl Announced {
    /// Lets those go out whose claims are durable, and forgets the others.
    pub(crate) fn release(self, durable: &BTreeSet<AttemptId>) {
        let dispatcher = Arc::clone(&self.dispatcher);
        let mut withdrawn = Vec::new();
        {
            let mut state = lock(&dispatcher.state);
            for ticket in self
                .tickets
                .iter()
                .filter(|it| durable.contains(&it.message.attempt))
            {
                let Some(live) = state.live_of(ticket) else {
                    // Another life took its place: it never goes out, and whoever has it in flight
                    // hears of it.
                    let too_late = Some(Abandoned::TooLate);
                    withdrawn.push((ticket, ticket.outcome(Ended::Broken, too_late)));
                    continue;
                };
                live.place = Place::Queued;
                if let Some(why) = dispatcher.barred(ticket) {
                    live.place = Place::Taken;
                    withdrawn.push((ticket, ticket.outcome(Ended::Broken, Some(why))));
                } else {
                    state.lanes.push(Arc::clone(ticket));
                }
            }
        }
        if let Some(tenant) = self.tickets.first().map(|ticket| ticket.message.tenant) {
            dispatcher.bring_home(tenant, &withdrawn);
        }
        drop(self);
        dispatcher.pump();
    }
}

/// Forgets what was not released: nothing of it may go out.
impl Drop for Announced {
    fn drop(&mut self) {
        let mut state = lock(&self.dispatcher.state);
        for ticket in &self.tickets {
            if state
                .live_of(ticket)
                .is_some_and(|live| live.place == Place::Announced)
            {
                state.forget(ticket);
            }
        }
    }
}
