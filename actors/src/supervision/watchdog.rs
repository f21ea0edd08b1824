//! The watchdog: notices actors and threads that do not move, and has them replaced.
//!
//! It counts rounds, not time: neither a paused process nor a stepped clock makes it bark. A thread
//! is asked for a sign of life each round. An actor needs no question: one that has something to do
//! and is not waiting for its journal must have moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Shared;
use super::arbiters::Answer;
use super::slot::Slot;
use crate::observe::AlertKind;

/// What the watchdog sees of one life of an actor.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Grows with every step.
    pub(crate) beat: AtomicU64,
    /// A journal call is waited for; the wait has its own limit.
    pub(crate) calling: AtomicBool,
    /// The actor's code holds its thread.
    pub(crate) inside: AtomicBool,
    /// What the watchdog saw last, and for how many rounds.
    seen: AtomicU64,
    stalled: AtomicU64,
}

/// Watches for ever.
pub(crate) async fn watch(shared: Arc<Shared>) {
    loop {
        shared.ports.clock.elapse(shared.config.heartbeat_ms).await;
        look_round(&shared);
    }
}

/// Looks at every thread and every actor once.
pub(super) fn look_round(shared: &Arc<Shared>) {
    let answers: Vec<Answer> = (0..shared.arbiters.count())
        .map(|seat| shared.arbiters.ask(seat, shared.config.freeze_beats))
        .collect();
    for (seat, answer) in answers.iter().enumerate() {
        if *answer == Answer::Frozen {
            replace_arbiter(shared, seat);
        }
    }
    for slot in shared.slots() {
        // Behind a thread that is late, an actor may be waiting for its turn.
        if answers[shared.arbiters.seat_of(slot.tenant)] == Answer::Prompt {
            look_at(shared, &slot);
        }
    }
}

fn look_at(shared: &Arc<Shared>, slot: &Arc<Slot>) {
    let Some(number) = slot.working() else {
        return slot.pulse().stalled.store(0, Ordering::SeqCst);
    };
    // After the number: the pulse of a later life blames nobody.
    let pulse = slot.pulse();
    if pulse.has_stalled_for() >= shared.config.freeze_beats {
        pulse.stalled.store(0, Ordering::SeqCst);
        shared.alert(Some(slot.tenant), AlertKind::ActorFrozen);
        shared.failed(slot, number, "frozen");
    }
}

/// Rebuilds a frozen thread's actors on a new one; only the one that held the thread is to blame.
fn replace_arbiter(shared: &Arc<Shared>, seat: usize) {
    shared.alert(None, AlertKind::ArbiterFrozen);
    let slots = shared.slots().into_iter();
    let slots = slots.filter(|slot| shared.arbiters.seat_of(slot.tenant) == seat);
    // Before the new thread is there: whoever is inside then holds the old one.
    let to_blame = |slot: &Arc<Slot>| {
        let number = slot.awake()?;
        let pulse = slot.pulse();
        pulse.inside.load(Ordering::SeqCst).then_some(number)
    };
    let slots: Vec<_> = slots.map(|slot| (to_blame(&slot), slot)).collect();
    if let Err(refused) = shared.arbiters.replace(seat) {
        tracing::error!(error = %refused, "frozen thread could not be replaced");
        return;
    }
    for (to_blame, slot) in slots {
        if let Some(number) = to_blame {
            shared.failed(&slot, number, "frozen");
        } else if let Some(birth) = slot.move_out(&shared.activity) {
            shared.start(&slot, birth);
        }
    }
}

impl Pulse {
    /// Counts a round, and returns for how many the actor has not moved.
    fn has_stalled_for(&self) -> u64 {
        let beat = self.beat.load(Ordering::SeqCst);
        let moved = self.seen.swap(beat, Ordering::SeqCst) != beat;
        if moved || self.calling.load(Ordering::SeqCst) {
            self.stalled.store(0, Ordering::SeqCst);
            return 0;
        }
        self.stalled.fetch_add(1, Ordering::SeqCst) + 1
    }
}
