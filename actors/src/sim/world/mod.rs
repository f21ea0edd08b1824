//! The world of a run: virtual time, and everything that happens in it, one event after another.

mod database;
mod dispatch;
mod doors;
mod faults;
mod nemesis;
mod node;
mod owner;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, TenantId};
use schedules::rule::RulePack;
use schedules::time::Timestamp;

use self::database::Call;
use self::node::Node;
use super::counters::{Counters, Sometimes};
use super::draw::{Draw, Faults};
use super::journal::{SimJournal, Write};
use super::plant::PlantedBug;
use super::rng::Rng;
use super::trace::Trace;
use super::workload::{self, Op};
use crate::ports::ShardId;

/// How many nodes there are.
const NODES: usize = 3;

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A client or the bus brings an event to a door.
    Bring(usize),
    /// It arrives at the database.
    Arrive(u64),
    /// A commit whose lease was looked at is applied (only without the pin).
    Apply(u64),
    /// The answer of a call reaches its node.
    Answer(u64),
    /// A node wants to look at a tenant.
    Wake(At, u64),
    /// A node hears that a tenant has news.
    Hint(At),
    /// A hand-over is at the head of its queue, its connection open.
    Dispatch(At, AttemptId),
    /// The first byte is written (only when a pause may fall before it).
    Begin(At, AttemptId),
    /// The provider has answered, or will not.
    Returned(At, AttemptId),
    /// A node renews its leases, again and again.
    Renew(Life),
    /// A node renews its leases out of turn.
    RenewOnce(Life),
    /// A node looks ahead over its shards.
    Poll(Life),
    /// A node starts.
    Start(usize),
    /// A node goes on after a pause.
    Resume(usize),
    /// A fault strikes.
    Strike(faults::Kind),
    /// A node crashes.
    Crash(usize),
    /// A node is paused.
    Pause(usize),
    /// A lease ends before its time.
    Steal(ShardId),
    /// Faults stop.
    FaultsOver,
}

/// One life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    node: usize,
    life: u32,
}

/// A tenant on one life of a node.
#[derive(Clone, Copy, Debug)]
struct At {
    life: Life,
    tenant: TenantId,
}

/// An event in the queue; of two at one instant a drawn number goes first.
#[derive(Clone, Copy, Debug)]
struct Scheduled {
    at: Timestamp,
    tie: u64,
    number: u64,
    event: Event,
}

