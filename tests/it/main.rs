//! One integration binary; a module per story.

mod api;
mod attacks;
mod commands;
mod differential;
mod doors;
mod kills;
mod simulation;
mod store;
mod tidy;
