//! `regua boleto`: reads digitable lines and barcodes.

use std::io::{self, Write};

use actors::clock::{Clock as _, SystemClock};
use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use schedules::boleto::{ParsedBoleto, SlipKind, parse};
use serde::Serialize;

use super::Ended;
use super::check::{Refusal, TextArgs};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Checks a line of 47 or 48 digits, or a barcode of 44, and says what it says.
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    line: TextArgs,
    /// The date near which the due date is looked for; a slip's factor comes round again every 25
    /// years. Today in São Paulo, unless stated.
    #[arg(long, value_name = "DATE")]
    on: Option<NaiveDate>,
}

#[derive(Serialize)]
struct Slip {
    kind: &'static str,
    digitable_line: String,
    barcode: String,
    bank: Option<String>,
    amount_centavos: Option<i64>,
    due_on: Option<NaiveDate>,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> io::Result<Ended> {
        let Self::Check(args) = self;
        let reference_on = args.on.unwrap_or_else(today);
        args.line.answer(out, |text| {
            let slip = parse(text, reference_on);
            slip.map(Slip::from)
                .map_err(|error| Refusal::of(error.code(), error))
        })
    }
}

fn today() -> NaiveDate {
    SystemClock::start()
        .now()
        .local_date(Tz::America__Sao_Paulo)
}

impl From<ParsedBoleto> for Slip {
    fn from(slip: ParsedBoleto) -> Self {
        Self {
            kind: match slip.kind {
                SlipKind::Bank => "bank",
                SlipKind::Collection(_) => "collection",
            },
            digitable_line: slip.digitable_line,
            barcode: slip.barcode,
            bank: slip.bank,
            amount_centavos: slip.amount_centavos,
            due_on: slip.due_on,
        }
    }
}
