//! How fast a sender may send: a pure generic cell rate algorithm (GCRA).
//!
//! Source: ITU-T I.371, annex A; the theoretical arrival time is the whole state.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A sender's pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Returns how many messages may go out at `now`.
    pub fn available(&self, state: PaceState, now: Timestamp) -> u32 {
        let (step_us, now_us) = (self.step_us(), now.unix_ms().saturating_mul(1_000));
        let arrival_us = state.arrival_us.max(now_us);
        let tolerance_us = step_us * i64::from(self.burst.max(1));
        let room_us = now_us
            .saturating_add(tolerance_us)
            .saturating_sub(arrival_us);
        u32::try_from((room_us / step_us).max(0))
            .unwrap_or(u32::MAX)
            .min(self.burst.max(1))
    }

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

    fn step_us(&self) -> i64 {
        1_000_000 / i64::from(self.per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_the_long_run_pace() {
        let pace = Pace {
            per_second: 10,
            burst: 5,
        };
        let (mut state, mut sent) = (PaceState::default(), 0);
        for ms in 0..=10_000 {
            let now = Timestamp::from_unix_ms(1_000_000 + ms);
            let free = pace.available(state, now);
            assert_eq!(free > 0, pace.next_free_at(state, now) <= now);
            state = pace.after(state, now, free);
            sent += free;
        }
        assert_eq!(sent, 5 + 100);
    }
}
