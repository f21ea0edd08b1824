//! A tenant's place on its node: it outlives every actor of the tenant.
//!
//! What comes in waits here, not in an actor's mailbox; a nudge only says that something waits. So
//! nothing is lost when an actor dies, and an actor takes together what waits. The invariants, each
//! kept under the one lock:
//!
//! - at most one actor acts for a slot: the one with the slot's current `number`; who is outdated
//!   (frozen, and back later) calls the journal no more, and is told so at its next look;
//! - `busy` holds a token from the moment something waits or an actor works until the actor rests;
//! - an actor rests or leaves only in the same breath in which it sees that nothing waits;
//! - outcomes stay until they are committed;
//! - a wake-up is in the timer before `busy` is let go. The timer's lock is taken under this one,
//!   never the other way round.
//!
//! `gate` lets one journal call of the tenant run at a time, over all its actors' lives.

mod failing;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use actix::Addr;
use schedules::id::{AttemptId, TenantId};
use schedules::time::Timestamp;
use tokio::sync::oneshot;

pub(crate) use super::life::{Birth, Ended, Look, Post, Rest, Rested};
use super::restart::{BACKOFF_MAX_MS, RestartPolicy};
use super::watchdog::Pulse;
use crate::locked::lock;
use crate::machine::{MachineView, Paces};
use crate::observe::{Activity, Presence, TenantView, Token};
use crate::ports::{Returned, ShardId};
use crate::tenant::trial::Trial;
use crate::tenant::{Nudge, TenantActor};
use crate::timer::{Timer, Wake};

/// The most outcomes taken in one step.
const RETURNED_MAX: usize = 1_000;

/// A tenant's place on its node.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) tenant: TenantId,
    pub(crate) shard: ShardId,
    pub(crate) gate: Arc<tokio::sync::Mutex<()>>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    life: Life,
    number: u64,
    pulse: Arc<Pulse>,
    nudged: bool,
    stirred: bool,
    facts_wait: bool,
    returned: VecDeque<Returned>,
    busy: Option<Token>,
    policy: RestartPolicy,
    trial: Trial,
    machine: Option<MachineView>,
    /// An actor was ended when the shard was lost: a commit of it may stand all the same.
    interrupted: bool,
    /// What the senders sent, while the shard is held here.
    paces: Option<Paces>,
}

#[derive(Debug, Default)]
enum Life {
    #[default]
    Asleep,
    Awake(Awake),
    /// It stops by itself; nothing is handed to it any more.
    Leaving(#[expect(dead_code, reason = "dropped to end the actor")] Awake),
    Down(Timestamp),
    Quarantined,
}

#[derive(Debug)]
struct Awake {
    addr: Option<Addr<TenantActor>>,
    /// Dropped, it ends the actor from outside.
    _kill: oneshot::Sender<()>,
}

impl Slot {
    pub(crate) fn new(tenant: TenantId, shard: ShardId) -> Self {
        Self {
            tenant,
            shard,
            gate: Arc::default(),
            inner: Mutex::default(),
        }
    }

    /// Takes in what came; a birth says that an actor must be started for it.
    ///
    /// Without `owned`, outcomes are kept and everything else is left to the shard's owner.
    pub(crate) fn post(
        &self,
        post: Post,
        owned: bool,
        now: Timestamp,
        activity: &Arc<Activity>,
    ) -> Option<Birth> {
        let mut inner = lock(&self.inner);
        match post {
            Post::Returned(returned) => inner.returned.extend(returned),
            Post::Facts if owned => inner.facts_wait = true,
            Post::Facts | Post::Stir => {}
        }
        if !owned {
            inner.leave_to_the_owner();
            return None;
        }
        inner.stirred = true;
        match &inner.life {
            Life::Quarantined => None,
            Life::Down(until) if !has_come(*until, now) => None,
            Life::Asleep | Life::Down(_) => Some(inner.bear(activity)),
            Life::Leaving(_) => {
                inner.hold(activity);
                None
            }
            Life::Awake(_) => {
                inner.hold(activity);
                inner.nudge();
                None
            }
        }
    }

    /// Makes a started actor reachable; false when it is outdated already.
    pub(crate) fn arrive(&self, number: u64, addr: Addr<TenantActor>) -> bool {
        let mut inner = lock(&self.inner);
        if inner.number != number {
            return false;
        }
        match &mut inner.life {
            Life::Awake(awake) => {
                awake.addr = Some(addr);
                true
            }
            _ => false,
        }
    }

