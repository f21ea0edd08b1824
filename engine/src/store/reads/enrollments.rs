//! Enrollments, by id, by boleto or by contact.

use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};

use super::{Ask, Page};
use crate::store::Store;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::history::{EnrollmentRecord, read_enrollment};
use crate::store::sql::{Sql, args, both};

/// Which enrollments are listed: those that meet everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnrollmentsOf {
    /// Of this boleto.
    pub boleto: Option<BoletoId>,
    /// Of this contact's boletos.
    pub contact: Option<ContactId>,
    /// In this campaign.
    pub campaign: Option<CampaignId>,
    /// `active`, `stopped` or `finished`.
    pub state: Option<String>,
}

macro_rules! enrollments {
    ($from:literal) => {
        both(concat!(
            "SELECT e.id, e.campaign_id, e.boleto_id, e.contact_id, e.done, e.occurrence,
                 e.reminders, e.after_at, e.step_no, e.touch_occurrence, e.slot_at, e.expires_at,
                 e.try_no, e.channel_tries, e.channel_from, e.next_at, e.state, e.stopped_by,
                 e.stop_reason
             FROM ",
            $from
        ))
    };
}

pub(super) const ALL: Sql =
    enrollments!("enrollments e WHERE e.tenant_id = $1 AND e.id > $2 ORDER BY e.id LIMIT $3");

/// A boleto is in few campaigns.
pub(super) const OF_BOLETO: Sql = enrollments!(
    "enrollments e
     WHERE e.tenant_id = $1 AND e.boleto_id = $4 AND e.id > $2
     ORDER BY e.id
     LIMIT $3"
);

pub(super) const OF_CONTACT: Sql = enrollments!(
    "boletos b
     JOIN enrollments e ON e.tenant_id = b.tenant_id AND e.boleto_id = b.id
     WHERE b.tenant_id = $1 AND b.contact_id = $4 AND e.id > $2
     ORDER BY e.id
     LIMIT $3"
);

pub(super) const ONE: Sql = enrollments!("enrollments e WHERE e.tenant_id = $1 AND e.id = $2");

impl Store {
    /// Lists enrollments of a tenant in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_enrollments(
        &self,
        tenant: TenantId,
        of: &EnrollmentsOf,
        ask: &Ask<i64>,
    ) -> Result<Page<EnrollmentRecord, i64>, StoreError> {
        self.read(async |conn| page(conn, tenant, of, ask).await)
            .await
    }

    /// Reads an enrollment.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such enrollment.
    pub async fn enrollment(
        &self,
        tenant: TenantId,
        enrollment: EnrollmentId,
    ) -> Result<EnrollmentRecord, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&ONE, args![tenant.0, enrollment.0]).await?;
            read_enrollment(row.ok_or(StoreError::Absent { what: "enrollment" })?)
        })
        .await
    }
}

/// Reads a page.
pub(super) async fn page(
    conn: &mut Conn,
    tenant: TenantId,
    of: &EnrollmentsOf,
    ask: &Ask<i64>,
) -> Result<Page<EnrollmentRecord, i64>, StoreError> {
    let reads = ask.reads(of.passes_over());
    let mut args = args![tenant.0, ask.after.unwrap_or(i64::MIN), i64::from(reads)];
    let sql = match (of.boleto, of.contact) {
        (Some(boleto), _) => {
            args.push(boleto.0.into());
            &OF_BOLETO
        }
        (None, Some(contact)) => {
            args.push(contact.0.into());
            &OF_CONTACT
        }
        (None, None) => &ALL,
    };
    let rows = conn.rows(sql, args).await?.into_iter();
    let rows = rows.map(|row| read_enrollment(row).map(|it| (it.enrollment.id.0, it)));
    let rows = rows.collect::<Result<_, _>>()?;
    Ok(ask.page(reads, rows, |one| of.shows(one)))
}

impl EnrollmentsOf {
    /// Says whether rows that no index leaves out are not shown.
    fn passes_over(&self) -> bool {
        self.campaign.is_some() || self.state.is_some()
    }

    fn shows(&self, one: &EnrollmentRecord) -> bool {
        let (enrollment, state) = (&one.enrollment, self.state.as_ref());
        state.is_none_or(|state| *state == one.state)
            && self.campaign.is_none_or(|it| it == enrollment.campaign)
            && self.contact.is_none_or(|it| it == enrollment.contact)
    }
}
