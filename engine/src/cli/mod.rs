//! The command line of `regua`, for operators: one file a family of commands.
//!
//! Every argument is taken as the bytes it is. What a command finds goes to standard output, what
//! is wrong with the command itself to standard error.

mod bench;
mod boleto;
mod brcode;
mod check;
mod config;
mod cron;
mod demo;
mod dlq;
mod doctor;
mod document;
mod event;
mod import;
mod openapi;
mod phone;
mod serve;
mod token;
mod topology;
mod whatif;
mod why;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry;

/// What was checked is not valid.
const INVALID: u8 = 2;
/// The command did not work out.
const FAILED: u8 = 1;
/// The command line was not understood (`EX_USAGE`), told apart from an invalid boleto.
const MISUSED: u8 = 64;

/// Reminders for Brazilian boletos that stop the moment they are paid.
#[derive(Debug, Parser)]
#[command(name = "regua", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the main job on made-up data: 45 days of reminders, payments and opt-outs.
    Demo(demo::Command),
    /// Runs the engine.
    Serve(serve::Serve),
    /// Brings the schema of the store up to date.
    Migrate(serve::Migrate),
    /// Sends a file of boletos to a running engine, and tells what became of it.
    Import(import::Command),
    /// Examines settings, store, files and tokens, beside a running engine as well.
    Doctor(doctor::Command),
    /// Tells why a reminder was, or was not, sent.
    Why(why::Command),
    /// Tells what a campaign would come to, as one JSON object.
    Whatif(whatif::Command),
    /// Makes, lists and ends the service tokens by which the API is called.
    #[command(subcommand)]
    Token(token::Command),
    /// Says on the bus what happened.
    #[command(subcommand)]
    Event(event::Command),
    /// Deals with messages of the bus that are no fact.
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Shows or declares what the broker holds for the engine.
    #[command(subcommand)]
    Topology(topology::Command),
    /// Measures the engine on this machine.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Reads boletos and collection slips.
    #[command(subcommand)]
    Boleto(boleto::Command),
    /// Reads Pix codes.
    #[command(subcommand)]
    Brcode(brcode::Command),
    /// Reads CPF and CNPJ.
    #[command(subcommand)]
    Document(document::Command),
    /// Reads Brazilian telephone numbers.
    #[command(subcommand)]
    Phone(phone::Command),
    /// Reads recurrences.
    #[command(subcommand)]
    Cron(cron::Command),
    /// Prints what the API is, as an OpenAPI 3.1 document.
    Openapi(openapi::Command),
    /// Shows the settings.
    #[command(subcommand)]
    Config(config::Command),
}

/// How a command ended.
enum Ended {
    Well,
    Invalid,
    Failed,
}

/// Runs the command line of the process.
pub fn run() -> ExitCode {
    telemetry::log_panics();
    // Not locked: the log of a command that runs for long comes from other threads.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    run_with(std::env::args_os(), &mut out, &mut err).into()
}

/// Runs a command line, its program name first, and returns the exit code.
///
/// A closed pipe is no failure: who reads no further wants nothing more.
pub fn run_with(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let (written, code) = match Cli::try_parse_from(arguments) {
        Ok(cli) => match cli.command.run(out, err) {
            Ok(ended) => (out.flush(), ended.code()),
            Err(error) => (Err(error), FAILED),
        },
        Err(error) if error.use_stderr() => (write!(err, "{error}"), MISUSED),
        Err(help) => (write!(out, "{help}"), 0),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            // Where this cannot be written either there is nothing left but the exit code.
            let _ = writeln!(err, "regua: {error}");
            FAILED
        }
        _ => code,
    }
}

impl Ended {
    const fn code(&self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Invalid => INVALID,
            Self::Failed => FAILED,
        }
    }
}

impl Command {
    fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        match self {
            Self::Demo(command) => command.run(out, err),
            Self::Serve(command) => command.run(err),
            Self::Migrate(command) => command.run(out, err),
            Self::Import(command) => command.run(out, err),
            Self::Doctor(command) => command.run(out),
            Self::Why(command) => command.run(out, err),
            Self::Whatif(command) => command.run(out, err),
            Self::Token(command) => command.run(out, err),
            Self::Dlq(command) => command.run(out, err),
            Self::Event(command) => command.run(out, err),
            Self::Topology(command) => command.run(out, err),
            Self::Bench(command) => command.run(out, err),
            Self::Boleto(command) => command.run(out),
            Self::Brcode(command) => command.run(out),
            Self::Document(command) => command.run(out),
            Self::Phone(command) => command.run(out),
            Self::Cron(command) => command.run(out),
            Self::Openapi(command) => command.run(out),
            Self::Config(command) => command.run(out, err),
        }
    }
}

/// Builds the runtime on which everything but the actors runs.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests;
