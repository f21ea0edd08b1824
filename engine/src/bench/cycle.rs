//! `regua bench cycle`: due, claimed, handed over, recorded, through the whole engine.
//!
//! Every tenant has the full Brazilian rules, credits and five steps a boleto. Boletos come in by
//! the doors, enrollments by the owners' sweeps; the provider accepts at once, in the process or
//! over HTTP on this machine. Then the clock jumps to the instant at which all of it is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use actors::clock::{Clock, JumpClock};
use futures::{StreamExt, TryStreamExt, stream};
use schedules::id::TenantId;
use schedules::time::{MINUTE_MS, SECOND_MS, Timestamp};
use serde::Serialize;

use super::crowd::{self, Member, Way};
use super::ground::{BenchError, Ground, StoreChoice, Via, expect};
use super::limit::{Limit, per_second};
use super::process;
use super::sink::{Begun, Sink};
use super::synthetic;
use super::wire::{OVER_HTTP, Taken, Wire, WireFigure};
use crate::boot::{Engine, Pace};
use crate::store::Store;

/// Boletos a chunk of an import.
const CHUNK: usize = 1_000;
/// Calls to the doors that wait at once.
const CALLS: usize = 8;
/// How long before the instant the owners read what comes due, in milliseconds.
const AHEAD_MS: i64 = 30 * SECOND_MS;
/// How far ahead something held counts as still under way, in milliseconds: what had no turn before
/// its claim ended is claimed again, and over HTTP that may be most of a burst.
const HELD_MS_MAX: i64 = MINUTE_MS;

/// What hands reminders over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// A provider in the process that accepts at once.
    Process,
    /// The generic provider over HTTP, and a gateway on this machine that accepts at once.
    Http,
}

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct CycleOptions {
    /// What hands reminders over.
    pub carrier: Carrier,
    /// Enrollments in all, each with one reminder due.
    pub enrollments: usize,
    /// Tenants over which they are spread.
    pub tenants: usize,
    /// Over how long the tenants' instants are spread; 0 for a burst.
    pub spread_ms: i64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct CycleFigure {
    /// The store.
    pub store: Via,
    /// What handed reminders over.
    pub provider: Carrier,
    /// Reminders that came due.
    pub enrollments: usize,
    /// Tenants.
    pub tenants: usize,
    /// Over how long the reminders came due.
    pub spread_ms: i64,
    /// Boletos imported a second, checked rows in chunks of 1,000.
    pub imports_per_s: f64,
    /// Enrollments a second, from the launch of the campaigns to rest.
    pub enrollments_per_s: f64,
    /// Reminders planned a second: five steps an enrollment.
    pub planned_per_s: f64,
    /// Reminders claimed, handed over and settled a second, from the first instant to rest.
    pub cycles_per_s: f64,
    /// From the due instant to the begin of the hand-over.
    pub lateness_p50_ms: i64,
    /// The same, of the slowest hundredth.
    pub lateness_p99_ms: i64,
    /// Rows a second of the plain batched update of the same rows, before and after.
    pub limit_rows_per_s: f64,
    /// Cycles against that limit.
    pub ratio: f64,
    /// What the client of the provider can do without the engine.
    #[serde(flatten)]
    pub wire: Option<WireFigure>,
    /// Processor time of this process for 1,000 reminders.
    pub cpu_ms_per_1000: f64,
    /// Resident memory at the end, in MiB.
    pub resident_mib: i64,
}

/// What the burst came to.
pub(super) struct Burst {
    took: std::time::Duration,
    cpu_ms: u64,
    begun: Vec<Begun>,
}

/// A running engine with its tenants.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) clock: Arc<JumpClock>,
    sink: Arc<Sink>,
    pub(super) members: Vec<Member>,
    wire: Option<Wire>,
}

/// Measures.
///
/// # Errors
/// [`BenchError`]; [`BenchError::Unexpected`] when not every reminder went out exactly once.
pub async fn run(options: CycleOptions, choice: &StoreChoice) -> Result<CycleFigure, BenchError> {
    let ground = Ground::prepare(choice).await?;
    let measured = measure(options, &ground).await;
    ground.remove().await?;
    measured
}

async fn measure(options: CycleOptions, ground: &Ground) -> Result<CycleFigure, BenchError> {
    let mut stage = Stage::set(options, ground.open().await?).await?;
    let imports_per_s = stage.import(options).await?;
    let enrollments_per_s = stage.enroll(options).await?;
    let mut limit = Limit::default();
    limit.measure(&stage.engine.store).await?;
    let burst = stage.burst(options).await?;
    limit.measure(&stage.engine.store).await?;
    let taken = stage.measure_posts(options).await?;
    let lateness = lateness(&burst.begun, &stage.members);
    let early = lateness.iter().filter(|late| **late < 0).count();
    expect("early hand-overs", early, 0)?;
    let cycles_per_s = per_second(options.enrollments, burst.took);
    let figure = CycleFigure {
        store: ground.via(),
        provider: options.carrier,
        enrollments: options.enrollments,
        tenants: options.tenants,
        spread_ms: options.spread_ms,
        imports_per_s,
        enrollments_per_s,
        planned_per_s: enrollments_per_s * synthetic::cadence().steps.len() as f64,
        cycles_per_s,
        lateness_p50_ms: share(&lateness, 50),
        lateness_p99_ms: share(&lateness, 99),
        limit_rows_per_s: limit.rows_per_s(),
        ratio: (cycles_per_s / limit.rows_per_s() * 1_000.0).round() / 1_000.0,
        wire: stage
            .wire
            .as_ref()
            .zip(taken)
            .map(|it| it.0.figure(cycles_per_s, it.1)),
        cpu_ms_per_1000: burst.cpu_ms as f64 * 1_000.0 / options.enrollments.max(1) as f64,
        resident_mib: process::resident_bytes()? >> 20,
    };
    stage.engine.stop().await;
    Ok(figure)
}

