//! The machine's journal, over this store.

mod due;
mod load;
pub(super) mod look_ahead;
pub(super) mod rehearsal;
mod sweep;

use actors::machine::input::{InboxFact, Sweep};
use actors::ports::{
    Commit, Committed, DuePage, Fence, InboxPage, Journal, JournalError, PageRequest, Settings,
    ShardId, Snapshot, SweepPage, Tenant,
};
use async_trait::async_trait;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::codec::instant;
use super::conn::Conn;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Sql, args, both};
use super::work::{Asked, Work};
use super::{Store, audit, lease};

const INBOX: Sql = both(
    "SELECT seq, event_id, occurred_at, received_at, body FROM inbox
     WHERE tenant_id = $1 AND applied_at IS NULL AND parked IS NULL
     ORDER BY seq
     LIMIT $2",
);

/// The database's clock stands on a seal: it says when the store sealed, not when an owner decided.
const NOW: Sql = Sql {
    sqlite: "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    postgres: "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
};

#[async_trait]
impl Journal for Store {
    async fn load(&self, tenant: TenantId) -> Result<Snapshot, JournalError> {
        Ok(self
            .read(async |conn| load::snapshot(conn, tenant).await)
            .await?)
    }

    async fn settings(&self, tenant: TenantId) -> Result<Settings, JournalError> {
        Ok(self
            .read(async |conn| load::settings(conn, tenant).await)
            .await?)
    }

    async fn due_page(
        &self,
        tenant: TenantId,
        request: PageRequest,
    ) -> Result<DuePage, JournalError> {
        Ok(self
            .read(async |conn| due::page(conn, tenant, request).await)
            .await?)
    }

    async fn inbox_page(&self, tenant: TenantId, limit: u32) -> Result<InboxPage, JournalError> {
        Ok(self
            .read(async |conn| inbox_page(conn, tenant, limit).await)
            .await?)
    }

    async fn sweep_page(
        &self,
        tenant: TenantId,
        sweep: &Sweep,
        limit: u32,
    ) -> Result<SweepPage, JournalError> {
        Ok(self
            .read(async |conn| sweep::page(conn, tenant, sweep, limit).await)
            .await?)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, JournalError> {
        let weight = commit.changes.len();
        let work = |reply| Work::Commit(Box::new(Asked::new(commit, weight, reply)));
        Ok(self.ask(Lane::Commits, work).await?)
    }

    async fn seal_audit(&self, tenant: TenantId, fence: Fence) -> Result<(), JournalError> {
        let sealed = self.write(Lane::Doors, 100, move |conn| {
            Box::pin(async move {
                lease::pin(conn, tenant, fence).await?;
                let now = conn.first(&NOW, args![]).await?;
                let mut now = now.ok_or(StoreError::Unreadable { what: "clock" })?;
                audit::seal(conn, tenant, instant(&mut now)?)
                    .await
                    .map(drop)
            })
        });
        Ok(sealed.await?)
    }

    async fn look_ahead(
        &self,
        shards: &[ShardId],
        until: Timestamp,
    ) -> Result<Vec<(TenantId, Timestamp)>, JournalError> {
        Ok(self
            .read(async |conn| look_ahead::tenants(conn, shards, until, &self.inner.settled).await)
            .await?)
    }
}

impl Store {
    /// Reads a tenant's own settings.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub async fn tenant(&self, tenant: TenantId) -> Result<Tenant, StoreError> {
        self.read(async |conn| load::tenant(conn, tenant).await)
            .await
    }
}

async fn inbox_page(
    conn: &mut Conn,
    tenant: TenantId,
    limit: u32,
) -> Result<InboxPage, StoreError> {
    let mut page = InboxPage::default();
    for mut row in conn.rows(&INBOX, args![tenant.0, i64::from(limit)]).await? {
        let seq = row.int()?;
        let (event_id, occurred_at) = (row.text()?, instant(&mut row)?);
        let received_at = instant(&mut row)?;
        match row.json("fact") {
            Ok(body) => page.facts.push(InboxFact {
                seq,
                event_id,
                occurred_at,
                received_at,
                body,
            }),
            Err(_) => page.unreadable.push(seq),
        }
    }
    Ok(page)
}
