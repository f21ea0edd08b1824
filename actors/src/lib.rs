//! The tenant machine, its actix shell, the supervision tree and the ports to the world.
//!
//! No SQL, AMQP or HTTP stands here: `engine` implements [`ports`].

pub mod clock;
mod due_queue;
pub mod lease;
pub mod machine;
pub mod ports;
#[cfg(feature = "sim")]
pub mod sim;
