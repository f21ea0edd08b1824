//! The threads that actors run on: one arbiter a seat, tenants spread over the seats.
//!
//! Each seat is an actix system of its own, so that several nodes live in one process and none
//! needs an ambient system. A thread cannot be ended from outside: one that does not answer is left
//! to itself, its seat gets a new one, and its actors learn that they are outdated when they go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use actix::System;
use schedules::id::TenantId;

use crate::locked::lock;

/// A thread for actors could not be started.
#[derive(Debug, thiserror::Error)]
#[error("a thread for actors could not be started")]
pub struct ThreadRefused(#[source] std::io::Error);

/// The seats of a node.
#[derive(Debug)]
pub(crate) struct Arbiters {
    seats: Mutex<Vec<Seat>>,
    count: usize,
    /// Threads that were left to themselves.
    #[cfg(test)]
    left: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Seat {
    system: System,
    #[cfg_attr(not(test), expect(dead_code, reason = "nobody waits for its end"))]
    thread: JoinHandle<()>,
    asked: u64,
    answered: Arc<AtomicU64>,
    missed: u64,
}

/// What the watchdog learns of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It answered since it was last asked.
    Prompt,
    /// It has not answered yet.
    Late,
    /// It has not answered for too long.
    Frozen,
}

impl Arbiters {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// [`ThreadRefused`].
    pub(crate) fn start(count: usize) -> Result<Self, ThreadRefused> {
        let count = count.max(1);
        let seats = (0..count)
            .map(|_| Seat::start())
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            seats: Mutex::new(seats),
            count,
            #[cfg(test)]
            left: Mutex::default(),
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the seat of a tenant.
    pub(crate) fn seat_of(&self, tenant: TenantId) -> usize {
        // Shards take the low bits of the same number: neighbours in a shard still spread.
        let spread = tenant.0.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        usize::try_from(spread).unwrap_or(0) % self.count
    }

    /// Runs `work` on the tenant's thread; false when that thread has ended.
    pub(crate) fn run(&self, tenant: TenantId, work: impl FnOnce() + Send + 'static) -> bool {
        let seat = self.seat_of(tenant);
        lock(&self.seats)[seat].system.arbiter().spawn_fn(work)
    }

    /// Asks a seat for a sign of life and says whether the last question was answered.
    pub(crate) fn ask(&self, seat: usize, missed_max: u64) -> Answer {
        lock(&self.seats)[seat].ask(missed_max)
    }

    /// Gives the seat a new thread.
    ///
    /// # Errors
    /// [`ThreadRefused`]; then the old one stays.
    pub(crate) fn replace(&self, seat: usize) -> Result<(), ThreadRefused> {
        let fresh = Seat::start()?;
        let frozen = std::mem::replace(&mut lock(&self.seats)[seat], fresh);
        frozen.system.stop();
        #[cfg(test)]
        lock(&self.left).push(frozen.thread);
        Ok(())
    }

    /// Says whether the threads that were left to themselves have ended, and all that was on them.
    #[cfg(test)]
    pub(crate) fn left_have_ended(&self) -> bool {
        lock(&self.left).iter().all(JoinHandle::is_finished)
    }

    /// Ends the threads once they have done what they are at.
    pub(crate) fn stop(&self) {
        lock(&self.seats).iter().for_each(|seat| seat.system.stop());
    }
}

impl Seat {
    fn start() -> Result<Self, ThreadRefused> {
        let (started, system) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("regua-actors".to_owned())
            .spawn(move || {
                let runner = System::new();
                // The node may be gone already: then the system ends at once.
                if started.send(System::current()).is_ok() {
                    drop(runner.run());
                }
            })
            .map_err(ThreadRefused)?;
        let ended = |_| std::io::Error::other("the thread ended");
        let system = system.recv().map_err(ended).map_err(ThreadRefused)?;
        Ok(Self {
            system,
            thread,
            asked: 0,
            answered: Arc::default(),
            missed: 0,
        })
    }

    fn ask(&mut self, missed_max: u64) -> Answer {
        if self.answered.load(Ordering::SeqCst) < self.asked {
            self.missed += 1;
            return if self.missed >= missed_max {
                Answer::Frozen
            } else {
                Answer::Late
            };
        }
        self.missed = 0;
        self.asked += 1;
        let (asked, answered) = (self.asked, Arc::clone(&self.answered));
        let answer = move || answered.store(asked, Ordering::SeqCst);
        self.system.arbiter().spawn_fn(answer);
        Answer::Prompt
    }
}
