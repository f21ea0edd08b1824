//! What people are shown that no row says: the state of a reminder, folded from its records, and
//! the reminders to come, as the planner has them.

mod reminders;
mod story;
mod upcoming;

pub use reminders::{Reminder, ReminderState, RemindersOf, reminders};
pub use story::ReminderStory;
pub use upcoming::{Upcoming, UpcomingKey, upcoming};
