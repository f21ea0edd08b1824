//! The ways out: each implements [`provider::Provider`] and stands behind a circuit breaker, which
//! is an [`actors::ports::Gateway`].

pub mod breaker;
pub mod circuit;
mod connect;
pub mod egress;
pub mod evolution;
pub mod http_sms;
pub mod mailbox;
pub mod opt_outs;
mod patience;
pub mod provider;
pub mod registry;
pub mod settings;
pub mod smtp;
pub mod whatsapp;

#[cfg(test)]
mod fixture;
