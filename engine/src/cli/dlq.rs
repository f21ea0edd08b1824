//! `regua dlq`: messages of the bus that are no fact, through the API of a running engine.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::import::token;
use super::serve::report;
use super::{Ended, runtime};
use crate::client::Client;
use crate::telemetry;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists them with their reasons, a JSON object a line.
    List(Where),
    /// Shows one whole: it may name a person.
    Show(One),
    /// Takes one in again, whenever it was signed.
    Redrive(One),
    /// Drops one.
    Drop(One),
}

#[derive(Debug, Args)]
pub(super) struct Where {
    /// The engine; over plain http on this machine only.
    #[arg(long, default_value = "http://127.0.0.1:8088", env = "REGUA_URL")]
    url: String,
    /// The file with an admin's token [env: REGUA_TOKEN, in its place].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Its number.
    id: i64,
    #[command(flatten)]
    at: Where,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        let told = runtime().map(|runtime| runtime.block_on(self.ask()))?;
        match told {
            Ok(lines) => {
                lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
                let is_refused = |line: &Value| line["outcome"] == "refused";
                Ok(match lines.iter().any(is_refused) {
                    true => Ended::Invalid,
                    false => Ended::Well,
                })
            }
            Err(error) => report(Err(error), err),
        }
    }

    async fn ask(self) -> anyhow::Result<Vec<Value>> {
        let (at, id) = match &self {
            Self::List(at) => (at, 0),
            Self::Show(one) | Self::Redrive(one) | Self::Drop(one) => (&one.at, one.id),
        };
        let client = Client::new(&at.url, token(at.token_file.as_deref())?)?;
        Ok(match self {
            Self::List(_) => client.dead_events().await?,
            Self::Show(_) => vec![client.dead_event(id).await?],
            Self::Redrive(_) => vec![client.redrive_dead_event(id).await?],
            Self::Drop(_) => {
                client.drop_dead_event(id).await?;
                Vec::new()
            }
        })
    }
}
