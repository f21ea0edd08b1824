//! A tenant's owner on a node: the shell's loop around the machine, one step at a time.
//!
//! Inbox, then what the machine needs, then one decision over everything that waits, its commit,
//! and only then its effects.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use schedules::id::AttemptId;
use schedules::time::{MINUTE_MS, SECOND_MS, Timestamp};

use super::database::{Answer, Request};
use super::{At, Event, World};
use crate::machine::effect::Effect;
use crate::machine::input::{Abandoned, InboxFact, Input, Outcome};
use crate::machine::{Decision, Flaws, Machine, Need};
use crate::ports::{Commit, Committed, Fence, JournalError, Returned, Snapshot, SweepPage};
use crate::sim::counters::Sometimes;
use crate::sim::plant::{PlantedBug, distort_decision, flaws};
use crate::supervision::restart::{AfterFailure, RestartPolicy};

/// How long an operator leaves a parked tenant alone.
const QUARANTINE_MS: i64 = 5 * MINUTE_MS;
/// The wait before a call that was refused is made again.
const RETRY_MS: i64 = 250;

/// A tenant's owner.
pub(super) struct Owner {
    pub(super) fence: Fence,
    pub(super) machine: Option<Machine>,
    busy: Option<u64>,
    hinted: bool,
    facts: Vec<InboxFact>,
    swept: Option<(i64, SweepPage)>,
    pub(super) returned: Vec<Returned>,
    /// Claims that the journal had without an outcome at loading, and until when they may begin.
    unsettled: BTreeMap<AttemptId, Timestamp>,
    pending: Option<Pending>,
    wake: u64,
    restarts: RestartPolicy,
    parked_until: Timestamp,
}

/// A decision that is being committed.
struct Pending {
    decision: Decision,
    wall: Timestamp,
    mono_ms: i64,
    returned: usize,
}

impl Owner {
    pub(super) fn new(fence: Fence) -> Self {
        Self {
            fence,
            machine: None,
            busy: None,
            hinted: true,
            facts: Vec::new(),
            swept: None,
            returned: Vec::new(),
            unsettled: BTreeMap::new(),
            pending: None,
            wake: 0,
            restarts: RestartPolicy::default(),
            parked_until: Timestamp::default(),
        }
    }

    /// Lets the machine go; it is loaded again from the journal.
    fn forget(&mut self) {
        self.machine = None;
        self.facts.clear();
        self.swept = None;
        self.pending = None;
        self.unsettled.clear();
        self.hinted = true;
    }
}

impl World {
    fn owner(&mut self, at: At) -> Option<&mut Owner> {
        self.nodes[at.life.node].owners.get_mut(&at.tenant)
    }

    pub(super) fn hint(&mut self, at: At) {
        if !self.ensure_owner(at) {
            return;
        }
        if let Some(owner) = self.owner(at) {
            owner.hinted = true;
        }
        self.advance(at);
    }

    pub(super) fn wake(&mut self, at: At, number: u64) {
        let Some(owner) = self.owner(at) else {
            return;
        };
        if owner.wake == number {
            owner.hinted = true;
            self.advance(at);
        }
    }

    fn wake_later(&mut self, at: At, ms: i64) {
        let Some(owner) = self.owner(at) else {
            return;
        };
        owner.wake += 1;
        let number = owner.wake;
        self.after(ms.max(1), Event::Wake(at, number));
    }

    /// Does the next thing there is to do for a tenant.
    pub(super) fn advance(&mut self, at: At) {
        let now = self.now;
        let node = &mut self.nodes[at.life.node];
        let wall = node.wall(now);
        let Some(owner) = node.owners.get(&at.tenant) else {
            return;
        };
        if !node.trusts(owner.fence, now) {
            node.owners.remove(&at.tenant);
            return;
        }
        let Some(owner) = node.owners.get_mut(&at.tenant) else {
            return;
        };
        if owner.busy.is_some() {
            return;
        }
        if now < owner.parked_until {
            let left_ms = owner.parked_until.since(now);
            return self.wake_later(at, left_ms);
        }
        let Some(machine) = &owner.machine else {
            return self.ask(at, Request::Load);
        };
        if owner.hinted && owner.facts.is_empty() {
            owner.hinted = false;
            return self.ask(at, Request::Inbox);
        }
        let need = machine
            .need(wall)
            .filter(|_| owner.facts.is_empty() && owner.swept.is_none());
        match need {
            Some(Need::Reload) => self.ask(at, Request::Load),
            Some(Need::Settings) => self.ask(at, Request::Settings),
            Some(Need::DuePage(page)) => self.ask(at, Request::DuePage(page)),
            Some(Need::Sweep(sweep)) => self.ask(at, Request::Sweep(sweep)),
            None => self.step(at, wall),
        }
    }

