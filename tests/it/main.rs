//! One integration binary; a module per story.

mod kills;
mod store;
mod tidy;
