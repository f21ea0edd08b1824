//! E-mail addresses: what to send to, and the identity that all spellings of one person share.
//!
//! Knows spellings only; opt-outs, caps and cooldowns are kept by the identity elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mask::masked;
use crate::text_form::text_form;

const ADDRESS_BYTES_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// An e-mail address that can be sent to.
///
/// `Debug` and `Display` mask it; [`EmailAddress::as_str`] and [`EmailAddress::identity`] do not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    address: String,
    identity: String,
}

/// A text that is no e-mail address, or none that the engine sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// A control character, a line break above all, which could forge headers.
    #[error("an e-mail address has no control characters")]
    ReadControl,
    /// A letter outside ASCII; internationalised domains are accepted in their `xn--` form.
    #[error("an e-mail address is written in ascii, its domain in punycode")]
    ReadCharacter,
    /// More than 254 characters, or more than 64 before the at sign.
    #[error("the e-mail address is too long")]
    MeasureAddress,
    /// Not one at sign, or something in front of it that no plain address has.
    #[error("the part before the at sign is malformed")]
    ReadLocalPart,
    /// A domain that no host can have.
    #[error("the domain of the e-mail address is malformed")]
    ReadDomain,
}

impl EmailError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadControl => "email_control_character",
            Self::ReadCharacter => "email_character",
            Self::MeasureAddress => "email_length",
            Self::ReadLocalPart => "email_local_part",
            Self::ReadDomain => "email_domain",
        }
    }
}

impl EmailAddress {
    /// Reads an address; spaces around it are dropped, its domain becomes lower case.
    ///
    /// # Errors
    /// The first [`EmailError`] found. Quoted local parts, address literals and domains of one
    /// label are refused, although RFC 5321 has them.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(EmailError::MeasureAddress);
        }
        if text.chars().any(char::is_control) {
            return Err(EmailError::ReadControl);
        }
        if !text.is_ascii() {
            return Err(EmailError::ReadCharacter);
        }
        let text = text.trim_matches(' ');
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::ReadLocalPart)?;
        check_local_part(local)?;
        check_domain(domain)?;
        let domain = domain.to_ascii_lowercase();
        let identity = format!("{}@{domain}", untagged(local).to_ascii_lowercase());
        Ok(Self {
            address: format!("{local}@{domain}"),
            identity,
        })
    }

    /// Returns the address to send to, with the local part as it was written.
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// Returns the identity: in lower case, and without a tag after a plus sign.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.address))
    }
}

text_form!(EmailAddress, EmailError, address);

/// Drops a tag after a plus sign; a local part that begins with one has no other name.
fn untagged(local: &str) -> &str {
    match local.split_once('+') {
        // A dot before the plus sign would end the name, which no address does.
        Some((name, _)) if !name.is_empty() => name.trim_end_matches('.'),
        _ => local,
    }
}

fn check_local_part(local: &str) -> Result<(), EmailError> {
    if local.len() > LOCAL_BYTES_MAX {
        return Err(EmailError::MeasureAddress);
    }
    let is_dot_atom = local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte));
    is_dot_atom.then_some(()).ok_or(EmailError::ReadLocalPart)
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn check_domain(domain: &str) -> Result<(), EmailError> {
    let mut labels = domain.rsplit('.');
    let top_is_name = labels.next().is_some_and(is_top_label);
    let others = labels.map(is_label).collect::<Vec<_>>();
    let is_host = top_is_name && !others.is_empty() && others.into_iter().all(|label| label);
    is_host.then_some(()).ok_or(EmailError::ReadDomain)
}

fn is_top_label(label: &str) -> bool {
    is_label(label) && label.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn is_label(label: &str) -> bool {
    let is_written = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(is_written)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
