//! One integration binary; a module per story.

mod api;
mod attacks;
mod bus;
mod commands;
mod differential;
mod doors;
mod fuzz;
mod kills;
mod providers;
mod simulation;
mod store;
mod tidy;
