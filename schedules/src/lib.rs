//! The pure domain of dunning: when a reminder of a boleto may go out, and why not.
//!
//! Nothing here reads a clock, randomness, the environment or a file: `now` is always an argument.
//! The crate knows neither databases nor actors; `actors` builds the tenant machine on top of it.

pub mod area_code;
pub mod boleto;
pub mod brcode;
pub mod calendar;
pub mod channel;
pub mod characters;
pub mod charges;
mod check_digits;
pub mod collection_line;
pub mod contact;
pub mod digitable_line;
pub mod document;
pub mod due_factor;
pub mod id;
pub mod phone;
pub mod time;

#[cfg(test)]
mod tests;
