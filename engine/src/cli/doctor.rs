//! `regua doctor`: what is wrong, or about to be, in one table.

use std::io::{self, Write};

use actors::clock::SystemClock;
use clap::Args;

use super::config::ConfigArgs;
use super::serve::open_to_read;
use super::{Ended, runtime};
use crate::config::Config;
use crate::doctor::{Grade, Patient, Report, examine};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Command {
    /// Counts what is fit for trials only as a failure.
    #[arg(long)]
    production: bool,
    /// Writes one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        let sources = self.config.sources();
        let config = Config::load(&sources);
        let report = runtime()?.block_on(async {
            let store = match &config {
                Ok(config) => Some(open_to_read(&config.store).await),
                Err(_) => None,
            };
            let clock = SystemClock::start();
            let patient = Patient {
                sources: &sources,
                config: &config,
                store: store.as_ref(),
                clock: &clock,
                production: self.production,
            };
            let report = examine(&patient).await;
            if let Some(Ok(store)) = &store {
                store.close().await;
            }
            report
        });
        if self.json {
            serde_json::to_writer(&mut *out, &report)?;
            writeln!(out)?;
        } else {
            table(&report, out)?;
        }
        Ok(if report.is_well() {
            Ended::Well
        } else {
            Ended::Invalid
        })
    }
}

fn table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        let grade = match finding.grade {
            Grade::Good => "good",
            Grade::Warning => "WARNING",
            Grade::Failure => "FAILURE",
        };
        writeln!(out, "{grade:<9}{:<11}{}", finding.check, finding.told)?;
    }
    Ok(())
}
