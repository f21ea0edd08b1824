//! The tenant actor: a thin shell round the machine.
//!
//! It moves what waits into the machine and what follows out of it, one thing at a time: at most
//! one journal call is under way, and everything else waits in the slot. What comes next is chosen
//! anew after each thing ([`TenantActor::next_act`]): facts come before what is due, so that a stop
//! that the journal knows is never overtaken by a claim.
//!
//! It holds nothing that cannot be loaded again. A panic of the machine is caught here and the
//! machine loaded again in place; any other panic ends the actor, and its slot gets a new one.

mod alone;
mod call;
#[cfg(test)]
pub(crate) mod sabotage;
mod setback;
mod step;
pub(crate) mod trial;

#[cfg(test)]
mod harm;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use schedules::id::AttemptId;
use schedules::time::{MINUTE_MS, SECOND_MS, Timestamp};

use crate::machine::{Machine, Need};
use crate::supervision::Shared;
use crate::supervision::slot::{Look, Rest, Rested, Slot};
use crate::supervision::tenure::Tenure;
use crate::supervision::watchdog::Pulse;

/// The mailbox holds nudges only, and the slot sends no second one before the first was taken.
pub(crate) const MAILBOX_MAX: usize = 4;
/// The most facts read at once.
const INBOX_PAGE_MAX: u32 = 200;
/// How long due reminders may go out without a look into the inbox, in monotonic milliseconds.
const INBOX_EVERY_MS: i64 = SECOND_MS;
/// How long audit rows may wait for their seal while the tenant is at work.
const SEAL_EVERY_MS: i64 = MINUTE_MS;
/// A tenant whose next instant is further away gives its actor up.
const PASSIVE_MS: i64 = MINUTE_MS;
/// After how many things in a row that changed nothing durable the actor pauses.
const STREAK_MAX: u32 = 1_000;
/// After how many commits in a row of which nothing stood it does so.
const REFUSED_MAX: u32 = 20;
/// That pause, and the shortest nap of a machine that wants to be woken at once and has nothing to
/// do.
const PAUSE_MS: i64 = SECOND_MS;

/// Says that something waits in the slot.
#[derive(Debug, actix::Message)]
#[rtype(result = "()")]
pub(crate) struct Nudge;

/// One tenant's actor.
pub(crate) struct TenantActor {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    tenure: Arc<Tenure>,
    number: u64,
    pulse: Arc<Pulse>,
    machine: Option<Machine>,
    /// Claims that nobody is working on here.
    orphans: Vec<AttemptId>,
    /// Until then a former owner may still hand one of them over.
    orphaned_at: Timestamp,
    calling: bool,
    facts_wait: bool,
    /// When the inbox was last read to its end, in monotonic milliseconds.
    drained_mono_ms: i64,
    /// Due reminders and reading take turns.
    read_next: bool,
    /// Since when committed changes wait for their seal.
    unsealed_since: Option<Timestamp>,
    /// When the actor last looked for something to do.
    looked_at: Timestamp,
    /// When something was last committed or loaded.
    worked_at: Timestamp,
    blocked_until: Option<Timestamp>,
    /// Setbacks in a row.
    setbacks: u32,
    streak: u32,
}

/// What an actor does next.
#[derive(Debug)]
enum Act {
    Load,
    /// Closes claims that nobody is working on.
    Close,
    Drain,
    /// Takes outcomes and, with `true`, what is due.
    Step(bool),
    Read(Need),
    Seal,
    Rest(Rest),
}

