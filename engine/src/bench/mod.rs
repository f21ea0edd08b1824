//! `regua bench`: the engine's figures, beside the limits they are to be read against.

pub mod api;
mod caller;
mod crowd;
pub mod cycle;
pub mod decide;
mod double;
pub mod drip;
pub mod ground;
pub mod import;
mod limit;
pub mod memory;
mod process;
mod sink;
pub mod synthetic;
pub mod whatif;
mod wire;