    /// Begins a round of the actor's work.
    pub(crate) fn look(&self, number: u64) -> Look {
        let mut inner = lock(&self.inner);
        if !inner.is_acted_for_by(number) {
            return Look::Outdated;
        }
        inner.pulse.beat.fetch_add(1, Ordering::SeqCst);
        inner.nudged = false;
        inner.stirred = false;
        Look::Current(std::mem::take(&mut inner.facts_wait))
    }

    /// Says whether the actor with this number acts for the slot.
    pub(crate) fn is_acted_for_by(&self, number: u64) -> bool {
        lock(&self.inner).is_acted_for_by(number)
    }

    /// Returns the oldest outcomes that are not committed.
    pub(crate) fn returned(&self) -> Vec<Returned> {
        let inner = lock(&self.inner);
        inner.returned.iter().take(RETURNED_MAX).cloned().collect()
    }

    /// Returns the attempts whose outcomes wait here.
    pub(crate) fn returned_attempts(&self) -> BTreeSet<AttemptId> {
        let inner = lock(&self.inner);
        inner
            .returned
            .iter()
            .map(|returned| returned.attempt)
            .collect()
    }

    pub(crate) fn paces(&self) -> Option<Paces> {
        lock(&self.inner).paces.clone()
    }

    pub(crate) fn remember_paces(&self, number: u64, paces: &Paces) {
        let mut inner = lock(&self.inner);
        if inner.number == number {
            inner.paces = Some(paces.clone());
        }
    }

    /// Says whether the last owner here left something to be seen to by the next.
    pub(crate) fn has_left_overs(&self) -> bool {
        let inner = lock(&self.inner);
        inner.interrupted || !inner.returned.is_empty()
    }

    pub(crate) fn has_returned(&self) -> bool {
        !lock(&self.inner).returned.is_empty()
    }

    /// Forgets the oldest `count` outcomes: they are committed.
    pub(crate) fn settle(&self, number: u64, count: usize) {
        let mut inner = lock(&self.inner);
        if inner.number == number {
            let count = count.min(inner.returned.len());
            inner.returned.drain(..count);
        }
    }

    /// Comes to rest, unless something came in meanwhile.
    pub(crate) fn rest(
        &self,
        number: u64,
        rest: Rest,
        machine: Option<MachineView>,
        timer: &Timer,
    ) -> Rested {
        let mut inner = lock(&self.inner);
        if !inner.is_acted_for_by(number) {
            return Rested::Outdated;
        }
        let blocked = matches!(rest, Rest::Blocked(_));
        if !blocked && inner.waits() {
            return Rested::NotYet;
        }
        let at = match rest {
            Rest::Until(at) | Rest::Leave(at) => at,
            Rest::Blocked(at) => Some(at),
        };
        timer.set(Wake::Tenant(self.tenant), at);
        inner.machine = machine.or(inner.machine);
        if matches!(rest, Rest::Leave(_)) {
            inner.leave();
        }
        inner.busy = None;
        Rested::Yes
    }

    /// Lets an actor stop whose shard was lost; if the shard is owned anew, another one follows.
    pub(crate) fn step_down(&self, number: u64) {
        let mut inner = lock(&self.inner);
        if inner.is_acted_for_by(number) {
            inner.stirred = true;
            inner.leave();
        }
    }

    /// Notes that an actor has ended.
    pub(crate) fn ended(&self, number: u64, activity: &Arc<Activity>) -> Ended {
        let mut inner = lock(&self.inner);
        if inner.number != number {
            return Ended::InOrder;
        }
        match inner.life {
            Life::Leaving(_) if inner.waits() => {
                inner.hold(activity);
                inner.life = Life::Asleep;
                Ended::WakeAgain
            }
            Life::Leaving(_) => {
                inner.sleep();
                Ended::InOrder
            }
            Life::Awake(_) => Ended::Failed,
            Life::Asleep | Life::Down(_) | Life::Quarantined => Ended::InOrder,
        }
    }

    /// Ends the actor from outside: the shard is lost. Outcomes are kept.
    pub(crate) fn dismiss(&self, timer: &Timer) {
        let mut inner = lock(&self.inner);
        inner.interrupted |= matches!(inner.life, Life::Awake(_) | Life::Leaving(_));
        if !matches!(inner.life, Life::Quarantined) {
            inner.dismiss(Life::Asleep);
        }
        inner.facts_wait = false;
        inner.stirred = false;
        // The next owner sends as well.
        inner.paces = None;
        timer.set(Wake::Tenant(self.tenant), None);
        inner.busy = None;
    }

