//! `regua bench`: the engine's figures on this machine, beside the limits they stand against.

use std::convert::Infallible;
use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::{Ended, runtime, serve};
use crate::bench::api::{self, ApiOptions};
use crate::bench::cycle::{self, Carrier, CycleOptions};
use crate::bench::decide;
use crate::bench::drip::DripOptions;
use crate::bench::ground::{BenchError, StoreChoice};
use crate::bench::import::{self, ImportOptions};
use crate::bench::memory::{self, MemoryOptions};
use crate::bench::whatif;
use crate::config::Secret;
use crate::telemetry;

/// The variable with the address of a PostgreSQL server.
const URL_VARIABLE: &str = "REGUA_TEST_POSTGRES";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measures the decision of one due reminder, every gate included, without a store.
    Decide(Decide),
    /// Measures reminders from due to recorded, beside the plain update of the same rows.
    Cycle(Cycle),
    /// Measures what an estimate of a campaign costs, without a store.
    Whatif(Whatif),
    /// Measures the import of a CSV file, every line checked, beside the plain insert of its rows.
    Import(Import),
    /// Measures the API over HTTP, beside the plain limits of reads and of writes.
    Api(Api),
    /// Measures memory for each enrollment and tenant, and the start on a large database.
    Memory(Memory),
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// How many reminders are due.
    #[arg(long, default_value_t = 20_000)]
    items: usize,
    /// Ignored, so that all measurements can be called alike: a decision is made without a store.
    #[arg(long, value_enum)]
    store: Option<StoreKind>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Whatif {
    /// How many contacts have a boleto.
    #[arg(long, default_value_t = 100_000)]
    contacts: u32,
    /// How many days are looked at.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60))]
    days: u32,
    /// Ignored, so that all measurements can be called alike: the boletos are made up.
    #[arg(long, value_enum)]
    store: Option<StoreKind>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Cycle {
    #[command(flatten)]
    place: Place,
    /// What hands reminders over.
    #[arg(long, value_enum, default_value_t = ProviderKind::Process)]
    provider: ProviderKind,
    /// How many enrollments come due.
    #[arg(long, default_value_t = 50_000)]
    enrollments: usize,
    /// Over how many tenants they are spread evenly.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    tenants: u32,
    /// Spreads the tenants' instants over this long; 0 for all at once.
    #[arg(long, value_name = "MS", default_value_t = 0,
          value_parser = clap::value_parser!(i64).range(0..=3_600_000))]
    spread_ms: i64,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    place: Place,
    /// How many lines the file has.
    #[arg(long, default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1..=900_000))]
    lines: u32,
    /// Measures as well how late so many reminders are that come due while the file is imported,
    /// and as many without an import.
    #[arg(long, default_value_t = 0)]
    reminders: usize,
    /// Spreads those reminders over this long.
    #[arg(long, value_name = "MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(i64).range(1..=600_000))]
    spread_ms: i64,
}

#[derive(Debug, Args)]
pub(super) struct Api {
    #[command(flatten)]
    place: Place,
    /// How many boletos there are, each with its enrollment.
    #[arg(long, default_value_t = 100_000)]
    boletos: usize,
    /// How many requests of each kind are made; a tenth where a page is asked for, a quarter where
    /// something is written.
    #[arg(long, default_value_t = 20_000,
          value_parser = clap::value_parser!(u32).range(1..=500_000))]
    requests: u32,
    /// How many connections stay open, each with one request at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=90))]
    connections: u32,
}

#[derive(Debug, Args)]
pub(super) struct Memory {
    #[command(flatten)]
    place: Place,
    /// How many enrollments the database has that are far away.
    #[arg(long, default_value_t = 1_000_000)]
    enrollments: usize,
    /// How many enrollments come into memory.
    #[arg(long, default_value_t = 100_000)]
    near: usize,
    /// How many idle tenants the node sees.
    #[arg(long, default_value_t = 20_000)]
    idle_tenants: usize,
}

/// Where it is measured, and how that is told.
#[derive(Debug, Args)]
struct Place {
    /// The store; it is made for the measurement and removed afterwards.
    #[arg(long, value_enum)]
    store: StoreKind,
    /// The PostgreSQL server, for example postgres://regua@127.0.0.1:5432, or over a Unix socket
    /// postgres:///?host=/run/postgresql&user=regua [env: REGUA_TEST_POSTGRES, the only place for
    /// one with a password].
    #[arg(long, value_parser = secret)]
    url: Option<Secret>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProviderKind {
    /// One in this process that accepts at once.
    Process,
    /// The generic one over HTTP, before a gateway on this machine that accepts at once.
    Http,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StoreKind {
    Sqlite,
    Postgres,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        match self {
            Self::Decide(Decide { items, json, .. }) => tell(&decide::run(items), json, out),
            Self::Whatif(Whatif {
                contacts,
                days,
                json,
                ..
            }) => tell(&whatif::run(contacts, days), json, out),
            Self::Cycle(command) => command.run(out, err),
            Self::Import(command) => command.run(out, err),
            Self::Api(command) => command.run(out, err),
            Self::Memory(command) => command.run(out, err),
        }
    }
}

impl Cycle {
    fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let tenants = self.tenants as usize;
        let options = CycleOptions {
            carrier: match self.provider {
                ProviderKind::Process => Carrier::Process,
                ProviderKind::Http => Carrier::Http,
            },
            // As many for each.
            enrollments: (self.enrollments / tenants).max(1) * tenants,
            tenants,
            spread_ms: self.spread_ms,
        };
        let json = self.place.json;
        match self.place.choice(err)? {
            Some(choice) => {
                let figure = runtime()?.block_on(Box::pin(cycle::run(options, &choice)));
                report(figure, json, out, err)
            }
            None => Ok(Ended::Failed),
        }
    }
}

