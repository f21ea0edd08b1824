//! How long a message waits for its provider to be ready for it.
//!
//! A claim has to be begun before it ends. What is not ready by then has failed: it is a try, or a
//! server that is always as slow would be asked until the touch expires, and the next channel
//! never.

use std::time::Duration;

use actors::clock::Clock;
use schedules::time::Timestamp;

/// What a provider has at the least before it is said to have failed: where less was left of the
/// claim, it was our own queue that took too long.
const FAIR_MIN: Duration = Duration::from_secs(1);

/// How long a message waits, and whether that is enough to judge its provider by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// As the settings say, and no longer than the claim lasts.
    pub(super) within: Duration,
    asked: Duration,
}

impl Patience {
    /// Returns that of a message whose claim ends then, now, where the settings allow `asked_ms`
    /// milliseconds.
    pub(super) fn of(deadline_at: Timestamp, asked_ms: u64, clock: &dyn Clock) -> Self {
        let left_ms = deadline_at.since(clock.now());
        let left_ms = u64::try_from(left_ms).unwrap_or_default();
        Self {
            within: Duration::from_millis(left_ms.min(asked_ms)),
            asked: Duration::from_millis(asked_ms),
        }
    }

    /// Says whether a provider that was not ready within it has failed.
    pub(super) fn is_fair(self) -> bool {
        self.within >= self.asked.min(FAIR_MIN)
    }
}
