//! Group commit: a writer takes what waits, writes it in one transaction and answers all of it.
//!
//! Each of several parts stands under a savepoint of its own: one that fails leaves the others. A
//! set that is alone has none, and if it fails its pieces are tried in a new transaction. Nobody
//! who waits for an answer can cut a transaction short by going away, and a panic ends one
//! transaction, never the writer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures::FutureExt;

use super::backend::Backend;
use super::conn::Conn;
use super::error::StoreError;
use super::queue::{Lane, Queue};
use super::sql::{Sql, both};
use super::work::Part;

const BEGIN: Sql = Sql {
    sqlite: "BEGIN IMMEDIATE",
    postgres: "BEGIN",
};
const COMMIT: Sql = both("COMMIT");
const ROLLBACK: Sql = both("ROLLBACK");
const SAVE: Sql = both("SAVEPOINT part");
const RELEASE: Sql = both("RELEASE SAVEPOINT part");
const BACK: Sql = both("ROLLBACK TO SAVEPOINT part");

/// A transaction that gave way to another is tried again this often.
const TRIES_MAX: u32 = 8;

/// How far a transaction got.
mod stage {
    pub(super) const WAITING: u8 = 0;
    pub(super) const CONNECTED: u8 = 1;
    pub(super) const BEGUN: u8 = 2;
    pub(super) const COMMITTING: u8 = 3;
}

/// One writer of the store.
pub(super) struct Writer {
    pub(super) backend: Arc<Backend>,
    pub(super) queue: Arc<Queue>,
    pub(super) lanes: &'static [Lane],
    /// The longest transaction; its connection is closed when it takes longer.
    pub(super) longest: Duration,
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub(super) async fn run(self) {
        loop {
            match AssertUnwindSafe(self.round()).catch_unwind().await {
                Ok(true) => {}
                Ok(false) => return,
                // What was in hand is dropped: whoever waits for it hears that it is unknown.
                Err(_) => tracing::error!("writer panicked between transactions"),
            }
        }
    }

    /// Writes what waits; false when the queue is closed and empty.
    async fn round(&self) -> bool {
        let works = self.queue.take(self.lanes).await;
        if works.is_empty() {
            return false;
        }
        let mut parts = Part::gather(works);
        let transaction = self.write(&mut parts).await;
        if let Err(error) = &transaction {
            tracing::warn!(code = error.code(), %error, "transaction failed");
        }
        parts.into_iter().for_each(|part| part.answer(&transaction));
        true
    }

    async fn write(&self, parts: &mut Vec<Part>) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let reached = AtomicU8::new(stage::WAITING);
            let result = self.write_once(parts, &reached).await;
            let again = match (&result, reached.into_inner()) {
                (Err(StoreError::GaveWay), _) => true,
                // A connection that died while nobody used it: the next one may live.
                (Err(StoreError::Unreachable), stage::CONNECTED) => true,
                // One of a set cannot be done: each is tried alone.
                (Err(error), stage::BEGUN) if !error.loses_transaction() => split_set(parts),
                _ => false,
            };
            if !again || tries == TRIES_MAX {
                return result;
            }
            tries += 1;
        }
    }

    async fn write_once(
        &self,
        parts: &mut Vec<Part>,
        reached: &AtomicU8,
    ) -> Result<(), StoreError> {
        let mut conn = self.backend.writer(self.lanes).await?;
        reached.store(stage::CONNECTED, Ordering::Relaxed);
        let transaction = AssertUnwindSafe(transact(&mut conn, parts, reached)).catch_unwind();
        let result = tokio::time::timeout(self.longest, transaction).await;
        let Ok(result) = result.unwrap_or(Ok(Err(StoreError::Unreachable))) else {
            // Nobody knows in what state the connection is.
            conn.condemn();
            tracing::error!("writer panicked in a transaction");
            let committing = reached.load(Ordering::Relaxed) == stage::COMMITTING;
            // What was alone is to blame for it; its connection is gone, and nothing of it stands.
            return Err(match parts.as_slice() {
                [part] if part.is_single() && !committing => StoreError::Conflict {
                    what: "a writer panicked",
                },
                _ => StoreError::Unknown,
            });
        };
        let Err(error) = result else { return Ok(()) };
        let rolled_back = tokio::time::timeout(self.longest, conn.steer(&ROLLBACK)).await;
        if error == StoreError::Unreachable || !matches!(rolled_back, Ok(Ok(()))) {
            conn.condemn();
        }
        // "Nothing happened" is true only where the commit was not on its way.
        let committing = reached.load(Ordering::Relaxed) == stage::COMMITTING;
        let lost = committing && error == StoreError::Unreachable;
        Err(if lost { StoreError::Unknown } else { error })
    }
}