    fn ask(&mut self, at: At, request: Request) {
        let id = self.call(at.life, Some(at.tenant), request);
        if let Some(owner) = self.owner(at) {
            owner.busy = Some(id);
        }
    }

    /// Decides over what waits, or sleeps until something does.
    fn step(&mut self, at: At, wall: Timestamp) {
        let inputs = self.inputs(at, wall);
        if inputs.is_empty() {
            return self.sleep(at, wall);
        }
        if self.rng.per_mille(self.faults.panic) {
            return self.panicked(at);
        }
        let (bug, node) = (self.bug, &self.nodes[at.life.node]);
        let mono_ms = node.mono_ms(self.now);
        let Some(owner) = node.owners.get(&at.tenant) else {
            return;
        };
        let Some(machine) = &owner.machine else {
            return;
        };
        let decided = catch_unwind(AssertUnwindSafe(|| machine.decide(&inputs, wall)));
        let (fence, returned) = (owner.fence, owner.returned.len());
        let Ok(mut decision) = decided else {
            return self.wrong("machine", "deciding panicked".to_owned());
        };
        let contacts = self
            .journal
            .tenants
            .get(&at.tenant)
            .map(|rows| &rows.contacts);
        distort_decision(bug, &mut decision, |claim| {
            let contact = contacts.and_then(|contacts| contacts.get(&claim.contact));
            let zone = contact.and_then(|row| row.contact.zones.first().copied());
            zone.unwrap_or(chrono_tz::Tz::America__Sao_Paulo)
        });
        let commit = Commit {
            tenant: at.tenant,
            fence,
            at: wall,
            changes: decision.changes.clone(),
        };
        let pending = Pending {
            decision,
            wall,
            mono_ms,
            returned,
        };
        self.commit(at, commit, pending);
    }

    fn commit(&mut self, at: At, commit: Commit, mut pending: Pending) {
        self.lie_in_wait(at.life.node, at.tenant, &pending.decision);
        if self.bug == Some(PlantedBug::IntentAfterSend) {
            let effects = std::mem::take(&mut pending.decision.effects);
            self.release(at, effects, pending.wall, pending.mono_ms);
        }
        let durably_empty = pending.decision.is_durably_empty();
        let Some(owner) = self.owner(at) else {
            return;
        };
        owner.facts.clear();
        owner.swept = None;
        owner.pending = Some(pending);
        if durably_empty {
            return self.committed(at, &Committed::default());
        }
        self.ask(at, Request::Commit(Box::new(commit)));
    }

    fn inputs(&mut self, at: At, wall: Timestamp) -> Vec<Input> {
        let now = self.now;
        let margin_ms = match self.bug {
            Some(PlantedBug::OrphanedAtOnce) => -crate::machine::CLAIM_LASTS_MS,
            _ => self.settle_margin_ms(),
        };
        let apart = self.rng.per_mille(300);
        let node = &mut self.nodes[at.life.node];
        let here = node.attempts_of(at.tenant);
        let Some(owner) = node.owners.get_mut(&at.tenant) else {
            return Vec::new();
        };
        let Some(machine) = &owner.machine else {
            return Vec::new();
        };
        let mut inputs = Vec::new();
        if !owner.facts.is_empty() {
            inputs.push(Input::Facts(owner.facts.clone()));
        }
        if !owner.returned.is_empty() {
            inputs.push(Input::Returned(owner.returned.clone()));
        }
        let orphans = owner.orphans(|attempt| here.contains(&attempt), wall, margin_ms);
        if !orphans.is_empty() {
            self.counters.hit(Sometimes::OrphanClosed);
            inputs.push(Input::Orphaned(orphans));
        }
        if let Some((seq, page)) = &owner.swept {
            inputs.push(Input::Swept(*seq, page.clone()));
        }
        let lone_tick = inputs.is_empty() || !apart;
        if machine.is_due(wall) && lone_tick {
            inputs.push(Input::Tick);
        }
        let number = [at.tenant.0, inputs.len() as i64, at.life.node as i64];
        if !inputs.is_empty() {
            self.trace.record(now.unix_ms(), "step", number);
        }
        inputs
    }

