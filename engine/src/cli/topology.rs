//! `regua topology`: what the broker holds for the engine.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::Stdio;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::config::ConfigArgs;
use super::serve::{report, with_config};
use super::{Ended, runtime};
use crate::bus::amqp::link::{Broker, in_time};
use crate::bus::amqp::topology;
use crate::config::Config;
use crate::telemetry;

/// Has the broker write down which queues there are. RabbitMQ 3.10 does so minutes later by itself,
/// and a broker that is killed before loses quorum queues that were just declared.
const SYNC: &str = "[dets:sync(T) || T <- dets:all()].";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prints it as RabbitMQ imports definitions.
    Show,
    /// Declares it; what is there already as it should be stays.
    Apply(Apply),
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The broker's own tool on this machine, which makes new queues outlast a crash that comes
    /// right after.
    #[arg(long, value_name = "PROGRAM")]
    rabbitmqctl: Option<OsString>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        match self {
            Self::Show => {
                let text = serde_json::to_string_pretty(&topology::definitions());
                writeln!(out, "{}", text.map_err(io::Error::other)?)?;
                Ok(Ended::Well)
            }
            Self::Apply(command) => command.run(out, err),
        }
    }
}

impl Apply {
    fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let rabbitmqctl = self.rabbitmqctl;
        with_config(self.config, err, |config, err| {
            let applied = runtime()?.block_on(async {
                apply(broker(&config)?).await?;
                match rabbitmqctl {
                    Some(program) => sync(program).map(|()| true),
                    None => Ok(false),
                }
            });
            match applied {
                Ok(is_synced) => {
                    writeln!(out, "topology is declared")?;
                    if !is_synced {
                        writeln!(
                            err,
                            "a broker that is killed within minutes may lose queues that are new: \
                             give --rabbitmqctl, or restart it once"
                        )?;
                    }
                    Ok(Ended::Well)
                }
                Err(error) => report(Err(error), err),
            }
        })
    }
}

/// Returns the broker of the settings.
pub(super) fn broker(config: &Config) -> anyhow::Result<&Broker> {
    config
        .bus
        .as_ref()
        .context("no broker is configured: bus.url")
}

async fn apply(broker: &Broker) -> anyhow::Result<()> {
    let connection = broker.connect("regua topology").await?;
    let channel = in_time(connection.create_channel()).await?;
    in_time(topology::declare(&channel)).await?;
    in_time(connection.close(200, "done".into())).await?;
    Ok(())
}

fn sync(program: OsString) -> anyhow::Result<()> {
    let mut command = std::process::Command::new(program);
    let command = command.args(["eval", SYNC]).stdin(Stdio::null());
    let ended = command.output();
    let ended = ended.context("the broker's tool did not start")?;
    let told = String::from_utf8_lossy(&ended.stdout);
    let is_done = ended.status.success() && !told.contains("error");
    anyhow::ensure!(is_done, "the broker's tool failed");
    Ok(())
}
