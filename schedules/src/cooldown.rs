//! How long a contact is left in peace after something happened.

use serde::{Deserialize, Serialize};

/// What starts a cooldown.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CooldownAfter {
    /// A message to the contact.
    Send,
    /// A reply of the contact.
    Reply,
    /// A promise of the contact to pay.
    PromiseToPay,
}

/// No message to a contact for `lasts_ms` after the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cooldown {
    /// The event.
    pub after: CooldownAfter,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: i64,
}
