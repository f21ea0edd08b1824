//! The configured providers, by the names that senders use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use actors::ports::Gateway;
use async_trait::async_trait;
use schedules::channel::Channel;
use schedules::id::TenantId;

use super::breaker::Breaker;
use super::evolution::Evolution;
use super::http_sms::HttpSms;
use super::mailbox::Mailbox;
use super::opt_outs::OptOuts;
use super::provider::Provider;
use super::settings::{ProviderKind, ProviderSettings};
use super::smtp::{SetUpError, Smtp};
use super::whatsapp::Whatsapp;
use crate::config::Config;
use crate::store::Store;

/// The provider that is there without being configured.
const MAILBOX: &str = "mailbox";

/// Finds each message's provider.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn Gateway>>,
    offers: Offers,
}

/// What each provider offers, and to whom: what a tenant's sender is checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers(BTreeMap<String, Offer>);

/// What a provider offers, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The channels whose messages it can carry.
    pub channels: &'static [Channel],
    /// Who may use it; every tenant when `None`.
    pub tenants: Option<BTreeSet<TenantId>>,
}

/// Why a tenant cannot send on a channel by a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// There is none of this name, or none for this tenant.
    #[error("there is no such provider")]
    Unknown,
    /// It does not carry the channel.
    #[error("the provider does not carry the channel")]
    Channel,
}

impl NotOffered {
    /// Returns the stable name of the reason, for outcomes.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_provider",
            Self::Channel => "provider_without_channel",
        }
    }
}

impl Offers {
    /// Checks that a tenant may send on a channel by the provider of a name. To a tenant that may
    /// not use it, a provider looks like one that does not exist.
    ///
    /// # Errors
    /// [`NotOffered`].
    pub fn check(
        &self,
        tenant: TenantId,
        channel: Channel,
        provider: &str,
    ) -> Result<(), NotOffered> {
        let is_for = |offer: &&Offer| match &offer.tenants {
            Some(tenants) => tenants.contains(&tenant),
            None => true,
        };
        let offer = self.0.get(provider).filter(is_for);
        let offer = offer.ok_or(NotOffered::Unknown)?;
        let carries = offer.channels.contains(&channel);
        carries.then_some(()).ok_or(NotOffered::Channel)
    }
}

impl Registry {
    /// Makes the configured providers, and the mailbox where no other has its name.
    ///
    /// What they hear of opt-outs goes to `opt_outs`.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn configured(
        config: &Config,
        store: &Store,
        clock: &Arc<dyn Clock>,
        opt_outs: &OptOuts,
    ) -> Result<Self, SetUpError> {
        let mailbox = || Mailbox::new(store.clone(), Arc::clone(clock), config.mailbox);
        let mut registry = Self::default().with(MAILBOX, mailbox());
        let links = config.unsubscribe.clone().map(Arc::new);
        for (name, settings) in &config.providers {
            registry = match &settings.kind {
                ProviderKind::Mailbox => registry.behind_breaker(name, settings, mailbox(), clock),
                ProviderKind::Whatsapp(number) => {
                    let (opt_outs, of) = (opt_outs.clone(), Arc::clone(clock));
                    let provider = Whatsapp::new(name, number, opt_outs, of);
                    registry.behind_breaker(name, settings, provider, clock)
                }
                ProviderKind::Evolution(instance) => {
                    let provider = Evolution::new(name, instance, Arc::clone(clock));
                    registry.behind_breaker(name, settings, provider, clock)
                }
                ProviderKind::HttpSms(gateway) => {
                    let provider = HttpSms::new(name, gateway, Arc::clone(clock));
                    registry.behind_breaker(name, settings, provider, clock)
                }
                ProviderKind::Smtp(smtp) => {
                    let smtp = Smtp::new(*smtp.clone(), links.clone(), Arc::clone(clock))?;
                    registry.behind_breaker(name, settings, smtp, clock)
                }
            };
        }
        Ok(registry)
    }

    fn behind_breaker(
        self,
        name: &str,
        settings: &ProviderSettings,
        provider: impl Provider + 'static,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let breaker = Breaker::new(name, provider, settings.circuit(), Arc::clone(clock));
        let offer = Offer {
            channels: settings.kind.channels(),
            tenants: settings.tenants.clone(),
        };
        self.with_offer(name, breaker, offer)
    }

    /// Returns the registry with one more provider, for every tenant and channel.
    #[must_use]
    pub fn with(self, name: &str, gateway: impl Gateway + 'static) -> Self {
        let offer = Offer {
            channels: &Channel::ALL,
            tenants: None,
        };
        self.with_offer(name, gateway, offer)
    }

    /// Returns the registry with one more provider, or another in its place.
    #[must_use]
    pub fn with_offer(mut self, name: &str, gateway: impl Gateway + 'static, offer: Offer) -> Self {
        self.providers.insert(name.to_owned(), Arc::new(gateway));
        self.offers.0.insert(name.to_owned(), offer);
        self
    }

    /// Returns what the providers offer.
    pub fn offers(&self) -> Offers {
        self.offers.clone()
    }
}

#[async_trait]
impl Gateway for Registry {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        let name = &message.provider;
        let offered = self.offers.check(message.tenant, message.channel, name);
        let gateway = self.providers.get(name).ok_or(NotOffered::Unknown);
        match offered.and(gateway) {
            Ok(gateway) => gateway.hand_over(message, begin).await,
            // The sender names what this node does not have for it: another try is as useless.
            Err(why) => Outcome::Rejected {
                code: why.code().to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// A gateway that takes everything.
    struct Takes;

    #[async_trait]
    impl Gateway for Takes {
        async fn hand_over(&self, _: &HandOver, _: &(dyn Fn() -> bool + Sync)) -> Outcome {
            let provider_ref = String::new();
            Outcome::Accepted { provider_ref }
        }
    }

    #[tokio::test]
    async fn a_message_goes_only_by_a_provider_that_its_tenant_may_use_for_its_channel() {
        let offer = |tenant| Offer {
            channels: &[Channel::Email],
            tenants: Some(BTreeSet::from([TenantId(tenant)])),
        };
        let registry = Registry::default()
            .with_offer("ours", Takes, offer(1))
            .with_offer("theirs", Takes, offer(2));
        let cases = [
            ("ours", Channel::Email, None),
            ("ours", Channel::Sms, Some("provider_without_channel")),
            ("theirs", Channel::Email, Some("unknown_provider")),
            ("nobodys", Channel::Email, Some("unknown_provider")),
        ];
        for (provider, channel, refusal) in cases {
            let mut message = fixture::message(channel);
            message.provider = provider.to_owned();
            let code = match registry.hand_over(&message, &|| true).await {
                Outcome::Rejected { code } => Some(code),
                _ => None,
            };
            assert_eq!(code.as_deref(), refusal, "{provider} {channel}");
        }
    }
}
