//! Whether each tenant's sender has a way out that carries what it is for.

use std::collections::BTreeMap;

use super::{Report, StoreError};
use crate::config::Config;
use crate::providers::settings::{ProviderKind, ProviderSettings};
use crate::store::{SenderInUse, Store};

/// How many senders are named; the rest are counted.
const NAMED_MAX: usize = 10;
/// The provider that is there without being configured.
const MAILBOX: &str = "mailbox";

/// What a sender comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It goes out.
    Out,
    /// It is kept.
    Kept,
    /// It goes nowhere, for this reason.
    None(&'static str),
}

/// Why a sender has no way out, in the order in which it is told.
const NONES: [&str; 3] = [
    "no such provider is configured",
    "the provider is not for this tenant",
    "the provider does not carry the channel",
];

/// Names the configured providers with their kinds.
pub(super) fn providers(config: &Config) -> String {
    let mut names: Vec<String> = config
        .providers
        .iter()
        .map(|(name, settings)| format!("{name} ({})", kind(&settings.kind)))
        .collect();
    if !config.providers.contains_key(MAILBOX) {
        names.push(MAILBOX.to_owned());
    }
    names.join(", ")
}

const fn kind(kind: &ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Mailbox => "mailbox",
        ProviderKind::Whatsapp(_) => "whatsapp",
        ProviderKind::Evolution(_) => "evolution",
        ProviderKind::HttpSms(_) => "http_sms",
        ProviderKind::Smtp(_) => "smtp",
    }
}

/// Examines the senders of all tenants.
pub(super) async fn examine(
    store: &Store,
    config: &Config,
    report: &mut Report,
) -> Result<(), StoreError> {
    let senders = store.senders_in_use().await?;
    tell(&senders, &config.providers, report);
    Ok(())
}

fn tell(
    senders: &[SenderInUse],
    providers: &BTreeMap<String, ProviderSettings>,
    report: &mut Report,
) {
    let check = "senders";
    let which = |wanted: Way| -> Vec<&SenderInUse> {
        let is_so = |it: &&SenderInUse| way(it, providers) == wanted;
        senders.iter().filter(is_so).collect()
    };
    let mut lost = 0;
    for why in NONES {
        let found = which(Way::None(why));
        lost += found.len();
        if !found.is_empty() {
            report.fail(check, format!("{why}: {}", named(&found)));
        }
    }
    let kept = which(Way::Kept).len();
    if kept > 0 {
        report.insecure(check, format!("{kept} senders keep what they would send"));
    }
    if lost == 0 {
        let told = format!(
            "{} senders, each by a provider that there is",
            senders.len()
        );
        report.good(check, told);
    }
}

/// Judges as the engine does before it hands a message over.
fn way(sender: &SenderInUse, providers: &BTreeMap<String, ProviderSettings>) -> Way {
    let [unknown, not_theirs, other_channel] = NONES;
    let Some(settings) = providers.get(&sender.provider) else {
        return match sender.provider == MAILBOX {
            true => Way::Kept,
            false => Way::None(unknown),
        };
    };
    let tenants = settings.tenants.as_ref();
    if tenants.is_some_and(|tenants| !tenants.contains(&sender.tenant)) {
        return Way::None(not_theirs);
    }
    match &settings.kind {
        ProviderKind::Mailbox => Way::Kept,
        kind if kind.channels().contains(&sender.channel) => Way::Out,
        _ => Way::None(other_channel),
    }
}

/// Names the first senders: what a tenant wrote is shown so that no terminal follows it.
fn named(senders: &[&SenderInUse]) -> String {
    let mut names: Vec<String> = senders
        .iter()
        .take(NAMED_MAX)
        .map(|it| format!("{} {} by {:?}", it.tenant, it.channel, it.provider))
        .collect();
    if senders.len() > NAMED_MAX {
        names.push(format!("and {} more", senders.len() - NAMED_MAX));
    }
    names.join(", ")
}
