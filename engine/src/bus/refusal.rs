//! Why a message of the bus is no fact, and the message as it is kept for whoever deals with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::message::{BODY_BYTES_MAX, Message, Unreadable};
use super::payments::UnusableEvent;
use super::signature::OutOfTime;
use crate::hex;
use crate::store::DeadEvent;

/// Why a message is no fact. It never quotes the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no signed event.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// There is no such key, or it has ended, or is another tenant's: nothing tells which.
    #[error("no key of the tenant has signed the event")]
    Key,
    /// The signature is another one.
    #[error("signature of the event is not right")]
    Signature,
    /// It was signed too long ago.
    #[error("event was signed too long ago")]
    Late,
    /// It says that it was signed in the future.
    #[error("event was signed in the future")]
    Early,
    /// It says nothing that the contract knows.
    #[error(transparent)]
    Unusable(#[from] UnusableEvent),
    /// Its id was used for something else.
    #[error("id of the event was used for something else")]
    Conflict,
    /// It is about nothing that the tenant has, or can have yet.
    #[error("event is about nothing that there is")]
    Unknown,
    /// The store takes others, and not this one.
    #[error("store refuses the event")]
    ByStore,
    /// It was delivered again and again, and nobody acknowledged it.
    #[error("message was delivered too often")]
    TooOften,
}

impl From<OutOfTime> for Refusal {
    fn from(why: OutOfTime) -> Self {
        match why {
            OutOfTime::Late => Self::Late,
            OutOfTime::Early => Self::Early,
        }
    }
}

impl Refusal {
    /// Says whether the message was signed as it should be, as far as was looked.
    const fn is_of_signed(self) -> bool {
        !matches!(self, Self::Unreadable(_) | Self::Key | Self::Signature)
    }

    /// Returns the code under which the runbook explains the reason.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable(Unreadable::TooLong) => "RG-EVENT-001",
            Self::Unreadable(Unreadable::Event) => "RG-EVENT-002",
            Self::Unreadable(Unreadable::Unsigned) => "RG-EVENT-003",
            Self::Key => "RG-EVENT-004",
            Self::Signature => "RG-EVENT-005",
            Self::Late => "RG-EVENT-006",
            Self::Early => "RG-EVENT-007",
            Self::Unusable(_) => "RG-EVENT-008",
            Self::Conflict => "RG-EVENT-009",
            Self::Unknown => "RG-EVENT-010",
            Self::TooOften => "RG-EVENT-011",
            Self::ByStore => "RG-EVENT-013",
        }
    }
}

/// A message as it is kept. A body that is too long for an event is not kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    content_type: Option<String>,
    headers: std::collections::BTreeMap<String, String>,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Message {
    /// Returns what is kept of the message, with the reason.
    pub fn set_aside(&self, why: Refusal) -> DeadEvent {
        let is_kept = self.body.len() <= BODY_BYTES_MAX;
        let kept = Kept {
            content_type: self.content_type.clone(),
            headers: self.headers.clone(),
            bytes: self.body.len(),
            body: is_kept.then(|| STANDARD.encode(&self.body)),
        };
        let content = serde_json::to_string(&kept).unwrap_or_default();
        let mut digest = Sha256::new();
        digest.update(content.as_bytes());
        digest.update(&self.body);
        let digest = digest.finalize();
        DeadEvent {
            digest: hex::written(&digest),
            code: why.code(),
            content,
            signed: why.is_of_signed(),
        }
    }

    /// Returns a message that was kept; none when its body was too long.
    pub fn kept(content: &str) -> Option<Self> {
        let kept: Kept = serde_json::from_str(content).ok()?;
        Some(Self {
            content_type: kept.content_type,
            headers: kept.headers,
            body: STANDARD.decode(kept.body?).ok()?,
        })
    }
}
