//! The due page: what the next minutes of a tenant need, read through an index that far-future
//! rows cost nothing.
//!
//! A campaign at a time: rows of a campaign that is paused are not even passed over.

use std::collections::{BTreeMap, BTreeSet};

use actors::ports::{Boleto, Contact, DuePage, DueRow, Enrollment, Mark, PageRequest};
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::time::Timestamp;
use schedules::verdict::{ContactEvents, PastSend};

use crate::store::codec::{cursor, date, instant, instant_or_null, zones};
use crate::store::conn::{Conn, Row};
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, both, row};

const RUNNING: Sql = both(
    "SELECT c.id FROM campaigns c
     JOIN tenants t ON t.id = c.tenant_id
     WHERE c.tenant_id = $1 AND c.status = 'running' AND t.status = 'active'
       AND t.held = 0
     ORDER BY c.id",
);

const DUE: Sql = both(
    "SELECT e.next_at, e.id,
         e.campaign_id, e.boleto_id, e.contact_id, e.done, e.occurrence, e.reminders,
         e.after_at, e.step_no, e.touch_occurrence, e.slot_at, e.expires_at, e.try_no,
         e.channel_tries, e.channel_from, e.next_at, b.reference, b.amount_centavos, b.due_on,
         b.digitable_line, b.pix_code, b.payment_link
     FROM enrollments e
     JOIN boletos b ON b.tenant_id = e.tenant_id AND b.id = e.boleto_id
     WHERE e.tenant_id = $1
       AND e.campaign_id = $2
       AND e.state = 'active'
       AND e.next_at IS NOT NULL
       AND (e.next_at, e.id) > ($3, $4)
       AND e.next_at <= $5
     ORDER BY e.next_at, e.id
     LIMIT $6",
);

const FIRST_AFTER: Sql = both(
    "SELECT e.next_at FROM enrollments e
     WHERE e.tenant_id = $1
       AND e.campaign_id = $2
       AND e.state = 'active'
       AND e.next_at IS NOT NULL
       AND (e.next_at, e.id) > ($3, $4)
     ORDER BY e.next_at, e.id
     LIMIT 1",
);

/// Reads a page.
pub(super) async fn page(
    conn: &mut Conn,
    tenant: TenantId,
    request: PageRequest,
) -> Result<DuePage, StoreError> {
    let mut campaigns = Vec::new();
    for mut row in conn.rows(&RUNNING, args![tenant.0]).await? {
        campaigns.push(row.int()?);
    }
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let mut due = due(conn, tenant, &campaigns, request).await?;
    let complete = due.len() <= limit;
    due.truncate(limit);
    let read_to = match due.last() {
        Some((mark, _)) if !complete => *mark,
        _ => Mark {
            next_at: request.until,
            enrollment: EnrollmentId(i64::MAX),
        },
    };
    let next_after_at = first_after(conn, tenant, &campaigns, read_to).await?;
    let (mut rows, mut unreadable) = (Vec::with_capacity(due.len()), Vec::new());
    for (mark, row) in due {
        match row {
            Some(row) => rows.push(row),
            None => unreadable.push(mark.enrollment),
        }
    }
    let mut ahead = match request.ahead_ms {
        0 => Vec::new(),
        ahead_ms => {
            self::ahead(
                conn,
                tenant,
                &rows,
                read_to,
                request.until.plus_ms(ahead_ms),
            )
            .await?
        }
    };
    let wanted = rows.iter().map(|row| row.enrollment.contact).collect();
    let contacts = contacts(conn, tenant, &wanted, request.sends_since).await?;
    // A contact that cannot be read takes its enrollments with it.
    let known: BTreeSet<ContactId> = contacts.iter().map(|contact| contact.id).collect();
    let strangers = rows.extract_if(.., |row| !known.contains(&row.enrollment.contact));
    unreadable.extend(strangers.map(|row| row.enrollment.id));
    ahead.retain(|row| known.contains(&row.enrollment.contact));
    Ok(DuePage {
        rows,
        ahead,
        contacts,
        read_to,
        next_after_at,
        unreadable,
    })
}

