//! A tenant's settings, each with its tag.

use actors::ports::Sender;
use schedules::calendar::Calendar;
use schedules::charges::ChargeRule;
use schedules::id::TenantId;
use schedules::pace::Pace;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use serde::de::DeserializeOwned;

use super::tags::{Tag, Tagged};
use crate::store::Store;
use crate::store::codec::json;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, both};

pub(super) const RULES: Sql = both("SELECT rules FROM tenants WHERE id = $1");
pub(super) const CALENDAR: Sql = both("SELECT calendar FROM tenants WHERE id = $1");
pub(super) const CHARGES: Sql = both("SELECT charges FROM tenants WHERE id = $1");
pub(super) const RETRY: Sql = both("SELECT retry FROM tenants WHERE id = $1");

pub(super) const SENDERS: Sql = both(
    "SELECT channel, provider, pace_per_second, pace_burst FROM senders
     WHERE tenant_id = $1
     ORDER BY channel",
);

impl Store {
    /// Reads a tenant's rules.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub async fn rules(&self, tenant: TenantId) -> Result<Tagged<RulePack>, StoreError> {
        self.setting(tenant, &RULES).await.and_then(required)
    }

    /// Reads a tenant's calendar.
    ///
    /// # Errors
    /// As [`Store::rules`].
    pub async fn calendar(&self, tenant: TenantId) -> Result<Tagged<Calendar>, StoreError> {
        self.setting(tenant, &CALENDAR).await.and_then(required)
    }

    /// Reads a tenant's penalty and interest, if it has declared them.
    ///
    /// # Errors
    /// As [`Store::rules`].
    pub async fn charges(
        &self,
        tenant: TenantId,
    ) -> Result<Tagged<Option<ChargeRule>>, StoreError> {
        self.setting(tenant, &CHARGES).await
    }

    /// Reads how often a tenant's attempts are tried again.
    ///
    /// # Errors
    /// As [`Store::rules`].
    pub async fn retry(&self, tenant: TenantId) -> Result<Tagged<RetryPolicy>, StoreError> {
        self.setting(tenant, &RETRY).await.and_then(required)
    }

    /// Reads a tenant's sending identities, one a channel at the most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn senders(&self, tenant: TenantId) -> Result<Tagged<Vec<Sender>>, StoreError> {
        self.read(async |conn| senders(conn, tenant).await).await
    }

    async fn setting<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        sql: &Sql,
    ) -> Result<Tagged<Option<T>>, StoreError> {
        const UNREADABLE: StoreError = StoreError::Unreadable { what: "setting" };
        self.read(async |conn| {
            let row = conn.first(sql, args![tenant.0]).await?;
            let mut row = row.ok_or(StoreError::Absent { what: "tenant" })?;
            let text = row.text_or_null()?;
            let what = text.as_deref().map(serde_json::from_str).transpose();
            Ok(Tagged {
                what: what.map_err(|_| UNREADABLE)?,
                tag: Tag::of(text.as_deref()),
            })
        })
        .await
    }
}

fn required<T>(read: Tagged<Option<T>>) -> Result<Tagged<T>, StoreError> {
    let Tagged { what, tag } = read;
    let what = what.ok_or(StoreError::Unreadable { what: "setting" })?;
    Ok(Tagged { what, tag })
}

/// Reads the sending identities, which have one tag together.
pub(super) async fn senders(
    conn: &mut Conn,
    tenant: TenantId,
) -> Result<Tagged<Vec<Sender>>, StoreError> {
    let mut what = Vec::new();
    for mut row in conn.rows(&SENDERS, args![tenant.0]).await? {
        what.push(Sender {
            channel: row.parsed("channel")?,
            provider: row.text()?,
            pace: Pace {
                per_second: row.small()?,
                burst: row.small()?,
            },
        });
    }
    let tag = Tag::of([json(&what)?.as_str()]);
    Ok(Tagged { what, tag })
}
