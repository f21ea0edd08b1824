//! The kill switch of the whole engine: every tenant is held by a fact of its own, so that it means
//! what a tenant's own switch means, on every node.

use schedules::id::TenantId;
use schedules::time::Timestamp;
use uuid::Uuid;

use super::{Doors, Told};
use crate::facts::{Fact, Saying};
use crate::store::StoreError;

/// How many tenants are told in one transaction.
const PAGE: u32 = 200;

/// What a caller is told of all tenants together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldAll {
    /// How many tenants there are.
    pub tenants: u64,
    /// How many hand-overs were under way.
    pub in_flight: u32,
    /// From this instant on none begins; `None` when none was under way.
    pub settled_by: Option<Timestamp>,
}

impl Doors {
    /// Holds every tenant, those that are made from now on included, or lets them go on.
    ///
    /// Every call counts, whatever was said before: a switch that is pulled twice holds.
    ///
    /// # Errors
    /// [`StoreError`] when not every tenant was told: the same call goes on.
    pub async fn hold_engine(&self, held: bool, source: &str) -> Result<ToldAll, StoreError> {
        let event_id = Uuid::new_v4().to_string();
        self.store.turn_engine_switch(held).await?;
        let (mut all, mut after) = (ToldAll::default(), TenantId(0));
        loop {
            let page = self.store.tenants_after(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(all);
            };
            after = *last;
            let now = self.clock.now();
            let fact = |tenant: &TenantId| Fact {
                tenant: *tenant,
                event_id: event_id.clone(),
                source: source.to_owned(),
                occurred_at: now,
                received_at: now,
                saying: match held {
                    true => Saying::TenantHeld,
                    false => Saying::TenantReleased,
                },
            };
            let facts: Vec<Fact> = page.iter().map(fact).collect();
            for told in self.tell(&facts).await? {
                all.add(told);
            }
        }
    }
}

impl ToldAll {
    fn add(&mut self, told: Told) {
        self.tenants += 1;
        if let Told::Settling {
            in_flight,
            settled_by,
            ..
        } = told
        {
            self.in_flight += in_flight;
            self.settled_by = self.settled_by.max(Some(settled_by));
        }
    }
}
