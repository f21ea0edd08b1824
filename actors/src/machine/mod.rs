//! The tenant machine: a value that decides what follows from what came in.
//!
//! It knows neither actix nor tokio, reads no clock and draws no randomness. `decide` borrows
//! immutably, so memory is never ahead of the disk; `apply` follows a commit, and also rebuilds
//! the machine from stored rows, so that recovery is the normal path.

pub mod change;
pub mod effect;
pub mod input;
