//! What waits to be written: one queue per lane, bounded, taken in bulk.
//!
//! What nobody waits for any more is never begun: whoever went away believes that it may not have
//! happened, and may have asked anew since.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use super::work::Work;

/// The lanes, in the order in which a writer that serves all of them looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Leases: a take-over waits for commits, and nothing may wait behind it.
    Leases = 0,
    /// Facts: a stop never waits behind an import.
    Stops = 1,
    /// The owners' commits.
    Commits = 2,
    /// Everything else that doors write.
    Doors = 3,
}

/// Lanes whose work shares a transaction, and no transaction with that of the others: a stop waits
/// for no commit, and a reminder that is due for no part of an import but the one under way.
const URGENT: &[Lane] = &[Lane::Leases, Lane::Stops];
const COMMITS: &[Lane] = &[Lane::Commits];
const DOORS: &[Lane] = &[Lane::Doors];

const LANES: usize = 4;

/// The most pieces of work that wait in a lane; whoever brings more waits for room.
const WAITING_MAX: usize = 4_096;

/// The heaviest transaction, in rows; more waits for the next one.
pub(in crate::store) const WEIGHT_MAX: usize = 4_000;

/// The weight of what shares its transaction with nothing else of its lane: it holds a row that a
/// stop needs, and must not hold it for as long as an import waits or writes.
pub(in crate::store) const ALONE: usize = WEIGHT_MAX;

/// Work that waits for a writer.
pub(super) struct Queue {
    lanes: Mutex<Waiting>,
    room: [Semaphore; LANES],
    filled: [Notify; LANES],
}

