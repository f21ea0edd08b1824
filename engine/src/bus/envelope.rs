//! The shape of an event on the bus: the attributes of CloudEvents 1.0 that the engine uses.

use std::fmt;

use schedules::id::TenantId;
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest event id: what AMQP takes as the id of a message.
pub const ID_BYTES_MAX: usize = 255;

/// One event. Source: CloudEvents 1.0.2, context attributes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The event's id, unique for its source: the key by which duplicates are known.
    pub id: String,
    /// Who says it.
    pub source: String,
    /// What it is, for example `boleto.paid`; the routing key of the bus.
    #[serde(rename = "type")]
    pub kind: String,
    /// The tenant it is about.
    pub tenant: TenantId,
    /// When it happened.
    pub time: Timestamp,
    /// What the type says more.
    #[serde(default)]
    pub data: Value,
}

/// Hides the data, which may name a contact by phone or e-mail.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("tenant", &self.tenant)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
