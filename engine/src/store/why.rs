//! What "why was this (not) sent?" is answered from: everything that was decided about a boleto.

use std::collections::BTreeMap;
use std::fmt;

use actors::machine::input::InboxFact;
use actors::ports::Boleto;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::time::Timestamp;

use super::Store;
use super::codec::{date, instant, instant_or_null, lead};
use super::conn::Conn;
use super::error::StoreError;
use super::history::{self, AttemptRecord, DecisionRecord, EnrollmentRecord};
use super::sql::{Sql, args, both};

/// A boleto and its state.
#[derive(Clone, PartialEq, Eq)]
pub struct BoletoRecord {
    /// The boleto.
    pub boleto: Boleto,
    /// `open`, `paid` or `cancelled`.
    pub status: String,
    /// Since when it is.
    pub status_at: Timestamp,
    /// Its contact.
    pub contact: ContactId,
    /// When the contact opted out of everything.
    pub opted_out_at: Option<Timestamp>,
}

/// Shows identifiers and states only: the rest of a boleto is personal.
impl fmt::Debug for BoletoRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoletoRecord")
            .field("boleto", &self.boleto.id)
            .field("status", &self.status)
            .field("status_at", &self.status_at)
            .field("contact", &self.contact)
            .field("opted_out_at", &self.opted_out_at)
            .finish_non_exhaustive()
    }
}

/// All that is known of a boleto's reminders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The boleto.
    pub boleto: BoletoRecord,
    /// Its enrollments.
    pub enrollments: Vec<EnrollmentRecord>,
    /// Every attempt, with its outcome.
    pub attempts: Vec<AttemptRecord>,
    /// Every decision that was no attempt.
    pub decisions: Vec<DecisionRecord>,
    /// The names of their campaigns.
    pub campaigns: BTreeMap<CampaignId, String>,
    /// The facts that stopped its enrollments, each once.
    pub stops: Vec<InboxFact>,
    /// The references of the other boletos in the messages of its attempts, where there were any.
    pub together: BTreeMap<AttemptId, References>,
}

/// References of boletos.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct References(pub Vec<String>);

/// Shows how many there are only: a reference may say whose boleto it is.
impl fmt::Debug for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("References").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
impl Why {
    /// Returns the story of a boleto of which nothing has come yet.
    pub(crate) fn nothing_of(boleto: BoletoRecord) -> Self {
        Self {
            boleto,
            enrollments: Vec::new(),
            attempts: Vec::new(),
            decisions: Vec::new(),
            campaigns: BTreeMap::new(),
            stops: Vec::new(),
            together: BTreeMap::new(),
        }
    }
}

const BOLETO: Sql = both(
    "SELECT b.id, b.reference, b.amount_centavos, b.due_on, b.digitable_line, b.pix_code,
         b.payment_link, b.status, b.status_at, c.id, c.opted_out_at
     FROM boletos b
     JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id
     WHERE b.tenant_id = $1 AND b.id = $2",
);

const BOLETO_OF: Sql = both("SELECT boleto_id FROM enrollments WHERE tenant_id = $1 AND id = $2");

const BOLETO_NAMED: Sql = both("SELECT id FROM boletos WHERE tenant_id = $1 AND reference = $2");

const ENROLLMENTS: Sql = both(
    "SELECT id, campaign_id, boleto_id, contact_id, done, occurrence, reminders, after_at,
         step_no, touch_occurrence, slot_at, expires_at, try_no, channel_tries, channel_from,
         next_at, state, stopped_by, stop_reason
     FROM enrollments
     WHERE tenant_id = $1 AND boleto_id = $2
     ORDER BY id",
);

const CAMPAIGNS: Sql = both(
    "SELECT id, name FROM campaigns
     WHERE tenant_id = $1
       AND id IN (SELECT campaign_id FROM enrollments WHERE tenant_id = $1 AND boleto_id = $2)",
);

/// The parts of a message are claimed for one contact at one instant.
const TOGETHER: Sql = both(
    "SELECT a.enrollment_id, a.step_no, a.occurrence, a.try_no, a.lead, b.reference
     FROM attempts a
     JOIN boletos b ON b.tenant_id = a.tenant_id AND b.id = a.boleto_id
     WHERE a.tenant_id = $1 AND a.contact_id = $2 AND a.claimed_at = $3
     ORDER BY b.due_on, b.reference",
);

const FACT: Sql = both(
    "SELECT seq, event_id, occurred_at, received_at, body FROM inbox
     WHERE tenant_id = $1 AND seq = $2 AND parked IS NULL",
);

impl Store {
    /// Reads all that was decided about a boleto.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such boleto.
    pub async fn why_boleto(&self, tenant: TenantId, boleto: BoletoId) -> Result<Why, StoreError> {
        self.read(async |conn| why(conn, tenant, boleto).await)
            .await
    }

