//! The ports of the fake world.

use async_trait::async_trait;
use schedules::id::TenantId;
use schedules::time::Timestamp;
use schedules::verdict::Reason;

use super::{Books, Fault, State, World};
use crate::lease::{Leases, NodeId};
use crate::machine::change::Change;
use crate::machine::effect::HandOver;
use crate::machine::input::{Abandoned, Outcome, Sweep};
use crate::ports::{
    Commit, Committed, DuePage, Fence, Gateway, InboxPage, Journal, JournalError, PageRequest,
    Settings, ShardId, Snapshot, SweepPage,
};

impl World {
    /// Begins a call, with the fault that was planned for it.
    async fn call<R>(
        &self,
        call: &'static str,
        tenant: TenantId,
        work: impl FnOnce(&mut State) -> Result<R, JournalError>,
    ) -> Result<R, JournalError> {
        let fault = self.with(|state| state.begin(call, tenant));
        // Also an end by a panic or a time-out is an end.
        let _under_way = UnderWay(self, tenant);
        match fault {
            Some(Fault::Error(error)) => return Err(error),
            Some(Fault::LostAnswer) => {
                self.with(work)?;
                return Err(JournalError::Unknown);
            }
            Some(Fault::Panic) => panic!("a planted bug"),
            Some(Fault::Freeze) => self.until(|state| (!state.frozen).then_some(())).await,
            None => tokio::task::yield_now().await,
        }
        self.with(work)
    }

    async fn read<R>(
        &self,
        call: &'static str,
        tenant: TenantId,
        work: impl FnOnce(&Books) -> R,
    ) -> Result<R, JournalError> {
        let read = |state: &mut State| match state.books.get(&tenant) {
            Some(books) => Ok(work(books)),
            None => Err(JournalError::Absent),
        };
        self.call(call, tenant, read).await
    }
}

/// Says whether nothing is committed but waits for a sender's pace. A machine that has just been
/// loaded begins with them or not, as fast as it is: no fault is planned for them, and no test
/// counts them.
fn only_waits(changes: &[Change]) -> bool {
    changes.iter().all(|change| match change {
        Change::Ruled(ruled) => ruled.verdict.reason == Reason::SenderPace,
        _ => false,
    })
}

struct UnderWay<'w>(&'w World, TenantId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0
            .with(|state| *state.under_way.entry(self.1).or_default() -= 1);
    }
}

impl State {
    fn begin(&mut self, call: &'static str, tenant: TenantId) -> Option<Fault> {
        self.calls.push((call, tenant));
        let under_way = self.under_way.entry(tenant).or_default();
        *under_way += 1;
        self.overlapping += usize::from(*under_way > 1);
        let planned = self
            .planned
            .iter()
            .position(|plan| (plan.0, plan.1) == (call, tenant));
        let fault = planned.map(|place| self.planned.remove(place).2);
        self.frozen |= matches!(fault, Some(Fault::Freeze));
        fault
    }

    fn fenced(&mut self, fence: Fence) -> Result<(), JournalError> {
        let held = self
            .epochs
            .get(&fence.shard)
            .is_some_and(|(_, epoch)| *epoch == fence.epoch);
        if held {
            Ok(())
        } else {
            Err(JournalError::Fenced)
        }
    }

    fn books(&mut self, tenant: TenantId) -> Result<&mut Books, JournalError> {
        self.books.get_mut(&tenant).ok_or(JournalError::Absent)
    }
}

#[async_trait]
impl Journal for World {
    async fn load(&self, tenant: TenantId) -> Result<Snapshot, JournalError> {
        self.read("load", tenant, Books::snapshot).await
    }

    async fn settings(&self, tenant: TenantId) -> Result<Settings, JournalError> {
        self.read("settings", tenant, |books| books.settings.clone())
            .await
    }

    async fn due_page(
        &self,
        tenant: TenantId,
        request: PageRequest,
    ) -> Result<DuePage, JournalError> {
        self.read("due_page", tenant, |books| books.due_page(request))
            .await
    }

    async fn inbox_page(&self, tenant: TenantId, limit: u32) -> Result<InboxPage, JournalError> {
        let page = |books: &Books| books.inbox_page(limit as usize);
        self.read("inbox_page", tenant, page).await
    }

