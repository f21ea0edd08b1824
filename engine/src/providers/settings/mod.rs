//! The settings of the providers: one file a kind, each `[providers.NAME]` read as one of them.

pub mod egress;
pub mod evolution;
pub mod header;
pub mod http_sms;
pub mod smtp;
pub mod whatsapp;

use std::collections::BTreeSet;

use schedules::channel::Channel;
use schedules::id::TenantId;
use serde::{Serialize, Serializer};

use self::evolution::EvolutionSettings;
use self::http_sms::HttpSmsSettings;
use self::smtp::SmtpSettings;
use self::whatsapp::WhatsappSettings;
use super::circuit::CircuitLimits;
use crate::config::Section;

/// The kinds of providers, as `kind` spells them.
const KINDS: &[&str] = &["mailbox", "whatsapp", "evolution", "http_sms", "smtp"];

/// One way out, as it was configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderSettings {
    /// What it is.
    #[serde(flatten)]
    pub kind: ProviderKind,
    /// After so many failures in a row it is left alone.
    pub circuit_failures: u32,
    /// For how long, in milliseconds, before a message tries it again.
    pub circuit_pause_ms: i64,
    /// Who may use it; every tenant when `None`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "by_name")]
    pub tenants: Option<BTreeSet<TenantId>>,
}

/// What a provider is, with the settings of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProviderKind {
    /// Keeps what it would send.
    Mailbox,
    /// A number of the WhatsApp Cloud API.
    Whatsapp(WhatsappSettings),
    /// An instance of the Evolution API.
    Evolution(EvolutionSettings),
    /// An SMS gateway over HTTP.
    HttpSms(HttpSmsSettings),
    /// E-mail by a server that takes it from us.
    Smtp(Box<SmtpSettings>),
}

impl ProviderKind {
    /// Returns the channels whose messages it can carry.
    pub const fn channels(&self) -> &'static [Channel] {
        match self {
            Self::Mailbox => &Channel::ALL,
            Self::Whatsapp(_) | Self::Evolution(_) => &[Channel::Whatsapp],
            Self::HttpSms(_) => &[Channel::Sms],
            Self::Smtp(_) => &[Channel::Email],
        }
    }
}

impl ProviderSettings {
    /// Returns when it is left alone.
    pub const fn circuit(&self) -> CircuitLimits {
        CircuitLimits {
            failures_max: self.circuit_failures,
            pause_ms: self.circuit_pause_ms,
        }
    }
}

/// Reads one provider. Which keys are unknown depends on its kind.
pub(crate) fn read(section: &mut Section<'_>) -> Option<ProviderSettings> {
    let kind = match section.choice("kind", KINDS) {
        Some("whatsapp") => WhatsappSettings::read(section).map(ProviderKind::Whatsapp),
        Some("evolution") => EvolutionSettings::read(section).map(ProviderKind::Evolution),
        Some("http_sms") => HttpSmsSettings::read(section).map(ProviderKind::HttpSms),
        Some("smtp") => smtp::read(section).map(|it| ProviderKind::Smtp(it.into())),
        Some(_) => Some(ProviderKind::Mailbox),
        None => {
            section.forget_rest();
            return None;
        }
    };
    let circuit_failures = section.whole("circuit_failures", 1..=1_000, Some(5));
    let circuit_pause_ms = section.whole("circuit_pause_ms", 100..=3_600_000, Some(30_000));
    let tenants = section.optional("tenants", |section, key| {
        section.list(key, "a list of tenants, such as ten_1")
    });
    Some(ProviderSettings {
        kind: kind?,
        circuit_failures: circuit_failures?,
        circuit_pause_ms: circuit_pause_ms?,
        tenants: tenants?.map(BTreeSet::from_iter),
    })
}

fn by_name<S: Serializer>(tenants: &Option<BTreeSet<TenantId>>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(tenants.iter().flatten().map(TenantId::to_string))
}
