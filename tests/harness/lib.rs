//! The harness that the integration tests share.

pub mod database;
pub mod scene;
