//! When an attempt that did not reach the provider is tried again.

use serde::{Deserialize, Serialize};

/// A bounded exponential backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// The wait before the second try, in milliseconds.
    pub first_ms: i64,
    /// The longest wait, in milliseconds.
    pub longest_ms: i64,
    /// The most tries on one channel, the first included.
    pub tries_max: u16,
}
