//! How many messages at most, in any window of time.
//!
//! A contact's sends are few and counted one by one. A campaign's and a tenant's are many and are
//! counted by the minute, in a [`Tally`] that errs to "capped".

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use crate::tally::Tally;
use crate::time::{DAY_MS, Timestamp, day_start};

/// What a cap counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CapWindow {
    /// Any stretch of this many milliseconds, half open: (now - ms, now].
    RollingMs(i64),
    /// A civil day in the tenant's zone.
    TenantDay,
}

/// At most `max` messages of `scope` in `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// What is counted together.
    pub scope: CapScope,
    /// The stretch of time.
    pub window: CapWindow,
    /// The most messages in it; 0 means never.
    pub max: u32,
}

impl CapWindow {
    /// Returns how far back sends can matter, in milliseconds; a civil day has up to 48 hours.
    pub const fn reach_ms(&self) -> i64 {
        match self {
            CapWindow::RollingMs(ms) => *ms,
            CapWindow::TenantDay => 2 * DAY_MS,
        }
    }
}

impl Cap {
    /// Returns the first instant from `now` on at which one more send keeps every window within
    /// the cap, given the sends so far, oldest first.
    ///
    /// Sends that are dated after `now` count as well. Nothing is returned when there is no such
    /// instant: a cap of 0.
    pub fn free_at(
        &self,
        sends: impl DoubleEndedIterator<Item = Timestamp>,
        tenant_zone: Tz,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let skipped = usize::try_from(self.max.checked_sub(1)?).ok()?;
        // As soon as this one is out of the window, at most `max - 1` are left in it.
        let Some(last_in_the_way_at) = sends.rev().nth(skipped) else {
            return Some(now);
        };
        Some(self.window.free_of(last_in_the_way_at, tenant_zone, now))
    }
}

impl CapWindow {
    /// Returns the first instant from `now` on whose window does not reach back to `send_at`.
    pub(crate) fn free_of(&self, send_at: Timestamp, zone: Tz, now: Timestamp) -> Timestamp {
        match self {
            CapWindow::RollingMs(ms) => now.max(send_at.plus_ms(*ms)),
            CapWindow::TenantDay if send_at < day_start(zone, now.local_date(zone)) => now,
            CapWindow::TenantDay => next_day_start(zone, send_at.max(now)),
        }
    }
}

fn next_day_start(zone: Tz, at: Timestamp) -> Timestamp {
    let next_on = at.local_date(zone).succ_opt();
    next_on.map_or(Timestamp::MAX, |on| day_start(zone, on))
}