    fn sleep(&mut self, at: At, wall: Timestamp) {
        let margin_ms = self.settle_margin_ms();
        let passivate = self.rng.per_mille(100);
        let node = &mut self.nodes[at.life.node];
        let busy = node.slots.keys().any(|(tenant, _)| *tenant == at.tenant);
        let Some(owner) = node.owners.get_mut(&at.tenant) else {
            return;
        };
        let Some(machine) = &owner.machine else {
            return;
        };
        let orphans_at = owner
            .unsettled
            .values()
            .min()
            .map(|at| at.plus_ms(margin_ms));
        let wakes_at = [machine.next_wake_at(wall), orphans_at]
            .into_iter()
            .flatten()
            .min();
        if passivate && machine.is_idle() && !busy {
            owner.forget();
        }
        if let Some(wakes_at) = wakes_at {
            let ms = wakes_at.since(wall).min(self.draw.poll_ms);
            self.wake_later(at, ms);
        }
    }

    /// A panic inside the machine: it is loaded again in place, after a pause; too many park it.
    fn panicked(&mut self, at: At) {
        self.hit(Sometimes::Panicked);
        self.record("panic", [at.tenant.0, at.life.node as i64, 0]);
        let now = self.now;
        let mono_ms = self.nodes[at.life.node].mono_ms(now);
        let Some(owner) = self.owner(at) else {
            return;
        };
        owner.forget();
        let backoff_ms = match owner.restarts.failed(at.tenant, mono_ms) {
            AfterFailure::Restart { after_ms } => after_ms,
            AfterFailure::Quarantine => {
                owner.restarts.forgive();
                owner.parked_until = now.plus_ms(QUARANTINE_MS);
                self.hit(Sometimes::Quarantined);
                QUARANTINE_MS
            }
        };
        self.wake_later(at, backoff_ms);
    }

    /// Takes an answer of the journal.
    pub(super) fn answered(&mut self, at: At, id: u64, request: &Request, answer: Answer) {
        let wall = self.nodes[at.life.node].wall(self.now);
        let own_slots = self.nodes[at.life.node].attempts_of(at.tenant);
        let flaws = flaws(self.bug);
        let Some(owner) = self.owner(at) else {
            return;
        };
        if owner.busy != Some(id) {
            return;
        }
        owner.busy = None;
        match answer {
            Answer::Failed(error) => return self.failed(at, request, error),
            Answer::Loaded(snapshot) => owner.loaded(*snapshot, &own_slots, flaws, wall),
            Answer::Inbox(facts) => owner.facts = facts,
            Answer::Settings(settings) => owner.machine().adopt(*settings),
            Answer::DuePage(page) => owner.machine().admit(page),
            Answer::Sweep(seq, page) => owner.swept = Some((seq, page)),
            Answer::Committed(committed) => return self.committed(at, &committed),
            Answer::Grants(_) | Answer::Ahead(_) => {}
        }
        let owned = self
            .owner(at)
            .is_some_and(|owner| owner.swept.is_some() || !owner.facts.is_empty());
        if owned {
            // What was read is decided upon now, whatever else is needed.
            return self.step(at, wall);
        }
        self.advance(at);
    }

    fn failed(&mut self, at: At, request: &Request, error: JournalError) {
        let is_commit = matches!(request, Request::Commit(_));
        let Some(owner) = self.owner(at) else {
            return;
        };
        owner.pending = None;
        owner.hinted = true;
        match error {
            JournalError::Unknown => {
                owner.forget();
                self.hit(Sometimes::ReloadedAfterUnknown);
            }
            JournalError::Fenced => {
                let shard = owner.fence.shard;
                self.nodes[at.life.node].trust.remove(&shard);
                return self.drop_owners(at.life, shard);
            }
            JournalError::Corrupt => {
                let what = format!("tenant {} would spend credits it has not", at.tenant);
                return self.wrong("I8", what);
            }
            _ if is_commit => {}
            _ => {}
        }
        self.wake_later(at, RETRY_MS);
    }