/// Takes a set apart that was alone in its transaction; returns false when it was none.
fn split_set(parts: &mut Vec<Part>) -> bool {
    match parts.as_slice() {
        [set] if !set.is_single() => {
            let pieces = parts.drain(..).flat_map(Part::split).collect();
            *parts = pieces;
            true
        }
        _ => false,
    }
}

async fn transact(
    conn: &mut Conn,
    parts: &mut Vec<Part>,
    reached: &AtomicU8,
) -> Result<(), StoreError> {
    conn.steer(&BEGIN).await?;
    reached.store(stage::BEGUN, Ordering::Relaxed);
    // What is alone needs no savepoint: it is the transaction.
    let saved = parts.len() > 1;
    let mut at = 0;
    while at < parts.len() {
        match run_part(conn, &mut parts[at], saved).await {
            Ok(()) => at += 1,
            Err(error) if error.loses_transaction() || !saved => return Err(error),
            Err(error) if parts[at].is_single() => {
                parts[at].refuse(&error);
                at += 1;
            }
            // One of them cannot be done: each is tried alone.
            Err(_) => {
                let pieces = parts.remove(at).split();
                parts.splice(at..at, pieces);
            }
        }
    }
    reached.store(stage::COMMITTING, Ordering::Relaxed);
    conn.steer(&COMMIT).await
}

async fn run_part(conn: &mut Conn, part: &mut Part, saved: bool) -> Result<(), StoreError> {
    if !saved {
        return part.run(conn).await;
    }
    conn.steer(&SAVE).await?;
    match part.run(conn).await {
        Ok(()) => conn.steer(&RELEASE).await,
        Err(error) if error.loses_transaction() => Err(error),
        Err(error) => {
            conn.steer(&BACK).await?;
            conn.steer(&RELEASE).await?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use crate::store::backend::Backend;
    use crate::store::queue::Lane;
    use crate::store::sql::{Sql, both};
    use crate::store::{SqliteSettings, Store, StoreError};

    const PLANT: Sql = both("CREATE TABLE planted (n INTEGER)");

    #[tokio::test]
    async fn a_panic_ends_its_transaction_and_not_the_writer() {
        let folder = TempDir::new().expect("a folder");
        let settings = SqliteSettings::at(folder.path());
        let store = Store::open_sqlite(&settings).await.expect("a store");
        for _ in 0..3 {
            let panicked = store.write::<(), _>(Lane::Doors, 1, |conn| {
                Box::pin(async move {
                    conn.execute(&PLANT, Vec::new()).await?;
                    panic!("a planted bug")
                })
            });
            let what = "a writer panicked";
            assert_eq!(panicked.await, Err(StoreError::Conflict { what }));
        }
        // The table is not there, and the next one who writes does not find himself in the
        // panicked transaction.
        let planted = store.write(Lane::Stops, 1, |conn| {
            Box::pin(async move { conn.execute(&PLANT, Vec::new()).await.map(drop) })
        });
        assert_eq!(planted.await, Ok(()));
        store.close().await;
    }

    #[tokio::test]
    async fn an_answer_that_no_writer_gives_is_unknown_in_the_end() {
        let folder = TempDir::new().expect("a folder");
        let backend = Backend::sqlite(&SqliteSettings::at(folder.path())).await;
        let longest = std::time::Duration::from_millis(1);
        let mut store = Store::start(backend.expect("a database"), &[], longest);
        let inner = std::sync::Arc::get_mut(&mut store.inner).expect("the only handle");
        inner.answer_max = longest;
        for lane in [Lane::Leases, Lane::Stops, Lane::Commits, Lane::Doors] {
            let asked = store.write(lane, 1, |_| Box::pin(async { Ok(()) }));
            assert_eq!(asked.await, Err(StoreError::Unknown), "{lane:?}");
        }
    }
}
