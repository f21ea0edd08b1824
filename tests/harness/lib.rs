//! The harness that the integration tests share.
