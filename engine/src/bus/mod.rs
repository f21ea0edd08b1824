//! The nerve: events about payments and contacts on their way to the doors.
//!
//! On one machine it is [`local`]: in process, at least once, the same promise as a broker. Over
//! RabbitMQ it is [`amqp`].

pub mod amqp;
pub mod envelope;
pub mod local;
pub mod message;
pub mod payments;
pub mod reception;
pub mod refusal;
pub mod signature;
pub mod taking;
