//! Sends counted by the minute, for caps over a campaign or a tenant.

use std::collections::VecDeque;

use chrono_tz::Tz;

use crate::cap::Cap;
use crate::time::{MINUTE_MS, Timestamp};

/// How many sends there were in which minute.
///
/// Totals run along the buckets, so that a count over any window costs one binary search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By minute, ascending.
    buckets: VecDeque<Bucket>,
    /// The sends of the buckets that were pruned.
    pruned: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    minute: i64,
    /// All sends up to the end of this minute.
    through: u64,
}

impl Tally {
    /// Counts `n` sends at `at`.
    pub fn add(&mut self, at: Timestamp, n: u32) {
        let minute = minute_of(at);
        let index = self
            .buckets
            .partition_point(|bucket| bucket.minute < minute);
        if self
            .buckets
            .get(index)
            .is_none_or(|bucket| bucket.minute != minute)
        {
            let through = self.through_before(index);
            self.buckets.insert(index, Bucket { minute, through });
        }
        for bucket in self.buckets.iter_mut().skip(index) {
            bucket.through += u64::from(n);
        }
    }

    /// Takes back `n` sends at `at`, no more than were counted in that minute.
    pub fn remove(&mut self, at: Timestamp, n: u32) {
        let minute = minute_of(at);
        let index = self
            .buckets
            .partition_point(|bucket| bucket.minute < minute);
        let Some(bucket) = self
            .buckets
            .get(index)
            .filter(|bucket| bucket.minute == minute)
        else {
            return;
        };
        let removed = u64::from(n).min(bucket.through - self.through_before(index));
        for bucket in self.buckets.iter_mut().skip(index) {
            bucket.through -= removed;
        }
    }

    /// Forgets the minutes that ended before `before`.
    pub fn prune(&mut self, before: Timestamp) {
        let minute = minute_of(before);
        let pruned = self
            .buckets
            .partition_point(|bucket| bucket.minute < minute);
        self.pruned = self.through_before(pruned);
        self.buckets.drain(..pruned);
    }

    /// Returns the first instant from `now` on at which one more send keeps the cap, on the
    /// assumption that the sends of a minute were all at its end.
    ///
    /// Nothing is returned for a cap of 0.
    pub fn free_at(&self, cap: &Cap, tenant_zone: Tz, now: Timestamp) -> Option<Timestamp> {
        let max = u64::from(cap.max);
        if max == 0 {
            return None;
        }
        let Some(passing) = self
            .total()
            .checked_sub(max)
            .filter(|passing| *passing >= self.pruned)
        else {
            return Some(now);
        };
        // The bucket of the newest send that must be out of the window.
        let index = self
            .buckets
            .partition_point(|bucket| bucket.through <= passing);
        let Some(bucket) = self.buckets.get(index) else {
            return Some(now);
        };
        let last_at = Timestamp::from_unix_ms((bucket.minute + 1) * MINUTE_MS - 1);
        Some(cap.window.free_of(last_at, tenant_zone, now))
    }

    fn total(&self) -> u64 {
        self.through_before(self.buckets.len())
    }

    fn through_before(&self, index: usize) -> u64 {
        match index
            .checked_sub(1)
            .and_then(|before| self.buckets.get(before))
        {
            Some(bucket) => bucket.through,
            None => self.pruned,
        }
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.unix_ms().div_euclid(MINUTE_MS)
}
