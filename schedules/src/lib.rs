//! The pure domain of dunning: when a reminder of a boleto may go out, and why not.
//!
//! Nothing here reads a clock, randomness, the environment or a file: `now` is always an argument.
//! The crate knows neither databases nor actors; `actors` builds the tenant machine on top of it.

pub mod cadence;
pub mod calendar;
pub mod cap;
pub mod channel;
pub mod cooldown;
pub mod explain;
pub mod format;
pub mod id;
pub mod pace;
pub mod plan;
pub mod recurrence;
pub mod retry;
pub mod rule;
pub mod send_window;
pub mod stop;
mod tally;
pub mod template;
pub mod time;
pub mod verdict;

#[cfg(test)]
mod tests;
