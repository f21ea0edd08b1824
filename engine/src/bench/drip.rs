//! Reminders that come due bit by bit: alone, beside imports of a file, and alone again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actors::clock::{Clock, JumpClock};
use futures::{StreamExt, TryStreamExt, stream};
use schedules::time::{MINUTE_MS, SECOND_MS};
use serde::Serialize;

use super::crowd::{self, Member, Way};
use super::cycle::{lateness, share};
use super::ground::{BenchError, expect};
use super::import::import;
use super::limit::per_second;
use super::sink::Sink;
use super::synthetic;
use crate::boot::Engine;

/// The most tenants over which a drip is spread.
const TENANTS_MAX: usize = 500;
/// Calls to the doors that wait at once.
const CALLS: usize = 8;
/// How long before the first instant the owners read what comes due, in milliseconds.
const AHEAD_MS: i64 = 30 * SECOND_MS;
/// How long after the last instant the last hand-over is waited for, in milliseconds.
const LATE_MS_MAX: i64 = MINUTE_MS;
/// How often it is looked for, in milliseconds.
const LOOK_MS: i64 = 10;
/// The drips: the first and the last are alone.
const DRIPS: usize = 3;
/// The drip that has imports beside it.
const BESIDE: usize = 1;

/// How reminders come due.
#[derive(Clone, Copy, Debug)]
pub struct DripOptions {
    /// Reminders of each drip.
    pub reminders: usize,
    /// Over how long they are spread, in milliseconds.
    pub spread_ms: i64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct DripFigure {
    /// Reminders of each drip.
    pub reminders: usize,
    /// Over how long they came due.
    pub spread_ms: i64,
    /// From the due instant to the begin of the hand-over, in the two drips without an import.
    pub alone_p50_ms: i64,
    /// The same, of the slowest hundredth.
    pub alone_p99_ms: i64,
    /// The same, of the slowest.
    pub alone_max_ms: i64,
    /// The same in the drip in which an import ran all the time.
    pub beside_p50_ms: i64,
    /// The same, of the slowest hundredth.
    pub beside_p99_ms: i64,
    /// The same, of the slowest.
    pub beside_max_ms: i64,
    /// Boletos imported beside it.
    pub beside_boletos: usize,
    /// The same, a second.
    pub beside_boletos_per_s: f64,
}

/// An engine whose reminders come due.
pub(super) struct Stage<'a> {
    pub(super) engine: &'a Engine,
    pub(super) clock: &'a JumpClock,
    pub(super) sink: &'a Sink,
    pub(super) options: DripOptions,
}

