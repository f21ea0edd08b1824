//! What a rehearsal begins with: a tenant's boletos, their contacts, and where they stand.

use std::collections::{BTreeMap, BTreeSet};

use actors::ports::{Boleto, Contact, Enrollment, Snapshot};
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::time::Timestamp;

use super::due::{contacts, read_enrollment, readable};
use super::load;
use crate::store::conn::Row;
use crate::store::doors::launch::{Seen, seen};
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, both, row};
use crate::store::{Store, codec};
use crate::whatif::Known;

/// How many rows are read at a time.
const PAGE: usize = 2_000;

/// The settings as a rehearsal finds them.
pub struct Ground {
    /// Up to where what is read after this has seen what could add to it.
    pub seen: Seen,
    /// What the tenant's machine would start from.
    pub snapshot: Snapshot,
}

/// Whose boletos are wanted.
#[derive(Clone, Debug)]
pub enum Whom {
    /// The tenant's, as many as this, the oldest first.
    All(usize),
    /// Those of the contacts of these boletos.
    Of(Vec<BoletoId>),
    /// Those of the contacts of as many boletos as this, the newest that are open and not in the
    /// campaign.
    Newest(usize),
}

/// How many boletos a tenant has, by what keeps them out of campaigns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// They are paid.
    pub paid: u64,
    /// They are cancelled.
    pub cancelled: u64,
    /// They are open, and their contact opted out of everything.
    pub opted_out: u64,
    /// They are open, and their contact has not.
    pub open: u64,
}

/// A boleto that somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// Its contact.
    pub contact: ContactId,
    /// What keeps it out of campaigns: `paid`, `cancelled`, or `opted_out` for its contact.
    pub bar: Option<String>,
}

/// Open boletos of contacts that have not opted out, and whether they are in the campaign.
const OPEN: Sql = both(
    "SELECT b.id, b.contact_id, b.reference, b.amount_centavos, b.due_on, b.digitable_line,
         b.pix_code, b.payment_link, e.id
     FROM boletos b
     JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id
     LEFT JOIN enrollments e ON e.tenant_id = b.tenant_id AND e.boleto_id = b.id
       AND e.campaign_id = $2
     WHERE b.tenant_id = $1
       AND b.id > $3
       AND b.status = 'open'
       AND c.opted_out_at IS NULL
     ORDER BY b.id
     LIMIT $4",
);

const OPEN_OF_CONTACTS: Sql = batch!(
    "SELECT b.id, b.contact_id, b.reference, b.amount_centavos, b.due_on, b.digitable_line,
         b.pix_code, b.payment_link, e.id FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint", 3 "campaign" "bigint"),
    "JOIN contacts c ON c.tenant_id = r.tenant AND c.id = r.contact AND c.opted_out_at IS NULL
     JOIN boletos b ON b.tenant_id = r.tenant AND b.contact_id = r.contact AND b.status = 'open'
     LEFT JOIN enrollments e ON e.tenant_id = b.tenant_id AND e.boleto_id = b.id
       AND e.campaign_id = r.campaign
     ORDER BY b.id
     LIMIT $4"
);

const NEWEST: Sql = both(
    "SELECT b.id, b.contact_id, b.status FROM boletos b
     JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id
     WHERE b.tenant_id = $1
       AND b.status = 'open'
       AND c.opted_out_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM enrollments e
           WHERE e.tenant_id = b.tenant_id AND e.boleto_id = b.id AND e.campaign_id = $2)
     ORDER BY b.id DESC
     LIMIT $3",
);

const NAMED: Sql = batch!(
    "SELECT b.id, b.contact_id,
         CASE WHEN b.status = 'open' AND c.opted_out_at IS NOT NULL THEN 'opted_out'
         ELSE b.status END
     FROM ",
    (1 "boleto" "bigint", 2 "tenant" "bigint"),
    "JOIN boletos b ON b.tenant_id = r.tenant AND b.id = r.boleto
     JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id"
);

/// Active enrollments of this campaign and of those that run.
const STANDING: Sql = both(
    "SELECT e.id, e.campaign_id, e.boleto_id, e.contact_id, e.done, e.occurrence, e.reminders,
         e.after_at, e.step_no, e.touch_occurrence, e.slot_at, e.expires_at, e.try_no,
         e.channel_tries, e.channel_from, e.next_at
     FROM enrollments e
     JOIN campaigns k ON k.id = e.campaign_id AND k.tenant_id = e.tenant_id
     WHERE e.tenant_id = $1
       AND e.id > $3
       AND e.state = 'active'
       AND (k.status = 'running' OR k.id = $2)
     ORDER BY e.id
     LIMIT $4",
);

const STANDING_OF: Sql = batch!(
    "SELECT e.id, e.campaign_id, e.boleto_id, e.contact_id, e.done, e.occurrence, e.reminders,
         e.after_at, e.step_no, e.touch_occurrence, e.slot_at, e.expires_at, e.try_no,
         e.channel_tries, e.channel_from, e.next_at FROM ",
    (1 "boleto" "bigint", 2 "tenant" "bigint", 3 "campaign" "bigint"),
    "JOIN enrollments e ON e.tenant_id = r.tenant AND e.boleto_id = r.boleto
       AND e.state = 'active'
     JOIN campaigns k ON k.id = e.campaign_id AND k.tenant_id = e.tenant_id
       AND (k.status = 'running' OR k.id = r.campaign)
     ORDER BY e.id"
);

const STATES: Sql = both(
    "SELECT b.status, count(*), sum(CASE WHEN c.opted_out_at IS NULL THEN 0 ELSE 1 END)
     FROM boletos b
     JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id
     WHERE b.tenant_id = $1
     GROUP BY b.status",
);

