//! The audit of a tenant, with the seals that cover its rows.

use std::ops::Range;

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::{Ask, Page};
use crate::store::Store;
use crate::store::codec::instant;
use crate::store::conn::Row;
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, both};

/// A row of the audit: who did what, when, to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The row.
    pub id: i64,
    /// The batch by which seals count.
    pub batch: i64,
    /// When it was done, by the clock of the node that wrote it.
    pub at: Timestamp,
    /// Who did it: a caller, a door, or the owner.
    pub actor: String,
    /// What was done, such as `boleto.paid`.
    pub action: String,
    /// To what, such as `bol_7`.
    pub subject: String,
    /// More about it, as JSON.
    pub detail: String,
    /// The seal that covers it; none yet when it is new.
    pub seal: Option<SealRow>,
}

/// A seal: the hash of the seal before it and of the rows of its batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealRow {
    /// Its number, from 1.
    pub no: i64,
    /// The first batch that it covers.
    pub from_batch: i64,
    /// The first batch after those that it covers.
    pub to_batch: i64,
    /// How many rows it covers.
    pub rows: i64,
    /// The SHA-256, in hexadecimal digits.
    pub hash: String,
    /// When it was made.
    pub sealed_at: Timestamp,
}

/// Which rows are listed: those that meet everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditOf {
    /// From the first instant on and before the second.
    pub at: Option<Range<Timestamp>>,
    /// With this action.
    pub action: Option<String>,
}

/// Instant and row.
pub type AuditKey = (i64, i64);

/// The first seal that ends behind a row covers it: they leave no gap.
pub(super) const ROWS: Sql = both(
    "SELECT page.id, page.batch, page.at, page.actor, page.action, page.subject, page.detail,
         s.no, s.from_batch, s.to_batch, s.rows_count, s.hash, s.sealed_at
     FROM (SELECT id, tenant_id, batch, at, actor, action, subject, detail FROM audit
         WHERE tenant_id = $1 AND at >= $2 AND at < $5 AND (at, id) > ($2, $3)
         ORDER BY at, id
         LIMIT $4) page
     LEFT JOIN audit_seals s
       ON s.tenant_id = page.tenant_id
         AND s.no = (SELECT n.no FROM audit_seals n
             WHERE n.tenant_id = page.tenant_id AND n.to_batch > page.batch
             ORDER BY n.to_batch
             LIMIT 1)
     ORDER BY page.at, page.id",
);

impl Store {
    /// Lists a tenant's audit in the order of time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_audit(
        &self,
        tenant: TenantId,
        of: &AuditOf,
        ask: &Ask<AuditKey>,
    ) -> Result<Page<AuditRow, AuditKey>, StoreError> {
        let reads = ask.reads(of.action.is_some());
        let from = of.at.as_ref().map_or(i64::MIN, |it| it.start.unix_ms());
        let to = of.at.as_ref().map_or(i64::MAX, |it| it.end.unix_ms());
        let (at, id) = ask.after.unwrap_or((from, i64::MIN));
        let args = args![tenant.0, at, id, i64::from(reads), to];
        self.read(async |conn| {
            let rows = conn.rows(&ROWS, args).await?.into_iter();
            let rows = rows.map(|row| read(row).map(|it| ((it.at.unix_ms(), it.id), it)));
            let rows = rows.collect::<Result<_, _>>()?;
            let action = of.action.as_ref();
            let shows = |one: &AuditRow| action.is_none_or(|it| *it == one.action);
            Ok(ask.page(reads, rows, shows))
        })
        .await
    }
}

fn read(mut row: Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: row.int()?,
        batch: row.int()?,
        at: instant(&mut row)?,
        actor: row.text()?,
        action: row.text()?,
        subject: row.text()?,
        detail: row.text()?,
        seal: match row.int_or_null()? {
            Some(no) => Some(SealRow {
                no,
                from_batch: row.int()?,
                to_batch: row.int()?,
                rows: row.int()?,
                hash: row.text()?,
                sealed_at: instant(&mut row)?,
            }),
            None => None,
        },
    })
}
