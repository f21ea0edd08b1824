//! `regua openapi`: what the API is, as an OpenAPI 3.1 document.

use std::io::{self, Write};

use clap::Args;

use super::Ended;
use crate::http::openapi;

/// Prints the document that an engine serves at `/v1/openapi.json`.
#[derive(Debug, Args)]
pub(super) struct Command;

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> io::Result<Ended> {
        let document = openapi::document().map_err(io::Error::other)?;
        write!(out, "{document}")?;
        Ok(Ended::Well)
    }
}
