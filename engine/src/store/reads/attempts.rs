//! Attempts with their outcomes, in the order in which they were claimed.

use std::ops::Range;

use schedules::id::{AttemptId, ContactId, EnrollmentId, TenantId};
use schedules::time::Timestamp;

use super::{Ask, Page};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::history::{AttemptRecord, read_attempt};
use crate::store::sql::{Arg, Sql, args, both};

/// Which attempts are listed: those that meet everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptsOf {
    /// Of this enrollment.
    pub enrollment: Option<EnrollmentId>,
    /// To this contact.
    pub contact: Option<ContactId>,
    /// Claimed from the first instant on and before the second.
    pub claimed: Option<Range<Timestamp>>,
}

/// When it was claimed, and the attempt as numbers.
pub type AttemptKey = (i64, [i64; 4]);

/// Attempts between two instants, `$2` and `$8`, after the key in `$2` to `$6`.
macro_rules! attempts {
    ($which:literal) => {
        both(concat!(
            "SELECT a.enrollment_id, a.step_no, a.occurrence, a.try_no, a.boleto_id, a.contact_id,
                 a.campaign_id, a.campaign_version, a.rules_version, a.template, a.template_version,
                 a.channel, a.claimed_at, a.deadline_at, a.epoch, a.lead, o.known_at,
                 o.detail
             FROM attempts a
             LEFT JOIN outcomes o
               ON o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
                 AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no
             WHERE a.tenant_id = $1
               AND a.claimed_at >= $2
               AND a.claimed_at < $8
               AND (a.claimed_at, a.enrollment_id, a.step_no, a.occurrence, a.try_no)
                 > ($2, $3, $4, $5, $6) ",
            $which,
            " ORDER BY a.claimed_at, a.enrollment_id, a.step_no, a.occurrence, a.try_no
              LIMIT $7"
        ))
    };
}

pub(super) const ALL: Sql = attempts!("");

/// An enrollment has few attempts.
pub(super) const OF_ENROLLMENT: Sql = attempts!("AND a.enrollment_id = $9");

pub(super) const OF_CONTACT: Sql = attempts!("AND a.contact_id = $9");

impl Store {
    /// Lists attempts of a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_attempts(
        &self,
        tenant: TenantId,
        of: &AttemptsOf,
        ask: &Ask<AttemptKey>,
    ) -> Result<Page<AttemptRecord, AttemptKey>, StoreError> {
        let both_given = of.enrollment.is_some() && of.contact.is_some();
        let reads = ask.reads(both_given);
        let mut args = of.args(tenant, ask.after, reads);
        let sql = match (of.enrollment, of.contact) {
            (Some(enrollment), _) => {
                args.push(enrollment.0.into());
                &OF_ENROLLMENT
            }
            (None, Some(contact)) => {
                args.push(contact.0.into());
                &OF_CONTACT
            }
            (None, None) => &ALL,
        };
        self.read(async |conn| {
            let rows = conn.rows(sql, args).await?.into_iter();
            let rows = rows.map(|row| read_attempt(row).map(|it| (key(&it), it)));
            let rows = rows.collect::<Result<_, _>>()?;
            let to = |one: &AttemptRecord| of.contact.is_none_or(|it| it == one.contact);
            Ok(ask.page(reads, rows, to))
        })
        .await
    }
}

impl AttemptsOf {
    fn args(&self, tenant: TenantId, after: Option<AttemptKey>, reads: u32) -> Vec<Arg> {
        let claimed = self.claimed.as_ref();
        let from = claimed.map_or(i64::MIN, |it| it.start.unix_ms());
        let to = claimed.map_or(i64::MAX, |it| it.end.unix_ms());
        // No attempt has numbers below zero.
        let (at, [enrollment, step, occurrence, try_no]) = after.unwrap_or((from, [-1; 4]));
        let (tenant, reads) = (tenant.0, i64::from(reads));
        args![tenant, at, enrollment, step, occurrence, try_no, reads, to]
    }
}

fn key(record: &AttemptRecord) -> AttemptKey {
    let AttemptId { reminder, try_no } = record.attempt;
    let number = [
        reminder.enrollment.0,
        reminder.step_no.into(),
        reminder.occurrence.into(),
        try_no.into(),
    ];
    (record.claimed_at.unix_ms(), number)
}
