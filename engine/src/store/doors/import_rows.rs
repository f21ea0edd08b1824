//! The rows of an import: contacts found or added, boletos added or compared.

use std::collections::{HashMap, HashSet};

use schedules::id::{BoletoId, ContactId, TenantId};
use schedules::time::Timestamp;

use super::import::{NewBoleto, NewContact};
use super::resolve::CONTACTS_BY_PHONE;
use crate::store::codec::{date, zones_to_text};
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, batch, row};

/// Who has nothing but the address comes first; an address of several who have phones is nobody's.
const BY_EMAIL: Sql = batch!(
    "SELECT r.ord, coalesce(min(CASE WHEN c.phone_canonical IS NULL THEN c.id END), min(c.id)) FROM ",
    (1 "ord" "bigint", 2 "tenant" "bigint", 3 "point" "text"),
    "JOIN contacts c ON c.tenant_id = r.tenant AND c.email_canonical = r.point
     GROUP BY r.ord
     HAVING count(*) = 1 OR count(CASE WHEN c.phone_canonical IS NULL THEN 1 END) > 0"
);

const ADD_CONTACT: Sql = batch!(
    "INSERT INTO contacts (tenant_id, name, phone, phone_canonical, email, email_canonical, zones,
         created_at)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "name" "text", 3 "phone" "text", 4 "phone_canonical" "text",
     5 "email" "text", 6 "email_canonical" "text", 7 "zones" "text", 8 "created_at" "bigint"),
    "WHERE true
     ON CONFLICT DO NOTHING
     RETURNING id, phone_canonical, email_canonical"
);

/// An address belongs to whoever reads it: somebody who opted out and comes again under another
/// phone is not written to there, since the word that says so.
pub(super) const ADDRESS_BARRED: Sql = batch!(
    "INSERT INTO suppressions (tenant_id, contact_id, channel, since_at)
     SELECT r.tenant, r.contact, 'email', max(coalesce(c.opted_out_at, s.since_at)) FROM ",
    (1 "tenant" "bigint", 2 "contact" "bigint", 3 "email" "text"),
    "JOIN contacts c ON c.tenant_id = r.tenant AND c.email_canonical = r.email AND c.id <> r.contact
     LEFT JOIN suppressions s ON s.tenant_id = c.tenant_id AND s.contact_id = c.id
         AND s.channel = 'email'
     WHERE c.opted_out_at IS NOT NULL OR s.since_at IS NOT NULL
     GROUP BY r.tenant, r.contact
     ON CONFLICT DO NOTHING"
);

/// Returns the contact of each row. The tenant's gate is held: nobody else adds contacts.
///
/// Those with a phone come first: who has an address only may be one of them.
pub(super) async fn contacts(
    conn: &mut Conn,
    tenant: TenantId,
    rows: &[(usize, &NewContact)],
    at: Timestamp,
) -> Result<HashMap<usize, ContactId>, StoreError> {
    let (with_phone, without): (Vec<_>, Vec<_>) = rows
        .iter()
        .copied()
        .partition(|(_, contact)| contact.phone.is_some());
    let mut found = HashMap::with_capacity(rows.len());
    for rows in [with_phone, without] {
        let mut known = Known::default();
        known.look_up(conn, tenant, &rows).await?;
        add(conn, tenant, &rows, at, &mut known).await?;
        found.extend(
            rows.iter()
                .filter_map(|(row, contact)| Some((*row, known.of(contact)?))),
        );
    }
    Ok(found)
}

