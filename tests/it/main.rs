//! One integration binary; a module per story.

mod store;
mod tidy;
