//! The HTTP listener: for now, whether the process lives and whether it can work.

pub mod health;
