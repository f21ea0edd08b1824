//! The weekday field of a cron expression, in the Unix reading: 0 and 7 are Sunday.

use super::RecurrenceError;

/// Every weekday, as bits from Sunday on.
pub(super) const EVERY_DAY: u32 = 0b111_1111;

const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Reads a list of `*`, days, ranges and steps into bits, bit 0 being Sunday.
pub(super) fn parse(field: &str, numbers_allowed: bool) -> Result<u32, RecurrenceError> {
    field.split(',').try_fold(
        0,
        |bits, item| Ok(bits | parse_item(item, numbers_allowed)?),
    )
}

fn parse_item(item: &str, numbers_allowed: bool) -> Result<u32, RecurrenceError> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (first, last) = match range.split_once('-') {
        _ if range == "*" || range == "?" => (0, 6),
        Some((first, last)) => (day(first, numbers_allowed)?, day(last, numbers_allowed)?),
        None if step.is_some() => return Err(RecurrenceError::Syntax),
        None => day(range, numbers_allowed).map(|day| (day, day))?,
    };
    if first > last {
        return Err(RecurrenceError::WrappedWeekdays);
    }
    let step = step.map_or(Ok(1), step_of)?;
    // 7 is Sunday again.
    Ok((first..=last)
        .step_by(step)
        .fold(0, |bits, day| bits | 1 << (day % 7)))
}

fn step_of(text: &str) -> Result<usize, RecurrenceError> {
    match text.as_bytes() {
        [digit @ b'1'..=b'7'] => Ok(usize::from(digit - b'0')),
        _ => Err(RecurrenceError::Syntax),
    }
}

fn day(text: &str, numbers_allowed: bool) -> Result<u32, RecurrenceError> {
    if let Some(index) = NAMES
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
    {
        return u32::try_from(index).map_err(|_| RecurrenceError::Syntax);
    }
    match text.as_bytes() {
        [digit @ b'0'..=b'7'] if numbers_allowed => Ok(u32::from(digit - b'0')),
        [b'0'..=b'9'] if !numbers_allowed => Err(RecurrenceError::NumericWeekday),
        _ => Err(unsupported_or_syntax(text)),
    }
}

fn unsupported_or_syntax(text: &str) -> RecurrenceError {
    if text.contains('#') {
        RecurrenceError::Unsupported('#')
    } else if text.ends_with(['L', 'l']) {
        RecurrenceError::Unsupported('L')
    } else {
        RecurrenceError::Syntax
    }
}
