//! Messages of the bus that are no fact, with the reason, until somebody deals with them; and up to
//! when the bus is known to have been heard.

use std::sync::Arc;

use schedules::time::Timestamp;

use super::Store;
use super::audit::{self, OF_THE_ENGINE};
use super::codec::instant;
use super::conn::Row;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, batch, both, row};

/// The most messages that are kept. More are still counted where they are known already.
pub const DEAD_EVENTS_MAX: i64 = 100_000;
/// The most of them of which nobody knows who sent them: they leave room for the others.
pub const UNSIGNED_MAX: i64 = 20_000;

/// A message to be set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadEvent {
    /// What tells it from others: the SHA-256 of the message, in hexadecimal digits.
    pub digest: String,
    /// The code of the reason, which the runbook explains.
    pub code: &'static str,
    /// The message, as JSON.
    pub content: String,
    /// Whether it was signed as it should be.
    pub signed: bool,
}

/// A message that was set aside.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadEventRecord {
    /// Its number.
    pub id: i64,
    /// The code of the reason.
    pub code: String,
    /// The message, as JSON: personal data.
    pub content: String,
    /// When it came first.
    pub first_seen_at: Timestamp,
    /// When it came last.
    pub last_seen_at: Timestamp,
    /// How often it came.
    pub times: i64,
}

/// Leaves out the content, which may be personal.
impl std::fmt::Debug for DeadEventRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadEventRecord")
            .field("id", &self.id)
            .field("code", &self.code)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// A message that comes again is the one that was there, with the newest reason.
const BURY: Sql = batch!(
    "INSERT INTO dead_events (digest, code, content, first_seen_at, last_seen_at, times)
     SELECT r.digest, r.code, r.content, r.at, r.at, 1 FROM ",
    (1 "digest" "text", 2 "code" "text", 3 "content" "text", 4 "at" "bigint", 5 "most" "bigint"),
    "WHERE (SELECT count(*) FROM dead_events) < r.most
        OR EXISTS (SELECT 1 FROM dead_events d WHERE d.digest = r.digest)
     ON CONFLICT (digest) DO UPDATE
     SET code = excluded.code, last_seen_at = excluded.last_seen_at,
         times = dead_events.times + 1"
);

const PAGE: Sql = both(
    "SELECT id, code, content, first_seen_at, last_seen_at, times FROM dead_events
     WHERE id > $1
     ORDER BY id
     LIMIT $2",
);

const ONE: Sql = both(
    "SELECT id, code, content, first_seen_at, last_seen_at, times FROM dead_events WHERE id = $1",
);

const REMOVE: Sql = both("DELETE FROM dead_events WHERE id = $1");

const FORGET: Sql = both("DELETE FROM dead_events WHERE digest = $1");

const HEARD: Sql = both("SELECT at FROM bus_heard WHERE name = 'inbox'");

const HEAR: Sql = both(
    "INSERT INTO bus_heard (name, at) VALUES ('inbox', $1)
     ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE bus_heard.at < excluded.at",
);

impl Store {
    /// Sets messages aside; each stands there once, however often it comes. Returns how many of
    /// those that were given there was room for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bury_events(
        &self,
        dead: Vec<DeadEvent>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let given = dead.len();
        let mut once: Vec<DeadEvent> = Vec::new();
        for event in dead {
            // Twice in one statement would be refused.
            if once.iter().all(|it| it.digest != event.digest) {
                once.push(event);
            }
        }
        // Two nodes that set the same ones aside meet at them in one order.
        once.sort_by(|one, other| one.digest.cmp(&other.digest));
        let (different, at) = (once.len(), now.unix_ms());
        let mut rows = Batch::default();
        for DeadEvent {
            digest,
            code,
            content,
            signed,
        } in once
        {
            let most = if signed {
                DEAD_EVENTS_MAX
            } else {
                UNSIGNED_MAX
            };
            rows.push(row![digest, code, content, at, most]);
        }
        let rows = Arc::new(rows);
        let kept = self.write(Lane::Stops, different + 1, move |conn| {
            let rows = Arc::clone(&rows);
            Box::pin(async move { conn.execute(&BURY, Batch::clone(&rows).args(vec![])).await })
        });
        let kept = usize::try_from(kept.await?).unwrap_or(usize::MAX);
        Ok(given - different.saturating_sub(kept))
    }

    /// Lists messages that were set aside, from the one after `after` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_events(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<DeadEventRecord>, StoreError> {
        self.read(async |conn| {
            let rows = conn.rows(&PAGE, args![after, i64::from(limit)]).await?;
            rows.into_iter().map(read).collect()
        })
        .await
    }

    /// Reads a message that was set aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_event(&self, id: i64) -> Result<Option<DeadEventRecord>, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&ONE, args![id]).await?;
            row.map(read).transpose()
        })
        .await
    }

    /// Removes a message that was set aside; returns false when it is not there. `by` is the
    /// caller, and `action` what it did, for the audit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_dead_event(
        &self,
        id: i64,
        action: &'static str,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = Arc::<str>::from(by);
        self.write(Lane::Doors, 2, move |conn| {
            let by = Arc::clone(&by);
            Box::pin(async move {
                let removed = conn.execute(&REMOVE, args![id]).await? > 0;
                if removed {
                    let (of, at) = (OF_THE_ENGINE.0, now.unix_ms());
                    let mut rows = Batch::default();
                    rows.push(row![of, at, &*by, action, id.to_string(), "{}"]);
                    audit::record(conn, rows).await?;
                }
                Ok(removed)
            })
        })
        .await
    }

    /// Removes a message that turned out to be a fact.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_dead_event(&self, digest: &str) -> Result<(), StoreError> {
        let digest = Arc::<str>::from(digest);
        self.write(Lane::Doors, 1, move |conn| {
            let digest = Arc::clone(&digest);
            Box::pin(async move {
                conn.execute(&FORGET, args![&*digest]).await?;
                Ok(())
            })
        })
        .await
    }

    /// Returns up to when all that was published on the bus is known to have been taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bus_heard_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&HEARD, args![]).await?;
            row.map(|mut row| instant(&mut row)).transpose()
        })
        .await
    }

    /// Notes that all that was published up to an instant has been taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hear_bus(&self, at: Timestamp) -> Result<(), StoreError> {
        self.write(Lane::Stops, 1, move |conn| {
            Box::pin(async move {
                conn.execute(&HEAR, args![at.unix_ms()]).await?;
                Ok(())
            })
        })
        .await
    }
}

fn read(mut row: Row) -> Result<DeadEventRecord, StoreError> {
    Ok(DeadEventRecord {
        id: row.int()?,
        code: row.text()?,
        content: row.text()?,
        first_seen_at: instant(&mut row)?,
        last_seen_at: instant(&mut row)?,
        times: row.int()?,
    })
}
