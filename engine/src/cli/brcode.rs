//! `regua brcode`: reads Pix codes ("copia e cola").

use std::io::{self, Write};

use clap::Subcommand;
use schedules::brcode::{BrCode, PixTarget};
use serde::Serialize;

use super::Ended;
use super::check::{Refusal, TextArgs};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Checks the structure and the checksum of a code and says what it says.
    Check(TextArgs),
}

#[derive(Serialize)]
struct Code {
    kind: &'static str,
    key: Option<String>,
    url: Option<String>,
    recurrence_url: Option<String>,
    single_use: bool,
    amount_centavos: Option<i64>,
    txid: Option<String>,
    merchant_name: String,
    merchant_city: String,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> io::Result<Ended> {
        let Self::Check(code) = self;
        code.answer(out, |text| {
            let code = BrCode::parse(text);
            code.map(Code::from)
                .map_err(|error| Refusal::of(error.code(), error))
        })
    }
}

impl From<BrCode> for Code {
    fn from(code: BrCode) -> Self {
        let (kind, key, url) = match code.target {
            PixTarget::Key(key) => ("static", Some(key), None),
            PixTarget::Url(url) => ("dynamic", None, Some(url)),
            PixTarget::Recurrence => ("recurrence", None, None),
        };
        Self {
            kind,
            key,
            url,
            recurrence_url: code.recurrence_url,
            single_use: code.single_use,
            amount_centavos: code.amount_centavos,
            txid: code.txid,
            merchant_name: code.merchant_name,
            merchant_city: code.merchant_city,
        }
    }
}
