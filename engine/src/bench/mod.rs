//! `regua bench`: the engine's figures, beside the limits they are to be read against.

mod crowd;
pub mod cycle;
pub mod decide;
pub mod ground;
pub mod import;
mod limit;
pub mod memory;
mod process;
mod sink;
pub mod synthetic;
pub mod whatif;
