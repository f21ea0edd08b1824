//! Who is looked at next: enrollments in a tenant's near horizon, tenants in a node's timer.
//!
//! A set ordered by (instant, key), so that ties never depend on anything else, with a way back
//! from the key so that a stop takes its enrollment out at once.

use std::collections::{BTreeMap, BTreeSet};

use schedules::id::EnrollmentId;
use schedules::time::Timestamp;

/// Keys in the order in which they are due.
#[derive(Clone, Debug)]
pub struct DueQueue<K = EnrollmentId> {
    order: BTreeSet<(Timestamp, K)>,
    at: BTreeMap<K, Timestamp>,
}

impl<K> Default for DueQueue<K> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            at: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> DueQueue<K> {
    /// Puts the key at an instant, wherever it was before.
    pub fn put(&mut self, key: K, at: Timestamp) {
        if let Some(before) = self.at.insert(key, at) {
            self.order.remove(&(before, key));
        }
        self.order.insert((at, key));
    }

    /// Takes the key out.
    pub fn remove(&mut self, key: K) {
        if let Some(at) = self.at.remove(&key) {
            self.order.remove(&(at, key));
        }
    }

    /// Returns the instant at which the key stands.
    pub fn at(&self, key: K) -> Option<Timestamp> {
        self.at.get(&key).copied()
    }

    /// Returns the instant of the first key.
    pub fn first_at(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Walks the keys that are due at `now`, the earliest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = K> {
        self.order
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .map(|(_, key)| *key)
    }

    /// Returns how many keys are queued.
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
