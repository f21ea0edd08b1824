//! Tokens as the store has them: what is asked for, what is listed, what a rotation makes of one.

use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

use schedules::id::{TenantId, UnreadableId};
use schedules::time::Timestamp;

use super::scope::{Scope, Scopes};
use super::token::{Prefix, Token};

/// The most characters that a token's name may have.
const NAME_MAX: usize = 100;

/// A service token. The first one that a node made for itself has the number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^tok_-?[0-9]+$")]
pub struct TokenId(pub i64);

impl FromStr for TokenId {
    type Err = UnreadableId;

    fn from_str(text: &str) -> Result<Self, UnreadableId> {
        text.strip_prefix("tok_")
            .and_then(|number| number.parse().ok())
            .map(Self)
            .filter(|id| id.to_string() == text)
            .ok_or(UnreadableId)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tok_{}", self.0)
    }
}

/// A token that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What people know it by; not unique.
    pub name: String,
    /// The tenant that it is of; `None` for one of the whole engine.
    pub tenant: Option<TenantId>,
    /// What it allows.
    pub scopes: Scopes,
    /// The first instant at which it counts no more.
    pub expires_at: Option<Timestamp>,
}

/// Why a token was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// A name that nobody could read in a list.
    #[error("the name of a token has 1 to 100 characters, none of them a control character")]
    Name,
    /// A token that could do nothing.
    #[error("a token needs a scope")]
    NoScope,
    /// A tenant's token that could reach other tenants.
    #[error("a tenant's token cannot have the scope admin")]
    AdminOfTenant,
    /// A token of the whole engine is its operator's.
    #[error("a token without a tenant needs the scope admin")]
    NoTenant,
    /// A token that would end before it begins.
    #[error("a token's end lies in the future")]
    EndsBefore,
    /// A token that has ended is not revived by a rotation.
    #[error("the token has expired or is revoked")]
    HasEnded,
    /// A token has one successor.
    #[error("the token was rotated before")]
    IsReplaced,
    /// A grace that ends before it begins.
    #[error("the grace of a rotation is negative")]
    NegativeGrace,
}

impl NewToken {
    /// Checks what is asked for at an instant.
    ///
    /// # Errors
    /// [`InvalidToken`].
    pub fn check(&self, at: Timestamp) -> Result<(), InvalidToken> {
        let is_readable = !self.name.trim().is_empty()
            && self.name.chars().count() <= NAME_MAX
            && !self.name.contains(char::is_control);
        if !is_readable {
            return Err(InvalidToken::Name);
        }
        match (self.tenant, self.scopes.contains(Scope::Admin)) {
            _ if self.scopes.is_empty() => Err(InvalidToken::NoScope),
            (Some(_), true) => Err(InvalidToken::AdminOfTenant),
            (None, false) => Err(InvalidToken::NoTenant),
            _ if self.expires_at.is_some_and(|end| end <= at) => Err(InvalidToken::EndsBefore),
            _ => Ok(()),
        }
    }
}

/// A token as it is listed: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// The number.
    pub id: TokenId,
    /// The public part.
    pub prefix: Prefix,
    /// The tenant that it is of; `None` for one of the whole engine.
    pub tenant: Option<TenantId>,
    /// What people know it by.
    pub name: String,
    /// What it allows.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first instant at which it counts no more.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The token that a rotation made of it.
    pub replaced_by: Option<TokenId>,
}

/// Whether a token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It counts.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl TokenState {
    /// Returns how a token stands at an instant.
    ///
    /// A revocation counts at once, also where the clock of who revoked it is ahead.
    pub fn at(
        now: Timestamp,
        expires_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
    ) -> Self {
        match (revoked_at, expires_at) {
            (Some(_), _) => Self::Revoked,
            (None, Some(end)) if end <= now => Self::Expired,
            _ => Self::Active,
        }
    }

    /// Returns the name under which it is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl TokenRecord {
    /// Returns how the token stands at an instant.
    pub fn state(&self, now: Timestamp) -> TokenState {
        TokenState::at(now, self.expires_at, self.revoked_at)
    }

    /// Returns the token that takes this one's place, and the instant at which this one ends.
    ///
    /// The new one has the same rights and lives as long as this one was made for, from `at` on.
    /// The grace never lets this one live longer than it would have.
    ///
    /// # Errors
    /// [`InvalidToken::NegativeGrace`], [`InvalidToken::HasEnded`], [`InvalidToken::IsReplaced`].
    pub fn rotated(
        &self,
        grace_ms: i64,
        at: Timestamp,
    ) -> Result<(NewToken, Timestamp), InvalidToken> {
        match (self.state(at), self.replaced_by) {
            _ if grace_ms < 0 => Err(InvalidToken::NegativeGrace),
            (TokenState::Expired | TokenState::Revoked, _) => Err(InvalidToken::HasEnded),
            (TokenState::Active, Some(_)) => Err(InvalidToken::IsReplaced),
            (TokenState::Active, None) => {
                let end = at.plus_ms(grace_ms);
                let life = |end: Timestamp| end.since(self.created_at);
                let next = NewToken {
                    name: self.name.clone(),
                    tenant: self.tenant,
                    scopes: self.scopes,
                    expires_at: self.expires_at.map(|end| at.plus_ms(life(end))),
                };
                Ok((next, self.expires_at.map_or(end, |own| own.min(end))))
            }
        }
    }
}

