//! Threads that tests hold: an actor stops at a place in its work until it is told to go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use schedules::id::TenantId;

use crate::locked::lock;

/// A place in the work of an actor, in the order in which a life comes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A snapshot came; nothing was asked of the dispatcher.
    Restoring,
    /// In the machine's decision.
    Deciding,
    /// Between the decision and its announcement.
    Decided,
    /// Between the announcement and the call of the journal.
    Announced,
    /// The commit was answered; nothing follows from it yet.
    Concluding,
    /// Everything follows but the release of the messages.
    Releasing,
    /// Nothing is left to be done.
    Resting,
}

/// The holds that no actor has come to yet.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<Vec<Hold>>);

#[derive(Debug)]
struct Hold {
    point: Point,
    tenant: TenantId,
    reached: Arc<AtomicBool>,
    told: Receiver<fn()>,
}

/// A test's end of a hold; dropped, it lets go.
#[derive(Debug)]
pub(crate) struct Held {
    reached: Arc<AtomicBool>,
    tell: Sender<fn()>,
}

impl Holds {
    /// Has the tenant's next actor that comes to the place hold its thread there.
    pub(crate) fn plan(&self, point: Point, tenant: TenantId) -> Held {
        let reached = Arc::<AtomicBool>::default();
        let (tell, told) = channel();
        lock(&self.0).push(Hold {
            point,
            tenant,
            reached: Arc::clone(&reached),
            told,
        });
        Held { reached, tell }
    }

    /// Holds the thread if that was planned.
    pub(crate) fn pass(&self, point: Point, tenant: TenantId) {
        let hold = {
            let mut holds = lock(&self.0);
            let wanted = |hold: &Hold| (hold.point, hold.tenant) == (point, tenant);
            let place = holds.iter().position(wanted);
            place.map(|place| holds.remove(place))
        };
        let Some(hold) = hold else {
            return;
        };
        hold.reached.store(true, Ordering::SeqCst);
        if let Ok(first) = hold.told.recv() {
            first();
        }
    }
}

impl Held {
    /// Says whether an actor has come to the place.
    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    /// Lets the actor go on, with `first` before anything else.
    pub(crate) fn let_go(self, first: fn()) {
        self.tell.send(first).expect("an actor that waits");
    }
}
