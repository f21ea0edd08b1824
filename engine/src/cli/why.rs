//! `regua why ID`: why a reminder was, or was not, sent.

use std::io::{self, Write};

use chrono_tz::Tz;
use clap::Args;
use schedules::id::{AttemptId, BoletoId, EnrollmentId, ReminderId, TenantId};
use schedules::reference::Reference;

use super::config::ConfigArgs;
use super::serve::{open_to_read, report, with_config};
use super::{Ended, runtime};
use crate::config::StoreConfig;
use crate::store::{Store, StoreError, Why};
use crate::why::story;

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

/// What an id is about.
enum About {
    Boleto(BoletoId),
    Enrollment(EnrollmentId),
    Reference(Reference),
    /// No name that anything can have.
    Nothing,
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

impl About {
    fn of(id: &str) -> Self {
        let enrollment = id.parse::<EnrollmentId>().ok();
        let enrollment =
            enrollment.or_else(|| id.parse::<ReminderId>().ok().map(|it| it.enrollment));
        let enrollment = enrollment.or_else(|| {
            id.parse::<AttemptId>()
                .ok()
                .map(|it| it.reminder.enrollment)
        });
        match (enrollment, id.parse::<BoletoId>()) {
            (Some(enrollment), _) => Self::Enrollment(enrollment),
            (None, Ok(boleto)) => Self::Boleto(boleto),
            (None, Err(_)) => Reference::parse(id).map_or(Self::Nothing, Self::Reference),
        }
    }
}

async fn tell(config: &StoreConfig, tenant: TenantId, about: About) -> anyhow::Result<Why> {
    let store = open_to_read(config).await?;
    let why = read(&store, tenant, about).await;
    store.close().await;
    why
}

async fn read(store: &Store, tenant: TenantId, about: About) -> anyhow::Result<Why> {
    let boleto = match about {
        About::Enrollment(enrollment) => {
            return Ok(store.why_enrollment(tenant, enrollment).await?);
        }
        About::Boleto(boleto) => boleto,
        About::Reference(reference) => store
            .boleto_named(tenant, reference.as_str())
            .await?
            .ok_or(StoreError::Absent { what: "boleto" })?,
        About::Nothing => return Err(StoreError::Absent { what: "boleto" }.into()),
    };
    Ok(store.why_boleto(tenant, boleto).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_found_however_it_is_spelled() {
        let asked = |text: &str| match About::of(text) {
            About::Reference(reference) => Some(String::from(reference)),
            _ => None,
        };
        assert_eq!(asked("Prac\u{327}a 1 "), Some("Pra\u{e7}a 1".to_owned()));
        assert!(matches!(About::of(" "), About::Nothing));
    }
}
