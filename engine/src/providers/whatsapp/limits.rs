//! Meta's limits on whom a number may write to, kept by this node for what it sent itself.
//!
//! They live in memory: other nodes and a former life of this one are not known here, and Meta
//! refuses what is too much in the end. The pace of a number is its sender's own setting.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schedules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// The least distance between two messages to one contact, in milliseconds (pair rate limit).
const PAIR_MS: i64 = 6 * SECOND_MS;
/// The span over which contacts are counted, in milliseconds (messaging limit).
const SPAN_MS: i64 = DAY_MS;
/// The shortest wait of a message that found no room for its contact, in milliseconds: a crowd that
/// waits for the same place must not come back for it every second.
const FULL_MS_MIN: i64 = 15 * MINUTE_MS;
/// How long a contact is remembered where contacts are not counted, in milliseconds: for the
/// refusals of a pair.
const PAIR_SPAN_MS: i64 = HOUR_MS;
/// The most refusals of a pair in a row that make its wait longer: 4^6 seconds are over an hour.
const PAIR_REFUSALS_MAX: u32 = 6;

/// The limits of one number.
pub(super) struct Limits {
    /// The most contacts in 24 hours; without end when `None`.
    contacts_max: Option<usize>,
    contacts: Mutex<Contacts>,
    /// Until when contacts are left alone that Meta protects, on the monotonic clock, whether they
    /// are counted or not.
    holds: Mutex<HashMap<String, i64>>,
}

/// The contacts of the last 24 hours.
#[derive(Default)]
struct Contacts {
    by_address: HashMap<String, Contact>,
    /// By when each was written to last, so that the oldest are found.
    by_time: BTreeSet<(i64, String)>,
}

#[derive(Clone, Copy, Default)]
struct Contact {
    sent_ms: i64,
    /// Refusals of the pair in a row.
    refusals: u32,
}

/// A place that was taken before the message is sent; it is given back unless the message may have
/// been.
pub(super) struct Place<'a> {
    limits: &'a Limits,
    address: &'a str,
    taken_ms: i64,
    before: Option<Contact>,
    kept: AtomicBool,
}

impl Limits {
    pub(super) fn new(contacts_max: Option<usize>) -> Self {
        Self {
            contacts_max,
            contacts: Mutex::default(),
            holds: Mutex::default(),
        }
    }

    /// Takes a place for a message to `address` at `now_ms` of the monotonic clock, or says for how
    /// many milliseconds there is none.
    pub(super) fn take<'a>(&'a self, address: &'a str, now_ms: i64) -> Result<Place<'a>, i64> {
        let held_until_ms = self.holds().get(address).copied().unwrap_or(now_ms);
        if now_ms < held_until_ms {
            return Err(held_until_ms - now_ms);
        }
        let mut contacts = self.contacts();
        contacts.forget(now_ms - self.contacts_max.map_or(PAIR_SPAN_MS, |_| SPAN_MS));
        let before = contacts.by_address.get(address).copied();
        if let Some(contact) = before {
            let pair_free_ms = contact.sent_ms + PAIR_MS;
            if now_ms < pair_free_ms {
                return Err(pair_free_ms - now_ms);
            }
        } else if self.is_full(&contacts) {
            let oldest_ms = contacts
                .by_time
                .first()
                .map_or(now_ms, |(sent_ms, _)| *sent_ms);
            return Err((oldest_ms + SPAN_MS - now_ms).max(FULL_MS_MIN));
        }
        let refusals = before.map_or(0, |contact| contact.refusals);
        let contact = Contact {
            sent_ms: now_ms,
            refusals,
        };
        contacts.put(address, Some(contact));
        Ok(Place {
            limits: self,
            address,
            taken_ms: now_ms,
            before,
            kept: AtomicBool::new(false),
        })
    }

    /// Learns that the pair was refused, and returns for how long it is left alone, in
    /// milliseconds: 4^X seconds, X counted from 0.
    pub(super) fn pair_refused(&self, address: &str) -> i64 {
        let mut contacts = self.contacts();
        let Some(contact) = contacts.by_address.get_mut(address) else {
            return SECOND_MS;
        };
        let wait_ms = 4_i64.pow(contact.refusals) * SECOND_MS;
        contact.refusals = (contact.refusals + 1).min(PAIR_REFUSALS_MAX);
        wait_ms
    }

    /// Leaves a contact alone for `for_ms` from now, whatever else there is to tell it.
    pub(super) fn hold(&self, address: &str, for_ms: i64, now_ms: i64) {
        let mut holds = self.holds();
        holds.retain(|_, until_ms| now_ms < *until_ms);
        holds.insert(address.to_owned(), now_ms.saturating_add(for_ms));
    }

    /// Learns that a message to the contact was taken.
    pub(super) fn taken(&self, address: &str) {
        if let Some(contact) = self.contacts().by_address.get_mut(address) {
            contact.refusals = 0;
        }
    }

