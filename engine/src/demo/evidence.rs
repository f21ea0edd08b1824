//! Gathers what the judge looks at: the witness's notebook beside the journal's own records.

use actors::machine::input::Outcome;
use chrono_tz::Tz;
use schedules::calendar::Calendar;
use schedules::id::{BoletoId, TenantId};
use schedules::plan::{PlanInput, Progress, Touch, upcoming};
use schedules::time::Timestamp;
use schedules::verdict::Ruling;

use super::DemoError;
use super::data::TenantData;
use super::stage::{self, Staged};
use super::verify::{Evidence, Reminder};
use super::witness::Seen;
use crate::imports::csv::ImportRow;
use crate::store::{AttemptRecord, DecisionRecord, Store, Why};

/// Returns the evidence, and how many tenants' audit chains are broken.
pub(super) async fn gather(
    store: &Store,
    tenants: &[TenantData],
    staged: &[Staged],
    seen: Vec<Seen>,
    ends_at: Timestamp,
) -> Result<(Evidence, usize), DemoError> {
    let mut evidence = Evidence {
        seen,
        ..Evidence::default()
    };
    let mut broken_audits = 0;
    for (data, tenant) in tenants.iter().zip(staged) {
        evidence.tenant_zones.insert(tenant.id, data.zone);
        for row in &tenant.rows {
            let boleto = store.boleto_named(tenant.id, &row.reference).await?;
            let boleto = boleto.ok_or(DemoError::LostSubject)?;
            let why = store.why_boleto(tenant.id, boleto).await?;
            evidence.add(tenant.id, row, &why, ends_at);
        }
        let letters = store.letters(tenant.id, Timestamp::from_unix_ms(0), u32::MAX);
        let keys = letters.await?.into_iter();
        let keys = keys.map(|letter| (tenant.id, letter.attempt));
        evidence.letters.extend(keys);
        broken_audits += usize::from(store.verify_audit(tenant.id).await?.broken_at.is_some());
    }
    Ok((evidence, broken_audits))
}

impl Evidence {
    /// Adds a row of a tenant's file, and what the journal says of its boleto.
    fn add(&mut self, tenant: TenantId, row: &ImportRow, why: &Why, ends_at: Timestamp) {
        let boleto = why.boleto.boleto.id;
        let at_home = self.tenant_zones.get(&tenant).copied().unwrap_or(Tz::UTC);
        let zones = row.contact.zones(at_home);
        let touches = touches(row, zones[0]);
        self.zones.insert((tenant, why.boleto.contact), zones);
        for record in &why.attempts {
            self.attempt(tenant, boleto, record);
        }
        for record in &why.decisions {
            if !record.is_hold() {
                self.finish((tenant, boleto, record.reminder.step_no));
            }
        }
        for touch in touches {
            let is_due = touch.slot_at < stopped_at(why).unwrap_or(ends_at).min(ends_at);
            if is_due && !is_held_beyond(ends_at, touch.step_no, &why.decisions) {
                self.due.insert((tenant, boleto, touch.step_no));
            }
        }
    }

    fn attempt(&mut self, tenant: TenantId, boleto: BoletoId, record: &AttemptRecord) {
        let key = (tenant, record.attempt);
        self.attempts.insert(key);
        let outcome = record.outcome.as_ref().map(|(_, outcome)| outcome);
        if outcome.is_none_or(Outcome::counts) {
            self.counting.insert(key);
            self.finish((tenant, boleto, record.attempt.reminder.step_no));
        }
        match outcome {
            Some(Outcome::Accepted { .. }) => self.accepted.insert(key),
            Some(Outcome::Unknown) => self.unknown.insert(key),
            _ => false,
        };
    }

    fn finish(&mut self, reminder: Reminder) {
        *self.finals.entry(reminder).or_default() += 1;
    }
}

/// Returns every touch of an imported row, whether the engine knows of it or not.
fn touches(row: &ImportRow, zone: Tz) -> Vec<Touch> {
    let (cadence, calendar) = (stage::cadence(), Calendar::brazil());
    let input = PlanInput {
        cadence: &cadence,
        calendar: &calendar,
        zone,
        due_on: row.due_on,
        amount_centavos: row.amount_centavos,
        // What was over before the demo began is recorded as skipped.
        progress: Progress::beginning_at(Timestamp::from_unix_ms(0)),
    };
    upcoming(&input, cadence.steps.len())
}

/// Returns when the first thing happened after which nothing of the boleto comes due.
///
/// A stop stands at its enrollment; where there is no enrollment, boleto and contact tell.
fn stopped_at(why: &Why) -> Option<Timestamp> {
    let stops = why.stops.iter().map(|fact| fact.received_at);
    let closed_at = (why.boleto.status != "open").then_some(why.boleto.status_at);
    let ended = closed_at.into_iter().chain(why.boleto.opted_out_at);
    stops.min().or_else(|| ended.min())
}

/// Says whether the last thing decided about a step is a hold that lasts longer than the demo.
fn is_held_beyond(ends_at: Timestamp, step_no: u8, decisions: &[DecisionRecord]) -> bool {
    let of_step = decisions
        .iter()
        .filter(|record| record.reminder.step_no == step_no);
    let last = of_step.max_by_key(|record| record.id);
    last.is_some_and(|record| matches!(record.ruling, Ruling::Hold { until } if until > ends_at))
}

