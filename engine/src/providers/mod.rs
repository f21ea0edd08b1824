//! The ways out: each implements [`provider::Provider`] and stands behind a circuit breaker, which
//! is an [`actors::ports::Gateway`].

pub mod breaker;
pub mod circuit;
pub mod mailbox;
pub mod provider;
pub mod registry;
pub mod settings;

#[cfg(test)]
mod fixture;
