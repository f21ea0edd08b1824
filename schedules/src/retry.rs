//! When an attempt that did not reach the provider is tried again.

use serde::{Deserialize, Serialize};

use crate::mix::mixed;
use crate::time::{MINUTE_MS, SECOND_MS, Timestamp};

/// A bounded exponential backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// The wait before the second try, in milliseconds.
    pub first_ms: i64,
    /// The longest wait, in milliseconds.
    pub longest_ms: i64,
    /// The most tries on one channel, the first included.
    pub tries_max: u16,
}

impl Default for RetryPolicy {
    /// Five tries over seven and a half minutes, jitter aside: long enough for a provider's
    /// restart, short enough for a reminder that is still on time.
    fn default() -> Self {
        Self {
            first_ms: 30 * SECOND_MS,
            longest_ms: 15 * MINUTE_MS,
            tries_max: 5,
        }
    }
}

impl RetryPolicy {
    /// Returns when to try again after try `try_no` (counted from 0) failed at `now`.
    ///
    /// The wait doubles from [`RetryPolicy::first_ms`] to [`RetryPolicy::longest_ms`] and is then
    /// moved by up to 20 % either way, by a hash of `jitter_seed`. A wait that the provider asked
    /// for counts, too, but no further than between the doubled wait and twice that: a provider
    /// neither hurries the engine nor puts it to sleep. It is then never shortened by the jitter.
    /// What is asked for beyond all waits is no retry: [`RetryPolicy::is_beyond`] tells.
    /// Nothing is returned when the tries are used up.
    pub fn next_at(
        &self,
        now: Timestamp,
        try_no: u16,
        jitter_seed: u64,
        retry_after_ms: Option<i64>,
    ) -> Option<Timestamp> {
        if try_no.saturating_add(1) >= self.tries_max {
            return None;
        }
        let base_ms = self.base_ms(try_no);
        let fifth_ms = base_ms / 5;
        let jitter_ms = jitter(jitter_seed ^ u64::from(try_no), 2 * fifth_ms);
        let wait_ms = match retry_after_ms {
            Some(asked_ms) => asked_ms.clamp(base_ms, base_ms.saturating_mul(2)) + jitter_ms / 2,
            None => base_ms - fifth_ms + jitter_ms,
        };
        Some(now.plus_ms(wait_ms))
    }

    /// Says whether a wait that a provider asked for, in milliseconds, is longer than any of this
    /// policy, and no trifle: to try before it is over is known to be in vain.
    pub fn is_beyond(&self, asked_ms: i64) -> bool {
        asked_ms > self.longest_ms.max(MINUTE_MS)
    }

    fn base_ms(&self, try_no: u16) -> i64 {
        let doublings = 1_i64
            .checked_shl(try_no.into())
            .filter(|factor| *factor > 0);
        let doubled_ms = self
            .first_ms
            .max(1)
            .saturating_mul(doublings.unwrap_or(i64::MAX));
        // A thousandth of all time leaves room for doubling and jitter.
        doubled_ms.min(self.longest_ms.clamp(1, i64::MAX / 1_000))
    }
}

/// Returns a number from 0 to `most_ms` that depends on the seed alone.
fn jitter(seed: u64, most_ms: i64) -> i64 {
    i64::try_from(mixed(seed) >> 1).unwrap_or_default() % (most_ms.max(0) + 1)
}
