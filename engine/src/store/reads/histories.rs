//! Enrollments with all that was decided about them, for whoever tells of their reminders.

use std::collections::BTreeMap;
use std::fmt;

use schedules::id::TenantId;

use super::{Ask, EnrollmentsOf, Page, enrollments};
use crate::store::Store;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::history::{
    AttemptRecord, DecisionRecord, EnrollmentRecord, read_attempt, read_decision,
};
use crate::store::sql::{Batch, Sql, batch, row};

/// An enrollment and its records.
#[derive(Clone, PartialEq, Eq)]
pub struct History {
    /// The enrollment.
    pub enrollment: EnrollmentRecord,
    /// The tenant's own name of its boleto.
    pub reference: String,
    /// Its attempts, with their outcomes.
    pub attempts: Vec<AttemptRecord>,
    /// Its decisions that were no attempt, oldest first.
    pub decisions: Vec<DecisionRecord>,
}

/// Leaves out the reference, which may name a person.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("enrollment", &self.enrollment)
            .field("attempts", &self.attempts)
            .field("decisions", &self.decisions)
            .finish_non_exhaustive()
    }
}

pub(super) const REFERENCES: Sql = batch!(
    "SELECT r.enrollment, b.reference FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint", 3 "boleto" "bigint"),
    "JOIN boletos b ON b.tenant_id = r.tenant AND b.id = r.boleto"
);

pub(super) const ATTEMPTS: Sql = batch!(
    "SELECT a.enrollment_id, a.step_no, a.occurrence, a.try_no, a.boleto_id, a.contact_id,
         a.campaign_id, a.campaign_version, a.rules_version, a.template, a.template_version,
         a.channel,
         a.claimed_at, a.deadline_at, a.epoch, a.lead, o.known_at, o.detail
     FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint", 3 "boleto" "bigint"),
    "JOIN attempts a ON a.tenant_id = r.tenant AND a.enrollment_id = r.enrollment
     LEFT JOIN outcomes o
       ON o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
         AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no
     ORDER BY a.enrollment_id, a.step_no, a.occurrence, a.try_no"
);

pub(super) const DECISIONS: Sql = batch!(
    "SELECT d.id, d.enrollment_id, d.step_no, d.occurrence, d.try_no, d.campaign_version,
         d.rules_version, d.decided_at, d.slot_at, d.ruling, d.reason, d.hold_until, d.rule_code,
         d.rule_version
     FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint", 3 "boleto" "bigint"),
    "JOIN decisions d ON d.tenant_id = r.tenant AND d.enrollment_id = r.enrollment
     ORDER BY d.id"
);

impl Store {
    /// Lists enrollments of a tenant in the order of their ids, each with its records.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_histories(
        &self,
        tenant: TenantId,
        of: &EnrollmentsOf,
        ask: &Ask<i64>,
    ) -> Result<Page<History, i64>, StoreError> {
        self.read(async |conn| {
            let Page { items, next } = enrollments::page(conn, tenant, of, ask).await?;
            let items = histories(conn, tenant, items).await?;
            Ok(Page { items, next })
        })
        .await
    }
}

async fn histories(
    conn: &mut Conn,
    tenant: TenantId,
    records: Vec<EnrollmentRecord>,
) -> Result<Vec<History>, StoreError> {
    let (mut asked, mut found) = (Batch::default(), BTreeMap::new());
    for record in records {
        let (id, boleto) = (record.enrollment.id, record.enrollment.boleto);
        asked.push(row![id.0, tenant.0, boleto.0]);
        let history = History {
            enrollment: record,
            reference: String::new(),
            attempts: Vec::new(),
            decisions: Vec::new(),
        };
        found.insert(id.0, history);
    }
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    for mut row in conn.rows(&REFERENCES, asked.clone().args(vec![])).await? {
        if let Some(history) = found.get_mut(&row.int()?) {
            history.reference = row.text()?;
        }
    }
    for row in conn.rows(&ATTEMPTS, asked.clone().args(vec![])).await? {
        let record = read_attempt(row)?;
        if let Some(history) = found.get_mut(&record.attempt.reminder.enrollment.0) {
            history.attempts.push(record);
        }
    }
    for row in conn.rows(&DECISIONS, asked.args(vec![])).await? {
        let record = read_decision(row)?;
        if let Some(history) = found.get_mut(&record.reminder.enrollment.0) {
            history.decisions.push(record);
        }
    }
    Ok(found.into_values().collect())
}