/// What touches of a page may bring forward: by the boletos of their contacts, so that nobody
/// else's rows are walked. The limit is [`actors::ports::AHEAD_ROWS_MAX`].
const AHEAD: Sql = batch!(
    "SELECT e.next_at, e.id,
         e.campaign_id, e.boleto_id, e.contact_id, e.done, e.occurrence, e.reminders,
         e.after_at, e.step_no, e.touch_occurrence, e.slot_at, e.expires_at, e.try_no,
         e.channel_tries, e.channel_from, e.next_at, b.reference, b.amount_centavos, b.due_on,
         b.digitable_line, b.pix_code, b.payment_link
     FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint", 3 "campaign" "bigint", 4 "after_at" "bigint",
     5 "after_id" "bigint", 6 "until_at" "bigint"),
    "JOIN boletos b ON b.tenant_id = r.tenant AND b.contact_id = r.contact
     JOIN enrollments e ON e.tenant_id = r.tenant AND e.boleto_id = b.id
       AND e.campaign_id = r.campaign
     WHERE e.state = 'active'
       AND e.next_at <= r.until_at
       AND (e.next_at > r.after_at OR (e.next_at = r.after_at AND e.id > r.after_id))
     ORDER BY e.next_at, e.id
     LIMIT 1000"
);

async fn ahead(
    conn: &mut Conn,
    tenant: TenantId,
    rows: &[DueRow],
    after: Mark,
    until: Timestamp,
) -> Result<Vec<DueRow>, StoreError> {
    let of = |row: &DueRow| (row.enrollment.contact, row.enrollment.campaign);
    let wanted: BTreeSet<(ContactId, CampaignId)> = rows.iter().map(of).collect();
    let mut asked = Batch::default();
    let place = (after.next_at.unix_ms(), after.enrollment.0);
    for (contact, campaign) in wanted {
        let cells = row![
            contact.0,
            tenant.0,
            campaign.0,
            place.0,
            place.1,
            until.unix_ms()
        ];
        asked.push(cells);
    }
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut ahead = Vec::new();
    for row in conn.rows(&AHEAD, asked.args(vec![])).await? {
        // One that cannot be read is met when it is due.
        ahead.extend(read_placed(row)?.1);
    }
    Ok(ahead)
}

/// A row with its place; nothing when it says what no version writes.
type Placed = (Mark, Option<DueRow>);

/// Reads the first due rows over all campaigns, one more than asked for if there are more.
async fn due(
    conn: &mut Conn,
    tenant: TenantId,
    campaigns: &[i64],
    request: PageRequest,
) -> Result<Vec<Placed>, StoreError> {
    let mut rows = Vec::new();
    let more = i64::from(request.limit) + 1;
    let (after, until) = (request.after, request.until.unix_ms());
    for campaign in campaigns {
        let place = (after.next_at.unix_ms(), after.enrollment.0);
        let args = args![tenant.0, *campaign, place.0, place.1, until, more];
        for row in conn.rows(&DUE, args).await? {
            rows.push(read_placed(row)?);
        }
    }
    rows.sort_by_key(|(mark, _)| *mark);
    rows.truncate(usize::try_from(more).unwrap_or(usize::MAX));
    Ok(rows)
}

fn read_placed(mut row: Row) -> Result<Placed, StoreError> {
    let mark = Mark {
        next_at: instant(&mut row)?,
        enrollment: EnrollmentId(row.int()?),
    };
    Ok((mark, readable(read_due(mark.enrollment, row))?))
}

