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
use super::doors::tenant::Edit;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, both, row};
use crate::access::{
    InvalidToken, Issued, NewToken, NoRandomness, Prefix, Scope, Scopes, SecretHash, Token,
    TokenId, TokenRecord,
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

const INSERT: Sql = both(
    "INSERT INTO service_tokens (tenant_id, prefix, secret_hash, name, scopes, created_at,
         expires_at, made_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (made_by) DO NOTHING
     RETURNING id",
);

const MADE_BY: Sql = both("SELECT prefix FROM service_tokens WHERE made_by = $1");

/// Nodes that start together meet at the number.
const INSERT_FIRST: Sql = both(
    "INSERT INTO service_tokens (id, prefix, secret_hash, name, scopes, created_at)
     SELECT 0, $1, $2, $3, $4, $5
     WHERE NOT EXISTS (SELECT 1 FROM service_tokens WHERE tenant_id IS NULL)
     ON CONFLICT (id) DO NOTHING
     RETURNING id",
);

const REVOKE: Sql = both("UPDATE service_tokens SET revoked_at = $2 WHERE id = $1");

const TENANT: Sql = both("SELECT id FROM tenants WHERE id = $1");

/// A row to be: what is asked for, and what is kept of the secret.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) new: NewToken,
    pub(super) prefix: Prefix,
    pub(super) hash: SecretHash,
    pub(super) at: Timestamp,
    /// The edit that makes it: given again, it makes no other.
    pub(super) made_by: Option<String>,
}

/// What became of an edit that makes a token.
#[derive(Clone, Debug)]
pub enum TokenMade {
    /// The token was made now; its secret is here and nowhere else.
    Now(Issued),
    /// The edit made this token before; nobody has its secret but who was answered then.
    Before(Prefix),
}

/// The row that was written, or the token that the edit made before.
pub(super) type Written = Result<TokenRecord, Prefix>;

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
        now(self.make_token(new, by, at, None).await?)
    }

    /// Makes a token by an edit, once.
    ///
    /// # Errors
    /// As [`Store::create_token`].
    pub async fn create_token_once(
        &self,
        new: NewToken,
        edit: &Edit,
    ) -> Result<TokenMade, StoreError> {
        let made_by = Some(edit.name());
        self.make_token(new, &edit.source, edit.at, made_by).await
    }

    async fn make_token(
        &self,
        new: NewToken,
        by: &str,
        at: Timestamp,
        made_by: Option<String>,
    ) -> Result<TokenMade, StoreError> {
        new.check(at)?;
        let token = Token::draw()?;
        let entry = Entry {
            made_by,
            ..Entry::of(new, &token, at)
        };
        let (entry, by) = (Arc::new(entry), Arc::<str>::from(by));
        let created = self.write(Lane::Doors, 2, {
            let by = Arc::clone(&by);
            move |conn| create(conn, Arc::clone(&entry), Arc::clone(&by))
        });
        Ok(told(created.await?, token, &by, "token.created"))
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
            made_by: None,
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

    pub(super) async fn insert(&self, conn: &mut Conn) -> Result<Written, StoreError> {
        let row = args![
            self.new.tenant.map(|tenant| tenant.0),
            self.prefix.as_str(),
            self.hash.to_text(),
            self.new.name.as_str(),
            self.new.scopes.to_string(),
            self.at.unix_ms(),
            self.new.expires_at.map(Timestamp::unix_ms),
            self.made_by.clone(),
        ];
        if let Some(mut row) = conn.first(&INSERT, row).await? {
            return Ok(Ok(self.record(TokenId(row.int()?))));
        }
        let before = made_by(conn, self.made_by.as_deref()).await?;
        before
            .map(Err)
            .ok_or(StoreError::Unreadable { what: "token" })
    }
}

/// Returns the token that an edit made.
pub(super) async fn made_by(
    conn: &mut Conn,
    edit: Option<&str>,
) -> Result<Option<Prefix>, StoreError> {
    let Some(edit) = edit else { return Ok(None) };
    let row = conn.first(&MADE_BY, args![edit]).await?;
    row.map(|mut row| row.parsed("prefix of a token"))
        .transpose()
}

/// Tells of a token that stands, and hands out its secret.
pub(super) fn told(written: Written, token: Token, by: &str, action: &str) -> TokenMade {
    match written {
        Ok(record) => {
            tell(&record, by, action);
            TokenMade::Now(Issued { record, token })
        }
        Err(prefix) => TokenMade::Before(prefix),
    }
}

/// What no edit makes was never made before.
pub(super) fn now(made: TokenMade) -> Result<Issued, StoreError> {
    match made {
        TokenMade::Now(issued) => Ok(issued),
        TokenMade::Before(_) => Err(StoreError::Unreadable { what: "token" }),
    }
}

fn create(
    conn: &mut Conn,
    entry: Arc<Entry>,
    by: Arc<str>,
) -> BoxFuture<'_, Result<Written, StoreError>> {
    Box::pin(async move {
        if let Some(tenant) = entry.new.tenant {
            let found = conn.first(&TENANT, args![tenant.0]).await?;
            found.ok_or(StoreError::Absent { what: "tenant" })?;
        }
        let record = match entry.insert(conn).await? {
            Ok(record) => record,
            before => return Ok(before),
        };
        let rights = rights(&record);
        note(conn, &record, entry.at, &by, "token.created", rights).await?;
        Ok(Ok(record))
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

/// Reads a token and holds off whoever else would change it.
pub(super) async fn locked(conn: &mut Conn, prefix: &Prefix) -> Result<TokenRecord, StoreError> {
    let found = conn.first(&LOCKED, args![prefix.as_str()]).await?;
    found
        .map(read)
        .transpose()?
        .ok_or(StoreError::Absent { what: "token" })
}

/// Writes what happened to a token into the audit.
pub(super) async fn note(
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
pub(super) fn rights(record: &TokenRecord) -> Value {
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