/// A token that was just made, with its secret: the one time that it is seen.
#[derive(Clone, Debug)]
pub struct Issued {
    /// As it is listed.
    pub record: TokenRecord,
    /// For its holder.
    pub token: Token,
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_000);

    fn asked(tenant: Option<i64>, scopes: &str) -> NewToken {
        NewToken {
            name: "shop".to_owned(),
            tenant: tenant.map(TenantId),
            scopes: scopes.parse().unwrap_or_default(),
            expires_at: None,
        }
    }

    fn record(expires_at: Option<i64>) -> TokenRecord {
        TokenRecord {
            id: TokenId(3),
            prefix: "abcdefghij09".parse().expect("a prefix"),
            tenant: Some(TenantId(1)),
            name: "shop".to_owned(),
            scopes: Scopes::of([Scope::Read]),
            created_at: T0,
            expires_at: expires_at.map(|ms| T0.plus_ms(ms)),
            revoked_at: None,
            replaced_by: None,
        }
    }

    #[test]
    fn a_tenants_token_has_no_admin_and_the_engines_has() {
        let check = |tenant, scopes| asked(tenant, scopes).check(T0);
        assert_eq!(check(Some(1), "read,facts,import,manage"), Ok(()));
        assert_eq!(check(None, "admin"), Ok(()));
        assert_eq!(check(None, "admin,read"), Ok(()));
        assert_eq!(
            check(Some(1), "read,admin"),
            Err(InvalidToken::AdminOfTenant)
        );
        assert_eq!(check(None, "read"), Err(InvalidToken::NoTenant));
        assert_eq!(check(Some(1), ""), Err(InvalidToken::NoScope));
        assert_eq!(check(None, ""), Err(InvalidToken::NoScope));
    }

    #[test]
    fn a_name_can_be_read_in_a_list_and_an_end_lies_ahead() {
        let (long, longest) = ("é".repeat(NAME_MAX + 1), "é".repeat(NAME_MAX));
        for name in ["", "  ", "a\u{1b}[31m", "a\nb", &long] {
            let token = NewToken {
                name: name.to_owned(),
                ..asked(Some(1), "read")
            };
            assert_eq!(token.check(T0), Err(InvalidToken::Name), "{name:?}");
        }
        let ending = |ms| NewToken {
            name: longest.clone(),
            expires_at: Some(T0.plus_ms(ms)),
            ..asked(Some(1), "read")
        };
        assert_eq!(ending(1).check(T0), Ok(()));
        assert_eq!(ending(0).check(T0), Err(InvalidToken::EndsBefore));
    }

    #[test]
    fn a_token_ends_at_the_instant_it_says_and_a_revocation_counts_at_once() {
        let at = |ms| record(Some(10)).state(T0.plus_ms(ms));
        assert_eq!((at(9), at(10)), (TokenState::Active, TokenState::Expired));
        let revoked = TokenRecord {
            revoked_at: Some(T0.plus_ms(500)),
            ..record(None)
        };
        assert_eq!(revoked.state(T0), TokenState::Revoked);
        assert_eq!(record(None).state(Timestamp::MAX), TokenState::Active);
    }

    #[test]
    fn a_rotation_keeps_the_rights_and_the_length_of_life() {
        let at = T0.plus_ms(60);
        let (next, end) = record(Some(100)).rotated(20, at).expect("a rotation");
        let expected = NewToken {
            expires_at: Some(at.plus_ms(100)),
            ..asked(Some(1), "read")
        };
        assert_eq!((next, end), (expected, at.plus_ms(20)));
        // A grace does not give the old one more time than it had.
        let (_, end) = record(Some(100)).rotated(50, at).expect("a rotation");
        assert_eq!(end, T0.plus_ms(100));
        let (next, end) = record(None).rotated(0, at).expect("a rotation");
        assert_eq!((next.expires_at, end), (None, at));
    }

    #[test]
    fn what_has_ended_or_was_rotated_is_not_rotated() {
        let fault = |record: TokenRecord, grace| record.rotated(grace, T0.plus_ms(100)).err();
        let revoked = TokenRecord {
            revoked_at: Some(T0),
            ..record(None)
        };
        let replaced = TokenRecord {
            replaced_by: Some(TokenId(4)),
            ..record(None)
        };
        assert_eq!(fault(record(Some(100)), 1), Some(InvalidToken::HasEnded));
        assert_eq!(fault(revoked, 1), Some(InvalidToken::HasEnded));
        assert_eq!(fault(replaced, 1), Some(InvalidToken::IsReplaced));
        assert_eq!(fault(record(None), -1), Some(InvalidToken::NegativeGrace));
    }
}