/// Tells a row that says what no version writes from a failure to read it.
pub(super) fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(row) => Ok(Some(row)),
        Err(StoreError::Unreadable { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn first_after(
    conn: &mut Conn,
    tenant: TenantId,
    campaigns: &[i64],
    after: Mark,
) -> Result<Option<Timestamp>, StoreError> {
    let mut first: Option<Timestamp> = None;
    for campaign in campaigns {
        let args = args![
            tenant.0,
            *campaign,
            after.next_at.unix_ms(),
            after.enrollment.0
        ];
        if let Some(mut row) = conn.first(&FIRST_AFTER, args).await? {
            let at = instant(&mut row)?;
            first = Some(first.map_or(at, |first| first.min(at)));
        }
    }
    Ok(first)
}

fn read_due(id: EnrollmentId, mut row: Row) -> Result<DueRow, StoreError> {
    let enrollment = read_enrollment(id, &mut row)?;
    let boleto = Boleto {
        id: enrollment.boleto,
        reference: row.text()?,
        amount_centavos: row.int()?,
        due_on: date(&mut row)?,
        digitable_line: row.text_or_null()?,
        pix_code: row.text_or_null()?,
        payment_link: row.text_or_null()?,
    };
    Ok(DueRow { enrollment, boleto })
}

/// Reads an enrollment's columns after its own id: the other ids, then the cursor.
pub(super) fn read_enrollment(id: EnrollmentId, row: &mut Row) -> Result<Enrollment, StoreError> {
    Ok(Enrollment {
        id,
        campaign: CampaignId(row.int()?),
        boleto: BoletoId(row.int()?),
        contact: ContactId(row.int()?),
        cursor: cursor(row)?,
    })
}

const CONTACTS: Sql = batch!(
    "SELECT c.id, c.name, c.phone, c.email, c.zones, c.replied_at, c.promised_at,
         c.confirmed_at, c.version FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint", 3 "since_at" "bigint"),
    "JOIN contacts c ON c.tenant_id = r.tenant AND c.id = r.contact"
);

const SUPPRESSED: Sql = batch!(
    "SELECT s.contact_id, s.channel FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint", 3 "since_at" "bigint"),
    "JOIN suppressions s ON s.tenant_id = r.tenant AND s.contact_id = r.contact
     ORDER BY s.contact_id, s.channel"
);

/// A claim without outcome counts: the message may be on its way. It counts at its deadline, the
/// latest instant at which the hand-over may have begun; the index knows the claim's instant.
const SENDS: Sql = batch!(
    "SELECT a.contact_id, a.deadline_at, a.channel, a.boleto_id, a.campaign_id,
         CAST(CASE WHEN a.lead IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint", 3 "since_at" "bigint"),
    "JOIN attempts a ON a.tenant_id = r.tenant AND a.contact_id = r.contact
       AND a.claimed_at >= r.since_at - 60000 AND a.deadline_at >= r.since_at
     LEFT JOIN outcomes o
       ON o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
         AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no
     WHERE o.counts IS NULL OR o.counts = 1
     ORDER BY a.deadline_at"
);

/// Reads contacts with their sends since an instant; those that cannot be read are left out.
pub(super) async fn contacts(
    conn: &mut Conn,
    tenant: TenantId,
    wanted: &BTreeSet<ContactId>,
    since: Timestamp,
) -> Result<Vec<Contact>, StoreError> {
    let mut asked = Batch::default();
    wanted
        .iter()
        .for_each(|id| asked.push(row![id.0, tenant.0, since.unix_ms()]));
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut contacts = BTreeMap::new();
    for row in conn.rows(&CONTACTS, asked.clone().args(vec![])).await? {
        if let Some(contact) = readable(read_contact(row))? {
            contacts.insert(contact.id, contact);
        }
    }
    for mut row in conn.rows(&SUPPRESSED, asked.clone().args(vec![])).await? {
        if let Some(contact) = contacts.get_mut(&ContactId(row.int()?)) {
            contact.suppressed.push(row.parsed("channel")?);
        }
    }
    for mut row in conn.rows(&SENDS, asked.args(vec![])).await? {
        if let Some(contact) = contacts.get_mut(&ContactId(row.int()?)) {
            contact.sends.push(PastSend {
                at: instant(&mut row)?,
                channel: row.parsed("channel")?,
                boleto: BoletoId(row.int()?),
                campaign: CampaignId(row.int()?),
                merged: row.int()? == 1,
            });
        }
    }
    Ok(contacts.into_values().collect())
}

fn read_contact(mut row: Row) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: ContactId(row.int()?),
        name: row.text()?,
        phone: row.text_or_null()?,
        email: row.text_or_null()?,
        zones: zones(&mut row)?,
        suppressed: Vec::new(),
        events: ContactEvents {
            replied_at: instant_or_null(&mut row)?,
            promised_at: instant_or_null(&mut row)?,
        },
        confirmed: instant_or_null(&mut row)?.is_some(),
        version: row.int()?,
        sends: Vec::new(),
    })
}
