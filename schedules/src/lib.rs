//! The pure domain of dunning: when a reminder of a boleto may go out, and why not.
//!
//! Nothing here reads a clock, randomness, the environment or a file: `now` is always an argument.
//! The crate knows neither databases nor actors; `actors` builds the tenant machine on top of it.

pub mod area_code;
pub mod boleto;
pub mod brcode;
pub mod cadence;
pub mod calendar;
pub mod cap;
pub mod channel;
pub mod characters;
pub mod charges;
mod check_digits;
pub mod code;
pub mod collection_line;
pub mod contact;
pub mod cooldown;
pub mod digitable_line;
pub mod document;
pub mod due_factor;
pub mod explain;
pub mod format;
pub mod id;
pub mod link;
pub mod mask;
pub mod mix;
pub mod pace;
pub mod phone;
pub mod plan;
pub mod recurrence;
pub mod reference;
pub mod retry;
pub mod rule;
pub mod send_window;
pub mod stop;
mod tally;
pub mod template;
mod text_form;
pub mod time;
pub mod verdict;

#[cfg(test)]
mod tests;