impl Import {
    fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let drip = DripOptions {
            reminders: self.reminders,
            spread_ms: self.spread_ms,
        };
        let options = ImportOptions {
            lines: self.lines,
            drip: (drip.reminders > 0).then_some(drip),
        };
        let json = self.place.json;
        match self.place.choice(err)? {
            Some(choice) => {
                let figure = runtime()?.block_on(Box::pin(import::run(options, &choice)));
                report(figure, json, out, err)
            }
            None => Ok(Ended::Failed),
        }
    }
}

impl Api {
    fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let options = ApiOptions {
            // As many for each, and two for the payments of each.
            boletos: (self.boletos / api::TENANTS).max(2) * api::TENANTS,
            requests: self.requests as usize,
            connections: self.connections as usize,
        };
        let json = self.place.json;
        match self.place.choice(err)? {
            Some(choice) => {
                let figure = runtime()?.block_on(Box::pin(api::run(options, &choice)));
                report(figure, json, out, err)
            }
            None => Ok(Ended::Failed),
        }
    }
}

impl Memory {
    fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let even = |count: usize| (count / memory::TENANTS).max(1) * memory::TENANTS;
        let options = MemoryOptions {
            enrollments: even(self.enrollments),
            near: even(self.near),
            idle_tenants: self.idle_tenants,
        };
        let json = self.place.json;
        match self.place.choice(err)? {
            Some(choice) => {
                let figure = runtime()?.block_on(Box::pin(memory::run(options, &choice)));
                report(figure, json, out, err)
            }
            None => Ok(Ended::Failed),
        }
    }
}

impl Place {
    fn choice(self, err: &mut dyn Write) -> io::Result<Option<StoreChoice>> {
        // Refused even where it is not used: it has been visible.
        if self.url.as_ref().is_some_and(has_password) {
            let told = "--url: secrets are not read from the command line; set";
            writeln!(err, "regua: {told} {URL_VARIABLE} [RG-CONFIG-007]")?;
            return Ok(None);
        }
        let url = || std::env::var(URL_VARIABLE).ok().map(Secret::new);
        Ok(match self.store {
            StoreKind::Sqlite => Some(StoreChoice::Sqlite),
            StoreKind::Postgres => match self.url.or_else(url) {
                Some(url) => Some(StoreChoice::Postgres(url)),
                None => {
                    writeln!(err, "regua: --store postgres needs --url")?;
                    None
                }
            },
        })
    }
}

/// Takes an address as it is: what cannot be read is told by whoever reads it, without a copy.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// Says whether an address holds a password, as far as that can be told of one that may be wrong.
fn has_password(url: &Secret) -> bool {
    let url = url.expose();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let user = rest.rsplit_once('@').map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':')) || rest.contains("password=")
}

fn report(
    figure: Result<impl Serialize, BenchError>,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Ended> {
    match figure {
        Ok(figure) => tell(&figure, json, out),
        Err(error) => serve::report(Err(error.into()), err),
    }
}

/// Prints figures, as JSON or a figure a line.
fn tell(figure: &impl Serialize, json: bool, out: &mut dyn Write) -> io::Result<Ended> {
    if json {
        serde_json::to_writer(&mut *out, figure)?;
        writeln!(out)?;
        return Ok(Ended::Well);
    }
    line(out, "", &serde_json::to_value(figure)?)?;
    Ok(Ended::Well)
}

/// Writes a figure under its name, and those of an object or a list each under its own.
fn line(out: &mut dyn Write, name: &str, figure: &Value) -> io::Result<()> {
    let below = |part: &str| match name {
        "" => part.to_owned(),
        _ => format!("{name}.{part}"),
    };
    match figure {
        Value::Object(figures) => figures
            .iter()
            .try_for_each(|(part, figure)| line(out, &below(part), figure)),
        Value::Array(figures) => (1..)
            .zip(figures)
            .try_for_each(|(no, figure): (usize, _)| line(out, &below(&no.to_string()), figure)),
        Value::Number(number) if number.is_f64() => {
            writeln!(
                out,
                "{name:<28}{:>14.1}",
                number.as_f64().unwrap_or_default()
            )
        }
        plain => writeln!(out, "{name:<28}{:>14}", plain.to_string().trim_matches('"')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_known_however_it_is_written() {
        for (url, has) in [
            ("postgres://regua@127.0.0.1:5432", false),
            ("postgres:///?host=/run/postgresql&user=regua", false),
            ("postgres://regua:se:cr@t@127.0.0.1:5432/db", true),
            ("postgres://regua:se/cret@127.0.0.1", true),
            ("postgres:///?host=/run/postgresql&password=secret", true),
            ("regua:secret@127.0.0.1", true),
        ] {
            assert_eq!(has_password(&Secret::new(url.to_owned())), has, "{url}");
        }
    }
}