/// Adds whom nobody knows, each once.
async fn add(
    conn: &mut Conn,
    tenant: TenantId,
    rows: &[(usize, &NewContact)],
    at: Timestamp,
    known: &mut Known,
) -> Result<(), StoreError> {
    let mut fresh = Batch::default();
    let mut adding = HashSet::new();
    for (_, contact) in rows {
        if known.of(contact).is_none() && adding.insert(point_of(contact)) {
            fresh.push(contact_cells(tenant, contact, at));
        }
    }
    if fresh.is_empty() {
        return Ok(());
    }
    let mut addresses = Batch::default();
    for mut row in conn.rows(&ADD_CONTACT, fresh.args(vec![])).await? {
        let id = ContactId(row.int()?);
        let (phone, email) = (row.text_or_null()?, row.text_or_null()?);
        if let Some(email) = &email {
            addresses.push(row![tenant.0, id.0, email.as_str()]);
        }
        known.0.extend(phone.or(email).map(|point| (point, id)));
    }
    if !addresses.is_empty() {
        conn.execute(&ADDRESS_BARRED, addresses.args(vec![]))
            .await?;
    }
    Ok(())
}

/// Returns the point by which a contact is known: its phone, else its address.
fn point_of(contact: &NewContact) -> Option<&str> {
    let point = contact.phone.as_ref().or(contact.email.as_ref());
    point.map(|point| point.canonical.as_str())
}

/// The contacts of a chunk by the points by which they are known.
#[derive(Default)]
struct Known(HashMap<String, ContactId>);

impl Known {
    fn of(&self, contact: &NewContact) -> Option<ContactId> {
        self.0.get(point_of(contact)?).copied()
    }

    async fn look_up(
        &mut self,
        conn: &mut Conn,
        tenant: TenantId,
        rows: &[(usize, &NewContact)],
    ) -> Result<(), StoreError> {
        let points = |with_phone: bool| {
            let of = rows
                .iter()
                .filter(move |(_, one)| one.phone.is_some() == with_phone);
            distinct(of.filter_map(|(_, one)| point_of(one).map(str::to_owned)))
        };
        find(conn, &CONTACTS_BY_PHONE, tenant, points(true), &mut self.0).await?;
        find(conn, &BY_EMAIL, tenant, points(false), &mut self.0).await
    }
}

fn distinct(points: impl Iterator<Item = String>) -> Vec<String> {
    let mut points: Vec<String> = points.collect();
    points.sort_unstable();
    points.dedup();
    points
}

async fn find(
    conn: &mut Conn,
    sql: &Sql,
    tenant: TenantId,
    points: Vec<String>,
    found: &mut HashMap<String, ContactId>,
) -> Result<(), StoreError> {
    if points.is_empty() {
        return Ok(());
    }
    let mut asked = Batch::default();
    for (ord, point) in points.iter().enumerate() {
        asked.push(row![ord as i64, tenant.0, point.as_str()]);
    }
    for mut row in conn.rows(sql, asked.args(vec![])).await? {
        let ord: usize = row.small()?;
        found.insert(points[ord].clone(), ContactId(row.int()?));
    }
    Ok(())
}

fn contact_cells(
    tenant: TenantId,
    contact: &NewContact,
    at: Timestamp,
) -> [crate::store::sql::Cell; 8] {
    let (phone, email) = (contact.phone.clone(), contact.email.clone());
    row![
        tenant.0,
        contact.name.as_str(),
        phone.as_ref().map(|point| point.address.clone()),
        phone.map(|point| point.canonical),
        email.as_ref().map(|point| point.address.clone()),
        email.map(|point| point.canonical),
        zones_to_text(&contact.zones),
        at.unix_ms(),
    ]
}

/// What became of a boleto.
pub(super) enum Landed {
    New(BoletoId),
    Unchanged,
    Taken,
    OfAnother,
}

const ADD_BOLETO: Sql = batch!(
    "INSERT INTO boletos (tenant_id, contact_id, import_id, reference, amount_centavos, due_on,
         digitable_line, pix_code, payment_link, status_at)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "contact" "bigint", 3 "import" "bigint", 4 "reference" "text",
     5 "amount_centavos" "bigint", 6 "due_on" "text", 7 "digitable_line" "text",
     8 "pix_code" "text", 9 "payment_link" "text", 10 "status_at" "bigint"),
    "WHERE true
     ON CONFLICT (tenant_id, reference) DO NOTHING
     RETURNING id, reference"
);

