//! Which of a contact's due touches comes first, when not all of them can go.
//!
//! The oldest due date, then the largest amount (an open one is the least), then the enrollment
//! that came first. Only the places of one contact within one batch are dealt out anew: no contact
//! is looked at sooner or later for having several boletos.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use schedules::id::{ContactId, EnrollmentId};
use schedules::time::Timestamp;

use super::memory::Entry;
use super::{DUE_BATCH_MAX, Machine};

/// The rank of a touch; the least is the most important.
pub(super) type Rank = (NaiveDate, Reverse<i64>, EnrollmentId);

impl Entry {
    pub(super) fn rank(&self) -> Rank {
        let boleto = &self.boleto;
        (
            boleto.due_on,
            Reverse(boleto.amount_centavos),
            self.enrollment.id,
        )
    }
}

impl Machine {
    /// Returns what one look at `now` is about, in its order.
    pub(super) fn batch(&self, now: Timestamp) -> impl Iterator<Item = EnrollmentId> {
        let due = self.memory.queue().due(now).take(DUE_BATCH_MAX);
        // As a rule every contact has one boleto, and nothing is to be dealt out.
        let (as_queued, ranked) = match self.memory.has_shared_contacts() {
            false => (Some(due), None),
            true => (None, Some(self.ranked(due.collect()))),
        };
        let ranked = ranked.into_iter().flatten();
        as_queued.into_iter().flatten().chain(ranked)
    }

    fn ranked(&self, mut batch: Vec<EnrollmentId>) -> Vec<EnrollmentId> {
        let mut places: BTreeMap<ContactId, Vec<usize>> = BTreeMap::new();
        for (place, enrollment) in batch.iter().enumerate() {
            if let Some(contact) = self.memory.shared_contact_of(*enrollment) {
                places.entry(contact).or_default().push(place);
            }
        }
        for places in places.into_values().filter(|places| places.len() > 1) {
            let entries = places.iter().map(|place| batch[*place]);
            let mut ranks: Vec<Rank> = entries
                .filter_map(|enrollment| self.memory.entry(enrollment).map(Entry::rank))
                .collect();
            ranks.sort_unstable();
            for (place, (.., enrollment)) in places.into_iter().zip(ranks) {
                batch[place] = enrollment;
            }
        }
        batch
    }
}
