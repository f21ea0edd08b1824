//! How values stand in columns.

use actors::ports::Cursor;
use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::cadence::StepSet;
use schedules::channel::Channel;
use schedules::id::AttemptId;
use schedules::plan::{Progress, Touch};
use schedules::time::Timestamp;
use serde::Serialize;

use super::conn::Row;
use super::error::StoreError;

/// A channel's place in `enrollments.barred`.
pub(super) const fn channel_bit(channel: Channel) -> i64 {
    match channel {
        Channel::Whatsapp => 1,
        Channel::Sms => 2,
        Channel::Email => 4,
    }
}

/// Returns the channels of a mask of bits.
pub(super) fn channels_of(bits: i64) -> Vec<Channel> {
    let all = Channel::ALL.into_iter();
    all.filter(|channel| bits & channel_bit(*channel) != 0)
        .collect()
}

/// A cursor's columns, in the order in which every statement lists them.
pub(super) fn cursor(row: &mut Row) -> Result<Cursor, StoreError> {
    let progress = Progress {
        done: StepSet(row.int()?),
        occurrence: row.small()?,
        reminders: row.small()?,
        after_at: instant(row)?,
    };
    let touch = match (row.int_or_null()?, row.int_or_null()?) {
        (Some(step_no), Some(occurrence)) => Some(Touch {
            step_no: small(step_no)?,
            occurrence: small(occurrence)?,
            slot_at: instant(row)?,
            expires_at: instant(row)?,
        }),
        _ => {
            row.int_or_null()?;
            row.int_or_null()?;
            None
        }
    };
    Ok(Cursor {
        progress,
        touch,
        try_no: row.small()?,
        channel_tries: row.small()?,
        channel_from: row.small()?,
        next_at: instant_or_null(row)?,
    })
}

/// A cursor as numbers, in the order of its columns.
pub(super) fn cursor_cells(cursor: &Cursor) -> [Option<i64>; 12] {
    let touch = cursor.touch;
    [
        Some(cursor.progress.done.0),
        Some(cursor.progress.occurrence.into()),
        Some(cursor.progress.reminders.into()),
        Some(cursor.progress.after_at.unix_ms()),
        touch.map(|touch| touch.step_no.into()),
        touch.map(|touch| touch.occurrence.into()),
        touch.map(|touch| touch.slot_at.unix_ms()),
        touch.map(|touch| touch.expires_at.unix_ms()),
        Some(cursor.try_no.into()),
        Some(cursor.channel_tries.into()),
        Some(cursor.channel_from.into()),
        cursor.next_at.map(Timestamp::unix_ms),
    ]
}

/// Reads the attempt in whose message another went out.
pub(super) fn lead(row: &mut Row) -> Result<Option<AttemptId>, StoreError> {
    let lead = row.text_or_null()?.map(|text| text.parse());
    lead.transpose()
        .map_err(|_| StoreError::Unreadable { what: "lead" })
}

/// Writes the touch and the cursors of a claim in one short text: numbers between commas.
pub(super) fn claim_to_text(touch: Touch, from: &Cursor, to: &Cursor) -> String {
    use std::fmt::Write;
    let touch = [
        Some(touch.slot_at.unix_ms()),
        Some(touch.expires_at.unix_ms()),
    ];
    let numbers = touch
        .into_iter()
        .chain(cursor_cells(from))
        .chain(cursor_cells(to));
    let mut text = String::with_capacity(160);
    for (at, number) in numbers.enumerate() {
        if at > 0 {
            text.push(',');
        }
        if let Some(number) = number {
            // Writing to a String cannot fail.
            _ = write!(text, "{number}");
        }
    }
    text
}

