//! Who may do what: service tokens, what they allow, and the one decision about it.
//!
//! A caller shows a [`Token`]; the store says whose it is, a [`Principal`]; [`authorise`] says
//! whether that one may do what it asks for. Nothing here knows HTTP or SQL.

mod first;
mod principal;
mod record;
mod scope;
mod token;

pub use first::first_token;
pub use principal::{Denied, Principal, authorise};
pub use record::{InvalidToken, Issued, NewToken, TokenId, TokenRecord, TokenState};
pub use scope::{Scope, Scopes, UnknownScopes};
pub use token::{MalformedToken, NoRandomness, Prefix, SecretHash, Token};
