//! One integration binary; a module per story.

mod commands;
mod kills;
mod store;
mod tidy;
