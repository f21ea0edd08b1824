//! The journal, the doors and the leases as values in memory: the semantics of the ports without a
//! database behind them.
//!
//! Every operation is one serialisable transaction at the instant that [`SimJournal::now`] says.
//! Faults are not in here: whoever calls decides whether a call arrives and whether its answer
//! comes back. A differential test can put the real stores beside it, operation by operation.

mod commit;
mod doors;
mod lease;
mod read;
mod rows;

use std::collections::BTreeMap;

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::plant::PlantedBug;
use crate::ports::{JournalError, Settings, ShardId};

pub use doors::{Accepted, DoorEvent, NewBoleto, Write};
pub use rows::{
    AttemptRow, BoletoRow, BoletoStatus, ContactRow, EnrollmentRow, EnrollmentState, InboxRow,
    LeaseRow, Logged, TenantRows,
};

/// The durable record behind the machines of a simulation.
#[derive(Clone, Debug, Default)]
pub struct SimJournal {
    /// The database's clock; who calls sets it.
    pub now: Timestamp,
    /// What is stored of each tenant.
    pub tenants: BTreeMap<TenantId, TenantRows>,
    /// Who owns which shard.
    pub leases: BTreeMap<ShardId, LeaseRow>,
    /// What was committed, in the order of the commits.
    pub log: Vec<Logged>,
    /// The bug that this journal has, if it has one.
    pub bug: Option<PlantedBug>,
    last_seq: i64,
    last_enrollment: i64,
}

impl SimJournal {
    /// Stores a tenant and the shard it lies in.
    pub fn create_tenant(&mut self, shard: ShardId, settings: Settings) {
        let id = settings.tenant.id;
        self.tenants.insert(id, TenantRows::new(shard, settings));
    }

    fn rows(&self, tenant: TenantId) -> Result<&TenantRows, JournalError> {
        self.tenants.get(&tenant).ok_or(JournalError::Absent)
    }
}
