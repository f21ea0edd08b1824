//! Régua: the engine.

pub mod facts;
pub mod store;
