//! One integration binary; a module per story.

mod commands;
mod kills;
mod simulation;
mod store;
mod tidy;