/// Reads what [`claim_to_text`] wrote: slot, expiry, cursor before, cursor after.
pub(super) fn claim_from_text(
    text: &str,
) -> Result<(Timestamp, Timestamp, Cursor, Cursor), StoreError> {
    const UNREADABLE: StoreError = StoreError::Unreadable {
        what: "cursors of a claim",
    };
    let numbers = text
        .split(',')
        .map(|part| match part {
            "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| UNREADABLE),
        })
        .collect::<Result<Vec<Option<i64>>, _>>()?;
    let [Some(slot), Some(expiry), cursors @ ..] = &numbers[..] else {
        return Err(UNREADABLE);
    };
    let (Ok(from), Ok(to)) = (
        <[Option<i64>; 12]>::try_from(cursors.get(..12).unwrap_or_default()),
        <[Option<i64>; 12]>::try_from(cursors.get(12..).unwrap_or_default()),
    ) else {
        return Err(UNREADABLE);
    };
    Ok((
        Timestamp::from_unix_ms(*slot),
        Timestamp::from_unix_ms(*expiry),
        cursor_of(from)?,
        cursor_of(to)?,
    ))
}

fn cursor_of(cells: [Option<i64>; 12]) -> Result<Cursor, StoreError> {
    let [
        done,
        occurrence,
        reminders,
        after,
        step,
        touched,
        slot,
        expiry,
        tries,
        on,
        from,
        next,
    ] = cells;
    let some = |cell: Option<i64>| cell.ok_or(StoreError::Unreadable { what: "cursor" });
    let touch = match (step, touched, slot, expiry) {
        (Some(step), Some(occurrence), Some(slot), Some(expiry)) => Some(Touch {
            step_no: small(step)?,
            occurrence: small(occurrence)?,
            slot_at: Timestamp::from_unix_ms(slot),
            expires_at: Timestamp::from_unix_ms(expiry),
        }),
        _ => None,
    };
    Ok(Cursor {
        progress: Progress {
            done: StepSet(some(done)?),
            occurrence: small(some(occurrence)?)?,
            reminders: small(some(reminders)?)?,
            after_at: Timestamp::from_unix_ms(some(after)?),
        },
        touch,
        try_no: small(some(tries)?)?,
        channel_tries: small(some(on)?)?,
        channel_from: small(some(from)?)?,
        next_at: next.map(Timestamp::from_unix_ms),
    })
}

pub(super) fn instant(row: &mut Row) -> Result<Timestamp, StoreError> {
    row.int().map(Timestamp::from_unix_ms)
}

pub(super) fn instant_or_null(row: &mut Row) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.int_or_null()?.map(Timestamp::from_unix_ms))
}

pub(super) fn small<N: TryFrom<i64>>(number: i64) -> Result<N, StoreError> {
    N::try_from(number).map_err(|_| StoreError::Unreadable {
        what: "small integer",
    })
}

/// Reads zones, the likeliest first; never empty.
pub(super) fn zones(row: &mut Row) -> Result<Vec<Tz>, StoreError> {
    const UNREADABLE: StoreError = StoreError::Unreadable { what: "zone" };
    let text = row.text()?;
    text.split(',')
        .map(|name| name.parse().map_err(|_| UNREADABLE))
        .collect()
}

pub(super) fn zones_to_text(zones: &[Tz]) -> String {
    zones
        .iter()
        .map(|zone| zone.name())
        .collect::<Vec<_>>()
        .join(",")
}

/// Reads the likeliest of the zones.
pub(super) fn likeliest_zone(row: &mut Row) -> Result<Tz, StoreError> {
    let zones = zones(row)?;
    zones
        .first()
        .copied()
        .ok_or(StoreError::Unreadable { what: "zone" })
}

pub(super) fn date(row: &mut Row) -> Result<NaiveDate, StoreError> {
    row.parsed("date")
}

/// Writes a value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Unreadable {
        what: "value to write",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursors_of_a_claim_read_back_as_written() {
        let at = Timestamp::from_unix_ms;
        let touch = Touch {
            step_no: 3,
            occurrence: 7,
            slot_at: at(5),
            expires_at: at(9),
        };
        let from = Cursor {
            progress: Progress {
                done: StepSet(i64::MIN),
                occurrence: 1,
                reminders: 2,
                after_at: at(-4),
            },
            touch: Some(touch),
            try_no: 1,
            channel_tries: 2,
            channel_from: 3,
            next_at: Some(at(11)),
        };
        let to = Cursor::default();
        let text = claim_to_text(touch, &from, &to);
        assert_eq!(claim_from_text(&text), Ok((at(5), at(9), from, to)));
        assert!(claim_from_text("1,2,3").is_err());
        assert!(claim_from_text(&text.replace("11", "x")).is_err());
    }
}
