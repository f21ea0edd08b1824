//! The tenant machine: a value that decides what follows from what came in.
//!
//! It knows neither actix nor tokio, reads no clock and draws no randomness. [`Machine::decide`]
//! borrows immutably, so memory is never ahead of the disk; [`Machine::conclude`] follows a commit,
//! and loading goes through the same doors, so that recovery is the normal path.

mod apply;
pub mod change;
mod control;
mod draft;
mod due;
pub mod effect;
mod flight;
mod import;
pub mod input;
pub mod invariant;
mod memory;
mod merge;
mod outcome;
mod rank;
mod replan;
mod set_aside;
mod stop;
#[cfg(test)]
mod tests;
mod values;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use schedules::channel::Channel;
use schedules::id::{AttemptId, EnrollmentId};
use schedules::pace::PaceState;
use schedules::time::{MINUTE_MS, SECOND_MS, Timestamp};
use schedules::verdict::Reason;

use self::change::{Change, Claim};
use self::draft::Draft;
use self::effect::Effect;
use self::flight::Flight;
use self::input::{Input, Sweep};
use self::memory::Memory;
use self::walk::Walks;
use crate::ports::{Committed, Mark, PageRequest, Settings, Snapshot};

pub use self::draft::{Decision, Note};

/// How far ahead of now due enrollments are held in memory.
pub const HORIZON_MS: i64 = 5 * MINUTE_MS;
/// The most enrollments of one tenant in memory; the rest waits in the journal, in order.
pub const ENTRIES_MAX: usize = 20_000;
/// The most due enrollments looked at in one step, so that facts never wait long.
pub const DUE_BATCH_MAX: usize = 500;
/// The most hand-overs of one tenant under way at once, so that little is unknown after a crash.
pub const IN_FLIGHT_MAX: usize = 500;
/// How long after its claim a hand-over may begin.
pub const CLAIM_LASTS_MS: i64 = 3 * SECOND_MS;
/// How far apart the clocks of two nodes may be: twice what a node may be off the database's, as
/// one may be ahead and the other behind. Who judges another node's deadline allows for it.
pub const CLOCKS_APART_MAX_MS: i64 = 10 * SECOND_MS;
/// The most rows of a due page.
pub const DUE_PAGE_MAX: u32 = 1_000;

/// One tenant's schedules, limits and stops, in memory.
#[derive(Clone, Debug)]
pub struct Machine {
    walks: Walks,
    settings_stale: bool,
    memory: Memory,
    in_flight: Flight,
    paces: Paces,
    sweeps: BTreeMap<i64, Sweep>,
    /// Sweeps that wait for the outcome of an enrollment's attempt.
    sweep_waits: BTreeMap<i64, EnrollmentId>,
    /// The settings look further back than what was read.
    short_sighted: bool,
    #[cfg(feature = "sim")]
    flaws: Flaws,
}

/// What senders sent lately, as their paces see it.
pub type Paces = BTreeMap<Channel, PaceState>;

/// Bugs that only the machine itself can have, for a simulation that must find them.
#[cfg(feature = "sim")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flaws {
    /// What the same step has decided to send counts for nothing.
    pub(crate) own_sends_uncounted: bool,
    /// An attempt in flight holds no credit.
    pub(crate) credits_not_held: bool,
    /// A merged message leaves although a part of it was refused.
    pub(crate) halves_leave: bool,
}

/// What the machine lacks, to be read from the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The settings look further back than the sends in memory: the machine must be restored.
    Reload,
    /// The settings changed.
    Settings,
    /// Enrollments come due.
    DuePage(PageRequest),
    /// A sweep goes on.
    Sweep(Sweep),
}

impl Machine {
    /// Builds a machine from stored rows.
    ///
    /// Claims without an outcome count as in flight; the shell says with [`Input::Orphaned`] which
    /// of them nobody is working on. Where nobody remembers what the senders sent lately, they
    /// begin as if they had just sent all that may go out at once.
    pub fn restore(snapshot: Snapshot, paces: Option<Paces>, now: Timestamp) -> Self {
        let paces = paces.unwrap_or_else(|| {
            let senders = snapshot.settings.tenant.senders.iter();
            let spent = senders.map(|sender| (sender.channel, sender.pace.spent(now)));
            spent.collect()
        });
        let walks = Walks::new(snapshot.settings);
        let mut machine = Self {
            memory: Memory::new(&snapshot.tallies),
            walks,
            settings_stale: false,
            in_flight: Flight::default(),
            paces,
            sweeps: snapshot
                .sweeps
                .into_iter()
                .map(|sweep| (sweep.seq, sweep))
                .collect(),
            sweep_waits: BTreeMap::new(),
            short_sighted: false,
            #[cfg(feature = "sim")]
            flaws: Flaws::default(),
        };
        for claim in snapshot.unsettled {
            machine.in_flight.insert(claim);
        }
        machine
    }

