//! What a run does, in the identifiers of the model.

use actors::lease::NodeId;
use actors::ports::{Commit, Fence, ShardId};
use engine::facts::Saying;
use engine::store::{NewBoleto, NewTenant, Setting};
use schedules::id::{CampaignId, TenantId};
use schedules::time::Timestamp;

/// One operation, at an instant of every clock but the database's own.
#[derive(Clone, Debug)]
pub struct Operation {
    pub at: Timestamp,
    pub act: Act,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Act {
    Tenant(Box<NewTenant>),
    Import {
        tenant: TenantId,
        key: String,
        boletos: Vec<NewBoleto>,
    },
    /// Facts of one call, of any tenants.
    Facts(Vec<Said>),
    Draft {
        tenant: TenantId,
        event_id: String,
    },
    Edit {
        tenant: TenantId,
        campaign: CampaignId,
        event_id: String,
    },
    Set {
        tenant: TenantId,
        event_id: String,
        setting: Box<Setting>,
    },
    Commit(Commit),
    Lease {
        node: NodeId,
        shard: ShardId,
    },
    Release {
        node: NodeId,
        fence: Fence,
    },
}

/// One fact.
#[derive(Clone, Debug)]
pub struct Said {
    pub tenant: TenantId,
    pub event_id: String,
    pub occurred_at: Timestamp,
    pub saying: Saying,
}

/// Leases end by being given back only: nobody can set a real database's clock.
pub const LEASE_MS: i64 = 4_000_000_000;
