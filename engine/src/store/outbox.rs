//! What the engine says to the world, until a relay has said it.

use std::sync::Arc;

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::Store;
use super::codec::instant;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, batch, both, row};

/// One announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The row; it is the event's id for those who listen.
    pub id: i64,
    /// The tenant.
    pub tenant: TenantId,
    /// The routing key.
    pub topic: String,
    /// The body, as JSON.
    pub body: String,
    /// When it became durable.
    pub created_at: Timestamp,
}

const PAGE: Sql = both(
    "SELECT id, tenant_id, topic, body, created_at FROM outbox
     WHERE published_at IS NULL
     ORDER BY id
     LIMIT $1",
);

const PUBLISHED: Sql = batch!(
    "UPDATE outbox SET published_at = r.at FROM ",
    (1 "announced" "bigint", 2 "at" "bigint"),
    "WHERE outbox.id = r.announced AND outbox.published_at IS NULL"
);

impl Store {
    /// Reads the oldest announcements that are not published yet, over all tenants.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn outbox_page(&self, limit: u32) -> Result<Vec<Announced>, StoreError> {
        self.read(async |conn| {
            let rows = conn.rows(&PAGE, args![i64::from(limit)]).await?;
            let page = rows.into_iter().map(|mut row| {
                Ok(Announced {
                    id: row.int()?,
                    tenant: TenantId(row.int()?),
                    topic: row.text()?,
                    body: row.text()?,
                    created_at: instant(&mut row)?,
                })
            });
            page.collect()
        })
        .await
    }

    /// Marks announcements as published; returns how many were not before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn published(&self, ids: &[i64], at: Timestamp) -> Result<u64, StoreError> {
        let mut rows = Batch::default();
        ids.iter().for_each(|id| rows.push(row![*id, at.unix_ms()]));
        if rows.is_empty() {
            return Ok(0);
        }
        let (weight, rows) = (rows.len(), Arc::new(rows));
        self.write(Lane::Doors, weight, move |conn| {
            let rows = Batch::clone(&rows);
            Box::pin(async move { conn.execute(&PUBLISHED, rows.args(vec![])).await })
        })
        .await
    }
}
