//! Links by which a contact ends the messages of a channel: whoever has one may, nobody else can
//! make one.
//!
//! A link says whom it is about, by ids, and carries a keyed hash of that (HMAC-SHA256, RFC 2104).
//! It never expires: a message may be read years later.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use schedules::channel::Channel;
use schedules::id::{ContactId, TenantId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::config::Secret;
use crate::keys::keyed;

/// The path under which links are answered.
pub const PATH: &str = "/u/";
/// The fewest bytes of a key.
pub const KEY_BYTES_MIN: usize = 32;
/// What the hash is for: a key that is used for something else as well makes no links.
const PURPOSE: &str = "regua unsubscribe 1";

/// Makes links, and reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Links {
    /// Where this engine is reached from outside, without a slash at its end.
    pub base_url: String,
    /// The key.
    pub key: Secret,
}

/// Whose messages a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The tenant that sends.
    pub tenant: TenantId,
    /// The contact.
    pub contact: ContactId,
    /// The channel.
    pub channel: Channel,
}

impl Links {
    /// Returns the address that ends these messages.
    pub fn link(&self, whose: Whose) -> String {
        let text = text(whose);
        let hash = self.hash(&text).finalize().into_bytes();
        let hash = URL_SAFE_NO_PAD.encode(hash);
        format!("{}{PATH}{text}.{hash}", self.base_url)
    }

    /// Reads what follows the path of a link; none when the link is not one of ours.
    pub fn read(&self, token: &str) -> Option<Whose> {
        let (text, hash) = token.rsplit_once('.')?;
        let hash = URL_SAFE_NO_PAD.decode(hash).ok()?;
        self.hash(text).verify_slice(&hash).ok()?;
        let mut parts = text.split('.');
        let whose = Whose {
            tenant: parts.next()?.parse().ok()?,
            contact: parts.next()?.parse().ok()?,
            channel: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(whose)
    }

    fn hash(&self, text: &str) -> Hmac<Sha256> {
        // A key of one size, however long the secret is.
        let mut hash = keyed(&Sha256::digest(self.key.expose()).into());
        hash.update(PURPOSE.as_bytes());
        hash.update(&[0]);
        hash.update(text.as_bytes());
        hash
    }
}

fn text(whose: Whose) -> String {
    let Whose {
        tenant,
        contact,
        channel,
    } = whose;
    format!("{tenant}.{contact}.{channel}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(key: &str) -> Links {
        Links {
            base_url: "https://regua.example".to_owned(),
            key: Secret::new(key.to_owned()),
        }
    }

    const WHOSE: Whose = Whose {
        tenant: TenantId(7),
        contact: ContactId(42),
        channel: Channel::Email,
    };

    #[test]
    fn a_link_says_whom_it_is_about_and_nothing_personal() {
        let link = links("a").link(WHOSE);
        let token = link
            .strip_prefix("https://regua.example/u/")
            .expect("a path");
        assert!(token.starts_with("ten_7.con_42.email."), "{token}");
        assert!(
            token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        );
        assert_eq!(links("a").read(token), Some(WHOSE));
        assert_eq!(links("b").read(token), None, "another key");
    }

    #[test]
    fn a_link_that_was_changed_anywhere_is_none() {
        let link = links("a").link(WHOSE);
        let token = link.rsplit('/').next().expect("a token");
        for at in 0..token.len() {
            for other in ["", "0", "A", "."] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                let is_same = changed == token;
                assert_eq!(links("a").read(&changed).is_some(), is_same, "{changed}");
            }
        }
        let (text, hash) = token.rsplit_once('.').expect("a hash");
        for other in [
            format!("{text}."),
            text.to_owned(),
            String::new(),
            format!("ten_8.con_42.email.{hash}"),
            format!("ten_7.con_42.sms.{hash}"),
            format!("{token}="),
        ] {
            assert_eq!(links("a").read(&other), None, "{other}");
        }
    }
}
