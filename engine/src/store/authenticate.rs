//! Whose token it is that somebody shows.

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::Store;
use super::codec::instant_or_null;
use super::conn::Row;
use super::error::StoreError;
use super::sql::{Sql, args, both};
use crate::access::{Principal, SecretHash, Token, TokenId, TokenState};

const SHOWN: Sql = both(
    "SELECT secret_hash, id, tenant_id, scopes, expires_at, revoked_at FROM service_tokens
     WHERE prefix = $1",
);

/// What a token is compared with, and whose it is.
struct Shown {
    hash: SecretHash,
    principal: Principal,
    state: TokenState,
}

impl Store {
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
