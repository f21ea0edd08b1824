//! Régua: the engine.

pub mod cli;
pub mod config;

pub mod facts;
pub mod imports;
pub mod store;
pub mod telemetry;