#[derive(Default)]
struct Waiting {
    lanes: [VecDeque<Work>; LANES],
    closed: bool,
    /// Urgent work had its turn: a flood of it does not keep the rest waiting for ever.
    rest_next: bool,
    /// Commits had theirs: of the rest, what doors bring is next.
    doors_next: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            lanes: Mutex::default(),
            room: std::array::from_fn(|_| Semaphore::new(WAITING_MAX)),
            filled: std::array::from_fn(|_| Notify::new()),
        }
    }

    /// Adds work; returns false when the queue is closed.
    pub(super) async fn put(&self, lane: Lane, work: Work) -> bool {
        let Ok(permit) = self.room[lane as usize].acquire().await else {
            return false;
        };
        permit.forget();
        let mut waiting = self.waiting();
        if waiting.closed {
            return false;
        }
        waiting.lanes[lane as usize].push_back(work);
        self.filled[lane as usize].notify_one();
        true
    }

    /// Waits for work in the lanes and takes as much as fits one transaction: urgent work by
    /// itself, commits by themselves, and what doors bring by itself.
    ///
    /// Returns nothing when the queue is closed and empty.
    pub(super) async fn take(&self, lanes: &[Lane]) -> Vec<Work> {
        loop {
            let filled = lanes
                .iter()
                .map(|lane| Box::pin(self.filled[*lane as usize].notified()));
            let filled = futures::future::select_all(filled);
            let (taken, closed) = self.take_waiting(lanes);
            if !taken.is_empty() || closed {
                return taken;
            }
            filled.await;
        }
    }

    fn take_waiting(&self, lanes: &[Lane]) -> (Vec<Work>, bool) {
        let mut waiting = self.waiting();
        let rest = match waiting.doors_next {
            true => [DOORS, COMMITS],
            false => [COMMITS, DOORS],
        };
        let turns = match waiting.rest_next {
            true => [rest[0], rest[1], URGENT],
            false => [URGENT, rest[0], rest[1]],
        };
        for turn in turns {
            let served = turn.iter().filter(|lane| lanes.contains(lane));
            let taken = self.take_from(&mut waiting, served);
            if !taken.is_empty() {
                waiting.rest_next = turn == URGENT;
                match turn {
                    COMMITS => waiting.doors_next = true,
                    DOORS => waiting.doors_next = false,
                    _ => {}
                }
                return (taken, waiting.closed);
            }
        }
        (Vec::new(), waiting.closed)
    }

    fn take_from<'l>(
        &self,
        waiting: &mut Waiting,
        lanes: impl Iterator<Item = &'l Lane>,
    ) -> Vec<Work> {
        let mut taken = Vec::new();
        for lane in lanes {
            let mut weight = 0;
            let queue = &mut waiting.lanes[*lane as usize];
            while let Some(work) = queue.front() {
                if !work.is_wanted() {
                    queue.pop_front();
                    self.room[*lane as usize].add_permits(1);
                    continue;
                }
                weight += work.weight();
                if weight > WEIGHT_MAX && weight > work.weight() {
                    break;
                }
                taken.extend(queue.pop_front());
                self.room[*lane as usize].add_permits(1);
            }
            if !queue.is_empty() {
                self.filled[*lane as usize].notify_one();
            }
        }
        taken
    }

    /// Lets the writers finish what waits and then end.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.room.iter().for_each(Semaphore::close);
        self.filled.iter().for_each(|filled| {
            filled.notify_one();
            filled.notify_waiters();
        });
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that can panic runs under the lock.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::conn::Conn;
    use crate::store::error::StoreError;
    use crate::store::work::Asked;

    type Answer = oneshot::Receiver<Result<(), StoreError>>;

    fn nothing(_: &mut Conn) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// Puts work of this weight into a lane.
    async fn put(queue: &Queue, lane: Lane, weight: usize) -> Answer {
        let (reply, answer) = oneshot::channel();
        let work = Work::Job(Box::new(Asked::new(nothing, weight, reply)));
        assert!(queue.put(lane, work).await);
        answer
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_never_begun() {
        let queue = Queue::new();
        let gone = put(&queue, Lane::Commits, 1).await;
        let kept = put(&queue, Lane::Commits, 2).await;
        let late = put(&queue, Lane::Commits, 3).await;
        drop((gone, late));
        let taken = queue.take(&[Lane::Commits]).await;
        assert_eq!(taken.iter().map(Work::weight).collect::<Vec<_>>(), [2]);
        let room = queue.room[Lane::Commits as usize].available_permits();
        assert_eq!(room, WAITING_MAX, "what is not begun gives its room back");
        drop(kept);
    }

    async fn weights(queue: &Queue) -> Vec<usize> {
        const ALL: [Lane; LANES] = [Lane::Leases, Lane::Stops, Lane::Commits, Lane::Doors];
        queue.take(&ALL).await.iter().map(Work::weight).collect()
    }

    #[tokio::test]
    async fn a_stop_shares_no_transaction_with_a_heavy_job_and_does_not_starve_it() {
        let queue = Queue::new();
        let mut answers = Vec::new();
        for (lane, weight) in [(Lane::Doors, 4_000), (Lane::Commits, 5), (Lane::Stops, 1)] {
            answers.push(put(&queue, lane, weight).await);
        }
        answers.push(put(&queue, Lane::Leases, 2).await);
        assert_eq!(weights(&queue).await, [2, 1]);
        // However many stops come in, the rest has every second turn.
        answers.push(put(&queue, Lane::Stops, 1).await);
        assert_eq!(weights(&queue).await, [5]);
        assert_eq!(weights(&queue).await, [1]);
        answers.push(put(&queue, Lane::Stops, 1).await);
        assert_eq!(weights(&queue).await, [4_000]);
        answers.push(put(&queue, Lane::Doors, 3).await);
        assert_eq!(weights(&queue).await, [1]);
        answers.push(put(&queue, Lane::Stops, 1).await);
        assert_eq!(weights(&queue).await, [3]);
        assert_eq!(weights(&queue).await, [1]);
        queue.close();
        assert_eq!(weights(&queue).await, [0; 0]);
    }

    #[tokio::test]
    async fn a_commit_shares_no_transaction_with_an_import_and_neither_keeps_the_other_waiting() {
        let queue = Queue::new();
        let mut answers = Vec::new();
        for (lane, weight) in [(Lane::Doors, 1_000), (Lane::Doors, 999), (Lane::Commits, 5)] {
            answers.push(put(&queue, lane, weight).await);
        }
        assert_eq!(weights(&queue).await, [5]);
        // However many commits come in, doors have every second turn, and the other way round.
        answers.push(put(&queue, Lane::Commits, 6).await);
        assert_eq!(weights(&queue).await, [1_000, 999]);
        answers.push(put(&queue, Lane::Doors, 998).await);
        assert_eq!(weights(&queue).await, [6]);
        assert_eq!(weights(&queue).await, [998]);
    }
}
