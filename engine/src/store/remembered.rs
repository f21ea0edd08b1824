//! The keys under which the API remembers its answers: the same request answers the same.

use std::sync::Arc;

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::Store;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Sql, args, both};

const REMEMBERED: Sql =
    both("SELECT fingerprint, response FROM idempotency_keys WHERE tenant_id = $1 AND key = $2");

const REMEMBER: Sql = both(
    "INSERT INTO idempotency_keys (tenant_id, key, fingerprint, response, created_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING",
);

impl Store {
    /// Returns the fingerprint and the answer under an idempotency key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remembered(
        &self,
        tenant: TenantId,
        key: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&REMEMBERED, args![tenant.0, key]).await?;
            row.map(|mut row| Ok((row.text()?, row.text()?)))
                .transpose()
        })
        .await
    }

    /// Keeps an answer under an idempotency key; returns false when the key has one already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: &str,
        response: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let kept: Arc<[String; 3]> = Arc::new([key, fingerprint, response].map(str::to_owned));
        self.write(Lane::Doors, 1, move |conn| {
            let [key, fingerprint, response] = <[String; 3]>::clone(&kept);
            let args = args![tenant.0, key, fingerprint, response, at.unix_ms()];
            Box::pin(async move { Ok(conn.execute(&REMEMBER, args).await? == 1) })
        })
        .await
    }
}
