//! Contacts, as their tenant knows them.

use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use schedules::channel::Channel;
use schedules::id::{ContactId, TenantId};
use schedules::time::Timestamp;

use super::{Ask, Page, Tag};
use crate::store::Store;
use crate::store::codec::{instant, instant_or_null, zones};
use crate::store::conn::{Conn, Row};
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, both, row};

/// A contact.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactRow {
    /// The contact.
    pub id: ContactId,
    /// Its name.
    pub name: String,
    /// Its telephone, as it was imported.
    pub phone: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// The zones it may be in, the likeliest first.
    pub zones: Vec<Tz>,
    /// When it opted out of everything.
    pub opted_out_at: Option<Timestamp>,
    /// The channels of which it opted out, and when.
    pub suppressed: Vec<(Channel, Timestamp)>,
    /// Its last reply.
    pub replied_at: Option<Timestamp>,
    /// Its last promise to pay.
    pub promised_at: Option<Timestamp>,
    /// Since when it is confirmed that whoever reads is who is meant.
    pub confirmed_at: Option<Timestamp>,
    /// When it was first imported.
    pub created_at: Timestamp,
    /// How often it was changed, from 1.
    pub version: i64,
}

impl ContactRow {
    /// Returns its tag: of what was changed and said, and of nothing personal. Whoever sees its
    /// points in part only could find the rest by a hash of them.
    pub fn tag(&self) -> Tag {
        let instant =
            |at: Option<Timestamp>| at.map_or(String::new(), |at| at.unix_ms().to_string());
        let said = [
            self.opted_out_at,
            self.replied_at,
            self.promised_at,
            self.confirmed_at,
        ];
        let said = said.map(instant);
        let suppressed = self.suppressed.iter();
        let suppressed = suppressed.map(|(channel, since)| format!("{channel}{}", since.unix_ms()));
        let parts = std::iter::once(self.version.to_string())
            .chain(said)
            .chain(suppressed);
        let parts: Vec<String> = parts.collect();
        Tag::of(parts.iter().map(String::as_str))
    }
}

/// Shows the identifier only: the rest is personal.
impl fmt::Debug for ContactRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactRow")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

macro_rules! contacts {
    ($rest:literal) => {
        both(concat!(
            "SELECT id, name, phone, email, zones, opted_out_at, replied_at, promised_at,
                 confirmed_at, created_at, version
             FROM contacts ",
            $rest
        ))
    };
}

pub(super) const CONTACTS: Sql = contacts!("WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3");

pub(super) const CONTACT: Sql = contacts!("WHERE tenant_id = $1 AND id = $2");

pub(super) const SUPPRESSED: Sql = batch!(
    "SELECT s.contact_id, s.channel, s.since_at FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint"),
    "JOIN suppressions s ON s.tenant_id = r.tenant AND s.contact_id = r.contact
     ORDER BY s.contact_id, s.channel"
);

impl Store {
    /// Lists a tenant's contacts in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_contacts(
        &self,
        tenant: TenantId,
        ask: &Ask<i64>,
    ) -> Result<Page<ContactRow, i64>, StoreError> {
        let reads = ask.reads(false);
        let args = args![tenant.0, ask.after.unwrap_or(i64::MIN), i64::from(reads)];
        self.read(async |conn| {
            let rows = conn.rows(&CONTACTS, args).await?;
            let rows = with_suppressed(conn, tenant, rows).await?.into_iter();
            let rows = rows.map(|one| (one.id.0, one)).collect();
            Ok(ask.page(reads, rows, |_| true))
        })
        .await
    }

    /// Reads a contact.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such contact.
    pub async fn contact(
        &self,
        tenant: TenantId,
        contact: ContactId,
    ) -> Result<ContactRow, StoreError> {
        self.read(async |conn| one(conn, tenant, contact).await)
            .await
    }
}

/// Reads a contact, in whichever transaction.
pub(in crate::store) async fn one(
    conn: &mut Conn,
    tenant: TenantId,
    contact: ContactId,
) -> Result<ContactRow, StoreError> {
    let rows = conn.rows(&CONTACT, args![tenant.0, contact.0]).await?;
    let found = with_suppressed(conn, tenant, rows).await?.pop();
    found.ok_or(StoreError::Absent { what: "contact" })
}

/// Reads contacts, in the order of their rows, with the channels they opted out of.
async fn with_suppressed(
    conn: &mut Conn,
    tenant: TenantId,
    rows: Vec<Row>,
) -> Result<Vec<ContactRow>, StoreError> {
    let mut contacts = Vec::with_capacity(rows.len());
    let mut asked = Batch::default();
    for row in rows {
        let contact = read(row)?;
        asked.push(row![contact.id.0, tenant.0]);
        contacts.push(contact);
    }
    if asked.is_empty() {
        return Ok(contacts);
    }
    let mut suppressed: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for mut row in conn.rows(&SUPPRESSED, asked.args(vec![])).await? {
        let of = suppressed.entry(row.int()?).or_default();
        of.push((row.parsed("channel")?, instant(&mut row)?));
    }
    for contact in &mut contacts {
        contact.suppressed = suppressed.remove(&contact.id.0).unwrap_or_default();
    }
    Ok(contacts)
}

fn read(mut row: Row) -> Result<ContactRow, StoreError> {
    Ok(ContactRow {
        id: ContactId(row.int()?),
        name: row.text()?,
        phone: row.text_or_null()?,
        email: row.text_or_null()?,
        zones: zones(&mut row)?,
        opted_out_at: instant_or_null(&mut row)?,
        suppressed: Vec::new(),
        replied_at: instant_or_null(&mut row)?,
        promised_at: instant_or_null(&mut row)?,
        confirmed_at: instant_or_null(&mut row)?,
        created_at: instant(&mut row)?,
        version: row.int()?,
    })
}
