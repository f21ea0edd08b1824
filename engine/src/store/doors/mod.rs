//! What doors write: facts and the settings that tenants give.
//!
//! A door writes the inbox row, the absorbing status of its subject and the stop of its
//! enrollments, in one transaction, and nothing that follows from them.

mod act;
pub(super) mod campaign;
pub(super) mod contact;
pub(super) mod engine;
pub(super) mod facts;
pub(super) mod import;
pub(super) mod import_job;
mod import_rows;
pub(super) mod in_flight;
pub(super) mod launch;
mod parked;
pub(super) mod register;
mod resolve;
pub(super) mod tenant;
mod valid;

pub use valid::InvalidSetting;
