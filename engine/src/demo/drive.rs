//! Accelerated time: the clock runs at its usual speed and jumps whenever everything is at rest.
//!
//! Latencies, deadlines and the races of payments with due reminders keep their real length.

use std::collections::VecDeque;
use std::sync::Arc;

use actors::clock::{Clock, JumpClock};
use actors::machine::effect::Subject;
use actors::supervision::node::Node;
use schedules::id::TenantId;
use schedules::time::Timestamp;
use tokio::task::JoinSet;

use super::DemoError;
use super::fates::Planned;
use super::witness::{Notebook, Seen};
use crate::bus::local::LocalBus;
use crate::doors::Told;
use crate::store::Store;

/// Events this close to now are set off together with what comes due.
const TOGETHER_MS: i64 = 60;

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
    pub(super) duplicates: usize,
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
        let mut walked = Walked::default();
        loop {
            self.node.at_rest().await;
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
        Ok(walked)
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
            walked.events += 1;
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
            // A boleto that was paid is not cancelled any more, and the other way round.
            Told::Duplicate | Told::Unchanged => {
                walked.duplicates += 1;
                return Ok(());
            }
            // A reply only starts a cooldown.
            Told::Taken => return Ok(()),
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
