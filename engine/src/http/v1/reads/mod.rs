//! What the API can read: one file a family of lists.

mod attempts;
mod audit;
mod boletos;
mod campaigns;
mod contacts;
mod csv;
mod enrollments;
mod list;
mod reminders;
mod sending;
mod settings;
pub(super) mod tags;
mod templates;
mod tenants;
mod upcoming;

use std::ops::Range;

use chrono::{DateTime, Utc};
use schedules::time::Timestamp;

use super::super::route::Route;

pub(super) use csv::Exports;

pub(super) const TABLE: &[&[Route]] = &[
    tenants::ROUTES,
    settings::ROUTES,
    templates::ROUTES,
    campaigns::ROUTES,
    contacts::ROUTES,
    boletos::ROUTES,
    enrollments::ROUTES,
    reminders::ROUTES,
    attempts::ROUTES,
    upcoming::ROUTES,
    audit::ROUTES,
];

/// Writes an instant as the API shows it.
fn shown(at: Timestamp) -> String {
    at.to_string()
}

fn instant(time: DateTime<Utc>) -> Timestamp {
    Timestamp::from_unix_ms(time.timestamp_millis())
}

/// Returns the instants from one on and before another, where either is stated.
fn span(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<Range<Timestamp>> {
    (from.is_some() || to.is_some()).then(|| {
        let first = from.map_or(Timestamp::from_unix_ms(i64::MIN), instant);
        first..to.map_or(Timestamp::MAX, instant)
    })
}
