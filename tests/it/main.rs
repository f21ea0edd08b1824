//! One integration binary; a module per story.

mod api;
mod commands;
mod differential;
mod doors;
mod kills;
mod providers;
mod simulation;
mod store;
mod tidy;
