//! Instants, and the way a local wall clock becomes one.
//!
//! An intent ("09:00 in Manaus on 3 March") is stored as local wall clock + place. It becomes an
//! instant late, with a declared policy: in a gap the first instant after it, in a fold the first.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in 24 hours; a local day may be longer or shorter.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The largest instant: "never".
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// Wraps unix milliseconds.
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self(unix_ms)
    }

    /// Returns unix milliseconds.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Returns the instant `ms` milliseconds later (earlier when negative), saturating.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Returns the milliseconds from `earlier` to this instant; negative when it is later.
    pub const fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the wall clock that a person in `zone` reads at this instant.
    pub fn local(self, zone: Tz) -> NaiveDateTime {
        zone.from_utc_datetime(&self.utc_naive()).naive_local()
    }

    /// Returns the civil date in `zone` at this instant.
    pub fn local_date(self, zone: Tz) -> NaiveDate {
        self.local(zone).date()
    }

    /// Returns how far the wall clock of `zone` is ahead of UTC at this instant, in milliseconds.
    pub fn offset_ms(self, zone: Tz) -> i64 {
        let offset = zone.offset_from_utc_datetime(&self.utc_naive()).fix();
        i64::from(offset.local_minus_utc()) * SECOND_MS
    }

    /// Clamps to the representable dates, a day inside so that every zone has a wall clock.
    fn utc_naive(self) -> NaiveDateTime {
        let earliest = DateTime::<Utc>::MIN_UTC.timestamp_millis() + 2 * DAY_MS;
        let latest = DateTime::<Utc>::MAX_UTC.timestamp_millis() - 2 * DAY_MS;
        DateTime::<Utc>::from_timestamp_millis(self.0.clamp(earliest, latest))
            .unwrap_or_default()
            .naive_utc()
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}Z", self.utc_naive().format("%Y-%m-%dT%H:%M:%S%.3f"))
    }
}

/// Returns the instant at which the wall clock of `zone` reads `local`.
///
/// A wall clock that does not exist (a gap) becomes the first instant after the gap; one that
/// exists twice (a fold) becomes the first of the two.
pub fn resolve_local(zone: Tz, local: NaiveDateTime) -> Timestamp {
    use chrono::LocalResult::{Ambiguous, None, Single};
    match zone.from_local_datetime(&local) {
        Single(at) | Ambiguous(at, _) => Timestamp(at.timestamp_millis()),
        None => first_instant_after_gap(zone, local),
    }
}

/// Returns the first instant of a civil day in `zone`.
pub fn day_start(zone: Tz, on: NaiveDate) -> Timestamp {
    resolve_local(zone, on.and_time(NaiveTime::MIN))
}

/// Finds the end of the gap that swallows `local`: the transition itself, to the second.
fn first_instant_after_gap(zone: Tz, local: NaiveDateTime) -> Timestamp {
    // No zone has shifted its clock by more than a day and a bit at once (Samoa, 24 h).
    let (mut before, mut after) = (
        local.and_utc().timestamp() - TimeDelta::hours(48).num_seconds(),
        local.and_utc().timestamp() + TimeDelta::hours(48).num_seconds(),
    );
    // Invariant: the wall clock at `before` is earlier than `local`, at `after` it is not.
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if Timestamp(middle * SECOND_MS).local(zone) < local {
            before = middle;
        } else {
            after = middle;
        }
    }
    Timestamp(after * SECOND_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").expect("a wall clock")
    }

    #[test]
    fn a_wall_clock_in_a_gap_becomes_the_first_instant_after_it() {
        let at = resolve_local(Tz::America__Sao_Paulo, local("2018-11-04T00:30:00"));
        assert_eq!(at.to_string(), "2018-11-04T03:00:00.000Z");
        assert_eq!(
            at.local(Tz::America__Sao_Paulo),
            local("2018-11-04T01:00:00")
        );
    }

    #[test]
    fn a_day_without_a_midnight_begins_with_its_first_instant() {
        let on = local("2018-11-04T00:00:00").date();
        let at = day_start(Tz::America__Sao_Paulo, on);
        assert_eq!(at.to_string(), "2018-11-04T03:00:00.000Z");
    }

    #[test]
    fn a_wall_clock_that_exists_twice_becomes_the_first_of_the_two() {
        let at = resolve_local(Tz::America__New_York, local("2026-11-01T01:30:00"));
        assert_eq!(at.to_string(), "2026-11-01T05:30:00.000Z");
    }

    #[test]
    fn the_ends_of_time_have_a_wall_clock_in_every_zone() {
        for at in [Timestamp::MAX, Timestamp::from_unix_ms(i64::MIN)] {
            for zone in [Tz::Pacific__Apia, Tz::Etc__GMTPlus12, Tz::UTC] {
                assert_eq!(at.local(zone).date(), at.local_date(zone));
            }
            assert!(!at.to_string().is_empty());
        }
    }

    #[test]
    fn a_day_that_a_zone_skipped_becomes_the_first_instant_of_the_next() {
        let at = resolve_local(Tz::Pacific__Apia, local("2011-12-30T12:00:00"));
        assert_eq!(at.to_string(), "2011-12-30T10:00:00.000Z");
    }
}
