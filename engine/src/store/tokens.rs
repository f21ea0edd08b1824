//! Service tokens. Of a secret only its hash is here; each call reads the row anew, so that a
//! revocation counts at once on every node.
//!
//! Who made, rotated or revoked a token stands in the audit: of a tenant's token in its tenant's
//! chain, of the engine's under no tenant, where nothing is sealed. What happens to the engine's
//! tokens is therefore told to the log as well, which can be kept elsewhere.

use std::sync::Arc;

use futures::future::BoxFuture;
use schedules::id::TenantId;
use schedules::time::Timestamp;
use serde_json::{Value, json};

use super::Store;
use super::audit::{self, OF_THE_ENGINE};
use super::codec::{instant, instant_or_null};
use super::conn::{Conn, Row};
use super::doors::InvalidSetting;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, both, row};
use crate::access::{
    InvalidToken, Issued, NewToken, NoRandomness, Prefix, Principal, Scope, Scopes, SecretHash,
    Token, TokenId, TokenRecord, TokenState,
};

/// The number of the first token: no other has it, and a second one with it cannot be.
const FIRST: TokenId = TokenId(0);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, prefix, tenant_id, name, scopes, created_at, expires_at, revoked_at,
                 replaced_by
             FROM service_tokens ",
            $rest
        )
    };
}

const BY_PREFIX: Sql = both(select!("WHERE prefix = $1"));

const LOCKED: Sql = Sql {
    sqlite: select!("WHERE prefix = $1"),
    postgres: select!("WHERE prefix = $1 FOR UPDATE"),
};

const OF_TENANT: Sql = both(select!(
    "WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
));

const OF_ENGINE: Sql = both(select!(
    "WHERE tenant_id IS NULL AND id > $1 ORDER BY id LIMIT $2"
));

const SHOWN: Sql = both(
    "SELECT secret_hash, id, tenant_id, scopes, expires_at, revoked_at FROM service_tokens
     WHERE prefix = $1",
);

const INSERT: Sql = both(
    "INSERT INTO service_tokens (tenant_id, prefix, secret_hash, name, scopes, created_at,
         expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     RETURNING id",
);

/// Nodes that start together meet at the number.
const INSERT_FIRST: Sql = both(
    "INSERT INTO service_tokens (id, prefix, secret_hash, name, scopes, created_at)
     SELECT 0, $1, $2, $3, $4, $5
     WHERE NOT EXISTS (SELECT 1 FROM service_tokens WHERE tenant_id IS NULL)
     ON CONFLICT (id) DO NOTHING
     RETURNING id",
);

const REPLACE: Sql =
    both("UPDATE service_tokens SET expires_at = $2, replaced_by = $3 WHERE id = $1");

const REVOKE: Sql = both("UPDATE service_tokens SET revoked_at = $2 WHERE id = $1");

const TENANT: Sql = both("SELECT id FROM tenants WHERE id = $1");

/// A row to be: what is asked for, and what is kept of the secret.
#[derive(Clone)]
struct Entry {
    new: NewToken,
    prefix: Prefix,
    hash: SecretHash,
    at: Timestamp,
}

/// What a token is compared with, and whose it is.
struct Shown {
    hash: SecretHash,
    principal: Principal,
    state: TokenState,
}

impl From<InvalidToken> for StoreError {
    fn from(fault: InvalidToken) -> Self {
        Self::Invalid(InvalidSetting::Token(fault))
    }
}

impl From<NoRandomness> for StoreError {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

impl Store {
    /// Makes a token; its secret is in the answer and nowhere else. `by` is the door or the
    /// caller, for the audit; never personal data.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when it cannot be as it is asked for; [`StoreError::Absent`] when
    /// there is no such tenant; [`StoreError::NoRandomness`].
    pub async fn create_token(
        &self,
        new: NewToken,
        by: &str,
        at: Timestamp,
    ) -> Result<Issued, StoreError> {
        new.check(at)?;
        let token = Token::draw()?;
        let (entry, by) = (Arc::new(Entry::of(new, &token, at)), Arc::<str>::from(by));
        let created = self.write(Lane::Doors, 2, {
            let by = Arc::clone(&by);
            move |conn| create(conn, Arc::clone(&entry), Arc::clone(&by))
        });
        let record = created.await?;
        tell(&record, &by, "token.created");
        Ok(Issued { record, token })
    }

    /// Returns the principal of a token that counts at an instant; `None` when it is unknown, has
    /// another secret, has expired or is revoked, and nothing tells which.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn authenticate(
        &self,
        token: &Token,
        now: Timestamp,
    ) -> Result<Option<Principal>, StoreError> {
        let given = token.hash();
        let shown = self.read(async |conn| {
            let row = conn.first(&SHOWN, args![token.prefix().as_str()]).await?;
            row.map(|mut row| Shown::read(&mut row, now)).transpose()
        });
        let shown = shown.await?;
        // Where nothing is known by the prefix, the same work is done on nothing.
        let kept = shown.as_ref().map(|shown| &shown.hash);
        let matches = kept.unwrap_or(&SecretHash::OF_NOTHING).matches(&given);
        let counts = |shown: &Shown| matches && shown.state == TokenState::Active;
        Ok(shown.filter(counts).map(|shown| shown.principal))
    }

