//! Lines that are kept for the next message, and how many there may be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::clock::Clock;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::line::Line;

/// How long a line is kept idle, in milliseconds; servers hang up after some minutes.
const IDLE_MAX_MS: i64 = 30_000;
/// How many messages go over a line before another is opened: servers count them as well.
const MESSAGES_MAX: u32 = 100;

/// The lines of a provider.
pub(super) struct Pool {
    turns: Semaphore,
    idle: Mutex<Vec<Idle>>,
    clock: Arc<dyn Clock>,
}

/// A line, and what went over it.
pub(super) struct Session {
    pub(super) line: Line,
    /// A message was begun on it and not ended.
    pub(super) is_dirty: bool,
    messages: u32,
}

struct Idle {
    session: Session,
    since_ms: i64,
}

impl Session {
    /// Begins with a line that was just opened.
    pub(super) const fn on(line: Line) -> Self {
        Self {
            line,
            is_dirty: false,
            messages: 0,
        }
    }
}

impl Pool {
    /// Allows so many lines at once.
    pub(super) fn of(lines_max: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            turns: Semaphore::new(lines_max),
            idle: Mutex::default(),
            clock,
        }
    }

    /// Waits for the right to a line, which lasts as long as what is returned; none comes from a
    /// pool that is closed, which this one never is.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Takes the line that was used last, if one is still good.
    pub(super) fn take(&self) -> Option<Session> {
        let now_ms = self.clock.monotonic_ms();
        let mut idle = self.idle();
        idle.retain(|one| now_ms - one.since_ms < IDLE_MAX_MS);
        idle.pop().map(|one| one.session)
    }

    /// Keeps a line for the next message.
    pub(super) fn keep(&self, mut session: Session) {
        session.messages += 1;
        if session.messages < MESSAGES_MAX {
            let since_ms = self.clock.monotonic_ms();
            self.idle().push(Idle { session, since_ms });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Lines are put in and taken out whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