    /// Ends the actor from outside, to be born again at once elsewhere; `None` without an actor.
    pub(crate) fn move_out(&self, activity: &Arc<Activity>) -> Option<Birth> {
        let mut inner = lock(&self.inner);
        matches!(inner.life, Life::Awake(_) | Life::Leaving(_)).then(|| inner.bear(activity))
    }

    /// Returns the number of the actor that has something to do, if one has.
    pub(crate) fn working(&self) -> Option<u64> {
        let inner = lock(&self.inner);
        let working = inner.busy.is_some() && matches!(inner.life, Life::Awake(_));
        working.then_some(inner.number)
    }

    /// Returns the number of the actor, if there is one.
    pub(crate) fn awake(&self) -> Option<u64> {
        let inner = lock(&self.inner);
        matches!(inner.life, Life::Awake(_)).then_some(inner.number)
    }

    /// Returns what the watchdog sees of the newest actor.
    pub(crate) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&lock(&self.inner).pulse)
    }

    /// Says whether no actor is there.
    pub(crate) fn is_vacant(&self) -> bool {
        !matches!(lock(&self.inner).life, Life::Awake(_) | Life::Leaving(_))
    }

    /// Says whether no actor is there, and the next thing that comes in wakes one.
    pub(crate) fn is_asleep(&self) -> bool {
        matches!(lock(&self.inner).life, Life::Asleep)
    }

    pub(crate) fn view(&self) -> TenantView {
        let inner = lock(&self.inner);
        TenantView {
            tenant: self.tenant,
            shard: self.shard,
            presence: match inner.life {
                Life::Asleep => Presence::Asleep,
                Life::Awake(_) | Life::Leaving(_) => Presence::Awake,
                Life::Down(until) => Presence::Down(until),
                Life::Quarantined => Presence::Quarantined,
            },
            failures: inner.policy.count(),
            outcomes_waiting: inner.returned.len(),
            machine: inner.machine,
        }
    }

    #[cfg(test)]
    pub(crate) fn addr(&self) -> Option<Addr<TenantActor>> {
        match &lock(&self.inner).life {
            Life::Awake(awake) => awake.addr.clone(),
            _ => None,
        }
    }
}

impl Inner {
    fn is_acted_for_by(&self, number: u64) -> bool {
        self.number == number && matches!(self.life, Life::Awake(_))
    }

    fn waits(&self) -> bool {
        self.stirred || self.facts_wait
    }

    fn hold(&mut self, activity: &Arc<Activity>) {
        self.busy.get_or_insert_with(|| activity.token());
    }

    fn bear(&mut self, activity: &Arc<Activity>) -> Birth {
        self.hold(activity);
        self.interrupted = false;
        let (kill, killed) = oneshot::channel();
        self.dismiss(Life::Awake(Awake {
            addr: None,
            _kill: kill,
        }));
        // Whoever had the former one may thaw, and must not be taken for this one.
        self.pulse = Arc::default();
        Birth {
            number: self.number,
            pulse: Arc::clone(&self.pulse),
            killed,
        }
    }

    /// Ends the actor that is there, if one is, in favour of another life.
    fn dismiss(&mut self, life: Life) {
        self.number += 1;
        self.nudged = false;
        self.trial.let_off();
        self.life = life;
    }

    fn nudge(&mut self) {
        let Life::Awake(Awake {
            addr: Some(addr), ..
        }) = &self.life
        else {
            return;
        };
        // A mailbox that is closed belongs to an actor whose end is being noted: what waits is seen
        // then.
        self.nudged = self.nudged || addr.try_send(Nudge).is_ok();
    }

    fn leave_to_the_owner(&mut self) {
        if matches!(self.life, Life::Asleep) {
            self.stirred = false;
            self.busy = None;
        }
    }

    fn leave(&mut self) {
        if let Life::Awake(awake) = std::mem::take(&mut self.life) {
            self.life = Life::Leaving(awake);
        }
    }

    fn sleep(&mut self) {
        self.life = Life::Asleep;
        self.busy = None;
    }
}

/// The longest wait for an instant that a wall clock which was set back may cause.
fn has_come(until: Timestamp, now: Timestamp) -> bool {
    let left_ms = until.since(now);
    left_ms <= 0 || left_ms > BACKOFF_MAX_MS
}
