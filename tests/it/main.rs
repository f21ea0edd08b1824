//! One integration binary; a module per story.

mod differential;
mod simulation;
mod store;
mod tidy;