    fn is_full(&self, contacts: &Contacts) -> bool {
        self.contacts_max
            .is_some_and(|most| contacts.by_address.len() >= most)
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        // Each entry is replaced whole.
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contacts(&self) -> MutexGuard<'_, Contacts> {
        // Both maps are changed together, and nothing between panics.
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contacts {
    fn put(&mut self, address: &str, contact: Option<Contact>) {
        if let Some(former) = self.by_address.remove(address) {
            self.by_time.remove(&(former.sent_ms, address.to_owned()));
        }
        if let Some(contact) = contact {
            self.by_time.insert((contact.sent_ms, address.to_owned()));
            self.by_address.insert(address.to_owned(), contact);
        }
    }

    /// Forgets those that were last written to at or before an instant.
    fn forget(&mut self, until_ms: i64) {
        let is_old = |(sent_ms, _): &(i64, String)| *sent_ms <= until_ms;
        while self.by_time.first().is_some_and(is_old) {
            if let Some((_, address)) = self.by_time.pop_first() {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Place<'_> {
    /// Keeps the place: the message may be on its way.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Gives it back after all: the message was certainly not taken.
    pub(super) fn give_back(&self) {
        self.kept.store(false, Ordering::Relaxed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut contacts = self.limits.contacts();
        let present = contacts.by_address.get(self.address);
        let is_ours = present.is_some_and(|contact| contact.sent_ms == self.taken_ms);
        if !*self.kept.get_mut() && is_ours {
            contacts.put(self.address, self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: &str = "+5511987654321";
    const BIA: &str = "+5511987654322";

    fn sent(limits: &Limits, address: &str, now_ms: i64) -> Result<(), i64> {
        limits.take(address, now_ms).map(|place| place.keep())
    }

    #[test]
    fn a_contact_gets_one_message_in_six_seconds_and_the_others_do_not_wait_for_it() {
        let limits = Limits::new(None);
        assert_eq!(sent(&limits, ANA, 0), Ok(()));
        assert_eq!(sent(&limits, ANA, 1), Err(5_999));
        assert_eq!(sent(&limits, BIA, 1), Ok(()));
        assert_eq!(sent(&limits, ANA, 6_000), Ok(()));
    }

    #[test]
    fn no_more_contacts_than_allowed_are_written_to_in_any_24_hours() {
        let limits = Limits::new(Some(2));
        let (cid, later) = ("+5511987654323", 7_000);
        assert_eq!(sent(&limits, ANA, 0), Ok(()));
        assert_eq!(sent(&limits, BIA, 1_000), Ok(()));
        assert_eq!(sent(&limits, cid, later), Err(DAY_MS - later));
        // Who is counted already costs nothing, and is counted from its last message on.
        assert_eq!(sent(&limits, ANA, later), Ok(()));
        assert_eq!(sent(&limits, cid, later), Err(DAY_MS + 1_000 - later));
        assert_eq!(sent(&limits, cid, DAY_MS + 999), Err(FULL_MS_MIN));
        assert_eq!(sent(&limits, cid, DAY_MS + 1_000), Ok(()));
        assert_eq!(sent(&limits, BIA, DAY_MS + 1_001), Err(FULL_MS_MIN));
    }

    #[test]
    fn a_place_whose_message_was_not_sent_is_given_back() {
        let limits = Limits::new(Some(1));
        drop(limits.take(ANA, 0));
        assert_eq!(sent(&limits, BIA, 1), Ok(()));
        drop(limits.take(BIA, 10_000));
        assert_eq!(sent(&limits, BIA, 10_001), Ok(()));
        let limits = Limits::new(Some(1));
        let refused = limits.take(ANA, 0).expect("a place");
        refused.keep();
        refused.give_back();
        drop(refused);
        assert_eq!(sent(&limits, BIA, 1), Ok(()));
    }

    #[test]
    fn a_contact_that_is_held_is_left_alone_to_the_end_and_no_other() {
        let limits = Limits::new(Some(1));
        drop(limits.take(ANA, 0));
        limits.hold(ANA, DAY_MS, 10);
        limits.hold(BIA, HOUR_MS, 10);
        assert_eq!(sent(&limits, ANA, 20), Err(DAY_MS - 10));
        assert_eq!(sent(&limits, BIA, HOUR_MS + 10), Ok(()));
        limits.hold("+5511987654323", HOUR_MS, HOUR_MS + 10);
        assert_eq!(limits.holds().len(), 2, "what is over is forgotten");
        assert_eq!(sent(&limits, ANA, DAY_MS + 9), Err(1));
        assert_eq!(sent(&limits, ANA, 2 * DAY_MS), Ok(()));
    }

    #[test]
    fn a_refused_pair_waits_four_times_longer_each_time_until_a_message_is_taken() {
        let limits = Limits::new(None);
        assert_eq!(sent(&limits, ANA, 0), Ok(()));
        let waits: Vec<i64> = (0..8)
            .map(|_| limits.pair_refused(ANA) / SECOND_MS)
            .collect();
        assert_eq!(waits, [1, 4, 16, 64, 256, 1_024, 4_096, 4_096]);
        limits.taken(ANA);
        assert_eq!(limits.pair_refused(ANA), SECOND_MS);
        assert_eq!(limits.pair_refused(BIA), SECOND_MS);
    }

    #[test]
    fn contacts_are_forgotten_when_nothing_depends_on_them_any_more() {
        let limits = Limits::new(None);
        for n in 0..100 {
            assert_eq!(sent(&limits, &format!("+55119876500{n:02}"), n), Ok(()));
        }
        assert_eq!(sent(&limits, ANA, HOUR_MS + 99), Ok(()));
        let contacts = limits.contacts();
        assert_eq!((contacts.by_address.len(), contacts.by_time.len()), (1, 1));
    }
}
