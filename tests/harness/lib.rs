//! The harness that the integration tests share.

pub mod binary;
pub mod database;
pub mod scene;
