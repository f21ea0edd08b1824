//! The tenants of the engine.

use chrono_tz::Tz;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::{Ask, Page};
use crate::store::Store;
use crate::store::codec::instant;
use crate::store::conn::Row;
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, both};

/// A tenant in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    /// The tenant.
    pub id: TenantId,
    /// The name that its contacts know.
    pub name: String,
    /// Its CPF or CNPJ, formatted.
    pub document: Option<String>,
    /// The zone in which its days are counted.
    pub zone: Tz,
    /// False while its kill switch is on, or the whole engine's.
    pub running: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

pub(super) const TENANTS: Sql = both(
    "SELECT id, name, document, zone,
         CAST(CASE WHEN status = 'active' AND held = 0 THEN 1 ELSE 0 END AS BIGINT), created_at
     FROM tenants
     WHERE id > $1
     ORDER BY id
     LIMIT $2",
);

const EXISTS: Sql = both("SELECT id FROM tenants WHERE id = $1");

impl Store {
    /// Lists the tenants in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_tenants(&self, ask: &Ask<i64>) -> Result<Page<TenantRow, i64>, StoreError> {
        let reads = ask.reads(false);
        let args = args![ask.after.unwrap_or(i64::MIN), i64::from(reads)];
        self.read(async |conn| {
            let rows = conn.rows(&TENANTS, args).await?.into_iter();
            let rows = rows.map(|row| read(row).map(|it| (it.id.0, it)));
            Ok(ask.page(reads, rows.collect::<Result<_, _>>()?, |_| true))
        })
        .await
    }

    /// Says that there is such a tenant.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is none.
    pub async fn expect_tenant(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.read(async |conn| {
            let found = conn.first(&EXISTS, args![tenant.0]).await?;
            found.ok_or(StoreError::Absent { what: "tenant" })?;
            Ok(())
        })
        .await
    }
}

fn read(mut row: Row) -> Result<TenantRow, StoreError> {
    Ok(TenantRow {
        id: TenantId(row.int()?),
        name: row.text()?,
        document: row.text_or_null()?,
        zone: row.parsed("zone")?,
        running: row.int()? == 1,
        created_at: instant(&mut row)?,
    })
}