impl Store {
    /// Reads what a tenant's machine would start from, and what of additions it has seen.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub async fn ground(&self, tenant: TenantId) -> Result<Ground, StoreError> {
        // First: all that is read afterwards has seen at least this.
        let seen = self.read(async |conn| seen(conn, tenant).await).await?;
        let snapshot = self.read(async |conn| load::snapshot(conn, tenant).await);
        Ok(Ground {
            seen,
            snapshot: snapshot.await?,
        })
    }

    /// Counts a tenant's boletos by what bars them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn left_out(&self, tenant: TenantId) -> Result<LeftOut, StoreError> {
        self.read(async |conn| {
            let mut counts = LeftOut::default();
            for mut row in conn.rows(&STATES, args![tenant.0]).await? {
                let status = row.text()?;
                let (all, opted_out): (u64, u64) = (row.small()?, row.small()?);
                match status.as_str() {
                    "open" => (counts.open, counts.opted_out) = (all - opted_out, opted_out),
                    "paid" => counts.paid = all,
                    _ => counts.cancelled = all,
                }
            }
            Ok(counts)
        })
        .await
    }

    /// Finds the boletos that are meant, as far as they are the tenant's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn meant(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        whom: &Whom,
    ) -> Result<BTreeMap<BoletoId, Meant>, StoreError> {
        self.read(async |conn| {
            let rows = match whom {
                Whom::All(_) => Vec::new(),
                Whom::Newest(count) => {
                    let count = i64::try_from(*count).unwrap_or(i64::MAX);
                    conn.rows(&NEWEST, args![tenant.0, campaign.0, count])
                        .await?
                }
                Whom::Of(boletos) => {
                    let mut named = Batch::default();
                    boletos
                        .iter()
                        .for_each(|id| named.push(row![id.0, tenant.0]));
                    match named.is_empty() {
                        true => Vec::new(),
                        false => conn.rows(&NAMED, named.args(vec![])).await?,
                    }
                }
            };
            rows.into_iter().map(read_meant).collect()
        })
        .await
    }

    /// Reads the next page of a tenant's open boletos whose contacts have not opted out; nothing
    /// after the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_boletos(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        after: BoletoId,
        limit: usize,
    ) -> Result<Vec<Known>, StoreError> {
        let limit = i64::try_from(limit.min(PAGE)).unwrap_or(i64::MAX);
        self.read(async |conn| {
            let args = args![tenant.0, campaign.0, after.0, limit];
            read_all(conn.rows(&OPEN, args).await?, read_known)
        })
        .await
    }

    /// Reads the open boletos of contacts that have not opted out, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_boletos_of(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        contacts: &BTreeSet<ContactId>,
        limit: usize,
    ) -> Result<Vec<Known>, StoreError> {
        let mut asked = Batch::default();
        let each = contacts.iter();
        each.for_each(|id| asked.push(row![id.0, tenant.0, campaign.0]));
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        self.read(async |conn| {
            let args = asked.args(args![i64::try_from(limit).unwrap_or(i64::MAX)]);
            let rows = conn.rows(&OPEN_OF_CONTACTS, args).await?;
            read_all(rows, read_known)
        })
        .await
    }

    /// Reads contacts, with their sends since an instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn contacts_since(
        &self,
        tenant: TenantId,
        wanted: &BTreeSet<ContactId>,
        since: Timestamp,
    ) -> Result<Vec<Contact>, StoreError> {
        self.read(async |conn| contacts(conn, tenant, wanted, since).await)
            .await
    }

    /// Reads the next page of a tenant's active enrollments in this campaign and in those that run;
    /// nothing after the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standing_enrollments(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        after: EnrollmentId,
    ) -> Result<Vec<Enrollment>, StoreError> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        self.read(async |conn| {
            let args = args![tenant.0, campaign.0, after.0, limit];
            read_all(conn.rows(&STANDING, args).await?, read_standing)
        })
        .await
    }

    /// Reads the active enrollments of boletos in this campaign and in those that run.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standing_enrollments_of(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        boletos: &[BoletoId],
    ) -> Result<Vec<Enrollment>, StoreError> {
        let mut asked = Batch::default();
        let each = boletos.iter();
        each.for_each(|id| asked.push(row![id.0, tenant.0, campaign.0]));
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        self.read(async |conn| {
            let rows = conn.rows(&STANDING_OF, asked.args(vec![])).await?;
            read_all(rows, read_standing)
        })
        .await
    }
}

/// Reads rows, but for those that say what no version writes: their owner sets them aside.
fn read_all<T>(
    rows: Vec<Row>,
    read: impl Fn(Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let rows = rows.into_iter().map(|row| readable(read(row)));
    rows.filter_map(Result::transpose).collect()
}

fn read_meant(mut row: Row) -> Result<(BoletoId, Meant), StoreError> {
    let (id, contact) = (BoletoId(row.int()?), ContactId(row.int()?));
    let bar = Some(row.text()?).filter(|status| status != "open");
    Ok((id, Meant { contact, bar }))
}

fn read_known(mut row: Row) -> Result<Known, StoreError> {
    let (id, contact) = (BoletoId(row.int()?), ContactId(row.int()?));
    let boleto = Boleto {
        id,
        reference: row.text()?,
        amount_centavos: row.int()?,
        due_on: codec::date(&mut row)?,
        digitable_line: row.text_or_null()?,
        pix_code: row.text_or_null()?,
        payment_link: row.text_or_null()?,
    };
    let is_in = row.int_or_null()?.is_some();
    Ok(Known {
        boleto,
        contact,
        is_in,
    })
}

fn read_standing(mut row: Row) -> Result<Enrollment, StoreError> {
    let id = EnrollmentId(row.int()?);
    read_enrollment(id, &mut row)
}
