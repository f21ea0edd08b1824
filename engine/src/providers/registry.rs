//! The configured providers, by the names that senders use.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use actors::ports::Gateway;
use async_trait::async_trait;

/// Finds each message's provider.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn Gateway>>,
}

impl Registry {
    /// Returns the registry with one more provider.
    #[must_use]
    pub fn with(mut self, name: &str, gateway: impl Gateway + 'static) -> Self {
        self.providers.insert(name.to_owned(), Arc::new(gateway));
        self
    }
}

#[async_trait]
impl Gateway for Registry {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        match self.providers.get(&message.provider) {
            Some(gateway) => gateway.hand_over(message, begin).await,
            // The sender names a provider that this node does not have: another try is as useless.
            None => Outcome::Rejected {
                code: "unknown_provider".to_owned(),
            },
        }
    }
}
