//! The clocks of a node: wall and monotonic, and a way to wait for them.
//!
//! This is the one place in the crate that reads the time. A demo or a test puts a [`JumpClock`]
//! in its stead: time flows as usual, and jumps when everything is at rest.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use schedules::time::Timestamp;
use tokio::sync::Notify;

/// What a node knows of time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the wall clock; it may be set back.
    fn now(&self) -> Timestamp;

    /// Returns milliseconds that never go back, from an arbitrary origin.
    fn monotonic_ms(&self) -> i64;

    /// Waits until the wall clock has reached `at`, however it gets there.
    async fn wait_until(&self, at: Timestamp);

    /// Waits for a real stretch of time: no step and no jump of the wall clock changes its length.
    async fn elapse(&self, ms: i64) {
        elapse(ms).await;
    }
}

/// The longest uninterrupted sleep: a wall clock that is set forward is noticed after this long.
const NAP_MS: i64 = 1_000;

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin_ms: i64,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    pub fn start() -> Self {
        Self {
            origin_ms: since_boot(),
        }
    }
}

/// A machine that sleeps goes on counting, where its system can: a lease that ended meanwhile must
/// not be believed after it wakes.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// Returns milliseconds since the machine was started.
fn since_boot() -> i64 {
    let now = clock_gettime(SINCE_BOOT);
    now.tv_sec
        .saturating_mul(1_000)
        .saturating_add(now.tv_nsec / 1_000_000)
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the time"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic_ms(&self) -> i64 {
        since_boot().saturating_sub(self.origin_ms)
    }

    async fn wait_until(&self, at: Timestamp) {
        loop {
            let left_ms = at.since(self.now());
            if left_ms <= 0 {
                return;
            }
            nap(left_ms).await;
        }
    }
}

async fn nap(left_ms: i64) {
    elapse(left_ms.min(NAP_MS)).await;
}

#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
async fn elapse(ms: i64) {
    tokio::time::sleep(Duration::from_millis(ms.max(0).unsigned_abs())).await;
}

/// A clock that runs at the usual speed and can be moved forward.
///
/// Only the wall clock jumps. Latencies, races, leases and everything else that is measured on the
/// monotonic clock keep their real length.
#[derive(Debug)]
pub struct JumpClock {
    system: SystemClock,
    origin: Timestamp,
    jumped_ms: AtomicI64,
    jumped: Notify,
}

impl JumpClock {
    /// Starts the wall clock at `origin`.
    pub fn starting_at(origin: Timestamp) -> Self {
        Self {
            system: SystemClock::start(),
            origin,
            jumped_ms: AtomicI64::new(0),
            jumped: Notify::new(),
        }
    }

    /// Moves the wall clock forward to `at`; does nothing when it has passed.
    pub fn jump_to(&self, at: Timestamp) {
        let ahead_ms = at.since(self.now());
        if ahead_ms > 0 {
            self.jumped_ms.fetch_add(ahead_ms, Ordering::SeqCst);
        }
        self.jumped.notify_waiters();
    }

    /// Sets the wall clock back.
    #[cfg(test)]
    pub(crate) fn set_back(&self, ms: i64) {
        self.jumped_ms.fetch_sub(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for JumpClock {
    fn now(&self) -> Timestamp {
        let jumped_ms = self.jumped_ms.load(Ordering::SeqCst);
        self.origin.plus_ms(self.monotonic_ms() + jumped_ms)
    }

    fn monotonic_ms(&self) -> i64 {
        self.system.monotonic_ms()
    }

    async fn wait_until(&self, at: Timestamp) {
        loop {
            let jumped = self.jumped.notified();
            tokio::pin!(jumped);
            jumped.as_mut().enable();
            let left_ms = at.since(self.now());
            if left_ms <= 0 {
                return;
            }
            tokio::select! {
                () = jumped => {}
                () = nap(left_ms) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_far_instant_is_woken_by_the_jump() {
        let origin = Timestamp::from_unix_ms(1_000_000);
        let clock = Arc::new(JumpClock::starting_at(origin));
        let at = origin.plus_ms(30 * schedules::time::DAY_MS);
        let waiter = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                clock.wait_until(at).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.jump_to(at);
        assert!(waiter.await.expect("the waiter") >= at);
    }

    #[test]
    fn a_jump_into_the_past_changes_nothing() {
        let origin = Timestamp::from_unix_ms(1_000_000);
        let clock = JumpClock::starting_at(origin);
        clock.jump_to(Timestamp::from_unix_ms(0));
        assert!(clock.now() >= origin);
    }
}
