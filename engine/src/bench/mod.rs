//! `regua bench`: the engine's figures, beside the limits they are to be read against.

pub mod decide;
pub mod synthetic;