const THERE: Sql = batch!(
    "SELECT r.ord, b.contact_id, b.amount_centavos, b.due_on, b.digitable_line, b.pix_code,
         b.payment_link
     FROM ",
    (1 "ord" "bigint", 2 "tenant" "bigint", 3 "reference" "text"),
    "JOIN boletos b ON b.tenant_id = r.tenant AND b.reference = r.reference"
);

/// A row's place in its chunk, its boleto and its contact.
type Row<'b> = (usize, &'b NewBoleto, ContactId);

/// Adds boletos; those whose reference is there are compared.
pub(super) async fn boletos<'b>(
    conn: &mut Conn,
    tenant: TenantId,
    import: i64,
    rows: impl Iterator<Item = Row<'b>>,
    at: Timestamp,
) -> Result<Vec<(usize, Landed)>, StoreError> {
    let (mut fresh, mut first): (_, HashMap<&str, Row<'b>>) = (Batch::default(), HashMap::new());
    let (mut landed, mut there) = (Vec::new(), Vec::new());
    for (row, boleto, contact) in rows {
        if first.contains_key(boleto.reference.as_str()) {
            there.push((row, boleto, contact));
            continue;
        }
        first.insert(&boleto.reference, (row, boleto, contact));
        fresh.push(row![
            tenant.0,
            contact.0,
            import,
            boleto.reference.as_str(),
            boleto.amount_centavos,
            boleto.due_on.to_string(),
            boleto.digitable_line.clone(),
            boleto.pix_code.clone(),
            boleto.payment_link.clone(),
            at.unix_ms(),
        ]);
    }
    if fresh.is_empty() {
        return Ok(landed);
    }
    for mut row in conn.rows(&ADD_BOLETO, fresh.args(vec![])).await? {
        let id = BoletoId(row.int()?);
        let (place, ..) = first
            .remove(row.text()?.as_str())
            .ok_or(StoreError::Unreadable { what: "boleto" })?;
        landed.push((place, Landed::New(id)));
    }
    there.extend(first.into_values());
    compare(conn, tenant, &there, &mut landed).await?;
    Ok(landed)
}

fn same(one: &NewBoleto, other: &NewBoleto) -> bool {
    let content = |boleto: &NewBoleto| {
        let NewBoleto {
            amount_centavos,
            due_on,
            digitable_line,
            pix_code,
            payment_link,
            ..
        } = boleto.clone();
        (
            amount_centavos,
            due_on,
            digitable_line,
            pix_code,
            payment_link,
        )
    };
    content(one) == content(other)
}

async fn compare(
    conn: &mut Conn,
    tenant: TenantId,
    there: &[Row<'_>],
    landed: &mut Vec<(usize, Landed)>,
) -> Result<(), StoreError> {
    let mut asked = Batch::default();
    for (ord, (_, boleto, _)) in there.iter().enumerate() {
        asked.push(row![ord as i64, tenant.0, boleto.reference.as_str()]);
    }
    if asked.is_empty() {
        return Ok(());
    }
    for mut row in conn.rows(&THERE, asked.args(vec![])).await? {
        let ord: usize = row.small()?;
        let (place, boleto, contact) = there[ord];
        let whose = ContactId(row.int()?);
        let stored = NewBoleto {
            amount_centavos: row.int()?,
            due_on: date(&mut row)?,
            digitable_line: row.text_or_null()?,
            pix_code: row.text_or_null()?,
            payment_link: row.text_or_null()?,
            ..boleto.clone()
        };
        let became = match (same(&stored, boleto), whose == contact) {
            (true, true) => Landed::Unchanged,
            // Its reminders go to whom it was imported with: nobody may think otherwise.
            (true, false) => Landed::OfAnother,
            (false, _) => Landed::Taken,
        };
        landed.push((place, became));
    }
    Ok(())
}
