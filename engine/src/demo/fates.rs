//! What will happen to the demo's boletos and contacts, and when: payments, cancellations,
//! opt-outs, replies, many of them within milliseconds of a due reminder.

use chrono_tz::Tz;
use schedules::cadence::Cadence;
use schedules::calendar::Calendar;
use schedules::id::TenantId;
use schedules::plan::{PlanInput, Progress, upcoming};
use schedules::time::{HOUR_MS, Timestamp};
use serde_json::{Value, json};

use super::dice::Dice;
use crate::bus::envelope::Envelope;
use crate::imports::csv::ImportRow;

/// An event that waits for its instant.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) at: Timestamp,
    pub(super) envelope: Envelope,
}

/// What fates are drawn for.
pub(super) struct Cast<'a> {
    pub(super) tenant: TenantId,
    pub(super) at_home: Tz,
    pub(super) cadence: &'a Cadence,
    pub(super) calendar: &'a Calendar,
    pub(super) begins_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

impl Cast<'_> {
    /// Draws a fate for each boleto, in the order of the file.
    pub(super) fn fates(&self, rows: &[ImportRow], dice: &mut Dice) -> Vec<Planned> {
        rows.iter().flat_map(|row| self.fate(row, dice)).collect()
    }

    fn fate(&self, row: &ImportRow, dice: &mut Dice) -> Vec<Planned> {
        let (kind, data) = match dice.below(100) {
            0..45 => ("boleto.paid", json!({ "reference": row.reference })),
            45..52 => ("boleto.cancelled", json!({ "reference": row.reference })),
            52..58 => match contact(row) {
                Some(contact) => ("contact.opted_out", contact),
                None => return Vec::new(),
            },
            58..61 => match contact(row) {
                Some(contact) => ("contact.replied", contact),
                None => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        let at = self.instant(row, dice);
        let envelope = self.envelope(format!("{kind}:{}", row.reference), kind, at, data);
        let mut planned = vec![Planned { at, envelope }];
        // A payment provider repeats itself.
        if dice.percent(15) {
            let again = planned[0].clone();
            let later = at.plus_ms(dice.between(0, 50));
            planned.push(Planned { at: later, ..again });
        }
        planned
    }

    /// Returns an instant: in two cases of three right around a due reminder of the boleto.
    fn instant(&self, row: &ImportRow, dice: &mut Dice) -> Timestamp {
        let slots = self.slots(row);
        if dice.percent(66) && !slots.is_empty() {
            return dice.pick(&slots).plus_ms(dice.between(-10, 25));
        }
        // An hour from both ends: a repetition comes within the demo as well.
        let span_ms = self.ends_at.since(self.begins_at) - HOUR_MS;
        self.begins_at.plus_ms(dice.between(HOUR_MS, span_ms))
    }

    fn slots(&self, row: &ImportRow) -> Vec<Timestamp> {
        let input = PlanInput {
            cadence: self.cadence,
            calendar: self.calendar,
            zone: row.contact.zones(self.at_home)[0],
            due_on: row.due_on,
            amount_centavos: row.amount_centavos,
            progress: Progress::beginning_at(self.begins_at),
        };
        let slots = upcoming(&input, 16).into_iter().map(|touch| touch.slot_at);
        slots.filter(|at| *at < self.ends_at).collect()
    }

    fn envelope(&self, id: String, kind: &str, time: Timestamp, data: Value) -> Envelope {
        Envelope {
            id,
            source: "demo".to_owned(),
            kind: kind.to_owned(),
            tenant: self.tenant,
            time,
            data,
        }
    }
}

fn contact(row: &ImportRow) -> Option<Value> {
    match (&row.contact.phone, &row.contact.email) {
        (Some(phone), _) => Some(json!({ "phone": phone.e164() })),
        (None, Some(email)) => Some(json!({ "email": email.as_str() })),
        (None, None) => None,
    }
}
