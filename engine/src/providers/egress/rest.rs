//! The connections that rest between two requests.

use std::sync::{Mutex, PoisonError};

use super::line::Line;

/// Connections at rest; the one that rested least is taken first.
pub(super) struct Rest {
    lines: Mutex<Vec<Line>>,
    most: usize,
    longest_ms: i64,
}

impl Rest {
    pub(super) const fn of(most: usize, longest_ms: i64) -> Self {
        Self {
            lines: Mutex::new(Vec::new()),
            most,
            longest_ms,
        }
    }

    /// Takes one out. Those that rested too long are closed.
    pub(super) fn take(&self, now_ms: i64) -> Option<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| now_ms - line.rests_since_ms < self.longest_ms);
        lines.pop()
    }

    /// Lays one to rest, or closes it when there are enough.
    pub(super) fn put(&self, mut line: Line, now_ms: i64) {
        line.rests_since_ms = now_ms;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < self.most {
            lines.push(line);
        }
    }
}
