//! Who owns which shard, on the database's clock.

use std::sync::Arc;

use actors::lease::{Leases, NodeId};
use actors::ports::{Fence, JournalError, ShardId};
use async_trait::async_trait;

use super::Store;
use super::conn::Conn;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Sql, args, both};

/// Leaves the epoch as it is, and so waits for no commit.
const RENEW: Sql = Sql {
    sqlite: "UPDATE leases SET expires_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) + $3
             WHERE shard = $1 AND owner = $2
             RETURNING epoch",
    postgres: "UPDATE leases
               SET expires_at = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3
               WHERE shard = $1 AND owner = $2
               RETURNING epoch",
};

/// Waits for every commit that pinned the former epoch.
const TAKE: Sql = Sql {
    sqlite: "INSERT INTO leases (shard, owner, epoch, expires_at)
             VALUES ($1, $2, 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) + $3)
             ON CONFLICT (shard) DO UPDATE
             SET owner = excluded.owner, epoch = leases.epoch + 1, expires_at = excluded.expires_at
             WHERE leases.expires_at <= CAST(unixepoch('subsec') * 1000 AS INTEGER)
             RETURNING epoch",
    postgres: "INSERT INTO leases (shard, owner, epoch, expires_at)
               VALUES ($1, $2, 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3)
               ON CONFLICT (shard) DO UPDATE
               SET owner = excluded.owner, epoch = leases.epoch + 1,
                   expires_at = excluded.expires_at
               WHERE leases.expires_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint
               RETURNING epoch",
};

/// The row stays, so that epochs go on growing.
const RELEASE: Sql = Sql {
    sqlite: "UPDATE leases SET owner = '', expires_at = 0
             WHERE shard = $1 AND owner = $2 AND epoch = $3",
    postgres: "UPDATE leases SET owner = '', expires_at = 0
               WHERE shard = $1 AND owner = $2 AND epoch = $3",
};

/// Frees every shard; the rows stay, so that epochs go on growing.
const FREE_ALL: Sql = both("UPDATE leases SET owner = '', expires_at = 0");

const HELD: Sql = super::sql::locking!(
    "SELECT 1 FROM leases l JOIN tenants t ON t.shard = l.shard
     WHERE l.shard = $1 AND l.epoch = $2 AND t.id = $3",
    "FOR KEY SHARE OF l"
);

#[async_trait]
impl Leases for Store {
    async fn take_or_renew(
        &self,
        node: &NodeId,
        shard: ShardId,
        ttl_ms: i64,
    ) -> Result<Option<Fence>, JournalError> {
        let node: Arc<str> = node.0.as_str().into();
        let taken = self.write(Lane::Leases, 1, move |conn| {
            let node = Arc::clone(&node);
            Box::pin(async move { take_or_renew(conn, &node, shard, ttl_ms).await })
        });
        Ok(taken.await?)
    }

    async fn release(&self, node: &NodeId, fence: Fence) -> Result<(), JournalError> {
        let node: Arc<str> = node.0.as_str().into();
        let released = self.write(Lane::Leases, 1, move |conn| {
            let node = Arc::clone(&node);
            Box::pin(async move {
                let args = args![i64::from(fence.shard.0), &*node, fence.epoch];
                conn.execute(&RELEASE, args).await.map(drop)
            })
        });
        Ok(released.await?)
    }
}

/// Frees the leases of former lives of the process, which are over: whoever has taken the data
/// folder of an embedded database is alone. A process that was killed would else wait for itself.
pub(super) async fn free_all(conn: &mut Conn) -> Result<(), StoreError> {
    conn.execute(&FREE_ALL, args![]).await.map(drop)
}

async fn take_or_renew(
    conn: &mut Conn,
    node: &str,
    shard: ShardId,
    ttl_ms: i64,
) -> Result<Option<Fence>, StoreError> {
    for sql in [&RENEW, &TAKE] {
        let row = conn
            .first(sql, args![i64::from(shard.0), node, ttl_ms])
            .await?;
        if let Some(mut row) = row {
            return Ok(Some(Fence {
                shard,
                epoch: row.int()?,
            }));
        }
    }
    Ok(None)
}

/// Pins a fence for the rest of the transaction.
///
/// # Errors
/// [`StoreError::Fenced`] when the lease has another epoch or the tenant another shard.
pub(super) async fn pin(
    conn: &mut Conn,
    tenant: schedules::id::TenantId,
    fence: Fence,
) -> Result<(), StoreError> {
    let args = args![i64::from(fence.shard.0), fence.epoch, tenant.0];
    conn.first(&HELD, args)
        .await?
        .map(drop)
        .ok_or(StoreError::Fenced)
}
