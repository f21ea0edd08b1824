//! The records of a tenant as a checker and the console read them: attempts with their outcomes,
//! decisions, enrollments, and counts.

use actors::machine::input::Outcome;
use actors::ports::Enrollment;
use schedules::channel::Channel;
use schedules::id::{
    AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId,
};
use schedules::stop::StopReason;
use schedules::time::Timestamp;
use schedules::verdict::{Reason, Ruling};

use super::Store;
use super::codec::{cursor, instant, instant_or_null, lead};
use super::conn::{Conn, Row};
use super::error::StoreError;
use super::sql::{Sql, args, both};

/// An attempt and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The key.
    pub attempt: AttemptId,
    /// The boleto.
    pub boleto: BoletoId,
    /// The contact.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The code of the template.
    pub template: String,
    /// The versions of campaign, rule pack and template.
    pub versions: [i64; 3],
    /// The channel.
    pub channel: Channel,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// No hand-over began at or after this instant.
    pub deadline_at: Timestamp,
    /// The fencing number under which it was claimed.
    pub epoch: i64,
    /// The attempt in whose message it went out, where that is another's.
    pub lead: Option<AttemptId>,
    /// The outcome and when it was known.
    pub outcome: Option<(Timestamp, Outcome)>,
}

/// A decision that was no attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// The row; grows with time.
    pub id: i64,
    /// The reminder.
    pub reminder: ReminderId,
    /// The try that would have followed.
    pub try_no: u16,
    /// The versions of campaign and rule pack.
    pub versions: [i64; 2],
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When the touch was due.
    pub slot_at: Timestamp,
    /// A hold, a skip or a cancel.
    pub ruling: Ruling,
    /// Why.
    pub reason: Reason,
    /// The rule that decided, by code and version.
    pub rule: Option<(String, i64)>,
}

impl DecisionRecord {
    /// Says whether another decision about the reminder follows.
    pub const fn is_hold(&self) -> bool {
        matches!(self.ruling, Ruling::Hold { .. })
    }

    /// Returns when a hold ends.
    pub const fn hold_until(&self) -> Option<Timestamp> {
        match self.ruling {
            Ruling::Hold { until } => Some(until),
            Ruling::Send { .. } | Ruling::Skip | Ruling::Cancel => None,
        }
    }
}

/// An enrollment and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentRecord {
    /// The enrollment.
    pub enrollment: Enrollment,
    /// `active`, `stopped` or `finished`.
    pub state: String,
    /// Why it is stopped, if it is.
    pub stopped: Option<StopReason>,
    /// The fact that stopped it; none stops what is set aside.
    pub stopped_by: Option<i64>,
}

/// How many rows of a kind there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateCounts(pub Vec<(String, u64)>);

impl StateCounts {
    /// Returns the count of one state.
    pub fn of(&self, state: &str) -> u64 {
        self.0
            .iter()
            .find(|(name, _)| name == state)
            .map_or(0, |(_, count)| *count)
    }
}

/// A tenant in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Boletos by status.
    pub boletos: StateCounts,
    /// Enrollments by state.
    pub enrollments: StateCounts,
    /// Attempts by outcome; `in_flight` without one.
    pub attempts: StateCounts,
    /// Decisions by ruling and reason, such as `hold cap_reached`.
    pub decisions: StateCounts,
    /// Facts: `unapplied`, `parked`, `dead`, `applied`.
    pub facts: StateCounts,
}

const ATTEMPTS: Sql = both(
    "SELECT a.enrollment_id, a.step_no, a.occurrence, a.try_no, a.boleto_id, a.contact_id,
         a.campaign_id, a.campaign_version, a.rules_version, a.template, a.template_version,
         a.channel,
         a.claimed_at, a.deadline_at, a.epoch, a.lead, o.known_at, o.detail
     FROM attempts a
     LEFT JOIN outcomes o
       ON o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
         AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no
     WHERE a.tenant_id = $1
       AND a.enrollment_id > $2
       AND a.enrollment_id <= $3
     ORDER BY a.enrollment_id, a.step_no, a.occurrence, a.try_no",
);

