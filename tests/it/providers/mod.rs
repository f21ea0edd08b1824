//! The ways out, against servers that speak their real protocols.

mod desk;
mod http;
mod http_serve;
mod http_settings;
mod http_sms;
mod http_whatsapp;
mod opt_outs;
mod smtp;