    async fn sweep_page(
        &self,
        tenant: TenantId,
        sweep: &Sweep,
        limit: u32,
    ) -> Result<SweepPage, JournalError> {
        let page = |books: &Books| books.sweep_page(sweep, limit as usize);
        self.read("sweep_page", tenant, page).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, JournalError> {
        let tenant = commit.tenant;
        let waits = only_waits(&commit.changes);
        let work = |state: &mut State| {
            state.fenced(commit.fence)?;
            if state.books(tenant)?.contradicts(&commit.changes) {
                return Err(JournalError::Conflict);
            }
            let refused = state.books(tenant)?.follow(&commit.changes);
            if !waits {
                state.commits.push((tenant, commit.changes));
            }
            Ok(Committed { refused })
        };
        let call = if waits { "commit of waits" } else { "commit" };
        self.call(call, tenant, work).await
    }

    async fn seal_audit(&self, tenant: TenantId, fence: Fence) -> Result<(), JournalError> {
        let work = |state: &mut State| {
            state.fenced(fence)?;
            state.books(tenant)?.seals += 1;
            Ok(())
        };
        self.call("seal_audit", tenant, work).await
    }

    async fn look_ahead(
        &self,
        shards: &[ShardId],
        until: Timestamp,
    ) -> Result<Vec<(TenantId, Timestamp)>, JournalError> {
        let planned = |state: &mut State| {
            let place = state.planned.iter().position(|plan| plan.0 == "look_ahead");
            place.map(|place| state.planned.remove(place).2)
        };
        let fault = self.with(planned);
        assert!(!matches!(fault, Some(Fault::Panic)), "a planted bug");
        Ok(self.with(|state| {
            let ours = |tenant: TenantId| shards.contains(&ShardId::of(tenant, 4));
            let books = state.books.iter().filter(|(tenant, _)| ours(**tenant));
            let wakes = books.filter_map(|(tenant, books)| {
                let facts = books.waiting().next().map(|_| Timestamp::from_unix_ms(0));
                let at = facts.or(books.next_at().filter(|at| *at <= until))?;
                Some((*tenant, at))
            });
            wakes.collect()
        }))
    }
}

#[async_trait]
impl Gateway for World {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        let attempt = message.attempt;
        self.with(|state| state.connecting.insert(attempt));
        self.until(|state| (!state.gateway.connects_slowly).then_some(()))
            .await;
        let may = begin();
        let mood = self.with(|state| {
            state.connecting.remove(&attempt);
            if may {
                state.wire.push((message.tenant, attempt));
            }
            state.gateway.clone()
        });
        if !may {
            // Whatever a gateway calls it: the dispatcher knows why it said no.
            return Outcome::Abandoned {
                why: Abandoned::Stopped,
            };
        }
        assert!(!mood.panics, "a planted bug");
        self.until(|state| (!state.gateway.answers_slowly).then_some(()))
            .await;
        let accepted = Outcome::Accepted {
            provider_ref: format!("ref-{}", attempt.reminder.enrollment.0),
        };
        mood.answer.unwrap_or(accepted)
    }
}

#[async_trait]
impl Leases for World {
    async fn take_or_renew(
        &self,
        node: &NodeId,
        shard: ShardId,
        _ttl_ms: i64,
    ) -> Result<Option<Fence>, JournalError> {
        self.with(|state| {
            if !state.leases_answer {
                return Err(JournalError::Retryable);
            }
            let (owner, epoch) = state.epochs.entry(shard).or_default();
            if owner.is_none() {
                *owner = Some(node.clone());
                *epoch += 1;
            }
            let epoch = *epoch;
            Ok((owner.as_ref() == Some(node)).then_some(Fence { shard, epoch }))
        })
    }

    async fn release(&self, _node: &NodeId, fence: Fence) -> Result<(), JournalError> {
        self.with(|state| {
            state.fenced(fence)?;
            state.released.push(fence.shard);
            let (owner, _) = state.epochs.entry(fence.shard).or_default();
            *owner = None;
            Ok(())
        })
    }
}
