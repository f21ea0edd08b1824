//! The kill switch of the whole engine, as far as it is one row.
//!
//! Whoever makes a tenant reads it in the same transaction: the tenant is either there when the
//! switch is turned, and held by its own fact, or it begins held.

use schedules::id::TenantId;

use crate::store::Store;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::Lane;
use crate::store::sql::{Sql, args, both, locking};

const TURN: Sql = both("UPDATE engine_switch SET held = $1 WHERE id = 1");
const HELD: Sql = locking!("SELECT held FROM engine_switch WHERE id = 1", "FOR SHARE");
const HELD_NOW: Sql = both("SELECT id FROM engine_switch WHERE held = 1");
const BEGINS_HELD: Sql = both("UPDATE tenants SET held = 1 WHERE id = $1");
const TENANTS: Sql = both("SELECT id FROM tenants WHERE id > $1 ORDER BY id LIMIT $2");

/// Holds a tenant that is being made while the engine is held.
pub(super) async fn begin(conn: &mut Conn, tenant: i64) -> Result<(), StoreError> {
    let row = conn.first(&HELD, args![]).await?;
    let mut row = row.ok_or(StoreError::Unreadable { what: "switch" })?;
    if row.int()? == 1 {
        conn.execute(&BEGINS_HELD, args![tenant]).await?;
    }
    Ok(())
}

impl Store {
    /// Says whether the engine is held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_engine_held(&self) -> Result<bool, StoreError> {
        self.read(async |conn| Ok(conn.first(&HELD_NOW, args![]).await?.is_some()))
            .await
    }

    /// Turns the switch, for tenants to come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn turn_engine_switch(&self, held: bool) -> Result<(), StoreError> {
        self.write(Lane::Doors, 1, move |conn| {
            Box::pin(async move {
                conn.execute(&TURN, args![i64::from(held)]).await?;
                Ok(())
            })
        })
        .await
    }

    /// Names the tenants after `after`, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenants_after(
        &self,
        after: TenantId,
        limit: u32,
    ) -> Result<Vec<TenantId>, StoreError> {
        self.read(async |conn| {
            let rows = conn
                .rows(&TENANTS, args![after.0, i64::from(limit)])
                .await?;
            let ids = rows.into_iter().map(|mut row| Ok(TenantId(row.int()?)));
            ids.collect()
        })
        .await
    }
}
