//! What the API can read: one file a family of lists.
//!
//! A path that other methods share is registered here for GET alone, before theirs.

mod attempts;
mod audit;
mod boletos;
mod campaigns;
mod contacts;
mod csv;
mod enrollments;
mod list;
mod reminders;
mod settings;
pub(super) mod tags;
mod templates;
mod tenants;
mod upcoming;

use actix_web::{guard, web};
use chrono::{DateTime, Utc};
use schedules::time::Timestamp;

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.app_data(web::Data::new(csv::Exports::default()))
        .configure(tenants::endpoints)
        .configure(settings::endpoints)
        .configure(templates::endpoints)
        .configure(campaigns::endpoints)
        .configure(contacts::endpoints)
        .configure(boletos::endpoints)
        .configure(enrollments::endpoints)
        .configure(reminders::endpoints)
        .configure(attempts::endpoints)
        .configure(upcoming::endpoints)
        .configure(audit::endpoints);
}

/// A path of which the other methods are somebody else's.
fn shared(path: &str) -> actix_web::Resource {
    web::resource(path).guard(guard::Get())
}

/// Writes an instant as the API shows it.
fn shown(at: Timestamp) -> String {
    at.to_string()
}

fn instant(time: DateTime<Utc>) -> Timestamp {
    Timestamp::from_unix_ms(time.timestamp_millis())
}