    /// Returns the token with a prefix, of whomever it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token(&self, prefix: &Prefix) -> Result<Option<TokenRecord>, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&BY_PREFIX, args![prefix.as_str()]).await?;
            row.map(read).transpose()
        })
        .await
    }

    /// Lists the tokens of a tenant, or, without one, of the whole engine, from the one after
    /// `after` on; those that have ended, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(
        &self,
        tenant: Option<TenantId>,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        let (after, limit) = (after.map_or(-1, |id| id.0), i64::from(limit));
        self.read(async |conn| {
            let rows = match tenant {
                Some(tenant) => conn.rows(&OF_TENANT, args![tenant.0, after, limit]).await?,
                None => conn.rows(&OF_ENGINE, args![after, limit]).await?,
            };
            rows.into_iter().map(read).collect()
        })
        .await
    }

    /// Ends a token at once, on every node; returns false when it was revoked before.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when no token has the prefix.
    pub async fn revoke_token(
        &self,
        prefix: &Prefix,
        by: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (prefix, by) = (Arc::new(prefix.clone()), Arc::<str>::from(by));
        let revoked = self.write(Lane::Doors, 2, {
            let by = Arc::clone(&by);
            move |conn| revoke(conn, Arc::clone(&prefix), Arc::clone(&by), at)
        });
        let revoked = revoked.await?;
        if let Some(record) = &revoked {
            tell(record, &by, "token.revoked");
        }
        Ok(revoked.is_some())
    }

    /// Makes a token with the same rights in a token's place, which ends after the grace.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when no token has the prefix; [`StoreError::Invalid`] when it has
    /// ended or was rotated before; [`StoreError::NoRandomness`].
    pub async fn rotate_token(
        &self,
        prefix: &Prefix,
        grace_ms: i64,
        by: &str,
        at: Timestamp,
    ) -> Result<Issued, StoreError> {
        let token = Token::draw()?;
        let next = (token.prefix().clone(), token.hash());
        let asked = Arc::new((prefix.clone(), next, grace_ms));
        let by = Arc::<str>::from(by);
        let rotated = self.write(Lane::Doors, 4, {
            let by = Arc::clone(&by);
            move |conn| rotate(conn, Arc::clone(&asked), Arc::clone(&by), at)
        });
        let record = rotated.await?;
        tell(&record, &by, "token.rotated");
        Ok(Issued { record, token })
    }

    /// Makes the first token of the whole engine; `None` when there is or was one.
    pub(crate) async fn create_first_token(
        &self,
        at: Timestamp,
    ) -> Result<Option<Token>, StoreError> {
        const BY: &str = "serve";
        let token = Token::draw()?;
        let first = NewToken {
            name: "first".to_owned(),
            tenant: None,
            scopes: Scopes::of([Scope::Admin]),
            expires_at: None,
        };
        let entry = Arc::new(Entry::of(first, &token, at));
        let created = self.write(Lane::Doors, 2, move |conn| {
            create_first(conn, Arc::clone(&entry), BY)
        });
        let created = created.await?;
        if let Some(record) = &created {
            tell(record, BY, "token.created");
        }
        Ok(created.map(|_| token))
    }
}

impl Entry {
    fn of(new: NewToken, token: &Token, at: Timestamp) -> Self {
        Self {
            new,
            prefix: token.prefix().clone(),
            hash: token.hash(),
            at,
        }
    }

    /// Returns the row with the number that it was given.
    fn record(&self, id: TokenId) -> TokenRecord {
        TokenRecord {
            id,
            prefix: self.prefix.clone(),
            tenant: self.new.tenant,
            name: self.new.name.clone(),
            scopes: self.new.scopes,
            created_at: self.at,
            expires_at: self.new.expires_at,
            revoked_at: None,
            replaced_by: None,
        }
    }

    async fn insert(&self, conn: &mut Conn) -> Result<TokenRecord, StoreError> {
        let row = args![
            self.new.tenant.map(|tenant| tenant.0),
            self.prefix.as_str(),
            self.hash.to_text(),
            self.new.name.as_str(),
            self.new.scopes.to_string(),
            self.at.unix_ms(),
            self.new.expires_at.map(Timestamp::unix_ms),
        ];
        let row = conn.first(&INSERT, row).await?;
        let id = row.ok_or(StoreError::Unreadable { what: "token" })?.int()?;
        Ok(self.record(TokenId(id)))
    }
}

impl Shown {
    fn read(row: &mut Row, now: Timestamp) -> Result<Self, StoreError> {
        const UNREADABLE: StoreError = StoreError::Unreadable {
            what: "hash of a token",
        };
        Ok(Self {
            hash: SecretHash::from_text(&row.text()?).ok_or(UNREADABLE)?,
            principal: Principal {
                token: TokenId(row.int()?),
                tenant: row.int_or_null()?.map(TenantId),
                scopes: row.parsed("scopes of a token")?,
            },
            state: TokenState::at(now, instant_or_null(row)?, instant_or_null(row)?),
        })
    }
}

