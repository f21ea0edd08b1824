//! What a seed draws: which faults are on and how often, how long leases last, which days.
//!
//! Swarm testing: no run has all faults, so that none hides another.

use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp, resolve_local};

use super::rng::Rng;
use crate::lease::LeaseTimes;

/// Whether faults go on to the end, or stop so that progress can be demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Faults to the end: only what must never happen is checked.
    Safety,
    /// Faults stop at some time; from then on everything due must come to its end.
    Liveness,
}

/// The days on which a run plays, and the zone that makes them interesting.
const ERAS: [(i32, u32, u32, Tz); 7] = [
    (2026, 10, 31, Tz::America__New_York),
    (2026, 3, 7, Tz::America__New_York),
    (2026, 4, 4, Tz::Australia__Lord_Howe),
    (2026, 10, 3, Tz::Australia__Lord_Howe),
    (2026, 11, 19, Tz::America__Sao_Paulo),
    (2026, 6, 8, Tz::America__Manaus),
    (2026, 2, 27, Tz::America__Sao_Paulo),
];

/// How often faults strike, in a thousand calls or per hour; 0 is off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Calls to the journal that are refused, per mille.
    pub(super) unavailable: i64,
    /// Commits that are applied and whose answer is lost, per mille.
    pub(super) answer_lost: i64,
    /// Commits that are lost together with their answer, per mille.
    pub(super) commit_lost: i64,
    /// The longest that one way of a call takes, in milliseconds.
    pub(super) latency_ms: i64,
    /// Whole stretches without a database, on average one in so many minutes.
    pub(super) database_down_every_min: i64,
    /// Crashes of nodes.
    pub(super) crash_every_min: i64,
    /// Pauses of nodes.
    pub(super) pause_every_min: i64,
    /// Leases that end before their time.
    pub(super) steal_every_min: i64,
    /// Drains of nodes.
    pub(super) drain_every_min: i64,
    /// Steps of wall clocks.
    pub(super) clock_every_min: i64,
    /// The furthest that a wall clock is off, in milliseconds.
    pub(super) skew_ms: i64,
    /// Panics of machines, per mille of steps.
    pub(super) panic: i64,
    /// Events that come again, per mille.
    pub(super) duplicate: i64,
    /// Hints that are lost, per mille.
    pub(super) hint_lost: i64,
    /// Answers of providers that are none of `accepted`, per mille.
    pub(super) provider: i64,
    /// Hand-overs that wait long in the queue, per mille.
    pub(super) queue_slow: i64,
    /// A pause may fall between the last check and the write.
    pub(super) residual: bool,
}

/// Everything that a seed decides besides tenants and workload.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) mode: Mode,
    pub(super) zone: Tz,
    pub(super) first_on: NaiveDate,
    pub(super) start: Timestamp,
    pub(super) faults_until: Timestamp,
    pub(super) end: Timestamp,
    pub(super) lease: LeaseTimes,
    pub(super) poll_ms: i64,
    pub(super) shards: i32,
    /// The run is short and dense: hours around due instants instead of days.
    pub(super) dense: bool,
    pub(super) faults: Faults,
    pub(super) page_rows: u32,
    pub(super) gateway_timeout_ms: i64,
}

impl Draw {
    pub(super) fn new(rng: &mut Rng, mode: Option<Mode>) -> Self {
        let drawn = rng.pick(&[Mode::Safety, Mode::Liveness]);
        let mode = mode.unwrap_or(drawn);
        let (year, month, day, zone) = rng.pick(&ERAS);
        let first_on = NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
        let dense = rng.per_mille(600);
        let noon = chrono::NaiveTime::MIN + chrono::TimeDelta::hours(rng.range(18, 23));
        let start = resolve_local(zone, first_on.and_time(noon));
        let lasts_ms = match dense {
            true => rng.range(5, 9) * HOUR_MS,
            false => rng.range(30, 84) * HOUR_MS,
        };
        let faults_until = start.plus_ms(lasts_ms);
        let quiet_ms = match mode {
            Mode::Safety => 0,
            Mode::Liveness => rng.range(30, 90) * MINUTE_MS,
        };
        Self {
            mode,
            zone,
            first_on,
            start,
            faults_until,
            end: faults_until.plus_ms(quiet_ms),
            lease: lease_times(dense, rng),
            poll_ms: if dense { 20 * SECOND_MS } else { 5 * MINUTE_MS },
            shards: 2,
            dense,
            faults: Faults::draw(rng, dense),
            page_rows: rng.pick(&[1, 2, 3, 5, 50]),
            gateway_timeout_ms: rng.pick(&[10, 30]) * SECOND_MS,
        }
    }
}

fn lease_times(dense: bool, rng: &mut Rng) -> LeaseTimes {
    match (dense, rng.per_mille(500)) {
        (true, true) => LeaseTimes::default(),
        (true, false) => LeaseTimes {
            ttl_ms: 30 * SECOND_MS,
            margin_ms: 6 * SECOND_MS,
            renew_every_ms: 8 * SECOND_MS,
        },
        (false, _) => LeaseTimes {
            ttl_ms: 6 * MINUTE_MS,
            margin_ms: MINUTE_MS,
            renew_every_ms: 2 * MINUTE_MS,
        },
    }
}

impl Faults {
    fn draw(rng: &mut Rng, dense: bool) -> Self {
        let scale = if dense { 1 } else { 8 };
        let latency_ms = rng.pick(&[4, 20, 200, 3_000]);
        let skew_ms = if rng.per_mille(250) {
            rng.range(100, 4_000)
        } else {
            0
        };
        let mut on = |values: &[i64]| {
            let drawn = rng.pick(values);
            if rng.per_mille(450) { drawn } else { 0 }
        };
        Self {
            unavailable: on(&[10, 50, 200]),
            answer_lost: on(&[20, 100, 250]),
            commit_lost: on(&[20, 100]),
            latency_ms,
            database_down_every_min: on(&[60, 180]) * scale,
            crash_every_min: on(&[20, 60, 120]) * scale,
            pause_every_min: on(&[10, 30, 90]) * scale,
            steal_every_min: on(&[10, 30, 90]) * scale,
            drain_every_min: on(&[60, 120]) * scale,
            clock_every_min: if skew_ms > 0 { 60 * scale } else { 0 },
            skew_ms,
            panic: on(&[5, 30, 100]),
            duplicate: on(&[50, 300]),
            hint_lost: on(&[100, 1_000]),
            provider: on(&[50, 200, 500, 900]),
            queue_slow: on(&[50, 300]),
            residual: on(&[1]) == 1 && rng.per_mille(150),
        }
    }

    /// Returns the world without faults in which a liveness phase ends.
    pub(super) fn over(self) -> Self {
        Self {
            latency_ms: 4,
            ..Self::default()
        }
    }
}

/// Days of a run, counted from its first.
pub(super) fn day(draw: &Draw, days: i64) -> NaiveDate {
    draw.first_on + chrono::TimeDelta::milliseconds(days * DAY_MS)
}
