//! Instants of the tests, written as people read them.

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;

use crate::time::{MINUTE_MS, Timestamp, resolve_local};

/// Reads an instant of UTC, such as `2026-03-01T12:00`.
pub(super) fn utc(text: &str) -> Timestamp {
    Timestamp::from_unix_ms(wall_clock(text).and_utc().timestamp_millis())
}

/// Reads a wall clock of a zone, such as `2026-03-01T12:00`.
pub(super) fn local(zone: Tz, text: &str) -> Timestamp {
    resolve_local(zone, wall_clock(text))
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub(super) fn wall_clock(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").expect("a wall clock")
}

/// Walks the minutes from `from` to `until`, the latter not included.
pub(super) fn minutes(from: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let step = usize::try_from(MINUTE_MS).expect("a step");
    (from.unix_ms()..until.unix_ms())
        .step_by(step)
        .map(Timestamp::from_unix_ms)
}

/// Weeks in which a zone's clock shifts: forwards, backwards, by half an hour, by a whole day.
pub(super) const SHIFTS: [(Tz, &str); 14] = [
    (Tz::America__Sao_Paulo, "2018-02-14T00:00"),
    (Tz::America__Sao_Paulo, "2018-11-01T00:00"),
    (Tz::America__Manaus, "2026-02-14T00:00"),
    (Tz::America__New_York, "2026-03-05T00:00"),
    (Tz::America__New_York, "2026-10-29T00:00"),
    (Tz::Australia__Lord_Howe, "2026-04-02T00:00"),
    (Tz::Australia__Lord_Howe, "2026-10-01T00:00"),
    (Tz::Pacific__Apia, "2011-12-27T00:00"),
    (Tz::Pacific__Apia, "2012-03-29T00:00"),
    (Tz::Europe__Berlin, "2026-03-26T00:00"),
    (Tz::Europe__Berlin, "2026-10-22T00:00"),
    (Tz::America__Havana, "2026-10-29T00:00"),
    (Tz::Asia__Beirut, "2026-03-26T00:00"),
    (Tz::Africa__Casablanca, "2026-02-12T00:00"),
];
