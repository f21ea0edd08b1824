//! Régua: the engine.
