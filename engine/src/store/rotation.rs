//! A token's successor, and the end of the one that it follows.

use std::sync::Arc;

use futures::future::BoxFuture;
use schedules::time::Timestamp;
use serde_json::json;

use super::Store;
use super::conn::Conn;
use super::doors::tenant::Edit;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Sql, args, both};
use super::tokens::{Entry, TokenMade, Written, locked, made_by, note, now, rights, told};
use crate::access::{Issued, Prefix, SecretHash, Token};

const REPLACE: Sql =
    both("UPDATE service_tokens SET expires_at = $2, replaced_by = $3 WHERE id = $1");

/// A rotation that is asked for.
struct Rotation {
    /// Of the token to rotate.
    prefix: Prefix,
    /// Prefix and hash of the next one.
    next: (Prefix, SecretHash),
    grace_ms: i64,
    made_by: Option<String>,
}

impl Store {
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
        let by = Arc::<str>::from(by);
        now(self.replace_token(prefix, grace_ms, by, at, None).await?)
    }

    /// Rotates a token by an edit, once.
    ///
    /// # Errors
    /// As [`Store::rotate_token`].
    pub async fn rotate_token_once(
        &self,
        prefix: &Prefix,
        grace_ms: i64,
        edit: &Edit,
    ) -> Result<TokenMade, StoreError> {
        let (by, made_by) = (Arc::<str>::from(edit.source.as_str()), edit.name());
        self.replace_token(prefix, grace_ms, by, edit.at, Some(made_by))
            .await
    }

    async fn replace_token(
        &self,
        prefix: &Prefix,
        grace_ms: i64,
        by: Arc<str>,
        at: Timestamp,
        made_by: Option<String>,
    ) -> Result<TokenMade, StoreError> {
        let token = Token::draw()?;
        let asked = Arc::new(Rotation {
            prefix: prefix.clone(),
            next: (token.prefix().clone(), token.hash()),
            grace_ms,
            made_by,
        });
        let rotated = self.write(Lane::Doors, 4, {
            let by = Arc::clone(&by);
            move |conn| rotate(conn, Arc::clone(&asked), Arc::clone(&by), at)
        });
        Ok(told(rotated.await?, token, &by, "token.rotated"))
    }
}

fn rotate(
    conn: &mut Conn,
    asked: Arc<Rotation>,
    by: Arc<str>,
    at: Timestamp,
) -> BoxFuture<'_, Result<Written, StoreError>> {
    Box::pin(async move {
        let old = locked(conn, &asked.prefix).await?;
        if let Some(before) = made_by(conn, asked.made_by.as_deref()).await? {
            return Ok(Err(before));
        }
        let (new, ends_at) = old.rotated(asked.grace_ms, at)?;
        let (prefix, hash) = asked.next.clone();
        let entry = Entry {
            new,
            prefix,
            hash,
            at,
            made_by: asked.made_by.clone(),
        };
        let record = match entry.insert(conn).await? {
            Ok(record) => record,
            before => return Ok(before),
        };
        let replaced = args![old.id.0, ends_at.unix_ms(), record.id.0];
        conn.execute(&REPLACE, replaced).await?;
        let detail = json!({
            "replaced_by": record.id.to_string(),
            "ends_at": ends_at.unix_ms(),
        });
        note(conn, &old, at, &by, "token.rotated", detail).await?;
        note(conn, &record, at, &by, "token.created", rights(&record)).await?;
        Ok(Ok(record))
    })
}
