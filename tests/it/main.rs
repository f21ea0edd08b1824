//! One integration binary; a module per story.

mod simulation;
mod store;
mod tidy;
