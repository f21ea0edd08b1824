//! How many messages at most, in any window of time.

use serde::{Deserialize, Serialize};

/// What a cap counts together.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum CapScope {
    /// All messages to a contact, over every channel and campaign.
    Contact,
    /// All messages about a boleto.
    Boleto,
    /// Messages to a contact on the channel at hand.
    Channel,
    /// All messages of a campaign.
    Campaign,
    /// All messages of a tenant.
    Tenant,
}

/// The stretch of time over which a cap counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapWindow {
    /// Any stretch of this many milliseconds, half open: (now - ms, now].
    RollingMs(i64),
    /// A civil day in the tenant's zone.
    TenantDay,
}

/// At most `max` messages of `scope` in `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// What is counted together.
    pub scope: CapScope,
    /// The stretch of time.
    pub window: CapWindow,
    /// The most messages in it; 0 means never.
    pub max: u32,
}
