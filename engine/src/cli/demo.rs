//! `regua demo`: the main job on made-up data, with a judge.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::serve::report;
use super::{Ended, runtime};
use crate::demo::{self, DemoOptions};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Command {
    /// The same seed gives the same data, campaign and event schedule.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keeps the data in this folder; a demo that was killed goes on there.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        let options = DemoOptions {
            seed: self.seed,
            folder: self.data,
        };
        let bar = progress_bar();
        let walked = runtime()?.block_on(demo::run(&options, |at, share| {
            bar.set_position((share.clamp(0.0, 1.0) * 1_000.0) as u64);
            bar.set_message(at.to_string()[..10].to_owned());
        }));
        bar.finish_and_clear();
        match walked {
            Ok(told) => {
                if self.json {
                    serde_json::to_writer(&mut *out, &told)?;
                    writeln!(out)?;
                } else {
                    write!(out, "{told}")?;
                }
                Ok(if told.is_true() {
                    Ended::Well
                } else {
                    Ended::Failed
                })
            }
            Err(error) => report(Err(error.into()), err),
        }
    }
}

/// Returns a bar on standard error; nothing is drawn where that is no terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1_000);
    if let Ok(style) = ProgressStyle::with_template("45 dias {bar:40} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar
}
