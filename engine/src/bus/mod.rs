//! The nerve: events about payments and contacts on their way to the doors.
//!
//! On one machine it is [`local`]: in process, at least once, the same promise as a broker.

pub mod envelope;
pub mod local;
pub mod payments;