impl TenantActor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        slot: Arc<Slot>,
        tenure: Arc<Tenure>,
        number: u64,
        pulse: Arc<Pulse>,
    ) -> Self {
        let worked_at = shared.ports.clock.now();
        Self {
            shared,
            slot,
            tenure,
            number,
            pulse,
            machine: None,
            orphans: Vec::new(),
            orphaned_at: Timestamp::default(),
            calling: false,
            facts_wait: true,
            drained_mono_ms: i64::MIN,
            read_next: false,
            unsealed_since: None,
            looked_at: worked_at,
            worked_at,
            blocked_until: None,
            setbacks: 0,
            streak: 0,
        }
    }

    fn now(&self) -> Timestamp {
        self.shared.ports.clock.now()
    }

    /// Does the next thing, unless something is under way.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        self.pulse.inside.store(true, Ordering::SeqCst);
        self.round(ctx);
        self.pulse.inside.store(false, Ordering::SeqCst);
    }

    fn round(&mut self, ctx: &mut Context<Self>) {
        match self.slot.look(self.number) {
            Look::Outdated => return ctx.stop(),
            Look::Current(facts_wait) => self.facts_wait |= facts_wait,
        }
        if self.tenure.has_ended() {
            self.slot.step_down(self.number);
            return ctx.stop();
        }
        if self.calling {
            return;
        }
        let now = self.now();
        if now < self.looked_at.plus_ms(-SECOND_MS) {
            tracing::warn!(tenant = self.slot.tenant.0, "wall clock was set back");
            // What memory put off was put off by the other clock.
            self.machine = None;
        }
        self.looked_at = now;
        match self.next_act(now) {
            Act::Load => self.load(ctx),
            Act::Close => self.close(ctx),
            Act::Drain => self.drain(ctx),
            Act::Step(with_due) => self.step_on(with_due, ctx),
            Act::Read(need) => self.read(need, ctx),
            Act::Seal => self.seal(ctx),
            Act::Rest(rest) => return self.rest(rest, ctx),
        }
        if !self.calling {
            self.again(ctx);
        }
    }

    /// Chooses: what was lost, settings, facts, outcomes and what is due, pages, the seal, rest.
    fn next_act(&mut self, now: Timestamp) -> Act {
        if let Some(until) = self.blocked_until.filter(|until| is_ahead(*until, now)) {
            return Act::Rest(Rest::Blocked(until));
        }
        self.blocked_until = None;
        if self.tenure.is_leaving() {
            return self.last_act(now);
        }
        let Some(machine) = &self.machine else {
            return Act::Load;
        };
        if !self.orphans.is_empty() && self.orphaned_at <= now {
            return Act::Close;
        }
        let need = machine.need(now);
        let due = machine.is_due(now);
        match need {
            Some(Need::Reload) => Act::Load,
            Some(Need::Settings) => Act::Read(Need::Settings),
            _ if self.facts_wait || (due && self.inbox_is_stale()) => Act::Drain,
            Some(need) if std::mem::take(&mut self.read_next) => Act::Read(need),
            _ if due || self.slot.has_returned() => {
                self.read_next = true;
                Act::Step(true)
            }
            Some(need) => Act::Read(need),
            None => self.quiet_act(now),
        }
    }

    fn inbox_is_stale(&self) -> bool {
        let mono_ms = self.shared.ports.clock.monotonic_ms();
        mono_ms >= self.drained_mono_ms.saturating_add(INBOX_EVERY_MS)
    }

    /// Chooses when nothing is to be decided: seal, leave, or wait.
    fn quiet_act(&self, now: Timestamp) -> Act {
        let wake_at = self
            .machine
            .as_ref()
            .and_then(|machine| machine.next_wake_at(now));
        let seal_at = self
            .unsealed_since
            .map(|since| since.plus_ms(SEAL_EVERY_MS));
        let far = wake_at.is_none_or(|at| at > now.plus_ms(PASSIVE_MS));
        let may_leave = far && self.machine.as_ref().is_none_or(Machine::is_idle);
        let leave_at = self.worked_at.plus_ms(self.shared.config.linger_ms);
        if may_leave && leave_at <= now {
            return match self.unsealed_since {
                Some(_) => Act::Seal,
                None => Act::Rest(Rest::Leave(wake_at)),
            };
        }
        if seal_at.is_some_and(|at| at <= now) {
            return Act::Seal;
        }
        let leave_at = may_leave.then_some(leave_at);
        let close_at = (!self.orphans.is_empty()).then_some(self.orphaned_at);
        let wakes = [wake_at, seal_at, leave_at, close_at];
        let next_at = wakes.into_iter().flatten().min();
        Act::Rest(Rest::Until(
            next_at.map(|at| if at > now { at } else { now.plus_ms(PAUSE_MS) }),
        ))
    }

    /// Chooses while the shard is being given away: outcomes are still committed, nothing begins.
    fn last_act(&mut self, now: Timestamp) -> Act {
        let Some(machine) = &self.machine else {
            let wanted = self.slot.has_returned();
            return if wanted {
                Act::Load
            } else {
                Act::Rest(Rest::Leave(None))
            };
        };
        if self.slot.has_returned() {
            return Act::Step(false);
        }
        let in_flight = machine.in_flight().next().is_some();
        if in_flight && self.shared.dispatcher.in_flight(self.slot.tenant) > 0 {
            return Act::Rest(Rest::Until(Some(now.plus_ms(PAUSE_MS))));
        }
        match self.unsealed_since {
            Some(_) => Act::Seal,
            None => Act::Rest(Rest::Leave(None)),
        }
    }

    fn rest(&mut self, rest: Rest, ctx: &mut Context<Self>) {
        #[cfg(test)]
        self.pass(crate::fake::holds::Point::Resting);
        self.streak = 0;
        self.remember_paces();
        let machine = self.machine.as_ref().map(Machine::view);
        match self
            .slot
            .rest(self.number, rest, machine, &self.shared.timer)
        {
            Rested::Yes if matches!(rest, Rest::Leave(_)) => ctx.stop(),
            Rested::Yes => {}
            Rested::NotYet => self.again(ctx),
            Rested::Outdated => ctx.stop(),
        }
    }

    /// Goes on after other actors had their turn.
    fn again(&mut self, ctx: &mut Context<Self>) {
        self.calling = true;
        let turn = tokio::task::yield_now().into_actor(self);
        ctx.spawn(turn.map(|(), actor, ctx| {
            actor.calling = false;
            actor.pump(ctx);
        }));
    }
}

impl Actor for TenantActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.pump(ctx);
    }
}

impl Handler<Nudge> for TenantActor {
    type Result = ();

    fn handle(&mut self, _: Nudge, ctx: &mut Context<Self>) {
        self.pump(ctx);
    }
}

/// Says whether `until` is still to come; further away than any block, the clock was set back.
fn is_ahead(until: Timestamp, now: Timestamp) -> bool {
    (1..=setback::BLOCK_MAX_MS).contains(&until.since(now))
}