fn create(
    conn: &mut Conn,
    entry: Arc<Entry>,
    by: Arc<str>,
) -> BoxFuture<'_, Result<TokenRecord, StoreError>> {
    Box::pin(async move {
        if let Some(tenant) = entry.new.tenant {
            let found = conn.first(&TENANT, args![tenant.0]).await?;
            found.ok_or(StoreError::Absent { what: "tenant" })?;
        }
        let record = entry.insert(conn).await?;
        note(
            conn,
            &record,
            entry.at,
            &by,
            "token.created",
            rights(&record),
        )
        .await?;
        Ok(record)
    })
}

fn create_first<'c>(
    conn: &'c mut Conn,
    entry: Arc<Entry>,
    by: &'c str,
) -> BoxFuture<'c, Result<Option<TokenRecord>, StoreError>> {
    Box::pin(async move {
        let row = args![
            entry.prefix.as_str(),
            entry.hash.to_text(),
            entry.new.name.as_str(),
            entry.new.scopes.to_string(),
            entry.at.unix_ms(),
        ];
        if conn.first(&INSERT_FIRST, row).await?.is_none() {
            return Ok(None);
        }
        let record = entry.record(FIRST);
        note(
            conn,
            &record,
            entry.at,
            by,
            "token.created",
            rights(&record),
        )
        .await?;
        Ok(Some(record))
    })
}

fn revoke(
    conn: &mut Conn,
    prefix: Arc<Prefix>,
    by: Arc<str>,
    at: Timestamp,
) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
    Box::pin(async move {
        let record = locked(conn, &prefix).await?;
        if record.revoked_at.is_some() {
            return Ok(None);
        }
        conn.execute(&REVOKE, args![record.id.0, at.unix_ms()])
            .await?;
        note(conn, &record, at, &by, "token.revoked", json!({})).await?;
        Ok(Some(record))
    })
}

/// The prefix of the token to rotate, prefix and hash of the next one, and the grace.
type Rotation = (Prefix, (Prefix, SecretHash), i64);

fn rotate(
    conn: &mut Conn,
    asked: Arc<Rotation>,
    by: Arc<str>,
    at: Timestamp,
) -> BoxFuture<'_, Result<TokenRecord, StoreError>> {
    Box::pin(async move {
        let (prefix, (next_prefix, next_hash), grace_ms) = &*asked;
        let old = locked(conn, prefix).await?;
        let (new, ends_at) = old.rotated(*grace_ms, at)?;
        let entry = Entry {
            new,
            prefix: next_prefix.clone(),
            hash: next_hash.clone(),
            at,
        };
        let record = entry.insert(conn).await?;
        let replaced = args![old.id.0, ends_at.unix_ms(), record.id.0];
        conn.execute(&REPLACE, replaced).await?;
        let detail = json!({
            "replaced_by": record.id.to_string(),
            "ends_at": ends_at.unix_ms(),
        });
        note(conn, &old, at, &by, "token.rotated", detail).await?;
        note(conn, &record, at, &by, "token.created", rights(&record)).await?;
        Ok(record)
    })
}

/// Reads a token and holds off whoever else would change it.
async fn locked(conn: &mut Conn, prefix: &Prefix) -> Result<TokenRecord, StoreError> {
    let found = conn.first(&LOCKED, args![prefix.as_str()]).await?;
    found
        .map(read)
        .transpose()?
        .ok_or(StoreError::Absent { what: "token" })
}

/// Writes what happened to a token into the audit.
async fn note(
    conn: &mut Conn,
    record: &TokenRecord,
    at: Timestamp,
    by: &str,
    action: &str,
    detail: Value,
) -> Result<(), StoreError> {
    let mut rows = Batch::default();
    rows.push(row![
        record.tenant.unwrap_or(OF_THE_ENGINE).0,
        at.unix_ms(),
        by,
        action,
        record.id.to_string(),
        detail.to_string(),
    ]);
    audit::record(conn, rows).await
}

/// Tells the log what happened to a token of the whole engine, once it stands.
fn tell(record: &TokenRecord, by: &str, action: &str) {
    if record.tenant.is_none() {
        tracing::info!(token = %record.id, prefix = %record.prefix, by, "{action}");
    }
}

/// What a token allows, for the audit.
fn rights(record: &TokenRecord) -> Value {
    json!({
        "prefix": record.prefix.as_str(),
        "scopes": record.scopes.to_string(),
        "expires_at": record.expires_at.map(Timestamp::unix_ms),
    })
}

fn read(mut row: Row) -> Result<TokenRecord, StoreError> {
    Ok(TokenRecord {
        id: TokenId(row.int()?),
        prefix: row.parsed("prefix of a token")?,
        tenant: row.int_or_null()?.map(TenantId),
        name: row.text()?,
        scopes: row.parsed("scopes of a token")?,
        created_at: instant(&mut row)?,
        expires_at: instant_or_null(&mut row)?,
        revoked_at: instant_or_null(&mut row)?,
        replaced_by: row.int_or_null()?.map(TokenId),
    })
}
