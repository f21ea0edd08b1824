//! One message on its way to a provider, and the one decision whether its hand-over begins.
//!
//! waiting → begun | withdrawn: one compare-exchange decides, so a stop and a hand-over that meet
//! agree on who came first. The other conditions (deadline, trust, drain) are checked right before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::clock::Clock;
use crate::machine::effect::HandOver;
use crate::machine::input::{Abandoned, Outcome};
use crate::supervision::tenure::Tenure;

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// A message and its fate.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) message: Arc<HandOver>,
    tenure: Arc<Tenure>,
    /// The deadline on the monotonic clock: a wall clock that is set back does not move it.
    deadline_mono_ms: i64,
    state: AtomicU8,
}

/// What a hand-over came to, before it is weighed against whether it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The gateway answered.
    Answered(Outcome),
    /// It took too long, or the gateway panicked.
    Broken,
}

impl Ticket {
    pub(super) fn new(message: Arc<HandOver>, tenure: Arc<Tenure>, clock: &dyn Clock) -> Self {
        let left_ms = message.deadline_at.since(clock.now());
        Self {
            message,
            tenure,
            deadline_mono_ms: clock.monotonic_ms().saturating_add(left_ms),
            state: AtomicU8::new(WAITING),
        }
    }

    /// Says why the hand-over may not begin, if it may not.
    pub(super) fn barred(&self, clock: &dyn Clock, draining: bool) -> Option<Abandoned> {
        let mono_ms = clock.monotonic_ms();
        if self.is_withdrawn() {
            Some(Abandoned::Stopped)
        } else if draining || self.tenure.is_leaving() {
            Some(Abandoned::Draining)
        } else if !self.tenure.holds(mono_ms) {
            Some(Abandoned::TrustLost)
        } else if clock.now() >= self.message.deadline_at || mono_ms >= self.deadline_mono_ms {
            Some(Abandoned::TooLate)
        } else {
            None
        }
    }

    /// Begins the hand-over, at most once in the ticket's life.
    pub(super) fn begin(&self) -> bool {
        self.leave_waiting(BEGUN)
    }

    /// Takes the message back; false when its hand-over has begun, or it was taken back before.
    pub(super) fn withdraw(&self) -> bool {
        self.leave_waiting(WITHDRAWN)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state.load(Ordering::SeqCst) == BEGUN
    }

    fn leave_waiting(&self, to: u8) -> bool {
        self.state
            .compare_exchange(WAITING, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WITHDRAWN
    }

    /// Returns the outcome: what has not begun was certainly not sent, what has begun and did not
    /// come back may have been. From here on the hand-over cannot begin any more.
    pub(super) fn outcome(&self, ended: Ended, barred: Option<Abandoned>) -> Outcome {
        let still_waited = self.withdraw();
        let begun = self.has_begun();
        let stopped = (!still_waited && !begun).then_some(Abandoned::Stopped);
        match (ended, stopped.or(barred)) {
            (Ended::Broken | Ended::Answered(Outcome::Abandoned { .. }), _) if begun => {
                Outcome::Unknown
            }
            (Ended::Answered(outcome), _) if begun || outcome.counts() => outcome,
            (_, Some(why)) => Outcome::Abandoned { why },
            (Ended::Answered(outcome), None) => outcome,
            (Ended::Broken, None) => Outcome::Unavailable,
        }
    }
}
