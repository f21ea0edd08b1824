//! Cadences of the tests.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;

use crate::cadence::{Cadence, Condition, DayUnit, Step, When};
use crate::calendar::Calendar;
use crate::channel::Channel;
use crate::plan::{PlanInput, Progress};
use crate::recurrence::Recurrence;
use crate::time::DAY_MS;

pub(super) fn offset(no: u8, days: i32, unit: DayUnit, at: &str) -> Step {
    let at = NaiveTime::parse_from_str(at, "%H:%M").expect("a time");
    step(no, When::Offset { days, unit, at })
}

pub(super) fn recurring(no: u8, cron: &str, from_days: i32, occurrences_max: u32) -> Step {
    let cron = Recurrence::parse(cron).expect("an expression");
    step(
        no,
        When::Recurrence {
            cron,
            from_days,
            occurrences_max,
        },
    )
}

pub(super) fn step(no: u8, when: When) -> Step {
    Step {
        no,
        when,
        channels: vec![Channel::Whatsapp],
        template: "lembrete".to_owned(),
        expires_after_ms: 2 * DAY_MS,
        condition: Condition::default(),
        merge: None,
        introduction: None,
    }
}

pub(super) fn cadence(steps: Vec<Step>) -> Cadence {
    Cadence {
        steps,
        grace_business_days: 1,
        reminders_max: 12,
        condition: Condition::default(),
    }
}

/// Three days before, on the day, and one, seven and fifteen days after.
pub(super) fn customary() -> Cadence {
    let days = [(1, -3), (2, 0), (3, 1), (4, 7), (5, 15)];
    cadence(
        days.map(|(no, days)| offset(no, days, DayUnit::Calendar, "09:00"))
            .to_vec(),
    )
}

/// Returns the plan's input for a boleto of 100 reais in São Paulo that nothing was sent about.
pub(super) fn plan_input<'a>(
    cadence: &'a Cadence,
    calendar: &'a Calendar,
    due_on: NaiveDate,
) -> PlanInput<'a> {
    PlanInput {
        cadence,
        calendar,
        zone: Tz::America__Sao_Paulo,
        due_on,
        amount_centavos: 10_000,
        progress: Progress::default(),
    }
}
