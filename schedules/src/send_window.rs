//! When of a local day a message may reach a contact.

use chrono::Weekday;
use serde::{Deserialize, Serialize};

/// Minutes since local midnight.
pub type MinuteOfDay = u16;

/// One stretch of a local day, half open: `from` is inside, `until` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// First minute inside.
    pub from: MinuteOfDay,
    /// First minute outside again, at most 1440.
    pub until: MinuteOfDay,
}

/// The stretches in which messages may reach a contact, per weekday and on holidays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendWindow {
    /// Index 0 is Monday, 6 is Sunday; no stretch means closed.
    pub weekdays: [Vec<Stretch>; 7],
    /// What holds on a holiday of the tenant's calendar, whatever the weekday.
    pub holidays: Vec<Stretch>,
}

impl SendWindow {
    /// Returns the stretches of a weekday that is no holiday.
    pub fn on(&self, weekday: Weekday) -> &[Stretch] {
        &self.weekdays[weekday.num_days_from_monday() as usize]
    }
}
