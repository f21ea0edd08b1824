//! Buckets of requests, one a key: full at first, emptied by requests, and filled again at an even
//! pace.
//!
//! The cell rate algorithm is governor's; here stands where its states lie, and that they cannot
//! become more than so many.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

/// In how many seconds an empty bucket is full again.
pub(super) const WINDOW_S: u32 = 60;

/// Full buckets are forgotten after so many requests.
const SWEEP_EVERY: u32 = 4_096;

/// Buckets of one size.
pub(super) struct Buckets<K: Hash + Eq + Clone, C: Clock> {
    limiter: RateLimiter<K, States<K>, C, StateInformationMiddleware>,
    pub(super) size: NonZeroU32,
    taken: AtomicU32,
}

/// What a bucket has after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// How many more it has at once.
    pub(super) left: u32,
    /// In how many seconds there is one more, when there was none for this request.
    pub(super) wait_s: Option<u32>,
}

impl<K: Hash + Eq + Clone, C: Clock> Buckets<K, C> {
    /// Buckets of `size` requests, for `keys_max` keys; all other keys share one.
    pub(super) fn new(size: NonZeroU32, keys_max: usize, clock: C) -> Self {
        let states = States {
            known: Mutex::default(),
            keys_max,
        };
        let limiter = RateLimiter::new(Quota::per_minute(size), states, clock);
        Self {
            limiter,
            size,
            taken: AtomicU32::new(0),
        }
    }

    /// Takes one request out of a bucket, if there is one.
    pub(super) fn take(&self, key: &K) -> Level {
        if self.taken.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        match self.limiter.check_key(key) {
            Ok(state) => Level {
                left: state.remaining_burst_capacity(),
                wait_s: None,
            },
            Err(until) => {
                let wait = until.wait_time_from(self.limiter.clock().now());
                let seconds = u32::try_from(wait.as_millis().div_ceil(1_000));
                Level {
                    left: 0,
                    wait_s: Some(seconds.unwrap_or(WINDOW_S).max(1)),
                }
            }
        }
    }
}

/// The states of buckets; that of all keys for which there is no room is under none.
struct States<K> {
    known: Mutex<HashMap<Option<K>, Nanos>>,
    keys_max: usize,
}

impl<K> States<K> {
    fn known(&self) -> MutexGuard<'_, HashMap<Option<K>, Nanos>> {
        // Nothing that can panic runs under the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> StateStore for States<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut known = self.known();
        let mut slot = Some(key.clone());
        if known.len() >= self.keys_max && !known.contains_key(&slot) {
            slot = None;
        }
        let (outcome, next) = measure(known.get(&slot).copied())?;
        known.insert(slot, next);
        Ok(outcome)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for States<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known().retain(|_, state| *state > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.known().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.known().len()
    }

    fn is_empty(&self) -> bool {
        self.known().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn buckets(size: u32, keys_max: usize) -> (Buckets<u32, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let size = NonZeroU32::new(size).expect("a size");
        (Buckets::new(size, keys_max, clock.clone()), clock)
    }

    #[test]
    fn a_bucket_has_so_many_at_once_and_so_many_again_each_minute() {
        let (buckets, clock) = buckets(6, 10);
        let left: Vec<u32> = (0..6).map(|_| buckets.take(&1).left).collect();
        assert_eq!(left, [5, 4, 3, 2, 1, 0]);
        let none = |wait_s| Level {
            left: 0,
            wait_s: Some(wait_s),
        };
        assert_eq!(buckets.take(&1), none(10));
        assert_eq!(buckets.take(&2).left, 5, "another's is full");
        clock.advance(Duration::from_millis(9_999));
        assert_eq!(buckets.take(&1), none(1), "what is refused costs nothing");
        clock.advance(Duration::from_millis(1));
        assert_eq!(
            buckets.take(&1),
            Level {
                left: 0,
                wait_s: None
            }
        );
        clock.advance(Duration::from_secs(60));
        assert_eq!(buckets.take(&1).left, 5);
    }

    #[test]
    fn keys_beyond_the_most_share_one_bucket_and_full_buckets_are_forgotten() {
        let (buckets, clock) = buckets(2, 3);
        let refused = |key| buckets.take(&key).wait_s.is_some();
        for key in 0..3 {
            assert!(!refused(key), "{key}");
        }
        assert_eq!(
            [3, 4, 5].map(refused),
            [false, false, true],
            "they share one"
        );
        assert!(!refused(0), "whose bucket is known keeps it");
        assert_eq!(buckets.limiter.len(), 4);
        clock.advance(Duration::from_secs(120));
        (0..SWEEP_EVERY).for_each(|_| _ = buckets.take(&9));
        // Its own, once there was room, and the one that it shared until then.
        assert_eq!(buckets.limiter.len(), 2);
    }
}