const DECISIONS: Sql = both(
    "SELECT id, enrollment_id, step_no, occurrence, try_no, campaign_version, rules_version,
         decided_at, slot_at, ruling, reason, hold_until, rule_code, rule_version
     FROM decisions
     WHERE tenant_id = $1 AND enrollment_id > $2 AND enrollment_id <= $3
     ORDER BY id",
);

const ENROLLMENTS: Sql = both(
    "SELECT id, campaign_id, boleto_id, contact_id, done, occurrence, reminders, after_at,
         step_no, touch_occurrence, slot_at, expires_at, try_no, channel_tries, channel_from,
         next_at, state, stopped_by, stop_reason
     FROM enrollments
     WHERE tenant_id = $1 AND id > $2
     ORDER BY id
     LIMIT $3",
);

const COUNTS: [Sql; 5] = [
    both("SELECT status, count(*) FROM boletos WHERE tenant_id = $1 GROUP BY status ORDER BY 1"),
    both("SELECT state, count(*) FROM enrollments WHERE tenant_id = $1 GROUP BY state ORDER BY 1"),
    both(
        "SELECT coalesce(o.kind, 'in_flight'), count(*)
         FROM attempts a
         LEFT JOIN outcomes o
           ON o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
             AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no
         WHERE a.tenant_id = $1
         GROUP BY coalesce(o.kind, 'in_flight') ORDER BY 1",
    ),
    both(
        "SELECT ruling || ' ' || reason, count(*) FROM decisions
         WHERE tenant_id = $1
         GROUP BY ruling || ' ' || reason ORDER BY 1",
    ),
    both(
        "SELECT CASE WHEN dead_reason IS NOT NULL THEN 'dead'
             WHEN parked IS NOT NULL THEN 'parked'
             WHEN applied_at IS NULL THEN 'unapplied'
             ELSE 'applied' END AS state, count(*)
         FROM inbox
         WHERE tenant_id = $1
         GROUP BY 1 ORDER BY 1",
    ),
];

impl Store {
    /// Reads the enrollments after an id, at most `limit`, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enrollments(
        &self,
        tenant: TenantId,
        after: EnrollmentId,
        limit: u32,
    ) -> Result<Vec<EnrollmentRecord>, StoreError> {
        self.read(async |conn| {
            let args = args![tenant.0, after.0, i64::from(limit)];
            let rows = conn.rows(&ENROLLMENTS, args).await?;
            rows.into_iter()
                .map(read_enrollment)
                .collect::<Result<_, _>>()
        })
        .await
    }

    /// Reads the attempts of the enrollments in `(after, up_to]`, in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempts(
        &self,
        tenant: TenantId,
        after: EnrollmentId,
        up_to: EnrollmentId,
    ) -> Result<Vec<AttemptRecord>, StoreError> {
        self.read(async |conn| attempts(conn, tenant, after, up_to).await)
            .await
    }

    /// Reads the decisions about the enrollments in `(after, up_to]`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn decisions(
        &self,
        tenant: TenantId,
        after: EnrollmentId,
        up_to: EnrollmentId,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        self.read(async |conn| decisions(conn, tenant, after, up_to).await)
            .await
    }

    /// Counts a tenant's rows by their states.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report(&self, tenant: TenantId) -> Result<Report, StoreError> {
        self.read(async |conn| {
            let mut counts = Vec::with_capacity(COUNTS.len());
            for sql in &COUNTS {
                let mut of = Vec::new();
                for mut row in conn.rows(sql, args![tenant.0]).await? {
                    of.push((row.text()?, row.small()?));
                }
                counts.push(StateCounts(of));
            }
            let mut counts = counts.into_iter();
            let mut next = || counts.next().unwrap_or_default();
            Ok(Report {
                boletos: next(),
                enrollments: next(),
                attempts: next(),
                decisions: next(),
                facts: next(),
            })
        })
        .await
    }
}

pub(super) async fn attempts(
    conn: &mut Conn,
    tenant: TenantId,
    after: EnrollmentId,
    up_to: EnrollmentId,
) -> Result<Vec<AttemptRecord>, StoreError> {
    let rows = conn
        .rows(&ATTEMPTS, args![tenant.0, after.0, up_to.0])
        .await?;
    rows.into_iter().map(read_attempt).collect()
}

