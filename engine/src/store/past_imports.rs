//! Jobs of imports leave after their time, and what was refused of them with them. Their boletos
//! and contacts stay.

use futures::future::BoxFuture;
use schedules::time::Timestamp;

use super::Store;
use super::conn::Conn;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, batch, locking, row};

/// How many jobs leave at once.
const JOBS_AT_ONCE: i64 = 8;
/// How many of their refusals do, at the most: a job leaves with the last of them.
const REFUSALS_AT_ONCE: i64 = 2_000;

/// A job that goes on, and one that somebody else removes, is not waited for.
const OLD: Sql = locking!(
    "SELECT tenant_id, id FROM import_jobs WHERE changed_at <= $1 ORDER BY changed_at LIMIT $2",
    "FOR UPDATE SKIP LOCKED"
);

const REFUSALS: Sql = batch!(
    "DELETE FROM import_refusals WHERE (tenant_id, job_id, no) IN (
         SELECT f.tenant_id, f.job_id, f.no FROM ",
    (1 "tenant" "bigint", 2 "job" "bigint"),
    "JOIN import_refusals f ON f.tenant_id = r.tenant AND f.job_id = r.job LIMIT $3)"
);

const JOBS: Sql = batch!(
    "DELETE FROM import_jobs WHERE (tenant_id, id) IN (
         SELECT r.tenant, r.job FROM ",
    (1 "tenant" "bigint", 2 "job" "bigint"),
    "WHERE NOT EXISTS (SELECT 1 FROM import_refusals f
             WHERE f.tenant_id = r.tenant AND f.job_id = r.job))"
);

impl Store {
    /// Removes some of the jobs to which nothing was added for `keep_ms`, of whichever tenant;
    /// returns how many. Their keys are free again: the same file would be another job, of which
    /// every boleto is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_imports(&self, now: Timestamp, keep_ms: i64) -> Result<u64, StoreError> {
        let horizon = now.plus_ms(-keep_ms);
        let weight = usize::try_from(REFUSALS_AT_ONCE).unwrap_or_default();
        self.write(Lane::Doors, weight, move |conn| forget(conn, horizon))
            .await
    }
}

fn forget(conn: &mut Conn, horizon: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
    Box::pin(async move {
        let mut old = Batch::default();
        for mut job in conn
            .rows(&OLD, args![horizon.unix_ms(), JOBS_AT_ONCE])
            .await?
        {
            old.push(row![job.int()?, job.int()?]);
        }
        if old.is_empty() {
            return Ok(0);
        }
        let refusals = old.clone().args(args![REFUSALS_AT_ONCE]);
        conn.execute(&REFUSALS, refusals).await?;
        conn.execute(&JOBS, old.args(vec![])).await
    })
}
