//! How fast a sender may send: a pure generic cell rate algorithm (GCRA).
//!
//! Source: ITU-T I.371, annex A; the theoretical arrival time is the whole state.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A sender's pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Messages per second in the long run, at least 1.
    pub per_second: u32,
    /// Messages that may go out at once after a pause, at least 1.
    pub burst: u32,
}

/// How far a wall clock may go back without being noticed here, in microseconds.
const CLOCK_STEP_US: i64 = 1_000_000;

/// The theoretical arrival time of the next message, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceState {
    arrival_us: i64,
}

impl Pace {
    /// Returns the state after `sent` messages at `now`.
    #[must_use]
    pub fn after(&self, state: PaceState, now: Timestamp, sent: u32) -> PaceState {
        let now_us = now.unix_ms().saturating_mul(1_000);
        PaceState {
            arrival_us: state.arrival_us.max(now_us) + self.step_us() * i64::from(sent),
        }
    }

    /// Returns the state of a sender that has just sent as many as may go out at once: what is
    /// assumed when nobody remembers what it sent.
    pub fn spent(&self, now: Timestamp) -> PaceState {
        self.after(PaceState::default(), now, self.burst.max(1))
    }

    /// Returns the state, or a fresh one when it is further ahead than any pace allows: the wall
    /// clock was set back.
    #[must_use]
    pub fn credible(&self, state: PaceState, now: Timestamp) -> PaceState {
        let ahead_us = state.arrival_us - now.unix_ms().saturating_mul(1_000);
        let furthest_us = self.step_us() * i64::from(self.burst.max(1)) + CLOCK_STEP_US;
        if ahead_us > furthest_us {
            return PaceState::default();
        }
        state
    }

    /// Returns the first instant at which a message may go out, in whole milliseconds, rounded up.
    pub fn next_free_at(&self, state: PaceState, now: Timestamp) -> Timestamp {
        let burst_us = self.step_us() * (i64::from(self.burst.max(1)) - 1);
        let free_us = state.arrival_us.saturating_sub(burst_us);
        now.max(Timestamp::from_unix_ms(
            free_us.div_euclid(1_000) + i64::from(free_us % 1_000 > 0),
        ))
    }

    /// Returns the microseconds between two messages, rounded up: never faster than agreed.
    fn step_us(&self) -> i64 {
        1_000_000_u32.div_ceil(self.per_second.max(1)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_the_long_run_pace() {
        assert_eq!(sent_in(10_000, 10, 5), 5 + 100);
    }

    #[test]
    fn a_pace_that_does_not_divide_a_second_is_kept_from_above() {
        let begun_at = Timestamp::from_unix_ms(1_000_000);
        for (per_second, sent, least_ms) in [
            (3, 3_000, 1_000_000),
            (600_000, 600_000, 1_000),
            (u32::MAX, 1_000_000, 1_000),
        ] {
            let pace = Pace {
                per_second,
                burst: 1,
            };
            let state = pace.after(PaceState::default(), begun_at, sent);
            let free_at = pace.next_free_at(state, begun_at);
            assert!(free_at.since(begun_at) >= least_ms, "{per_second}");
        }
    }

    /// Sends whatever may go out in every millisecond up to `ms`, and counts it.
    fn sent_in(ms: i64, per_second: u32, burst: u32) -> u32 {
        let pace = Pace { per_second, burst };
        let (mut state, mut sent) = (PaceState::default(), 0);
        for ms in 0..=ms {
            let now = Timestamp::from_unix_ms(1_000_000 + ms);
            while pace.next_free_at(state, now) <= now {
                state = pace.after(state, now, 1);
                sent += 1;
            }
        }
        sent
    }
}
