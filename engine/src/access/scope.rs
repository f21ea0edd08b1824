//! What a token allows, by stable names.

use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// One kind of thing that a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To see what is there.
    Read,
    /// To tell events: payments, opt-outs, replies.
    Facts,
    /// To bring contacts and boletos.
    Import,
    /// To change a tenant's settings and campaigns.
    Manage,
    /// Everything of the engine: tenants, tokens, its kill switch.
    Admin,
}

impl Scope {
    /// Every scope, in the order in which sets are written.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Facts,
        Self::Import,
        Self::Manage,
        Self::Admin,
    ];

    /// Returns the name under which it is stored and told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Facts => "facts",
            Self::Import => "import",
            Self::Manage => "manage",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes; its text is their names between commas, such as `read,facts`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, ToSchema)]
#[schema(value_type = String)]
pub struct Scopes(u8);

/// The text is not a set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scopes are admin, manage, import, facts and read, with commas between them")]
pub struct UnknownScopes;

impl Scopes {
    /// Returns a set.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let bits = scopes.into_iter().map(Scope::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// Says whether a scope is in the set.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Says whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns what is in the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl FromStr for Scopes {
    type Err = UnknownScopes;

    /// Reads names in any order; an empty text is no set.
    ///
    /// # Errors
    /// [`UnknownScopes`].
    fn from_str(text: &str) -> Result<Self, UnknownScopes> {
        let named = |name: &str| Scope::ALL.into_iter().find(|it| it.as_str() == name);
        let scopes = text.split(',').map(|name| named(name.trim()));
        let scopes: Option<Vec<Scope>> = scopes.collect();
        scopes.map(Self::of).ok_or(UnknownScopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_reads_back_as_it_is_written() {
        for bits in 1..1 << Scope::ALL.len() {
            let set = Scopes(bits);
            assert_eq!(set.to_string().parse(), Ok(set));
            assert_eq!(Scopes::of(set.iter()), set);
            assert!(!set.is_empty());
        }
        assert!(Scopes::default().is_empty());
    }

    #[test]
    fn names_are_read_in_any_order_and_nothing_else_is() {
        let set = Scopes::of([Scope::Facts, Scope::Read]);
        for text in ["read,facts", "facts, read", "facts,read,read"] {
            assert_eq!(text.parse(), Ok(set), "{text}");
        }
        assert_eq!(set.to_string(), "read,facts");
        for text in ["", ",", "read,", "READ", "all", "read facts"] {
            assert_eq!(text.parse::<Scopes>(), Err(UnknownScopes), "{text:?}");
        }
        let told = UnknownScopes.to_string();
        assert!(Scope::ALL.iter().all(|it| told.contains(it.as_str())));
    }
}
