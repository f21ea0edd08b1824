//! What tenants upload: files of boletos and their contacts.

pub mod csv;