#[cfg(test)]
mod tests {
    use actors::ports::Boleto;
    use schedules::id::{AttemptId, CampaignId, ContactId, EnrollmentId, ReminderId};
    use schedules::verdict::Reason;

    use super::super::data::{DAYS, FIRST_DAY};
    use super::super::verify::{Findings, judge};
    use super::*;
    use crate::imports::csv::{BoletoCsv, ImportLine};
    use crate::store::BoletoRecord;

    const TENANT: TenantId = TenantId(1);

    /// Imports a boleto that is due on a day of the demo.
    fn row(due_on: &str) -> ImportRow {
        let csv = format!("reference;name;email;due_on;amount\nN1;Ana;a@x.example;{due_on};10,00");
        let mut lines = BoletoCsv::open(csv.as_bytes(), FIRST_DAY).expect("a header");
        match lines.next().expect("a line").expect("a file") {
            ImportLine::Row(_, row) => *row,
            ImportLine::Refused(refusal) => panic!("{}", refusal.code()),
        }
    }

    /// Returns a boleto of whose reminders nothing is known.
    fn nothing(row: &ImportRow) -> Why {
        let boleto = Boleto {
            id: BoletoId(1),
            reference: row.reference.clone(),
            amount_centavos: row.amount_centavos,
            due_on: row.due_on,
            digitable_line: None,
            pix_code: None,
            payment_link: None,
        };
        Why::nothing_of(BoletoRecord {
            boleto,
            status: "open".to_owned(),
            status_at: super::super::begins_at(),
            contact: ContactId(1),
            opted_out_at: None,
        })
    }

    fn ends_at() -> Timestamp {
        super::super::begins_at().plus_ms(DAYS as i64 * schedules::time::DAY_MS)
    }

    fn reminder(step_no: u8) -> ReminderId {
        ReminderId {
            enrollment: EnrollmentId(1),
            step_no,
            occurrence: 0,
        }
    }

    fn decided(step_no: u8, ruling: Ruling) -> DecisionRecord {
        DecisionRecord {
            id: 1 + i64::from(step_no),
            reminder: reminder(step_no),
            try_no: 0,
            versions: [1, 1],
            decided_at: ends_at().plus_ms(-1),
            slot_at: ends_at().plus_ms(-1),
            ruling,
            reason: Reason::CapReached,
            rule: None,
        }
    }

    fn attempted(step_no: u8, outcome: Outcome) -> AttemptRecord {
        AttemptRecord {
            attempt: AttemptId {
                reminder: reminder(step_no),
                try_no: 0,
            },
            boleto: BoletoId(1),
            contact: ContactId(1),
            campaign: CampaignId(1),
            template: "lembrete".to_owned(),
            versions: [1, 1, 1],
            channel: schedules::channel::Channel::Email,
            claimed_at: ends_at(),
            deadline_at: ends_at(),
            epoch: 1,
            lead: None,
            outcome: Some((ends_at(), outcome)),
        }
    }

    fn judged(row: &ImportRow, why: &Why) -> Findings {
        let mut evidence = Evidence::default();
        evidence.add(TENANT, row, why, ends_at());
        judge(&evidence)
    }

    #[test]
    fn a_row_of_whose_boleto_nothing_was_decided_owes_every_reminder() {
        let row = row("2026-11-24");
        let why = nothing(&row);
        assert_eq!(judged(&row, &why).without_verdict, 5);
        let mut paid = why.clone();
        paid.boleto.status = "paid".to_owned();
        assert!(judged(&row, &paid).is_clean());
        let mut opted_out = why;
        opted_out.boleto.opted_out_at = Some(super::super::begins_at());
        assert!(judged(&row, &opted_out).is_clean());
    }

    #[test]
    fn only_a_hold_that_lasts_longer_than_the_demo_excuses_a_reminder() {
        let row = row("2026-11-24");
        let mut why = nothing(&row);
        why.decisions = (0..4).map(|no| decided(no, Ruling::Skip)).collect();
        assert_eq!(judged(&row, &why).without_verdict, 1);
        for (until, found) in [(ends_at(), 1), (ends_at().plus_ms(1), 0)] {
            let mut held = why.clone();
            held.decisions.push(decided(4, Ruling::Hold { until }));
            assert_eq!(judged(&row, &held).without_verdict, found, "{until}");
        }
        why.decisions.push(decided(0, Ruling::Cancel));
        why.decisions.push(decided(4, Ruling::Skip));
        assert_eq!(judged(&row, &why).with_two_verdicts, 1);
    }

    #[test]
    fn an_accepted_attempt_is_a_final_verdict_and_needs_its_letter() {
        let row = row("2026-11-24");
        let mut why = nothing(&row);
        why.decisions = (1..5).map(|no| decided(no, Ruling::Skip)).collect();
        let provider_ref = "ref".to_owned();
        why.attempts = vec![attempted(0, Outcome::Accepted { provider_ref })];
        let wanted = Findings {
            accepted_without_letter: 1,
            ..Findings::default()
        };
        assert_eq!(judged(&row, &why), wanted);
        why.attempts = vec![attempted(0, Outcome::Unknown)];
        assert!(judged(&row, &why).is_clean());
        why.attempts = vec![attempted(0, Outcome::Unavailable)];
        assert_eq!(judged(&row, &why).without_verdict, 1);
    }
}
