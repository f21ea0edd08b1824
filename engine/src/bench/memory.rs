//! `regua bench memory`: bytes a pending enrollment and an idle tenant cost, and a cold start on a
//! large database.
//!
//! One boleto a tenant comes in through the doors and is enrolled by its owner; the store copies
//! those rows. Then the database is opened anew, so that nothing of that work is in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::clock::{Clock, JumpClock};
use chrono::Days;
use futures::{StreamExt, TryStreamExt, stream};
use schedules::id::TenantId;
use schedules::time::{HOUR_MS, SECOND_MS, Timestamp};
use serde::Serialize;

use super::crowd::{self, Member, Way};
use super::ground::{BenchError, Ground, StoreChoice, Via, expect};
use super::process::resident_bytes;
use super::sink::Sink;
use super::synthetic;
use crate::boot::{Engine, Pace};
use crate::store::{SHARDS, Store};

/// Tenants over which the far enrollments are spread, and as many for the near ones.
pub const TENANTS: usize = 50;
/// How long after the start the near enrollments come due, in milliseconds.
const NEAR_MS: i64 = 3 * HOUR_MS;
/// How long before that the clock stops, in milliseconds.
const AHEAD_MS: i64 = 30 * SECOND_MS;
/// Tenants that are awake at once while the idle ones are seen.
const AWAKE: usize = 500;
/// After how long a tenant without anything to do is asleep, in milliseconds.
const ASLEEP_MS: i64 = 31 * SECOND_MS;
/// Calls to the doors that wait at once.
const CALLS: usize = 32;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct MemoryOptions {
    /// Enrollments that are due in two months.
    pub enrollments: usize,
    /// Enrollments that come into memory.
    pub near: usize,
    /// Tenants that are seen and fall asleep.
    pub idle_tenants: usize,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct MemoryFigure {
    /// The store.
    pub store: Via,
    /// Enrollments in the database.
    pub enrollments: usize,
    /// Opening the store, in milliseconds.
    pub open_ms: f64,
    /// From the opened store to the first hand-over, of a reminder that was due.
    pub first_hand_over_ms: f64,
    /// From the opened store to rest: every shard owned, look-ahead done, what was due recorded.
    pub rest_ms: f64,
    /// Resident memory at rest, in MiB; with SQLite its page caches are in it.
    pub resident_mib: i64,
    /// What the start added for an enrollment that is far away, in bytes.
    pub bytes_per_far_enrollment: f64,
    /// Idle tenants that were seen.
    pub idle_tenants: usize,
    /// What an idle tenant that was seen leaves behind, in bytes.
    pub bytes_per_idle_tenant: f64,
    /// Enrollments that came into memory.
    pub near: usize,
    /// What such a one costs, its boleto and its contact included, in bytes.
    pub bytes_per_near_enrollment: f64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`]; [`BenchError::Unexpected`] when the wrong reminder went out.
pub async fn run(options: MemoryOptions, choice: &StoreChoice) -> Result<MemoryFigure, BenchError> {
    let ground = Ground::prepare(choice).await?;
    let measured = measure(options, &ground).await;
    ground.remove().await?;
    measured
}

/// The tenants of a large database.
struct Crowd {
    due: Member,
    near: Vec<Member>,
}

/// An engine that started on it.
struct Started {
    engine: Engine,
    clock: Arc<JumpClock>,
    first_hand_over: Duration,
    rest: Duration,
}

async fn measure(options: MemoryOptions, ground: &Ground) -> Result<MemoryFigure, BenchError> {
    let crowd = fill(options, ground).await?;
    let began = Instant::now();
    let store = ground.open().await?;
    let open = began.elapsed();
    let enrollments = store.active_enrollments().await? as usize;
    let before = resident_bytes()?;
    let started = start(store, &crowd.due).await?;
    let at_rest = resident_bytes()?;
    let idle = started.idle_tenants(options.idle_tenants).await?;
    let near = started.near(&crowd.near, options.near).await?;
    started.engine.stop().await;
    let share = |bytes: i64, count: usize| (bytes as f64 / count.max(1) as f64).round();
    Ok(MemoryFigure {
        store: ground.via(),
        enrollments,
        open_ms: ms(open),
        first_hand_over_ms: ms(started.first_hand_over),
        rest_ms: ms(started.rest),
        resident_mib: at_rest >> 20,
        bytes_per_far_enrollment: share(at_rest - before, options.enrollments),
        idle_tenants: options.idle_tenants,
        bytes_per_idle_tenant: share(idle, options.idle_tenants),
        near: options.near,
        bytes_per_near_enrollment: share(near, options.near),
    })
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Fills a database, and closes it.
async fn fill(options: MemoryOptions, ground: &Ground) -> Result<Crowd, BenchError> {
    let store = ground.open().await?;
    let mut members = Vec::new();
    for no in 0..=2 * TENANTS {
        let later_ms = if no > TENANTS { NEAR_MS } else { 0 };
        members.push(crowd::join(&store, Way::IN_PROCESS, later_ms).await?);
    }
    enroll(&store, &members).await?;
    let mut after_id = 1_000_000;
    for (no, member) in members.iter().enumerate().skip(1) {
        let wanted = if no > TENANTS {
            options.near
        } else {
            options.enrollments
        };
        let copies = (wanted / TENANTS) as i64 - 1;
        store.multiply(member.tenant, after_id, copies).await?;
        after_id += copies;
    }
    store.know_sizes().await?;
    store.close().await;
    Ok(Crowd {
        due: members[0],
        near: members.split_off(TENANTS + 1),
    })
}

/// Lets one boleto of each in, and the owners enroll it.
async fn enroll(store: &Store, members: &[Member]) -> Result<(), BenchError> {
    let clock: Arc<dyn Clock> = Arc::new(JumpClock::starting_at(crowd::begins_at()));
    let sink = Arc::new(Sink::new(Arc::clone(&clock), 0));
    let engine = Engine::start(store.clone(), sink, clock, Pace::default())?;
    for (no, member) in members.iter().enumerate() {
        let far = (1..=TENANTS).contains(&no);
        let due_on = crowd::due_on() + Days::new(if far { 60 } else { 0 });
        crowd::import(&engine.doors, member.tenant, 0..1, due_on).await?;
    }
    engine.node.at_rest().await;
    let launches: Vec<_> = members.iter().map(crowd::launch).collect();
    engine.doors.tell(&launches).await?;
    engine.node.at_rest().await;
    let enrolled = store.active_enrollments().await? as usize;
    // The store stays open: only the node ends.
    engine.node.drain().await;
    expect("enrollments", enrolled, members.len())
}

/// Starts an engine at the instant at which one reminder is due.
async fn start(store: Store, due: &Member) -> Result<Started, BenchError> {
    let clock = Arc::new(JumpClock::starting_at(synthetic::due_at()));
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let sink = Arc::new(Sink::new(Arc::clone(&shared), 1));
    let began = Instant::now();
    let engine = Engine::start(store, Arc::clone(&sink) as Arc<_>, shared, Pace::default())?;
    let first = sink.first().await;
    engine.node.at_rest().await;
    let rest = began.elapsed();
    expect("hand-overs", sink.count(), 1)?;
    expect(
        "hand-overs of the due tenant",
        usize::from(first.tenant == due.tenant),
        1,
    )?;
    expect("shards owned", engine.node.shards().len(), SHARDS as usize)?;
    Ok(Started {
        engine,
        clock,
        first_hand_over: first.seen.duration_since(began),
        rest,
    })
}

impl Started {
    /// Lets the node see tenants without anything to do, some at a time; returns the bytes that
    /// are left of them when they are asleep.
    async fn idle_tenants(&self, count: usize) -> Result<i64, BenchError> {
        let store = &self.engine.store;
        let idle: Vec<TenantId> = stream::iter(0..count)
            .map(|_| crowd::idle(store))
            .buffer_unordered(CALLS)
            .try_collect()
            .await?;
        let node = &self.engine.node;
        let (mut before, mut asleep) = (resident_bytes()?, node.view().asleep);
        for (no, tenants) in idle.chunks(AWAKE).enumerate() {
            let owned = tenants.iter().filter(|tenant| node.hint(**tenant)).count();
            expect("tenants owned here", owned, tenants.len())?;
            node.at_rest().await;
            self.clock.jump_to(self.clock.now().plus_ms(ASLEEP_MS));
            node.at_rest().await;
            if no == 0 {
                // The first ones leave room that the others use again.
                (before, asleep) = (resident_bytes()?, node.view().asleep);
            }
        }
        let seen = node.view().asleep - asleep;
        expect("tenants asleep", seen, count.saturating_sub(AWAKE))?;
        let left = resident_bytes()? - before;
        Ok((left as f64 * count as f64 / seen.max(1) as f64) as i64)
    }

    /// Lets the near enrollments come into memory, and returns the bytes they take.
    async fn near(&self, members: &[Member], count: usize) -> Result<i64, BenchError> {
        let before = resident_bytes()?;
        let ahead: Timestamp = synthetic::due_at().plus_ms(NEAR_MS - AHEAD_MS);
        self.clock.jump_to(ahead);
        self.engine.node.at_rest().await;
        let held = members
            .iter()
            .filter_map(|member| self.engine.node.tenant_view(member.tenant)?.machine)
            .map(|machine| machine.entries)
            .sum();
        expect("enrollments in memory", held, count)?;
        Ok(resident_bytes()? - before)
    }
}
