//! Accelerated time: the clock runs at its usual speed and jumps whenever everything is at rest.
//!
//! Latencies, deadlines and the races of payments with due reminders keep their real length.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use actors::clock::{Clock, JumpClock};
use actors::machine::effect::Subject;
use actors::observe::AlertKind;
use actors::ports::{Journal, JournalError, ShardId};
use actors::supervision::node::Node;
use schedules::id::TenantId;
use schedules::time::Timestamp;
use tokio::task::JoinSet;

use super::DemoError;
use super::fates::Planned;
use super::witness::{Notebook, Seen};
use crate::bus::local::LocalBus;
use crate::doors::Told;
use crate::store::{SHARDS, Store};

/// Events this close to now are set off together with what comes due.
const TOGETHER_MS: i64 = 60;

/// After how many jumps the driver looks whether the store can be looked ahead in.
const JUMPS_A_LOOK: usize = 100;

/// The parts of a running engine that the driver holds.
pub(super) struct Driver {
    pub(super) clock: Arc<JumpClock>,
    pub(super) node: Arc<Node>,
    pub(super) bus: LocalBus,
    pub(super) store: Store,
    pub(super) notebook: Notebook,
}

/// What the walk met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walked {
    pub(super) events: usize,
    /// Events that were published before, under the same tenant, source and id.
    pub(super) repeated: usize,
    pub(super) settled_later: usize,
    pub(super) jumps: usize,
}

impl Driver {
    /// Walks until `end`; `events` are in the order of their instants.
    pub(super) async fn walk(
        &self,
        events: Vec<Planned>,
        end: Timestamp,
        progress: impl Fn(Timestamp),
    ) -> Result<Walked, DemoError> {
        let mut events = VecDeque::from(events);
        let mut walked = Walked {
            events: events.len(),
            repeated: repeated(&events),
            ..Walked::default()
        };
        loop {
            self.node.at_rest().await;
            self.goes_on(walked.jumps).await?;
            let event_at = events.front().map(|planned| planned.at);
            let next = [event_at, self.node.next_wake_at()]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|at| *at < end) else {
                break;
            };
            self.jump_to(next)?;
            walked.jumps += 1;
            progress(next);
            let together_until = self.clock.now().plus_ms(TOGETHER_MS);
            let near = events.partition_point(|planned| planned.at <= together_until);
            let near: Vec<Planned> = events.drain(..near).collect();
            self.set_off(near, &mut walked).await?;
        }
        self.jump_to(end)?;
        self.node.at_rest().await;
        self.goes_on(0).await?;
        Ok(walked)
    }

    /// Fails when something is wrong that does not mend by itself. The engine tries again every
    /// minute or second, and would do so through all of the demo's days.
    async fn goes_on(&self, jumps: usize) -> Result<(), DemoError> {
        let alerts = self.node.alerts();
        let given_up = alerts.iter().find(|alert| {
            matches!(
                alert.what,
                AlertKind::StoreRefuses | AlertKind::Quarantined | AlertKind::SetAside(_)
            )
        });
        // A node that cannot look ahead raises no alert.
        let is_blind = jumps.is_multiple_of(JUMPS_A_LOOK) && self.looks_ahead().await.is_err();
        if given_up.is_none() && !is_blind {
            return Ok(());
        }
        self.store.check().await?;
        Err(DemoError::GivenUp)
    }

    async fn looks_ahead(&self) -> Result<(), JournalError> {
        let shards: Vec<ShardId> = (0..SHARDS).map(ShardId).collect();
        let looked = self.store.look_ahead(&shards, self.clock.now()).await;
        looked.map(drop)
    }

    /// Moves the clock on. It is written down first, so that a life after a kill does not begin
    /// before what this one has done.
    fn jump_to(&self, at: Timestamp) -> Result<(), DemoError> {
        self.notebook
            .note(Seen::Reached(at))
            .map_err(DemoError::Notebook)?;
        self.clock.jump_to(at);
        Ok(())
    }

    /// Publishes each event at its instant, and writes down when its stop was acknowledged.
    async fn set_off(&self, near: Vec<Planned>, walked: &mut Walked) -> Result<(), DemoError> {
        let mut under_way = JoinSet::new();
        for planned in near {
            let (clock, bus) = (Arc::clone(&self.clock), self.bus.clone());
            under_way.spawn(async move {
                clock.wait_until(planned.at).await;
                let tenant = planned.envelope.tenant;
                bus.publish(planned.envelope)
                    .await
                    .map(|told| (tenant, told))
            });
        }
        while let Some(joined) = under_way.join_next().await {
            let (tenant, told) = joined.map_err(|_| DemoError::Interrupted)??;
            self.acknowledged(tenant, told, walked).await?;
        }
        Ok(())
    }

    async fn acknowledged(
        &self,
        tenant: TenantId,
        told: Told,
        walked: &mut Walked,
    ) -> Result<(), DemoError> {
        let subject = match told {
            // A boleto that was paid is not cancelled any more, and a reply starts a cooldown only.
            Told::Duplicate | Told::Unchanged | Told::Taken => return Ok(()),
            Told::Parked | Told::Unknown | Told::Conflict => return Err(DemoError::LostSubject),
            Told::Stopped { subject } => subject,
            Told::Settling {
                subject,
                settled_by,
                ..
            } => {
                walked.settled_later += 1;
                self.settled(tenant, subject, settled_by).await?;
                subject
            }
        };
        self.notebook
            .note(Seen::StopAcknowledged(tenant, subject))
            .map_err(DemoError::Notebook)
    }

    /// Waits until what had begun has come back.
    async fn settled(
        &self,
        tenant: TenantId,
        subject: Subject,
        settled_by: Timestamp,
    ) -> Result<(), DemoError> {
        self.node.at_rest().await;
        if self
            .store
            .settled(tenant, subject, self.clock.now())
            .await?
            .0
            > 0
        {
            self.clock.wait_until(settled_by).await;
        }
        Ok(())
    }
}

/// Counts the events that repeat an earlier one. What they are answered does not tell: who repeats
/// a stop is told how it stands.
fn repeated(events: &VecDeque<Planned>) -> usize {
    let mut once = BTreeSet::new();
    let key = |planned: &Planned| {
        let envelope = &planned.envelope;
        (
            envelope.tenant,
            envelope.source.clone(),
            envelope.id.clone(),
        )
    };
    let repeats = events.iter().filter(|planned| !once.insert(key(planned)));
    repeats.count()
}
