//! The harness that the integration tests share.

pub mod behind;
pub mod binary;
pub mod chance;
pub mod database;
pub mod gateway;
pub mod http;
pub mod letter;
pub mod paths;
pub mod rabbit;
pub mod scene;
pub mod serving;
pub mod smtp;