    /// Plants bugs that a simulation must find.
    #[cfg(feature = "sim")]
    pub(crate) fn plant(&mut self, flaws: Flaws) {
        self.flaws = flaws;
    }

    /// Takes changed settings over.
    pub fn adopt(&mut self, settings: Settings) {
        let (sends_ms, tallies_ms) = (self.walks.lookback_ms(), self.walks.tally_lookback_ms());
        self.walks = Walks::new(settings);
        self.short_sighted |=
            self.walks.lookback_ms() > sends_ms || self.walks.tally_lookback_ms() > tallies_ms;
        self.settings_stale = false;
        // Perhaps credits were bought, the feed's limit was lifted, or a channel is free again.
        self.memory.wake(Reason::ChannelPaused);
        self.memory.wake(Reason::CreditsExhausted);
        self.memory.wake(Reason::PaymentFeedStale);
    }

    /// Takes a page of due enrollments over; rows that are known already are left as they are.
    pub fn admit(&mut self, page: crate::ports::DuePage) {
        self.memory.admit(page);
        for attempt in self.in_flight.attempts() {
            self.memory.park(attempt.reminder.enrollment);
        }
    }

    /// Says whether an attempt of the enrollment has no outcome yet.
    fn is_in_flight(&self, enrollment: EnrollmentId) -> bool {
        self.in_flight.is_of(enrollment)
    }

    /// Decides what follows from `inputs` at `now`, without changing anything.
    pub fn decide(&self, inputs: &[Input], now: Timestamp) -> Decision {
        let mut draft = Draft::new(self, now);
        for input in inputs {
            match input {
                Input::Facts(facts) => facts.iter().for_each(|fact| draft.fact(fact)),
                Input::Returned(returned) => returned.iter().for_each(|one| draft.returned(one)),
                Input::Orphaned(attempts) => draft.orphaned(attempts),
                Input::Swept(seq, page) => draft.swept(*seq, page),
                Input::Tick => draft.tick(),
                Input::Look(enrollment) => draft.look(*enrollment),
                Input::SetAside(aside) => draft.set_aside(aside),
            }
        }
        draft.conclude()
    }

    /// Brings memory to what the journal now holds, and returns the effects that may leave.
    ///
    /// Nothing of `decision` holds for enrollments that the commit refused: a stop came first. A
    /// message that lost a part of it so does not leave, and what is left of it is given back.
    pub fn conclude(
        &mut self,
        decision: Decision,
        committed: &Committed,
        now: Timestamp,
    ) -> Vec<Effect> {
        let refused: BTreeSet<EnrollmentId> = committed.refused.iter().copied().collect();
        for change in &decision.changes {
            match change.enrollment() {
                Some(enrollment) if refused.contains(&enrollment) => {
                    self.memory.read_anew(enrollment)
                }
                _ => self.apply(change),
            }
        }
        for note in decision.notes {
            self.note(note, now);
        }
        debug_assert_eq!(invariant::first_broken(self), None);
        if refused.is_empty() {
            return decision.effects;
        }
        let effects = decision.effects.into_iter();
        effects
            .filter_map(|effect| self.without(&refused, effect))
            .collect()
    }

    /// Returns what is left of an effect when changes of these enrollments were refused.
    fn without(&self, refused: &BTreeSet<EnrollmentId>, effect: Effect) -> Option<Effect> {
        let Effect::HandOver(message) = effect else {
            return Some(effect);
        };
        let lost = |attempt: &AttemptId| refused.contains(&attempt.reminder.enrollment);
        #[cfg(feature = "sim")]
        if self.flaws.halves_leave && !lost(&message.attempt) {
            return Some(Effect::HandOver(message));
        }
        let left: Vec<AttemptId> = message.attempts().filter(|one| !lost(one)).collect();
        match left.len() {
            0 => None,
            parts if parts == message.companions.len() + 1 => Some(Effect::HandOver(message)),
            _ => Some(Effect::GiveBack(left)),
        }
    }

