//! The kill switch of the whole engine: every tenant is held by a fact of its own, so that it means
//! what a tenant's own switch means, on every node.

use schedules::id::TenantId;
use schedules::time::Timestamp;
use uuid::Uuid;

use super::{Doors, Told};
use crate::facts::{Fact, Saying};
use crate::store::{StoreError, Turn};

/// How many tenants are told in one transaction.
const PAGE: u32 = 200;

/// What a caller is told of all tenants together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldAll {
    /// How many tenants were told.
    pub tenants: u64,
    /// How many hand-overs were under way.
    pub in_flight: u32,
    /// From this instant on none begins; `None` when none was under way.
    pub settled_by: Option<Timestamp>,
    /// The switch was turned again before all were told: what that turn said counts, for those
    /// that had been told, too.
    pub overtaken: bool,
}

impl Doors {
    /// Holds every tenant, those that are made from now on included, or lets them go on.
    ///
    /// Every call counts, whatever was said before: a switch that is pulled twice holds. Of two
    /// calls the one that turns the switch last counts for everybody.
    ///
    /// # Errors
    /// [`StoreError`] when not every tenant was told: the same call, made again, tells the rest.
    /// All were tried, unless the database itself was away.
    pub async fn hold_engine(&self, held: bool, source: &str) -> Result<ToldAll, StoreError> {
        let at = self.clock.now();
        let turn = self.store.turn_engine_switch(held, source, at).await?;
        let event_id = Uuid::new_v4().to_string();
        let saying = match held {
            true => Saying::TenantHeld,
            false => Saying::TenantReleased,
        };
        let (mut all, mut after, mut failed) = (ToldAll::default(), TenantId(0), None);
        while !all.overtaken {
            let page = self.store.tenants_after(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = *last;
            let now = self.clock.now();
            let fact = |tenant: &TenantId| Fact {
                tenant: *tenant,
                event_id: event_id.clone(),
                source: source.to_owned(),
                occurred_at: now,
                received_at: now,
                saying: saying.clone(),
            };
            let facts: Vec<Fact> = page.iter().map(fact).collect();
            if self.tell_of_turn(turn, &facts, &mut all).await.is_err() {
                failed = self.tell_each(turn, &facts, &mut all).await?.or(failed);
            }
        }
        // Whoever was overtaken has nothing left to make good.
        failed.filter(|_| !all.overtaken).map_or(Ok(all), Err)
    }

    /// Tells tenants in one transaction.
    async fn tell_of_turn(
        &self,
        turn: Turn,
        facts: &[Fact],
        all: &mut ToldAll,
    ) -> Result<(), StoreError> {
        let answers = self.store.commit_facts_of_turn(turn, facts).await?;
        let Some(answers) = answers else {
            all.overtaken = true;
            return Ok(());
        };
        for told in self.follow(facts, &answers).await? {
            all.add(told);
        }
        Ok(())
    }

    /// Tells tenants one by one; returns the last failure that is about one of them alone.
    async fn tell_each(
        &self,
        turn: Turn,
        facts: &[Fact],
        all: &mut ToldAll,
    ) -> Result<Option<StoreError>, StoreError> {
        let mut failed = None;
        for fact in facts {
            let alone = std::slice::from_ref(fact);
            match self.tell_of_turn(turn, alone, all).await {
                Ok(()) if all.overtaken => break,
                Ok(()) => {}
                Err(error) if error.is_of_the_whole() => return Err(error),
                Err(error) => {
                    let (tenant, code) = (fact.tenant, error.code());
                    tracing::error!(%tenant, code, "tenant was not told of the engine's switch");
                    failed = Some(error);
                }
            }
        }
        Ok(failed)
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
