//! A world in memory for the tests of the shell: a journal that keeps the contract of the real one,
//! leases, a gateway, and the faults of all three. It never waits for time, only to be told.

mod books;
pub(crate) mod fixtures;
pub(crate) mod holds;
mod ports;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use schedules::id::{AttemptId, BoletoId, EnrollmentId, TenantId};
use schedules::time::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Notify;

pub(crate) use self::books::Books;
use crate::clock::{Clock, JumpClock};
use crate::lease::{LeaseTimes, NodeId};
use crate::locked::lock;
use crate::machine::change::Change;
use crate::machine::input::{FactBody, Input, Outcome, Part};
use crate::ports::{JournalError, ShardId};
use crate::supervision::node::{Node, NodeConfig, Ports};

/// When the tests begin.
pub(crate) const ORIGIN: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);

const MOMENT_MS: i64 = 5;

/// A fault of one journal call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Error(JournalError),
    /// The commit happens, its answer is lost.
    LostAnswer,
    Panic,
    /// The call waits until [`World::unfreeze`].
    Freeze,
}

/// Everything outside the node.
pub(crate) struct World {
    pub(crate) clock: Arc<JumpClock>,
    pub(crate) faults: Arc<Faults>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) books: BTreeMap<TenantId, Books>,
    /// Journal calls that were begun, in order.
    pub(crate) calls: Vec<(&'static str, TenantId)>,
    pub(crate) under_way: BTreeMap<TenantId, usize>,
    pub(crate) overlapping: usize,
    pub(crate) commits: Vec<(TenantId, Vec<Change>)>,
    pub(crate) planned: Vec<(&'static str, TenantId, Fault)>,
    pub(crate) frozen: bool,
    /// Hand-overs that began, in order.
    pub(crate) wire: Vec<(TenantId, AttemptId)>,
    /// Messages at the gateway that have not asked to begin.
    pub(crate) connecting: BTreeSet<AttemptId>,
    pub(crate) gateway: GatewayMood,
    pub(crate) epochs: BTreeMap<ShardId, (Option<NodeId>, i64)>,
    pub(crate) leases_answer: bool,
    pub(crate) released: Vec<ShardId>,
}

/// What the gateway does with messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct GatewayMood {
    /// It takes its time to connect.
    pub(crate) connects_slowly: bool,
    /// It takes its time to answer.
    pub(crate) answers_slowly: bool,
    pub(crate) panics: bool,
    pub(crate) answer: Option<Outcome>,
}

/// What the machine panics on, as if it had a bug.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) holds: holds::Holds,
    poisonous: Mutex<BTreeSet<Part>>,
    bad_outcomes: Mutex<BTreeSet<EnrollmentId>>,
    ticks: Mutex<BTreeMap<TenantId, u32>>,
}

impl Faults {
    /// Panics if the inputs hold poison.
    pub(crate) fn strike(
        &self,
        tenant: TenantId,
        inputs: &[Input],
        due: impl Iterator<Item = EnrollmentId>,
    ) {
        self.holds.pass(holds::Point::Deciding, tenant);
        let due: Vec<EnrollmentId> = due.collect();
        for input in inputs {
            let strikes = match input {
                Input::Facts(facts) => facts.iter().any(|fact| self.hits(Part::Fact(fact.seq))),
                Input::Tick => {
                    let hit = due.iter().any(|one| self.hits(Part::Enrollment(*one)));
                    hit || self.strikes_tick(tenant)
                }
                Input::Look(one) => self.hits(Part::Enrollment(*one)) || self.strikes_tick(tenant),
                Input::Swept(seq, page) => page.parts(*seq).any(|part| self.hits(part)),
                Input::Returned(all) => all.iter().any(|one| self.hits_outcome(&one.attempt)),
                Input::Orphaned(all) => all.iter().any(|one| self.hits_outcome(one)),
                Input::SetAside(_) => false,
            };
            assert!(!strikes, "a planted bug");
        }
    }

    fn hits(&self, part: Part) -> bool {
        lock(&self.poisonous).contains(&part)
    }

    fn hits_outcome(&self, attempt: &AttemptId) -> bool {
        lock(&self.bad_outcomes).contains(&attempt.reminder.enrollment)
    }

    fn strikes_tick(&self, tenant: TenantId) -> bool {
        let mut ticks = lock(&self.ticks);
        let left = ticks.entry(tenant).or_default();
        let strikes = *left > 0;
        *left = left.saturating_sub(1);
        strikes
    }

    pub(crate) fn poison(&self, part: Part) {
        lock(&self.poisonous).insert(part);
    }

    pub(crate) fn poison_outcomes(&self, enrollment: EnrollmentId) {
        lock(&self.bad_outcomes).insert(enrollment);
    }

