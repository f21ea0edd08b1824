//! When a failed tenant is tried again, and when it is left alone: one for one, exponential backoff
//! with jitter, then quarantine.
//!
//! It is a value: it knows no clock and no actor. Instants are monotonic milliseconds.

use std::collections::VecDeque;

use schedules::id::TenantId;
use schedules::mix::mixed;
use schedules::time::{MINUTE_MS, SECOND_MS};

/// How many failures within [`WINDOW_MS`] end in quarantine.
pub const INTENSITY: usize = 5;
/// The stretch in which failures are counted.
pub const WINDOW_MS: i64 = MINUTE_MS;
/// The pause after the first failure: a rebuilt actor is back well within a second.
pub const BACKOFF_MIN_MS: i64 = 50;
/// The longest pause.
pub const BACKOFF_MAX_MS: i64 = 5 * SECOND_MS;

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is tried again after this long.
    Restart {
        /// In milliseconds.
        after_ms: i64,
    },
    /// It is left alone until someone releases it.
    Quarantine,
}

/// The failures of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartPolicy {
    recent: VecDeque<i64>,
    count: u64,
}

impl RestartPolicy {
    /// Counts a failure and says what follows.
    pub fn failed(&mut self, tenant: TenantId, mono_ms: i64) -> AfterFailure {
        self.recent.retain(|at| mono_ms - at < WINDOW_MS);
        self.recent.push_back(mono_ms);
        self.count += 1;
        if self.recent.len() >= INTENSITY {
            return AfterFailure::Quarantine;
        }
        let after_ms = backoff_ms(tenant, self.count, self.recent.len() - 1);
        AfterFailure::Restart { after_ms }
    }

    /// Counts a failure whose cause is known; it says nothing about the tenant.
    pub fn failed_of_a_part(&mut self, tenant: TenantId) -> AfterFailure {
        self.count += 1;
        let after_ms = backoff_ms(tenant, self.count, 1);
        AfterFailure::Restart { after_ms }
    }

    /// Forgets the failures that were counted: their cause was found, or someone released it.
    pub fn forgive(&mut self) {
        self.recent.clear();
    }

    /// Returns how many failures there were in all.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Returns `BACKOFF_MIN_MS · 2^tries`, at most [`BACKOFF_MAX_MS`], shortened by up to a half.
///
/// The jitter is a hash of the tenant and the count, so that tenants that failed together do not
/// come back together, and a simulation repeats itself.
pub fn backoff_ms(tenant: TenantId, count: u64, tries: usize) -> i64 {
    let tries = u32::try_from(tries).unwrap_or(u32::MAX).min(16);
    let full_ms = (BACKOFF_MIN_MS << tries).min(BACKOFF_MAX_MS);
    let share = mixed(tenant.0.unsigned_abs() ^ count.rotate_left(32)) % 512;
    full_ms - full_ms * i64::try_from(share).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(7);

    fn pause_ms(after: AfterFailure) -> i64 {
        match after {
            AfterFailure::Restart { after_ms } => after_ms,
            AfterFailure::Quarantine => panic!("quarantined"),
        }
    }

    #[test]
    fn pauses_double_and_keep_at_least_half_of_their_length() {
        let mut policy = RestartPolicy::default();
        for (tries, full_ms) in [50, 100, 200, 400].into_iter().enumerate() {
            let at = i64::try_from(tries).expect("small");
            let after_ms = pause_ms(policy.failed(TENANT, at));
            assert!(
                (full_ms / 2..=full_ms).contains(&after_ms),
                "{after_ms} of {full_ms}"
            );
        }
    }

    #[test]
    fn the_fifth_failure_in_a_minute_is_the_last() {
        let mut policy = RestartPolicy::default();
        for at in 0..4 {
            pause_ms(policy.failed(TENANT, at * 14_000));
        }
        assert_eq!(policy.failed(TENANT, 59_999), AfterFailure::Quarantine);
    }

    #[test]
    fn a_failure_a_minute_ago_is_forgotten() {
        let mut policy = RestartPolicy::default();
        for at in 0..4 {
            pause_ms(policy.failed(TENANT, at));
        }
        let after_ms = pause_ms(policy.failed(TENANT, 60_003));
        assert!(after_ms <= BACKOFF_MIN_MS);
        assert_eq!(policy.count(), 5);
    }

    #[test]
    fn who_is_forgiven_starts_anew() {
        let mut policy = RestartPolicy::default();
        for at in 0..4 {
            pause_ms(policy.failed(TENANT, at));
        }
        policy.forgive();
        assert!(pause_ms(policy.failed(TENANT, 5)) <= BACKOFF_MIN_MS);
    }

    #[test]
    fn tenants_that_failed_together_do_not_come_back_together() {
        let pauses: std::collections::BTreeSet<i64> = (0..200)
            .map(|tenant| backoff_ms(TenantId(tenant), 1, 7))
            .collect();
        assert!(pauses.len() > 100, "{} pauses", pauses.len());
        assert!(pauses.iter().all(|ms| (2_500..=5_000).contains(ms)));
    }
}