    /// Reads all that was decided about an enrollment's boleto; reminders and attempts are named
    /// by their enrollment.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such enrollment.
    pub async fn why_enrollment(
        &self,
        tenant: TenantId,
        enrollment: EnrollmentId,
    ) -> Result<Why, StoreError> {
        self.read(async |conn| {
            let row = conn
                .first(&BOLETO_OF, args![tenant.0, enrollment.0])
                .await?;
            let boleto = row
                .ok_or(StoreError::Absent { what: "enrollment" })?
                .int()?;
            why(conn, tenant, BoletoId(boleto)).await
        })
        .await
    }

    /// Finds a boleto by the tenant's reference.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn boleto_named(
        &self,
        tenant: TenantId,
        reference: &str,
    ) -> Result<Option<BoletoId>, StoreError> {
        self.read(async |conn| {
            let row = conn
                .first(&BOLETO_NAMED, args![tenant.0, reference])
                .await?;
            row.map(|mut row| row.int().map(BoletoId)).transpose()
        })
        .await
    }
}

async fn why(conn: &mut Conn, tenant: TenantId, boleto: BoletoId) -> Result<Why, StoreError> {
    let row = conn.first(&BOLETO, args![tenant.0, boleto.0]).await?;
    let mut row = row.ok_or(StoreError::Absent { what: "boleto" })?;
    let boleto = BoletoRecord {
        boleto: Boleto {
            id: BoletoId(row.int()?),
            reference: row.text()?,
            amount_centavos: row.int()?,
            due_on: date(&mut row)?,
            digitable_line: row.text_or_null()?,
            pix_code: row.text_or_null()?,
            payment_link: row.text_or_null()?,
        },
        status: row.text()?,
        status_at: instant(&mut row)?,
        contact: ContactId(row.int()?),
        opted_out_at: instant_or_null(&mut row)?,
    };
    let rows = conn
        .rows(&ENROLLMENTS, args![tenant.0, boleto.boleto.id.0])
        .await?;
    let enrollments = rows
        .into_iter()
        .map(history::read_enrollment)
        .collect::<Result<Vec<_>, _>>()?;
    let campaigns = conn
        .rows(&CAMPAIGNS, args![tenant.0, boleto.boleto.id.0])
        .await?;
    let campaigns = campaigns
        .into_iter()
        .map(|mut row| Ok((CampaignId(row.int()?), row.text()?)))
        .collect::<Result<_, StoreError>>()?;
    let (mut attempts, mut decisions, mut stops) = (Vec::new(), Vec::new(), Vec::new());
    for EnrollmentRecord {
        enrollment,
        stopped_by,
        ..
    } in &enrollments
    {
        let before = EnrollmentId(enrollment.id.0 - 1);
        attempts.extend(history::attempts(conn, tenant, before, enrollment.id).await?);
        decisions.extend(history::decisions(conn, tenant, before, enrollment.id).await?);
        let is_known = |seq| stops.iter().any(|stop: &InboxFact| stop.seq == seq);
        if let Some(seq) = stopped_by.filter(|seq| !is_known(*seq)) {
            stops.extend(fact(conn, tenant, seq).await?);
        }
    }
    let mut together = BTreeMap::new();
    for attempt in &attempts {
        let others = others_in_message(conn, tenant, attempt).await?;
        if !others.is_empty() {
            together.insert(attempt.attempt, References(others));
        }
    }
    Ok(Why {
        boleto,
        enrollments,
        campaigns,
        attempts,
        decisions,
        stops,
        together,
    })
}

/// Returns the references of the other boletos in the message of an attempt.
async fn others_in_message(
    conn: &mut Conn,
    tenant: TenantId,
    attempt: &AttemptRecord,
) -> Result<Vec<String>, StoreError> {
    let message = attempt.lead.unwrap_or(attempt.attempt);
    let at = attempt.claimed_at.unix_ms();
    let args = args![tenant.0, attempt.contact.0, at];
    let mut others = Vec::new();
    for mut row in conn.rows(&TOGETHER, args).await? {
        let reminder = history::read_reminder(&mut row)?;
        let one = AttemptId {
            reminder,
            try_no: row.small()?,
        };
        let (lead, reference) = (lead(&mut row)?, row.text()?);
        if one != attempt.attempt && lead.unwrap_or(one) == message {
            others.push(reference);
        }
    }
    Ok(others)
}

async fn fact(
    conn: &mut Conn,
    tenant: TenantId,
    seq: i64,
) -> Result<Option<InboxFact>, StoreError> {
    let row = conn.first(&FACT, args![tenant.0, seq]).await?;
    row.map(|mut row| {
        Ok(InboxFact {
            seq: row.int()?,
            event_id: row.text()?,
            occurred_at: instant(&mut row)?,
            received_at: instant(&mut row)?,
            body: row.json("fact")?,
        })
    })
    .transpose()
}
