//! Régua's engine: the ports of `actors` on real databases and providers, and the binary `regua`.

pub mod access;
pub mod bench;
pub mod boot;
pub mod bus;
pub mod cli;
pub mod client;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod doors;
pub mod facts;
pub mod hex;
pub mod http;
pub mod imports;
pub mod keys;
pub mod providers;
pub mod reads;
pub mod store;
pub mod telemetry;
pub mod unsubscribe;
pub mod whatif;
pub mod why;
