//! The ways out: each provider implements [`actors::ports::Gateway`].

pub mod mailbox;
pub mod registry;
pub mod settings;
