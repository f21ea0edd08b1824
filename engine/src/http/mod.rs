//! The HTTP listener: whether the process lives and can work, and the API of tenants.
//!
//! Handlers decide nothing: once the table of paths says that the caller may, they read the
//! request, tell a door or ask the store, and answer.

mod body;
mod bounds;
mod caller;
mod doc;
pub mod health;
pub mod limits;
mod once;
pub mod openapi;
mod problem;
mod route;
pub mod server;
pub mod turns;
mod unread;
mod unsubscribe;
mod v1;

pub use route::{Route, Verb};
pub use v1::routes;
