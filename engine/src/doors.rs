//! Where facts come in: committed first, then the owner is told, then the caller is answered.
//!
//! A door decides nothing. By the time it answers, the fact is durable, no claim of a stopped
//! subject can commit any more, and what this node had not begun to hand over never begins.

use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::effect::Subject;
use actors::supervision::node::Node;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use crate::facts::{Fact, FactAnswer};
use crate::store::{Store, StoreError};

/// The doors of one node.
#[derive(Clone)]
pub struct Doors {
    store: Store,
    node: Arc<Node>,
    clock: Arc<dyn Clock>,
}

/// What a caller is told of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The event was known; nothing changed.
    Duplicate,
    /// The fact waits for its subject to be imported.
    Parked,
    /// There is no such subject.
    Unknown,
    /// The subject is in that state already, or cannot get there.
    Unchanged,
    /// The fact is durable (or holds already), and no hand-over of its subject is under way.
    Stopped {
        /// The subject as it was resolved.
        subject: Subject,
    },
    /// The fact is durable; hand-overs that had begun end by this instant.
    Settling {
        /// The subject as it was resolved.
        subject: Subject,
        /// How many there were.
        in_flight: u32,
        /// From this instant on none is under way.
        settled_by: Timestamp,
    },
}

impl Doors {
    /// Joins a store and the node that owns its tenants.
    pub fn new(store: Store, node: Arc<Node>, clock: Arc<dyn Clock>) -> Self {
        Self { store, node, clock }
    }

    /// Commits the facts in one transaction and answers each, in order.
    ///
    /// # Errors
    /// [`StoreError`] when nothing was committed, or nobody knows ([`StoreError::Unknown`]): the
    /// caller tells the same events again, and their ids make that harmless.
    pub async fn tell(&self, facts: &[Fact]) -> Result<Vec<Told>, StoreError> {
        let answers = self.store.commit_facts(facts).await?;
        let told = facts
            .iter()
            .zip(&answers)
            .map(|(fact, answer)| self.told(fact.tenant, answer));
        Ok(told.collect())
    }

    fn told(&self, tenant: TenantId, answer: &FactAnswer) -> Told {
        match answer {
            FactAnswer::Duplicate => Told::Duplicate,
            FactAnswer::Parked => Told::Parked,
            FactAnswer::Unknown => Told::Unknown,
            FactAnswer::Unchanged { .. } => Told::Unchanged,
            FactAnswer::Applied {
                subject,
                in_flight,
                settles_at,
                ..
            } => self.stopped(tenant, *subject, *in_flight, *settles_at),
        }
    }

    /// Takes back what this node has not begun; what it has begun, or another node may have,
    /// settles by its deadline.
    fn stopped(
        &self,
        tenant: TenantId,
        subject: Subject,
        in_flight: u32,
        settles_at: Option<Timestamp>,
    ) -> Told {
        let begun = u32::try_from(self.node.withdraw(tenant, subject)).unwrap_or(u32::MAX);
        let is_owned_here = self.node.hint(tenant);
        let under_way = if is_owned_here { begun } else { in_flight };
        if under_way == 0 {
            return Told::Stopped { subject };
        }
        let settled_by = settles_at.unwrap_or_else(|| self.clock.now());
        Told::Settling {
            subject,
            in_flight: under_way,
            settled_by,
        }
    }
}