pub(super) async fn decisions(
    conn: &mut Conn,
    tenant: TenantId,
    after: EnrollmentId,
    up_to: EnrollmentId,
) -> Result<Vec<DecisionRecord>, StoreError> {
    let rows = conn
        .rows(&DECISIONS, args![tenant.0, after.0, up_to.0])
        .await?;
    rows.into_iter().map(read_decision).collect()
}

pub(super) fn read_reminder(row: &mut Row) -> Result<ReminderId, StoreError> {
    Ok(ReminderId {
        enrollment: EnrollmentId(row.int()?),
        step_no: row.small()?,
        occurrence: row.small()?,
    })
}

pub(super) fn read_attempt(mut row: Row) -> Result<AttemptRecord, StoreError> {
    let reminder = read_reminder(&mut row)?;
    let try_no = row.small()?;
    let attempt = AttemptId { reminder, try_no };
    let (boleto, contact) = (BoletoId(row.int()?), ContactId(row.int()?));
    let (campaign, of_campaign) = (CampaignId(row.int()?), row.int()?);
    let (of_rules, template, of_template) = (row.int()?, row.text()?, row.int()?);
    Ok(AttemptRecord {
        attempt,
        boleto,
        contact,
        campaign,
        template,
        versions: [of_campaign, of_rules, of_template],
        channel: row.parsed("channel")?,
        claimed_at: instant(&mut row)?,
        deadline_at: instant(&mut row)?,
        epoch: row.int()?,
        lead: lead(&mut row)?,
        outcome: match instant_or_null(&mut row)? {
            Some(known_at) => Some((known_at, row.json("outcome")?)),
            None => None,
        },
    })
}

pub(super) fn read_decision(mut row: Row) -> Result<DecisionRecord, StoreError> {
    let (id, reminder) = (row.int()?, read_reminder(&mut row)?);
    let (try_no, versions) = (row.small()?, [row.int()?, row.int()?]);
    let (decided_at, slot_at) = (instant(&mut row)?, instant(&mut row)?);
    let (ruling, reason) = (row.text()?, row.parsed("reason")?);
    Ok(DecisionRecord {
        id,
        reminder,
        try_no,
        versions,
        decided_at,
        slot_at,
        ruling: read_ruling(&ruling, instant_or_null(&mut row)?)?,
        reason,
        rule: match (row.text_or_null()?, row.int_or_null()?) {
            (Some(code), Some(version)) => Some((code, version)),
            _ => None,
        },
    })
}

fn read_ruling(ruling: &str, hold_until: Option<Timestamp>) -> Result<Ruling, StoreError> {
    match (ruling, hold_until) {
        ("hold", Some(until)) => Ok(Ruling::Hold { until }),
        ("skip", None) => Ok(Ruling::Skip),
        ("cancel", None) => Ok(Ruling::Cancel),
        _ => Err(StoreError::Unreadable { what: "ruling" }),
    }
}

pub(super) fn read_enrollment(mut row: Row) -> Result<EnrollmentRecord, StoreError> {
    let enrollment = Enrollment {
        id: EnrollmentId(row.int()?),
        campaign: CampaignId(row.int()?),
        boleto: BoletoId(row.int()?),
        contact: ContactId(row.int()?),
        cursor: cursor(&mut row)?,
    };
    let state = row.text()?;
    let stopped_by = row.int_or_null()?;
    let known = |name: String| {
        let mut all = StopReason::ALL.into_iter();
        all.find(|one| one.as_str() == name)
            .ok_or(StoreError::Unreadable {
                what: "stop reason",
            })
    };
    Ok(EnrollmentRecord {
        enrollment,
        state,
        stopped: row.text_or_null()?.map(known).transpose()?,
        stopped_by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruling_that_no_version_writes_is_not_read_as_another() {
        let until = Timestamp::from_unix_ms(1);
        let read = read_ruling("hold", Some(until));
        assert_eq!(read, Ok(Ruling::Hold { until }));
        assert_eq!(read_ruling("skip", None), Ok(Ruling::Skip));
        assert_eq!(read_ruling("cancel", None), Ok(Ruling::Cancel));
        for (ruling, until) in [("hold", None), ("skip", Some(until)), ("send", None)] {
            let unreadable = StoreError::Unreadable { what: "ruling" };
            assert_eq!(read_ruling(ruling, until), Err(unreadable), "{ruling}");
        }
    }
}
