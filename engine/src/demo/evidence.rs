//! Gathers what the judge looks at: the witness's notebook beside the journal's own records.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use schedules::calendar::Calendar;
use schedules::id::{ReminderId, TenantId};
use schedules::plan::{PlanInput, Progress, upcoming};
use schedules::time::{DAY_MS, Timestamp};

use super::DemoError;
use super::data::TenantData;
use super::stage::{self, Staged};
use super::verify::Evidence;
use super::witness::Seen;
use crate::imports::csv::ImportRow;
use crate::store::{EnrollmentRecord, Store, Why};

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
        zones: BTreeMap::new(),
        tenant_zones: BTreeMap::new(),
        counting: BTreeSet::new(),
        attempts: BTreeSet::new(),
        finals: BTreeMap::new(),
        due: BTreeSet::new(),
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
        broken_audits += usize::from(store.verify_audit(tenant.id).await?.broken_at.is_some());
    }
    Ok((evidence, broken_audits))
}

impl Evidence {
    fn add(&mut self, tenant: TenantId, row: &ImportRow, why: &Why, ends_at: Timestamp) {
        let zones = match row.contact.zones.as_slice() {
            [] => vec![Tz::America__Sao_Paulo],
            zones => zones.to_vec(),
        };
        self.zones
            .insert((tenant, why.boleto.contact), zones.clone());
        for record in &why.attempts {
            self.attempts.insert((tenant, record.attempt));
            if record
                .outcome
                .as_ref()
                .is_none_or(|(_, outcome)| outcome.counts())
            {
                self.counting.insert((tenant, record.attempt));
                self.finish(tenant, record.attempt.reminder);
            }
        }
        let finals = why
            .decisions
            .iter()
            .filter(|record| record.ruling != "hold");
        for record in finals {
            self.finish(tenant, record.reminder);
        }
        for enrollment in &why.enrollments {
            let stopped_at = why.stops.first().map(|fact| fact.received_at);
            let until = stopped_at.map_or(ends_at, |at| at.min(ends_at));
            self.expect(tenant, row, enrollment, zones[0], until);
        }
    }

    fn finish(&mut self, tenant: TenantId, reminder: ReminderId) {
        *self.finals.entry((tenant, reminder)).or_default() += 1;
    }

    /// Adds the reminders that came due before `until`: each owes a final verdict, but for one that
    /// is still held.
    fn expect(
        &mut self,
        tenant: TenantId,
        row: &ImportRow,
        record: &EnrollmentRecord,
        zone: Tz,
        until: Timestamp,
    ) {
        let (cadence, calendar) = (stage::cadence(), Calendar::brazil());
        let input = PlanInput {
            cadence: &cadence,
            calendar: &calendar,
            zone,
            due_on: row.due_on,
            amount_centavos: row.amount_centavos,
            progress: Progress::beginning_at(super::begins_at().plus_ms(-DAY_MS)),
        };
        let held = record
            .enrollment
            .cursor
            .touch
            .filter(|_| record.state == "active");
        for touch in upcoming(&input, cadence.steps.len()) {
            let reminder = ReminderId {
                enrollment: record.enrollment.id,
                step_no: touch.step_no,
                occurrence: touch.occurrence,
            };
            let is_held = held.is_some_and(|held| held.step_no == touch.step_no);
            if touch.slot_at < until && !is_held {
                self.due.insert((tenant, reminder));
            }
        }
    }
}
