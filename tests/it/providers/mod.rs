//! The ways out, against servers that speak their real protocols.

mod smtp;