impl Scheduled {
    fn key(&self) -> (Timestamp, u64, u64) {
        (self.at, self.tie, self.number)
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest: the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// A hand-over as its provider saw it: the ground truth.
#[derive(Clone, Debug)]
pub(super) struct HandedOver {
    /// When its first byte came.
    pub(super) at: Timestamp,
    pub(super) tenant: TenantId,
    pub(super) attempt: AttemptId,
    /// The attempt in whose message it went out, if that is not its own.
    pub(super) lead: Option<AttemptId>,
    pub(super) boleto: BoletoId,
    pub(super) contact: ContactId,
    pub(super) campaign: CampaignId,
    pub(super) channel: Channel,
    /// The provider took the message.
    pub(super) taken: bool,
    /// A pause fell between the last check and the first byte.
    pub(super) residual: bool,
}

/// What the checker needs besides the journal.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// One for each boleto of a message.
    pub(super) handed_over: Vec<HandedOver>,
    /// Attempts that an owner took back before their hand-over began, with how many hand-overs
    /// there were by then.
    pub(super) taken_back: Vec<(usize, TenantId, AttemptId)>,
    /// Which life got which epoch.
    pub(super) grants: Vec<(ShardId, i64, usize, u32)>,
    /// What was seen to be wrong while it happened.
    pub(super) wrong: Vec<(&'static str, String)>,
    /// Every version of a tenant's rules.
    pub(super) rules: BTreeMap<(TenantId, u32), RulePack>,
    /// Every calendar of a tenant.
    pub(super) calendars: BTreeMap<TenantId, Vec<Calendar>>,
    /// The credits that a tenant bought: at first and by accepted top-ups.
    pub(super) bought: BTreeMap<TenantId, i64>,
}

/// A whole run.
pub(super) struct World {
    pub(super) draw: Draw,
    pub(super) bug: Option<PlantedBug>,
    pub(super) now: Timestamp,
    pub(super) journal: SimJournal,
    pub(super) ops: Vec<Op>,
    pub(super) history: History,
    pub(super) counters: Counters,
    pub(super) trace: Trace,
    pub(super) events: u64,
    faults: Faults,
    rng: Rng,
    queue: BinaryHeap<Scheduled>,
    scheduled: u64,
    nodes: Vec<Node>,
    calls: BTreeMap<u64, Call>,
    last_call: u64,
    database_back_at: Timestamp,
}

impl World {
    pub(super) fn new(mut rng: Rng, draw: Draw, bug: Option<PlantedBug>) -> Self {
        let mut journal = SimJournal::default();
        (journal.bug, journal.now) = (bug, draw.start);
        let ops = workload::draw(&mut rng, &draw, &mut journal);
        let nodes = (0..NODES).map(Node::new).collect();
        let mut world = Self {
            bug,
            now: draw.start,
            journal,
            ops,
            history: History::default(),
            counters: Counters::default(),
            trace: Trace::default(),
            events: 0,
            faults: draw.faults,
            rng: rng.fork(),
            queue: BinaryHeap::new(),
            scheduled: 0,
            nodes,
            calls: BTreeMap::new(),
            last_call: 0,
            database_back_at: Timestamp::default(),
            draw,
        };
        world.remember_settings();
        world.schedule_all();
        world
    }

    /// Plays the run to its end.
    pub(super) fn play(&mut self) {
        while let Some(next) = self.queue.pop() {
            if next.at > self.draw.end || !self.history.wrong.is_empty() {
                break;
            }
            self.now = next.at;
            self.journal.now = next.at;
            self.events += 1;
            self.happen(next.event);
        }
        self.now = self.draw.end;
    }

    fn remember_settings(&mut self) {
        for (tenant, rows) in &self.journal.tenants {
            let known = &rows.settings.tenant;
            let rules = known.rules.clone();
            self.history.rules.insert((*tenant, rules.version), rules);
            let calendars = self.history.calendars.entry(*tenant).or_default();
            calendars.push(known.calendar.clone());
            let balance = known.credits.map_or(0, |credits| credits.balance);
            self.history.bought.insert(*tenant, balance);
        }
        for op in &self.ops {
            match &op.event.write {
                Some(Write::Rules(rules)) => {
                    let key = (op.tenant, rules.version);
                    self.history.rules.insert(key, rules.clone());
                }
                Some(Write::Calendar(calendar)) => {
                    let calendars = self.history.calendars.entry(op.tenant).or_default();
                    calendars.push(calendar.clone());
                }
                _ => {}
            }
        }
    }

    fn schedule_all(&mut self) {
        for node in 0..NODES {
            let wait_ms = self.rng.range(0, 3_000);
            self.after(wait_ms, Event::Start(node));
        }
        for index in 0..self.ops.len() {
            let at = self.ops[index].at;
            self.at(at, Event::Bring(index));
        }
        for kind in faults::Kind::ALL {
            self.strike_later(kind);
        }
        let over = self.draw.faults_until;
        if self.draw.mode == super::draw::Mode::Liveness {
            self.at(over, Event::FaultsOver);
        }
    }

    fn after(&mut self, ms: i64, event: Event) {
        self.at(self.now.plus_ms(ms.max(0)), event);
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.scheduled += 1;
        let scheduled = Scheduled {
            at: at.max(self.now),
            tie: self.rng.next() % 8,
            number: self.scheduled,
            event,
        };
        self.queue.push(scheduled);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Bring(op) => self.bring(op),
            Event::Arrive(call) => self.arrive(call),
            Event::Apply(call) => self.apply_late(call),
            Event::Start(node) => self.start(node),
            Event::Resume(node) => self.resume(node),
            Event::Strike(kind) => self.strike(kind),
            Event::Crash(node) => self.crash(node),
            Event::Pause(node) => self.pause(node),
            Event::Steal(shard) => self.steal(shard),
            Event::FaultsOver => self.faults_over(),
            Event::Answer(call) => self.answer(call),
            Event::Wake(at, number) => self.on_node(at.life, event, |world| world.wake(at, number)),
            Event::Hint(at) => self.on_node(at.life, event, |world| world.hint(at)),
            Event::Dispatch(at, attempt) => {
                self.on_node(at.life, event, |world| world.dispatch(at, attempt));
            }
            Event::Begin(at, attempt) => {
                self.on_node(at.life, event, |world| world.begin_late(at, attempt));
            }
            Event::Returned(at, attempt) => {
                self.on_node(at.life, event, |world| world.returned(at, attempt));
            }
            Event::Renew(life) => self.on_node(life, event, |world| world.renew(life)),
            Event::RenewOnce(life) => self.on_node(life, event, |world| world.renew_now(life)),
            Event::Poll(life) => self.on_node(life, event, |world| world.poll(life)),
        }
    }

    /// Lets a node see an event, unless that life of it is over; a paused node sees it later.
    fn on_node(&mut self, life: Life, event: Event, see: impl FnOnce(&mut Self)) {
        let node = &mut self.nodes[life.node];
        if !node.lives(life) {
            return;
        }
        if node.paused {
            node.held.push(event);
            return;
        }
        see(self);
    }

    fn hit(&mut self, what: Sometimes) {
        self.counters.hit(what);
    }

    fn record(&mut self, what: &'static str, numbers: [i64; 3]) {
        self.trace.record(self.now.unix_ms(), what, numbers);
    }

    fn wrong(&mut self, invariant: &'static str, what: String) {
        self.history.wrong.push((invariant, what));
    }

    fn shard_of(&self, tenant: TenantId) -> ShardId {
        let rows = self.journal.tenants.get(&tenant);
        rows.map_or(ShardId(0), |rows| rows.shard)
    }
}
