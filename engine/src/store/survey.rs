//! What an examination asks of a database: its clock, who sends by what, which tokens count.

use schedules::channel::Channel;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::Store;
use super::codec::{instant, instant_or_null};
use super::conn::Row;
use super::error::StoreError;
use super::sql::{Sql, args, both};
use crate::access::TokenId;

/// A sender of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderInUse {
    /// The tenant.
    pub tenant: TenantId,
    /// The channel.
    pub channel: Channel,
    /// The name of the provider.
    pub provider: String,
}

/// A token that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    /// The number.
    pub id: TokenId,
    /// The public part.
    pub prefix: String,
    /// The first instant at which it counts no more.
    pub expires_at: Option<Timestamp>,
}

const NOW: Sql = Sql {
    sqlite: "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    postgres: "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
};

const SENDERS: Sql =
    both("SELECT tenant_id, channel, provider FROM senders ORDER BY tenant_id, channel");

const TOKENS: Sql = both(
    "SELECT id, prefix, expires_at FROM service_tokens
     WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
     ORDER BY id",
);

impl Store {
    /// Returns the database's own time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&NOW, args![]).await?;
            instant(&mut row.ok_or(StoreError::Unreadable { what: "time" })?)
        })
        .await
    }

    /// Lists the senders of all tenants.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn senders_in_use(&self) -> Result<Vec<SenderInUse>, StoreError> {
        self.read(async |conn| {
            let rows = conn.rows(&SENDERS, args![]).await?;
            let sender = |mut row: Row| {
                Ok(SenderInUse {
                    tenant: TenantId(row.int()?),
                    channel: row.parsed("channel")?,
                    provider: row.text()?,
                })
            };
            rows.into_iter().map(sender).collect()
        })
        .await
    }

    /// Lists the tokens, of tenants and of the engine, that count at an instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn live_tokens(&self, at: Timestamp) -> Result<Vec<LiveToken>, StoreError> {
        self.read(async |conn| {
            let rows = conn.rows(&TOKENS, args![at.unix_ms()]).await?;
            let token = |mut row: Row| {
                Ok(LiveToken {
                    id: TokenId(row.int()?),
                    prefix: row.text()?,
                    expires_at: instant_or_null(&mut row)?,
                })
            };
            rows.into_iter().map(token).collect()
        })
        .await
    }
}
