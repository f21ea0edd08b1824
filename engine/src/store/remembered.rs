//! What the API answered under a key: made again, a request is answered the same and done once.
//!
//! Whoever comes first claims the key, does the work and leaves the answer. A claim whose holder
//! never answers ends by itself; the work has ids of its own, so that what it had done by then is
//! not done twice.

use std::sync::Arc;

use futures::future::BoxFuture;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::Store;
use super::audit::OF_THE_ENGINE;
use super::conn::{Conn, Row};
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Arg, Sql, args, both};
use crate::access::TokenId;

/// How long a claim holds without an answer, in milliseconds: longer than any work may take.
pub const CLAIM_MS: i64 = 120_000;

/// How many answers that were kept for long enough a claim removes.
const REMOVED_AT_ONCE: i64 = 32;

const CLAIM: Sql = both(
    "INSERT INTO idempotency_keys (tenant_id, token_id, key, fingerprint, claim, claimed_until,
         created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (tenant_id, token_id, key) DO UPDATE
     SET fingerprint = excluded.fingerprint, claim = excluded.claim,
         claimed_until = excluded.claimed_until, created_at = excluded.created_at,
         status = NULL, content_type = NULL, body = NULL
     -- Kept for long enough; or left without an answer, and then only for the same request.
     WHERE idempotency_keys.created_at <= $8
        OR (idempotency_keys.status IS NULL AND idempotency_keys.claimed_until <= $7
            AND idempotency_keys.fingerprint = excluded.fingerprint)
     RETURNING claim",
);

const READ: Sql = both(
    "SELECT fingerprint, status, content_type, body FROM idempotency_keys
     WHERE tenant_id = $1 AND token_id = $2 AND key = $3",
);

const KEEP: Sql = both(
    "UPDATE idempotency_keys SET status = $5, content_type = $6, body = $7
     WHERE tenant_id = $1 AND token_id = $2 AND key = $3
       AND claim = $4 AND status IS NULL",
);

const FREE: Sql = both(
    "DELETE FROM idempotency_keys
     WHERE tenant_id = $1 AND token_id = $2 AND key = $3
       AND claim = $4 AND status IS NULL",
);

macro_rules! remove_old {
    ($lock:literal) => {
        concat!(
            "DELETE FROM idempotency_keys WHERE (tenant_id, token_id, key) IN (
                 SELECT tenant_id, token_id, key FROM idempotency_keys
                 WHERE created_at <= $1 ORDER BY created_at LIMIT $2",
            $lock,
            ")"
        )
    };
}

const REMOVE_OLD: Sql = Sql {
    sqlite: remove_old!(""),
    // Another one who removes them is not waited for.
    postgres: remove_old!(" FOR UPDATE SKIP LOCKED"),
};

/// A request that may be made again: its key, whose it is, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// The tenant that it is about, if it is about one.
    pub tenant: Option<TenantId>,
    /// The token that asks: keys of one never meet those of another.
    pub token: TokenId,
    /// The key.
    pub key: String,
    /// A hash of method, path and body.
    pub fingerprint: String,
    /// Unique for this time that it is made.
    pub claim: String,
}

/// An answer as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The status.
    pub status: u16,
    /// The media type of the body; empty when there is none.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// Hides the body, which says what it is about.
impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What becomes of a request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is to be done now.
    Now,
    /// It is being done, or was begun and never ended.
    InFlight,
    /// The key was used for something else.
    Reused,
    /// It was done, and answered so.
    Before(Remembered),
}

impl Repeatable {
    fn named(&self, rest: Vec<Arg>) -> Vec<Arg> {
        let tenant = self.tenant.unwrap_or(OF_THE_ENGINE).0;
        let mut named = args![tenant, self.token.0, self.key.as_str()];
        named.extend(rest);
        named
    }
}

impl Store {
    /// Claims the key of a request, or says what became of it before. Answers older than `keep_ms`
    /// count no more, and some of them are removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_key(
        &self,
        request: &Repeatable,
        now: Timestamp,
        keep_ms: i64,
    ) -> Result<Claimed, StoreError> {
        let request = Arc::new(request.clone());
        self.write(Lane::Doors, 2, move |conn| {
            claim(conn, Arc::clone(&request), now, now.plus_ms(-keep_ms))
        })
        .await
    }

    /// Keeps the answer to a request; false when its claim is another's by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_answer(
        &self,
        request: &Repeatable,
        answer: Remembered,
    ) -> Result<bool, StoreError> {
        let kept = Arc::new((request.clone(), answer));
        self.write(Lane::Doors, 1, move |conn| {
            let (request, answer) = &*kept;
            let args = request.named(args![
                request.claim.as_str(),
                i64::from(answer.status),
                answer.content_type.as_str(),
                answer.body.as_str(),
            ]);
            Box::pin(async move { Ok(conn.execute(&KEEP, args).await? == 1) })
        })
        .await
    }

    /// Lets go of a claim without an answer: the request may be made anew at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn free_key(&self, request: &Repeatable) -> Result<(), StoreError> {
        let request = Arc::new(request.clone());
        self.write(Lane::Doors, 1, move |conn| {
            let args = request.named(args![request.claim.as_str()]);
            Box::pin(async move { conn.execute(&FREE, args).await.map(drop) })
        })
        .await
    }
}

fn claim(
    conn: &mut Conn,
    request: Arc<Repeatable>,
    now: Timestamp,
    horizon: Timestamp,
) -> BoxFuture<'_, Result<Claimed, StoreError>> {
    Box::pin(async move {
        let row = request.named(args![
            request.fingerprint.as_str(),
            request.claim.as_str(),
            now.plus_ms(CLAIM_MS).unix_ms(),
            now.unix_ms(),
            horizon.unix_ms(),
        ]);
        let claimed = conn.first(&CLAIM, row).await?.is_some();
        conn.execute(&REMOVE_OLD, args![horizon.unix_ms(), REMOVED_AT_ONCE])
            .await?;
        if claimed {
            return Ok(Claimed::Now);
        }
        let found = conn.first(&READ, request.named(Vec::new())).await?;
        match found {
            Some(row) => before(row, &request.fingerprint),
            // Let go of in between: whoever asks again may claim it.
            None => Ok(Claimed::InFlight),
        }
    })
}

fn before(mut row: Row, fingerprint: &str) -> Result<Claimed, StoreError> {
    const UNREADABLE: StoreError = StoreError::Unreadable {
        what: "kept answer",
    };
    if row.text()? != fingerprint {
        return Ok(Claimed::Reused);
    }
    let Some(status) = row.int_or_null()? else {
        return Ok(Claimed::InFlight);
    };
    Ok(Claimed::Before(Remembered {
        status: u16::try_from(status).map_err(|_| UNREADABLE)?,
        content_type: row.text()?,
        body: row.text()?,
    }))
}
