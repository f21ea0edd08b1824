//! Who did what: rows that are added freely, and the hash chain that seals them.
//!
//! A seal covers the rows of a range of batches and the seal before it. In PostgreSQL a batch is a
//! transaction: those below the oldest one that still runs are complete, so that no row can appear
//! behind a seal. In SQLite it is the row's id: one writer adds them in order.

use schedules::id::TenantId;
use schedules::time::Timestamp;
use sha2::{Digest, Sha256};

use super::Store;
use super::conn::Conn;
use super::error::StoreError;
use super::sql::{Batch, Sql, args, batch, both};
use crate::hex;

/// Whose rows are about the whole engine: no tenant has this number.
///
/// They are written in the transaction of what they tell of, as a tenant's are, and never sealed:
/// seals are an owner's, under its lease, and nobody owns them.
pub(super) const OF_THE_ENGINE: TenantId = TenantId(0);

/// What a check of the audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Seals that were checked.
    pub seals: u64,
    /// Rows under a seal.
    pub sealed: u64,
    /// Rows that are not sealed yet.
    pub unsealed: u64,
    /// The first seal that does not fit what is stored, counted from 1.
    pub broken_at: Option<i64>,
}

const RECORD: Sql = batch!(
    "INSERT INTO audit (tenant_id, at, actor, action, subject, detail) SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "at" "bigint", 3 "actor" "text", 4 "action" "text", 5 "subject" "text",
     6 "detail" "text"),
    ""
);

/// Adds rows: tenant, instant, actor, action, subject, detail.
pub(super) async fn record(conn: &mut Conn, rows: Batch) -> Result<(), StoreError> {
    if !rows.is_empty() {
        conn.execute(&RECORD, rows.args(vec![])).await?;
    }
    Ok(())
}

const LAST_SEAL: Sql = both(
    "SELECT no, to_batch, hash FROM audit_seals WHERE tenant_id = $1 ORDER BY no DESC LIMIT 1",
);

/// The first batch that may still be added to.
const OPEN_BATCH: Sql = Sql {
    sqlite: "SELECT coalesce(max(batch), 0) + 1 FROM audit WHERE tenant_id = $1",
    postgres: "SELECT txid_snapshot_xmin(txid_current_snapshot()) FROM tenants WHERE id = $1",
};

const ROWS: Sql = both(
    "SELECT id, at, actor, action, subject, detail FROM audit
     WHERE tenant_id = $1 AND batch >= $2 AND batch < $3
     ORDER BY batch, id",
);

const SEAL: Sql = both(
    "INSERT INTO audit_seals (tenant_id, no, from_batch, to_batch, rows_count, hash, sealed_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);

/// Seals what can be sealed; returns how many rows that were.
pub(super) async fn seal(
    conn: &mut Conn,
    tenant: TenantId,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let (no, from, before) = match conn.first(&LAST_SEAL, args![tenant.0]).await? {
        Some(mut row) => (row.int()? + 1, row.int()?, row.text()?),
        None => (1, 0, String::new()),
    };
    let open = conn.first(&OPEN_BATCH, args![tenant.0]).await?;
    let to = open.ok_or(StoreError::Absent { what: "tenant" })?.int()?;
    let (count, hash) = hash(conn, tenant, from, to, &before).await?;
    if count > 0 {
        let sealed = args![tenant.0, no, from, to, count as i64, hash, at.unix_ms()];
        conn.execute(&SEAL, sealed).await?;
    }
    Ok(count)
}

/// Returns the number of rows in the range and the hash of them and of the seal before.
async fn hash(
    conn: &mut Conn,
    tenant: TenantId,
    from: i64,
    to: i64,
    before: &str,
) -> Result<(u64, String), StoreError> {
    let mut sha = Sha256::new();
    sha.update(before.as_bytes());
    let rows = conn.rows(&ROWS, args![tenant.0, from, to]).await?;
    let count = rows.len() as u64;
    for mut row in rows {
        let line = serde_json::json!([
            tenant.0,
            row.int()?,
            row.int()?,
            row.text()?,
            row.text()?,
            row.text()?,
            row.text()?
        ]);
        sha.update(line.to_string().as_bytes());
        sha.update(b"\n");
    }
    Ok((count, hex::written(&sha.finalize())))
}

const SEALS: Sql = both(
    "SELECT no, from_batch, to_batch, rows_count, hash FROM audit_seals
     WHERE tenant_id = $1 ORDER BY no",
);

const COUNT_FROM: Sql = both("SELECT count(*) FROM audit WHERE tenant_id = $1 AND batch >= $2");

impl Store {
    /// Checks a tenant's audit rows against its chain of seals.
    ///
    /// # Errors
    /// [`StoreError`]; a chain that does not fit is no error but [`AuditReport::broken_at`].
    pub async fn verify_audit(&self, tenant: TenantId) -> Result<AuditReport, StoreError> {
        self.read(async |conn| verify(conn, tenant).await).await
    }
}

async fn verify(conn: &mut Conn, tenant: TenantId) -> Result<AuditReport, StoreError> {
    let (mut report, mut before, mut end) = (AuditReport::default(), String::new(), 0);
    for mut seal in conn.rows(&SEALS, args![tenant.0]).await? {
        let (no, from, to) = (seal.int()?, seal.int()?, seal.int()?);
        let (rows, sealed): (u64, String) = (seal.small()?, seal.text()?);
        let (count, hash) = hash(conn, tenant, from, to, &before).await?;
        let follows = no == report.seals as i64 + 1 && from == end;
        if !follows || (count, &hash) != (rows, &sealed) {
            report.broken_at = Some(no);
            return Ok(report);
        }
        report.seals += 1;
        report.sealed += count;
        (before, end) = (sealed, to);
    }
    let open = conn.first(&COUNT_FROM, args![tenant.0, end]).await?;
    report.unsealed = open.map_or(Ok(0), |mut row| row.small())?;
    Ok(report)
}
