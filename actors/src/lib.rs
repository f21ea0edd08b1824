//! The tenant machine, its actix shell, the supervision tree and the ports to the world.
//!
//! No SQL, AMQP or HTTP stands here: `engine` implements [`ports`].

pub mod clock;
pub mod dispatch;
mod due_queue;
#[cfg(test)]
mod fake;
pub mod lease;
mod locked;
pub mod machine;
pub mod observe;
pub mod ports;
#[cfg(feature = "sim")]
pub mod sim;
pub mod supervision;
mod tenant;
mod timer;