    pub(crate) fn fail_ticks(&self, tenant: TenantId, times: u32) {
        lock(&self.ticks).insert(tenant, times);
    }
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            leases_answer: true,
            ..State::default()
        };
        Arc::new(Self {
            clock: Arc::new(JumpClock::starting_at(ORIGIN)),
            faults: Arc::default(),
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    /// Changes the world, and tells everyone who waits for it.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let result = work(&mut lock(&self.state));
        self.changed.notify_waiters();
        result
    }

    /// Waits until the world is as wanted.
    pub(crate) async fn until<R>(&self, mut seen: impl FnMut(&mut State) -> Option<R>) -> R {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(result) = seen(&mut lock(&self.state)) {
                return result;
            }
            changed.await;
        }
    }

    pub(crate) fn open(&self, tenant: TenantId) {
        let now = self.clock.now();
        self.with(|state| state.books.insert(tenant, Books::open(tenant, now)));
    }

    /// Opens a tenant with reminders that are due at `at`, one a boleto of its own contact.
    pub(crate) fn open_with(&self, tenant: TenantId, reminders: i64, at: Timestamp) {
        self.open(tenant);
        self.with(|state| {
            let books = state.books.get_mut(&tenant).expect("books");
            (1..=reminders).for_each(|id| books.remind(id, at));
        });
    }

    /// Commits a payment as a door does.
    pub(crate) fn pay(&self, tenant: TenantId, boleto: BoletoId) {
        let now = self.clock.now();
        self.with(|state| {
            let books = state.books.get_mut(&tenant).expect("books");
            books.stop(boleto);
            books.say(FactBody::BoletoPaid { boleto }, now);
        });
    }

    /// Commits facts that change nothing as a door does.
    pub(crate) fn say(&self, tenant: TenantId, facts: usize) {
        let now = self.clock.now();
        self.with(|state| {
            let books = state.books.get_mut(&tenant).expect("books");
            (0..facts).for_each(|_| books.say(FactBody::FeedHeard, now));
        });
    }

    pub(crate) fn plan(&self, call: &'static str, tenant: TenantId, fault: Fault) {
        self.with(|state| state.planned.push((call, tenant, fault)));
    }

    pub(crate) fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            journal: Arc::clone(self) as _,
            gateway: Arc::clone(self) as _,
            leases: Arc::clone(self) as _,
            clock: Arc::clone(&self.clock) as _,
        }
    }

    pub(crate) fn start(self: &Arc<Self>, adjust: impl FnOnce(&mut NodeConfig)) -> Node {
        let mut config = config("node");
        adjust(&mut config);
        Node::start_faulty(
            config,
            self.ports(),
            Arc::clone(&self.faults),
            Handle::current(),
        )
    }

    /// Starts a node and waits until it has done what is due.
    pub(crate) async fn settled(self: &Arc<Self>, adjust: impl FnOnce(&mut NodeConfig)) -> Node {
        let node = self.start(adjust);
        // A slow machine loads its tenants late.
        node.at_rest().await;
        // Senders begin as if they had just sent: what is due at once goes out a moment later.
        let moment = self.clock.now().plus_ms(MOMENT_MS);
        self.walk(&node, moment).await;
        node
    }

    /// Jumps to the node's next instants until `until`, doing what is due at each.
    pub(crate) async fn walk(&self, node: &Node, until: Timestamp) {
        node.at_rest().await;
        while let Some(at) = node.next_wake_at().filter(|at| *at <= until) {
            self.clock.jump_to(at);
            node.at_rest().await;
        }
        self.clock.jump_to(until);
        node.at_rest().await;
    }

    pub(crate) fn wire_of(&self, tenant: TenantId) -> Vec<EnrollmentId> {
        self.with(|state| {
            let ours = state.wire.iter().filter(|(of, _)| *of == tenant);
            ours.map(|(_, attempt)| attempt.reminder.enrollment)
                .collect()
        })
    }

    /// Returns the outcomes in the books, by enrollment.
    pub(crate) fn outcomes(&self, tenant: TenantId) -> Vec<(EnrollmentId, Option<Outcome>)> {
        self.with(|state| {
            let claims = state.books[&tenant].claims.iter();
            claims
                .map(|(attempt, (_, outcome))| (attempt.reminder.enrollment, outcome.clone()))
                .collect()
        })
    }

    pub(crate) fn commits_of(&self, tenant: TenantId) -> usize {
        self.with(|state| state.commits.iter().filter(|(of, _)| *of == tenant).count())
    }

    pub(crate) fn calls_of(&self, tenant: TenantId, call: &str) -> usize {
        let wanted = |begun: &&(&'static str, TenantId)| begun.1 == tenant && begun.0 == call;
        self.with(|state| state.calls.iter().filter(wanted).count())
    }
}

/// A node's settings for tests: few shards, two threads, long leases, no lingering.
pub(crate) fn config(id: &str) -> NodeConfig {
    NodeConfig {
        arbiters: 2,
        lease: LeaseTimes {
            ttl_ms: 60_000,
            margin_ms: 1_000,
            renew_every_ms: 20_000,
        },
        linger_ms: 0,
        drain_ms: 5_000,
        ..NodeConfig::owning_all(NodeId(id.to_owned()), 4)
    }
}
