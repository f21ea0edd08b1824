//! Who may say what on the bus: ids of keys, and nothing that signs.

use std::collections::BTreeMap;
use std::sync::Arc;

use schedules::id::TenantId;
use schedules::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Store;
use super::audit;
use super::codec::{instant, instant_or_null};
use super::conn::{Conn, Row};
use super::doors::tenant::Edit;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, batch, both, row};
use crate::hex;

/// A tenant's key for what it says on the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherKey {
    /// Its id, which events name.
    pub id: String,
    /// The tenant in whose name it speaks.
    pub tenant: TenantId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
}

impl PublisherKey {
    /// Says whether what is signed by it counts at an instant.
    pub fn counts(&self, now: Timestamp) -> bool {
        let has_ended = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        !has_ended(self.expires_at) && !has_ended(self.revoked_at)
    }
}

const INSERT: Sql = both(
    "INSERT INTO publisher_keys (id, tenant_id, created_at, expires_at)
     VALUES ($1, $2, $3, $4)
     ON CONFLICT (id) DO NOTHING",
);

const TENANT: Sql = both("SELECT id FROM tenants WHERE id = $1");

const OF_TENANT: Sql = both(
    "SELECT id, tenant_id, created_at, expires_at, revoked_at FROM publisher_keys
     WHERE tenant_id = $1
     ORDER BY created_at, id",
);

const NAMED: Sql = batch!(
    "SELECT k.id, k.tenant_id, k.created_at, k.expires_at, k.revoked_at FROM ",
    (1 "id" "text"),
    "JOIN publisher_keys k ON k.id = r.id"
);

const REVOKE: Sql = both(
    "UPDATE publisher_keys SET revoked_at = $3
     WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
);

/// What shows which root key an installation has, and says nothing of it.
const KEEP_CHECK: Sql = both(
    "INSERT INTO secrets (name, secret) VALUES ('root_check', $1) ON CONFLICT (name) DO NOTHING",
);

const CHECK: Sql = both("SELECT secret FROM secrets WHERE name = 'root_check'");

impl Store {
    /// Makes a key by an edit; given again, the edit makes no other.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub async fn create_publisher_key(
        &self,
        tenant: TenantId,
        expires_at: Option<Timestamp>,
        edit: &Edit,
    ) -> Result<PublisherKey, StoreError> {
        let key = PublisherKey {
            id: id_of(tenant, edit),
            tenant,
            created_at: edit.at,
            expires_at,
            revoked_at: None,
        };
        let (new, by) = (Arc::new(key), Arc::<str>::from(edit.source.as_str()));
        self.write(Lane::Doors, 2, move |conn| {
            let (key, by) = (Arc::clone(&new), Arc::clone(&by));
            Box::pin(async move { create(conn, &key, &by).await })
        })
        .await
    }

    /// Keeps a check of the root key if there is none, and returns the one that there is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_root_check(&self, own: &str) -> Result<String, StoreError> {
        let own = Arc::<str>::from(own);
        self.write(Lane::Doors, 1, move |conn| {
            let own = Arc::clone(&own);
            Box::pin(async move {
                conn.execute(&KEEP_CHECK, args![&*own]).await?;
                let row = conn.first(&CHECK, args![]).await?;
                row.map_or(Ok(own.to_string()), |mut row| row.text())
            })
        })
        .await
    }

    /// Lists the keys of a tenant, those that have ended, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn publisher_keys(&self, tenant: TenantId) -> Result<Vec<PublisherKey>, StoreError> {
        self.read(async |conn| {
            let rows = conn.rows(&OF_TENANT, args![tenant.0]).await?;
            rows.into_iter().map(read).collect()
        })
        .await
    }

    /// Reads keys by their ids; those that there are not are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn named_publisher_keys(
        &self,
        ids: impl IntoIterator<Item = &str>,
    ) -> Result<BTreeMap<String, PublisherKey>, StoreError> {
        let mut asked = Batch::default();
        ids.into_iter().for_each(|id| asked.push(row![id]));
        if asked.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.read(async |conn| {
            let rows = conn.rows(&NAMED, asked.args(vec![])).await?.into_iter();
            let keys = rows.map(|row| read(row).map(|key| (key.id.clone(), key)));
            keys.collect()
        })
        .await
    }

    /// Ends a key at once; returns false when there is none that lives.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_publisher_key(
        &self,
        tenant: TenantId,
        id: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = Arc::new(PublisherKey {
            id: id.to_owned(),
            tenant,
            created_at: now,
            expires_at: None,
            revoked_at: Some(now),
        });
        let by = Arc::<str>::from(by);
        self.write(Lane::Stops, 2, move |conn| {
            let (key, by) = (Arc::clone(&key), Arc::clone(&by));
            Box::pin(async move {
                let at = now.unix_ms();
                let args = args![key.tenant.0, key.id.as_str(), at];
                let revoked = conn.execute(&REVOKE, args).await? > 0;
                if revoked {
                    audit::record(conn, told(&key, at, &by, "publisher_key.revoked")).await?;
                }
                Ok(revoked)
            })
        })
        .await
    }
}

async fn create(conn: &mut Conn, key: &PublisherKey, by: &str) -> Result<PublisherKey, StoreError> {
    if conn.first(&TENANT, args![key.tenant.0]).await?.is_none() {
        return Err(StoreError::Absent { what: "tenant" });
    }
    let (at, ends) = (key.created_at.unix_ms(), key.expires_at);
    let ends = ends.map(Timestamp::unix_ms);
    let args = args![key.id.as_str(), key.tenant.0, at, ends];
    if conn.execute(&INSERT, args).await? > 0 {
        audit::record(conn, told(key, at, by, "publisher_key.created")).await?;
        return Ok(key.clone());
    }
    let mut asked = Batch::default();
    asked.push(row![key.id.as_str()]);
    let row = conn.first(&NAMED, asked.args(vec![])).await?;
    row.map_or(Ok(key.clone()), read)
}

/// An edit makes one key: its id follows from it.
fn id_of(tenant: TenantId, edit: &Edit) -> String {
    let digest = Sha256::digest(format!("{tenant}\n{}", edit.name()));
    format!("pk_{}", hex::written(&digest[..16]))
}

fn told(key: &PublisherKey, at: i64, by: &str, action: &str) -> Batch {
    let mut rows = Batch::default();
    rows.push(row![key.tenant.0, at, by, action, key.id.as_str(), "{}"]);
    rows
}

fn read(mut row: Row) -> Result<PublisherKey, StoreError> {
    Ok(PublisherKey {
        id: row.text()?,
        tenant: TenantId(row.int()?),
        created_at: instant(&mut row)?,
        expires_at: instant_or_null(&mut row)?,
        revoked_at: instant_or_null(&mut row)?,
    })
}
