//! Régua: the engine.

pub mod cli;
pub mod config;

pub mod imports;
pub mod telemetry;