    fn committed(&mut self, at: At, committed: &Committed) {
        let now = self.now;
        if !committed.refused.is_empty() {
            self.hit(Sometimes::ClaimRefused);
        }
        let Some(owner) = self.owner(at) else {
            return;
        };
        let Some(pending) = owner.pending.take() else {
            return;
        };
        owner.returned.drain(..pending.returned);
        // The inbox may hold more than one page.
        owner.hinted = true;
        let machine = owner.machine();
        let Pending {
            decision,
            wall,
            mono_ms,
            ..
        } = pending;
        let concluded = catch_unwind(AssertUnwindSafe(|| {
            machine.conclude(decision, committed, wall)
        }));
        let Ok(effects) = concluded else {
            return self.wrong("machine", format!("a law is broken at {now}"));
        };
        if let Some(law) = crate::machine::invariant::first_broken(machine) {
            return self.wrong("machine", format!("{law:?} is broken"));
        }
        let in_flight: Vec<AttemptId> = machine.in_flight().collect();
        owner
            .unsettled
            .retain(|attempt, _| in_flight.contains(attempt));
        self.release(at, effects, wall, mono_ms);
        self.advance(at);
    }

    fn give_back(&mut self, at: At, attempts: Vec<AttemptId>, wall: Timestamp) {
        self.hit(Sometimes::GivenBack);
        if self.bug == Some(PlantedBug::HalvesForgotten) {
            return;
        }
        let Some(owner) = self.owner(at) else {
            return;
        };
        let returned = attempts.into_iter().map(|attempt| Returned {
            attempt,
            at: wall,
            outcome: Outcome::Abandoned {
                why: Abandoned::Stopped,
            },
        });
        owner.returned.extend(returned);
    }

    /// Lets effects leave.
    fn release(&mut self, at: At, effects: Vec<Effect>, wall: Timestamp, mono_ms: i64) {
        for effect in effects {
            match effect {
                Effect::HandOver(message) => {
                    let left_ms = message.deadline_at.since(wall);
                    self.enqueue(at, message, mono_ms + left_ms);
                }
                Effect::Withdraw(subject) => self.withdraw(at, subject),
                Effect::GiveBack(attempts) => self.give_back(at, attempts, wall),
            }
        }
    }
}

impl Owner {
    fn loaded(
        &mut self,
        snapshot: Snapshot,
        own: &BTreeSet<AttemptId>,
        flaws: Flaws,
        at: Timestamp,
    ) {
        let claims = snapshot.unsettled.iter();
        self.unsettled = claims
            .filter(|claim| !own.contains(&claim.attempt))
            .map(|claim| (claim.attempt, claim.deadline_at))
            .collect();
        let mut machine = Machine::restore(snapshot, None, at);
        machine.plant(flaws);
        self.machine = Some(machine);
        self.hinted = true;
    }

    /// Only called while an answer for this machine comes in.
    fn machine(&mut self) -> &mut Machine {
        self.machine.as_mut().expect("a machine that has asked")
    }

    /// Names the claims of former lives whose deadline is past for good.
    fn orphans(
        &self,
        is_here: impl Fn(AttemptId) -> bool,
        wall: Timestamp,
        margin_ms: i64,
    ) -> Vec<AttemptId> {
        let answered = |attempt: &AttemptId| {
            let mut returned = self.returned.iter();
            returned.any(|one| one.attempt == *attempt)
        };
        self.unsettled
            .iter()
            .filter(|(_, deadline_at)| deadline_at.plus_ms(margin_ms) <= wall)
            .map(|(attempt, _)| *attempt)
            .filter(|attempt| !is_here(*attempt) && !answered(attempt))
            .collect()
    }
}

/// How long a wait in a slow queue lasts at most.
pub(super) const SLOW_MS: i64 = 6 * SECOND_MS;
