//! How long a contact is left in peace after something happened.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What starts a cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Cooldown {
    /// The event.
    pub after: CooldownAfter,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: i64,
}

impl Cooldown {
    /// Returns the first instant from `now` on at which the cooldown of every event is over.
    pub fn free_at(
        &self,
        events: impl IntoIterator<Item = Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let ends = events
            .into_iter()
            .map(|event_at| event_at.plus_ms(self.lasts_ms));
        ends.fold(now, Timestamp::max)
    }
}
