//! `regua whatif CAMPAIGN`: what a campaign would come to from now on. It only reads.

use std::io::{self, Write};

use actors::clock::{Clock, SystemClock};
use clap::Args;
use schedules::channel::Channel;
use schedules::id::{CampaignId, TenantId};

use super::config::ConfigArgs;
use super::serve::{open_to_read, report, with_config};
use super::{Ended, runtime};
use crate::config::StoreConfig;
use crate::store::Whom;
use crate::whatif::estimate::{Estimate, Question, estimate};
use crate::whatif::load::{Asked, load};
use crate::whatif::{BOLETOS_MAX, Patience};

#[derive(Debug, Args)]
pub(super) struct Command {
    /// The campaign, such as `cam_1`.
    #[arg(value_name = "ID")]
    campaign: CampaignId,
    /// The tenant.
    #[arg(long, value_name = "ID", default_value = "ten_1")]
    tenant: TenantId,
    /// How many days of the tenant are looked at, today included.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60))]
    days: u32,
    /// What a message costs on a channel, in centavos, such as sms=8.
    #[arg(long = "price", value_name = "CHANNEL=CENTAVOS", value_parser = price)]
    prices: Vec<(Channel, i64)>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Command {
    /// Prints one JSON object.
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let asked = Asked {
            tenant: self.tenant,
            campaign: self.campaign,
            version: None,
            whom: Whom::All(BOLETOS_MAX),
        };
        let (days, prices) = (self.days, self.prices);
        with_config(self.config, err, |config, err| {
            match runtime()?.block_on(ask(&config.store, &asked, days, prices)) {
                Ok(estimate) => {
                    serde_json::to_writer_pretty(&mut *out, &estimate)?;
                    writeln!(out)?;
                    Ok(Ended::Well)
                }
                Err(error) => report(Err(error), err),
            }
        })
    }
}

async fn ask(
    config: &StoreConfig,
    asked: &Asked,
    days: u32,
    prices: Vec<(Channel, i64)>,
) -> anyhow::Result<Estimate> {
    let store = open_to_read(config).await?;
    let now = SystemClock::start().now();
    let loaded = load(&store, asked, now).await;
    let left_out = store.left_out(asked.tenant).await;
    store.close().await;
    let (loaded, left_out) = (loaded?, left_out?);
    let question = Question {
        now,
        days,
        prices: prices.into_iter().collect(),
        left_out,
    };
    Ok(estimate(loaded, &question, &Patience::endless()))
}

/// Reads the price of a channel.
fn price(text: &str) -> Result<(Channel, i64), &'static str> {
    const WANTED: &str = "a channel and its price in centavos, such as sms=8";
    let (channel, centavos) = text.split_once('=').ok_or(WANTED)?;
    let centavos: u32 = centavos.parse().map_err(|_| WANTED)?;
    let channel = channel.parse().map_err(|_| WANTED)?;
    Ok((channel, centavos.into()))
}
