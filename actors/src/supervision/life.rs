//! What passes between a slot, its actors and those who bring something.

use std::sync::Arc;

use schedules::time::Timestamp;
use tokio::sync::oneshot;

use super::watchdog::Pulse;
use crate::ports::Returned;

/// What comes in.
#[derive(Debug)]
pub(crate) enum Post {
    /// Facts wait in the inbox.
    Facts,
    /// Something may be due.
    Stir,
    /// Messages came back.
    Returned(Vec<Returned>),
}

/// The right to be a slot's actor.
#[derive(Debug)]
pub(crate) struct Birth {
    pub(crate) number: u64,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) killed: oneshot::Receiver<()>,
}

/// What an actor finds when it looks at its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Another actor, or none, acts for the slot: stop.
    Outdated,
    /// Go on; the flag says whether facts were announced.
    Current(bool),
}

/// How an actor wants to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Until something comes in, or this instant.
    Until(Option<Timestamp>),
    /// Until this instant, whatever comes in.
    Blocked(Timestamp),
    /// As [`Rest::Until`], and the actor stops.
    Leave(Option<Timestamp>),
}

/// What came of the wish to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rested {
    Yes,
    /// Something came in meanwhile.
    NotYet,
    Outdated,
}

/// What follows when an actor has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was not the slot's actor any more, or left in order.
    InOrder,
    /// It left, and something came in meanwhile.
    WakeAgain,
    /// It ended without having left.
    Failed,
}
