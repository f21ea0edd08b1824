//! `regua why ID`: why a reminder was, or was not, sent.

use std::io::{self, Write};

use chrono_tz::Tz;
use clap::Args;
use schedules::id::TenantId;

use super::config::ConfigArgs;
use super::serve::{open_to_read, report, with_config};
use super::{Ended, runtime};
use crate::config::StoreConfig;
use crate::store::Why;
use crate::why::{About, story};

#[derive(Debug, Args)]
pub(super) struct Command {
    /// What it is about: `bol_7`, `enr_7`, `rem_7.1.0`, `att_7.1.0.0`, or the tenant's reference.
    #[arg(value_name = "ID")]
    id: String,
    /// The tenant.
    #[arg(long, value_name = "ID", default_value = "ten_1")]
    tenant: TenantId,
    /// The zone of the wall clocks.
    #[arg(long, default_value = "America/Sao_Paulo")]
    zone: Tz,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let Self {
            id,
            tenant,
            zone,
            config,
        } = self;
        with_config(config, err, |config, err| {
            let told = runtime()?.block_on(tell(&config.store, tenant, About::of(&id)));
            match told {
                Ok(why) => {
                    story(&why, zone)
                        .iter()
                        .try_for_each(|line| writeln!(out, "{line}"))?;
                    Ok(Ended::Well)
                }
                Err(error) => report(Err(error), err),
            }
        })
    }
}

async fn tell(config: &StoreConfig, tenant: TenantId, about: About) -> anyhow::Result<Why> {
    let store = open_to_read(config).await?;
    let why = about.find(&store, tenant).await;
    store.close().await;
    Ok(why?)
}
