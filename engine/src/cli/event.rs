//! `regua event`: says on the bus what happened, as a tenant's own systems do.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use actors::clock::{Clock as _, SystemClock};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use schedules::id::TenantId;
use schedules::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::config::ConfigArgs;
use super::serve::{report, with_config};
use super::topology::broker;
use super::{Ended, runtime};
use crate::bus::amqp::link::{confirming, publish};
use crate::bus::amqp::reader::properties;
use crate::bus::amqp::topology::EVENTS_IN;
use crate::bus::envelope::Envelope;
use crate::bus::message::Message;
use crate::bus::signature::Key;
use crate::config::Config;
use crate::telemetry;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Publishes one event, and returns once the broker has it on its disks.
    Publish(Publish),
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The tenant that it is about.
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// What it is, such as boleto.paid.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// What the type says more, as JSON.
    #[arg(long, value_name = "JSON", value_parser = json, default_value = "null")]
    data: Value,
    /// Its id, under which it counts once; a new one when it is left out.
    #[arg(long)]
    id: Option<String>,
    /// When it happened; now when it is left out.
    #[arg(long, value_name = "INSTANT")]
    time: Option<DateTime<Utc>>,
    /// Who says it.
    #[arg(long, default_value = "regua-cli")]
    source: String,
    /// The id of the publisher's key.
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// The file with the publisher's key.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Reads JSON; a text of its own would be taken as it stands.
fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        let Self::Publish(mut command) = self;
        let config = std::mem::take(&mut command.config);
        with_config(config, err, |config, err| {
            match runtime()?.block_on(command.publish(&config)) {
                Ok(id) => {
                    writeln!(out, "{id}")?;
                    Ok(Ended::Well)
                }
                Err(error) => report(Err(error), err),
            }
        })
    }
}

impl Publish {
    async fn publish(self, config: &Config) -> anyhow::Result<String> {
        let (broker, key) = (broker(config)?, self.key()?);
        let now = SystemClock::start().now();
        let id = self.id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let time = self.time.map(|at| at.timestamp_millis());
        let event = Envelope {
            id: id.clone(),
            source: self.source,
            kind: self.kind,
            tenant: self.tenant,
            time: time.map_or(now, Timestamp::from_unix_ms),
            data: self.data,
        };
        event.to_fact(now)?;
        let message = Message::signed(&event, &self.key_id, &key, now);
        let connection = broker.connect("regua event publish").await?;
        let channel = confirming(&connection).await?;
        let (place, properties) = ((EVENTS_IN, event.kind.as_str()), properties(&message, &id));
        publish(&channel, place, &message.body, properties).await?;
        Ok(id)
    }

    fn key(&self) -> anyhow::Result<Key> {
        let text = fs::read_to_string(&self.key_file);
        let text = text.context("the file of the key cannot be read")?;
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok();
        let key = bytes.and_then(|bytes| Key::try_from(bytes).ok());
        key.context("the file holds no key: 32 bytes in base64url")
    }
}
