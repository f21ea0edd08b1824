//! `regua cron`: shows when a recurrence fires.

use std::ffi::OsString;
use std::io::{self, Write};

use actors::clock::{Clock as _, SystemClock};
use chrono::{DateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use schedules::recurrence::{Recurrence, RecurrenceError};
use schedules::time::Timestamp;
use serde::Serialize;

use super::Ended;
use super::check::{FormArgs, Refusal};

/// The most slots that are shown at once.
const COUNT_MAX: u16 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the next instants at which an expression fires on the wall clock of a zone.
    Next(NextArgs),
}

#[derive(Debug, Args)]
pub(super) struct NextArgs {
    /// Five fields (minute hour day month weekday), or six with the seconds first; in quotes.
    #[arg(value_name = "EXPR")]
    expression: OsString,
    /// The zone, such as America/Sao_Paulo.
    #[arg(long)]
    zone: OsString,
    /// How many instants are listed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Lists instants later than this one, such as 2026-03-01T00:00:00Z. Now, unless stated.
    #[arg(long, value_name = "INSTANT")]
    after: Option<DateTime<Utc>>,
    #[command(flatten)]
    form: FormArgs,
}

#[derive(Serialize)]
struct Slots {
    expression: String,
    zone: Tz,
    next_at: Vec<String>,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> io::Result<Ended> {
        let Self::Next(args) = self;
        args.form.answer(out, args.slots())
    }
}

impl NextArgs {
    fn slots(&self) -> Result<Slots, Refusal> {
        let not_utf8 = || Refusal::of("argument_not_utf8", "the argument is not utf-8");
        let expression = self.expression.to_str().ok_or_else(not_utf8)?;
        let zone: Tz = self
            .zone
            .to_str()
            .ok_or_else(not_utf8)?
            .parse()
            .map_err(|_| Refusal::of("zone_unknown", "the time zone does not exist"))?;
        let recurrence =
            Recurrence::parse(expression).map_err(|error| Refusal::of(code_of(error), error))?;
        let mut after = self.after.map_or_else(
            || SystemClock::start().now(),
            |after| Timestamp::from_unix_ms(after.timestamp_millis()),
        );
        let mut next_at = Vec::new();
        while next_at.len() < usize::from(self.count.min(COUNT_MAX)) {
            let Some(at) = recurrence.next_after(zone, after) else {
                break;
            };
            next_at.push(local_text(zone, at));
            after = at;
        }
        Ok(Slots {
            expression: recurrence.as_str().to_owned(),
            zone,
            next_at,
        })
    }
}

/// Writes an instant as the wall clock of a zone with its offset (RFC 3339).
fn local_text(zone: Tz, at: Timestamp) -> String {
    match zone.timestamp_millis_opt(at.unix_ms()).single() {
        Some(local) => local.to_rfc3339(),
        None => at.to_string(),
    }
}

const fn code_of(error: RecurrenceError) -> &'static str {
    match error {
        RecurrenceError::TextTooLong => "cron_length",
        RecurrenceError::FieldCount(_) => "cron_field_count",
        RecurrenceError::Syntax => "cron_syntax",
        RecurrenceError::Unsupported(_) => "cron_unsupported",
        RecurrenceError::WrappedWeekdays => "cron_wrapped_weekdays",
        RecurrenceError::NumericWeekday => "cron_numeric_weekday",
        RecurrenceError::DayAndWeekday => "cron_day_and_weekday",
        RecurrenceError::TooFrequent => "cron_too_frequent",
        RecurrenceError::NeverFires => "cron_never_fires",
    }
}