impl Stage<'_> {
    /// Measures; the file is imported anew, for a tenant of its own each time, as long as the drip
    /// lasts.
    pub(super) async fn measure(&self, file: &Arc<[u8]>) -> Result<DripFigure, BenchError> {
        let mut drips = Vec::new();
        for no in 0..DRIPS {
            drips.push(self.prepare(no).await?);
        }
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        let mut imported = (0, 0.0);
        for (no, members) in drips.iter().enumerate() {
            let late = if no == BESIDE {
                imported = self.drip_beside(members, file).await?;
                &mut beside
            } else {
                self.drip(members).await?;
                &mut alone
            };
            late.extend(lateness(&self.sink.begun(), members));
        }
        alone.sort_unstable();
        let early = alone.iter().chain(&beside).filter(|late| **late < 0);
        expect("early hand-overs", early.count(), 0)?;
        let alone = [50, 99, 100].map(|percent| share(&alone, percent));
        let beside = [50, 99, 100].map(|percent| share(&beside, percent));
        Ok(DripFigure {
            reminders: self.options.reminders,
            spread_ms: self.options.spread_ms,
            alone_p50_ms: alone[0],
            alone_p99_ms: alone[1],
            alone_max_ms: alone[2],
            beside_p50_ms: beside[0],
            beside_p99_ms: beside[1],
            beside_max_ms: beside[2],
            beside_boletos: imported.0,
            beside_boletos_per_s: imported.1,
        })
    }

    /// Makes the tenants of a drip and enrolls their boletos.
    async fn prepare(&self, no: usize) -> Result<Vec<Member>, BenchError> {
        let DripOptions {
            reminders,
            spread_ms,
        } = self.options;
        let tenants = reminders.clamp(1, TENANTS_MAX);
        let begin_ms = no as i64 * (spread_ms + LATE_MS_MAX + 2 * AHEAD_MS);
        let later_ms = |at: usize| begin_ms + at as i64 * spread_ms / tenants as i64;
        let store = &self.engine.store;
        let members: Vec<Member> = stream::iter(0..tenants)
            .map(|at| crowd::join(store, Way::IN_PROCESS, later_ms(at)))
            .buffered(CALLS)
            .try_collect()
            .await?;
        let doors = &self.engine.doors;
        let imports = members.iter().enumerate().map(|(at, member)| {
            let numbers = at * reminders / tenants..(at + 1) * reminders / tenants;
            crowd::import(doors, member.tenant, numbers, crowd::due_on())
        });
        let imported = stream::iter(imports)
            .buffer_unordered(CALLS)
            .try_fold(0, async |sum, accepted| Ok(sum + accepted as usize));
        expect("boletos imported", imported.await?, reminders)?;
        let launches: Vec<_> = members.iter().map(crowd::launch).collect();
        doors.tell(&launches).await?;
        self.engine.node.at_rest().await;
        let enrolled = store.active_enrollments().await? as usize;
        expect("enrollments", enrolled, (no + 1) * reminders)?;
        Ok(members)
    }

    /// Lets a drip come due, and waits until all of it was handed over.
    async fn drip(&self, members: &[Member]) -> Result<(), BenchError> {
        let before = self.approach(members).await?;
        self.fall(members, before).await?;
        self.engine.node.at_rest().await;
        Ok(())
    }

    /// The same, while the file is imported over and over; returns how many boletos came in, and
    /// how many that were a second.
    async fn drip_beside(
        &self,
        members: &[Member],
        file: &Arc<[u8]>,
    ) -> Result<(usize, f64), BenchError> {
        let before = self.approach(members).await?;
        let fallen = AtomicBool::new(false);
        let falling = async {
            let fell = self.fall(members, before).await;
            fallen.store(true, Ordering::Relaxed);
            fell
        };
        let importing = async {
            let began = Instant::now();
            let mut imported = 0;
            while !fallen.load(Ordering::Relaxed) {
                let new = crowd::join(&self.engine.store, Way::IN_PROCESS, 0).await?;
                imported += import(self.engine, new.tenant, file).await?;
            }
            Ok::<_, BenchError>((imported, per_second(imported, began.elapsed())))
        };
        let (fell, imported) = tokio::join!(falling, importing);
        fell?;
        self.engine.node.at_rest().await;
        imported
    }

    /// Goes to the first instant of a drip, and returns how many hand-overs there were before.
    async fn approach(&self, members: &[Member]) -> Result<usize, BenchError> {
        let first_at = members.first().map_or(synthetic::due_at(), |it| it.due_at);
        let before = self.sink.count();
        self.clock.jump_to(first_at.plus_ms(-AHEAD_MS));
        self.engine.node.at_rest().await;
        expect("early hand-overs", self.sink.count(), before)?;
        self.clock.jump_to(first_at);
        Ok(before)
    }

    /// Waits for the hand-overs of a drip; the node is never at rest beside an import.
    async fn fall(&self, members: &[Member], before: usize) -> Result<(), BenchError> {
        let last_at = members.last().map_or(synthetic::due_at(), |it| it.due_at);
        let mut look_at = last_at;
        while look_at < last_at.plus_ms(LATE_MS_MAX) {
            self.clock.wait_until(look_at).await;
            if self.sink.count() - before >= self.options.reminders {
                break;
            }
            look_at = self.clock.now().plus_ms(LOOK_MS);
        }
        expect(
            "hand-overs",
            self.sink.count() - before,
            self.options.reminders,
        )
    }
}
