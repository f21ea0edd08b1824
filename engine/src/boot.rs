//! Puts a running engine together: store, providers, node, doors, bus.

use std::sync::Arc;

use actors::clock::Clock;
use actors::lease::{LeaseTimes, NodeId};
use actors::ports::Gateway;
use actors::supervision::node::{Node, NodeConfig, Ports, ThreadRefused};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::doors::Doors;
use crate::store::{SHARDS, Store};

/// A running engine.
pub struct Engine {
    /// The store.
    pub store: Store,
    /// The node; drained by [`Engine::stop`].
    pub node: Arc<Node>,
    /// The way in.
    pub doors: Doors,
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The threads of the actors were refused.
    #[error("threads of the actors were refused")]
    Threads(#[from] ThreadRefused),
}

impl BootError {
    /// Returns the code under which the runbook explains the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Threads(_) => "RG-BOOT-001",
        }
    }
}

/// What differs between a server, the demo and a test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// How long leases last.
    pub lease: LeaseTimes,
    /// How many threads run actors; one for each core when `None`.
    pub arbiters: Option<usize>,
    /// How often the node looks for tenants with something to do; the usual when `None`.
    pub look_ahead_every_ms: Option<i64>,
}

impl Engine {
    /// Starts a node that owns every shard of `store`.
    ///
    /// # Errors
    /// [`BootError`].
    pub fn start(
        store: Store,
        gateway: Arc<dyn Gateway>,
        clock: Arc<dyn Clock>,
        pace: Pace,
    ) -> Result<Self, BootError> {
        // A new name at every start: no life renews the lease of a former one.
        let mut config = NodeConfig::owning_all(NodeId(Uuid::new_v4().to_string()), SHARDS);
        config.lease = pace.lease;
        config.arbiters = pace.arbiters.unwrap_or(config.arbiters);
        if let Some(every_ms) = pace.look_ahead_every_ms {
            config.look_ahead_every_ms = every_ms;
        }
        let ports = Ports {
            journal: Arc::new(store.clone()),
            gateway,
            leases: Arc::new(store.clone()),
            clock: Arc::clone(&clock),
        };
        let node = Node::start(config, ports, Handle::current())?;
        let node = Arc::new(node);
        let doors = Doors::new(store.clone(), Arc::clone(&node), clock);
        Ok(Self { store, node, doors })
    }

    /// Ends in order: begins nothing new, lets what is under way come back, gives the shards back,
    /// closes the store.
    pub async fn stop(self) {
        let Self { store, node, doors } = self;
        node.drain().await;
        drop((node, doors));
        store.close().await;
    }
}
