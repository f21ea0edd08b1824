//! The HTTP listener: whether the process lives and can work, and the API of tenants.
//!
//! Handlers decide nothing: they read the request, ask whether the caller may, tell a door or ask
//! the store, and answer.

mod caller;
pub mod health;
mod problem;
pub mod server;
mod unsubscribe;
mod v1;