impl Stage {
    pub(super) async fn set(options: CycleOptions, store: Store) -> Result<Self, BenchError> {
        let clock = Arc::new(JumpClock::starting_at(crowd::begins_at()));
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let mut sink = Sink::new(Arc::clone(&shared), options.enrollments);
        let (way, wire) = match options.carrier {
            Carrier::Process => (Way::IN_PROCESS, None),
            Carrier::Http => (OVER_HTTP, Some(Wire::start(Arc::clone(&shared))?)),
        };
        if let Some(wire) = &wire {
            sink = sink.before(Arc::new(wire.registry(&store)?));
        }
        let sink = Arc::new(sink);
        let gateway = Arc::clone(&sink);
        let engine = Engine::start(store, gateway, shared, Pace::default())?;
        let tenants = options.tenants as i64;
        let joined = stream::iter(0..tenants)
            .map(|no| crowd::join(&engine.store, way, no * options.spread_ms / tenants))
            .buffered(CALLS);
        let members = joined.try_collect().await?;
        Ok(Self {
            engine,
            clock,
            sink,
            members,
            wire,
        })
    }

    /// Imports every boleto, and returns how many a second.
    pub(super) async fn import(&self, options: CycleOptions) -> Result<f64, BenchError> {
        let per_tenant = options.enrollments / options.tenants;
        let chunks = (0..per_tenant).step_by(CHUNK).flat_map(|from| {
            let to = (from + CHUNK).min(per_tenant);
            self.members
                .iter()
                .map(move |member| (member.tenant, from..to))
        });
        let began = Instant::now();
        let doors = &self.engine.doors;
        let imported = stream::iter(chunks)
            .map(|(tenant, numbers)| crowd::import(doors, tenant, numbers, crowd::due_on()))
            .buffer_unordered(CALLS)
            .try_fold(0, async |sum, accepted| Ok(sum + accepted as usize));
        let imported = imported.await?;
        let took = began.elapsed();
        expect("boletos imported", imported, per_tenant * options.tenants)?;
        // What the owners heard of meanwhile is over before the launch.
        self.engine.node.at_rest().await;
        Ok(per_second(imported, took))
    }

    /// Launches every campaign, and returns how many enrollments there were a second.
    pub(super) async fn enroll(&self, options: CycleOptions) -> Result<f64, BenchError> {
        let launches: Vec<_> = self.members.iter().map(crowd::launch).collect();
        let began = Instant::now();
        self.engine.doors.tell(&launches).await?;
        self.engine.node.at_rest().await;
        let took = began.elapsed();
        let enrolled = self.engine.store.active_enrollments().await? as usize;
        expect("enrollments", enrolled, options.enrollments)?;
        Ok(per_second(enrolled, took))
    }

    /// Lets everything come due, and returns what came of it.
    pub(super) async fn burst(&self, options: CycleOptions) -> Result<Burst, BenchError> {
        let due_at = synthetic::due_at();
        self.clock.jump_to(due_at.plus_ms(-AHEAD_MS));
        self.engine.node.at_rest().await;
        expect("early hand-overs", self.sink.count(), 0)?;
        let cpu_ms = process::cpu_ms()?;
        self.clock.jump_to(due_at);
        let began = Instant::now();
        let last_at = due_at.plus_ms(options.spread_ms + HELD_MS_MAX);
        self.worked_off(options.enrollments, last_at).await;
        let took = began.elapsed();
        let burst = Burst {
            took,
            cpu_ms: process::cpu_ms()? - cpu_ms,
            begun: self.sink.begun(),
        };
        expect("hand-overs", burst.begun.len(), options.enrollments)?;
        Ok(burst)
    }

    /// Makes as many requests as the gateway took without the engine, twice: a shared machine
    /// changes its pace. Returns what it took.
    async fn measure_posts(&mut self, options: CycleOptions) -> Result<Option<Taken>, BenchError> {
        let Some(wire) = &mut self.wire else {
            return Ok(None);
        };
        let taken = wire.taken();
        expect(
            "messages at the gateway",
            taken.requests(),
            options.enrollments,
        )?;
        for _ in 0..2 {
            wire.measure_limit(taken).await?;
        }
        Ok(Some(taken))
    }

    /// Waits until every outcome is recorded, and for what is only held until `last_at`.
    async fn worked_off(&self, wanted: usize, last_at: Timestamp) {
        loop {
            self.engine.node.at_rest().await;
            let next_at = self.engine.node.next_wake_at();
            match next_at.filter(|at| *at <= last_at) {
                Some(at) if self.sink.count() < wanted => self.clock.wait_until(at).await,
                _ => return,
            }
        }
    }
}

/// Returns how late each hand-over began, in order.
pub(super) fn lateness(begun: &[Begun], members: &[Member]) -> Vec<i64> {
    let due: HashMap<TenantId, Timestamp> = members
        .iter()
        .map(|member| (member.tenant, member.due_at))
        .collect();
    let late = begun
        .iter()
        .filter_map(|begun| Some(begun.at.since(*due.get(&begun.tenant)?)));
    let mut late: Vec<i64> = late.collect();
    late.sort_unstable();
    late
}

/// Returns the value that `percent` of the sorted ones do not exceed.
pub(super) fn share(sorted: &[i64], percent: usize) -> i64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_the_smallest_value_that_covers_it() {
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!((share(&hundred, 50), share(&hundred, 99)), (50, 99));
        assert_eq!((share(&[7], 99), share(&[], 50)), (7, 0));
    }
}
