//! The near horizon of one tenant: which enrollment is looked at next.
//!
//! A set ordered by (instant, id), so that ties never depend on anything else, with a way back
//! from the id so that a stop takes its enrollment out at once.

use std::collections::{BTreeMap, BTreeSet};

use schedules::id::EnrollmentId;
use schedules::time::Timestamp;

/// Enrollments in the order in which they are due.
#[derive(Clone, Debug, Default)]
pub struct DueQueue {
    order: BTreeSet<(Timestamp, EnrollmentId)>,
    at: BTreeMap<EnrollmentId, Timestamp>,
}

impl DueQueue {
    /// Puts the enrollment at an instant, wherever it was before.
    pub fn put(&mut self, enrollment: EnrollmentId, at: Timestamp) {
        if let Some(before) = self.at.insert(enrollment, at) {
            self.order.remove(&(before, enrollment));
        }
        self.order.insert((at, enrollment));
    }

    /// Takes the enrollment out.
    pub fn remove(&mut self, enrollment: EnrollmentId) {
        if let Some(at) = self.at.remove(&enrollment) {
            self.order.remove(&(at, enrollment));
        }
    }

    /// Returns the instant of the first enrollment.
    pub fn first_at(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Walks the enrollments that are due at `now`, the earliest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = EnrollmentId> {
        self.order
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .map(|(_, enrollment)| *enrollment)
    }

    /// Returns how many enrollments are queued.
    pub fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enrollment_stands_at_one_instant_only() {
        let mut queue = DueQueue::default();
        let (early, late) = (Timestamp::from_unix_ms(1), Timestamp::from_unix_ms(9));
        queue.put(EnrollmentId(7), late);
        queue.put(EnrollmentId(8), late);
        queue.put(EnrollmentId(7), early);
        assert_eq!(queue.first_at(), Some(early));
        assert_eq!(
            queue.due(late).collect::<Vec<_>>(),
            [EnrollmentId(7), EnrollmentId(8)]
        );
        queue.remove(EnrollmentId(7));
        queue.remove(EnrollmentId(7));
        assert_eq!(queue.len(), 1);
    }
}