    /// Returns what has to be read next, if anything.
    pub fn need(&self, now: Timestamp) -> Option<Need> {
        if self.short_sighted {
            return Some(Need::Reload);
        }
        if self.settings_stale {
            return Some(Need::Settings);
        }
        if self.walks.running() && self.memory.lacks_rows(now.plus_ms(HORIZON_MS)) {
            return Some(Need::DuePage(PageRequest {
                after: self.memory.read_to(),
                until: now.plus_ms(HORIZON_MS),
                limit: DUE_PAGE_MAX,
                // A send counts from its deadline on, and is looked for by its claim.
                sends_since: now.plus_ms(-self.walks.lookback_ms() - CLAIM_LASTS_MS),
                ahead_ms: self.walks.merges_ahead_ms(),
            }));
        }
        let may_go_on = |sweep: &&Sweep| {
            let waits_for = self.sweep_waits.get(&sweep.seq);
            waits_for.is_none_or(|enrollment| !self.is_in_flight(*enrollment))
        };
        let next = self.sweeps.values().find(may_go_on);
        next.cloned().map(Need::Sweep)
    }

    /// Says whether a tick at `now` would look at anything.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due(now).next().is_some()
    }

    /// Returns the enrollment that a tick at `now` would look at first.
    pub fn first_due(&self, now: Timestamp) -> Option<EnrollmentId> {
        self.is_due(now).then(|| self.batch(now).next()).flatten()
    }

    /// Returns the enrollments that ticks at `now` would look at, the earliest first.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = EnrollmentId> {
        let looks = !self.settings_stale
            && !self.short_sighted
            && self.walks.running()
            && self.in_flight.messages() < IN_FLIGHT_MAX;
        self.memory.queue().due(now).take_while(move |_| looks)
    }

    /// Returns when the machine wants to be woken if nothing comes in; `None` for never.
    pub fn next_wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.need(now).is_some() {
            return Some(now);
        }
        if !self.walks.running() {
            return None;
        }
        let ahead = self.memory.next_row_at().map(|at| at.plus_ms(-HORIZON_MS));
        // A full flight wakes by its own returns.
        let due = self
            .memory
            .queue()
            .first_at()
            .filter(|_| self.in_flight.messages() < IN_FLIGHT_MAX);
        [ahead, due]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(now))
    }

    /// Says whether the machine can be dropped: nothing that only memory knows is under way or
    /// waits for an event.
    pub fn is_idle(&self) -> bool {
        !self.memory.holds_any()
            && self.in_flight.is_empty()
            && self.sweeps.is_empty()
            && !self.settings_stale
    }

    /// Returns the claims without an outcome.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> + Clone {
        self.in_flight.claims()
    }

    /// Returns the keys of the claims without an outcome.
    pub fn in_flight(&self) -> impl Iterator<Item = AttemptId> {
        self.in_flight.attempts()
    }

    /// Returns what the senders sent lately, for the machine's next life.
    pub fn paces(&self) -> &Paces {
        &self.paces
    }

    /// Returns figures for tests, metrics and a console; nothing personal.
    pub fn view(&self) -> MachineView {
        MachineView {
            entries: self.memory.entries(),
            queued: self.memory.queue().len(),
            in_flight: self.in_flight.len(),
            sweeps: self.sweeps.len(),
            read_to: self.memory.read_to(),
            next_after_at: self.memory.next_after_at(),
            settings_stale: self.settings_stale,
        }
    }
}

/// What can be seen of a machine from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineView {
    /// Enrollments in memory.
    pub entries: usize,
    /// Enrollments that wait for their instant.
    pub queued: usize,
    /// Claims without an outcome.
    pub in_flight: usize,
    /// Sweeps under way.
    pub sweeps: usize,
    /// Up to where due enrollments were read.
    pub read_to: Mark,
    /// When the first one after that is due.
    pub next_after_at: Option<Timestamp>,
    /// The settings must be read again.
    pub settings_stale: bool,
}

impl Change {
    /// Returns the enrollment on whose activity the change depends.
    pub fn enrollment(&self) -> Option<EnrollmentId> {
        match self {
            Change::Claimed(claim) => Some(claim.attempt.reminder.enrollment),
            Change::Ruled(ruled) => Some(ruled.reminder.enrollment),
            Change::CameBack(back) => Some(back.reminder.enrollment),
            Change::Moved(moved) | Change::Reactivated(moved) => Some(moved.enrollment),
            Change::Finished { enrollment }
            | Change::Stopped { enrollment, .. }
            | Change::SetAside { enrollment, .. } => Some(*enrollment),
            _ => None,
        }
    }
}
