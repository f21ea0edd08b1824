//! `regua document`: reads CPF and CNPJ.

use std::io::{self, Write};

use clap::Subcommand;
use schedules::document::{Document, DocumentKind};
use serde::Serialize;

use super::Ended;
use super::check::{Refusal, TextArgs};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Checks the check digits of a CPF or CNPJ, the ones with letters included.
    Check(TextArgs),
}

#[derive(Serialize)]
struct Number {
    kind: DocumentKind,
    document: String,
    formatted: String,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> io::Result<Ended> {
        let Self::Check(document) = self;
        document.answer(out, |text| {
            let document = Document::parse(text);
            document
                .map(Number::from)
                .map_err(|error| Refusal::of(error.code(), error))
        })
    }
}

impl From<Document> for Number {
    fn from(document: Document) -> Self {
        Self {
            kind: document.kind(),
            document: document.as_str().to_owned(),
            formatted: document.formatted(),
        }
    }
}
