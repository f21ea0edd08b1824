//! Pages of sweeps: boletos to enroll, enrollments to plan again.

use actors::machine::input::{Part, Sweep, SweepKind};
use actors::ports::{Candidate, Standing, SweepPage};
use schedules::id::{BoletoId, ContactId, EnrollmentId, TenantId};

use super::due::{read_enrollment, readable};
use crate::store::codec::{date, likeliest_zone};
use crate::store::conn::{Conn, Row};
use crate::store::error::StoreError;
use crate::store::sql::{Arg, Sql, args, both};

/// An import's boletos lie between two ids, together with those of other imports.
const OF_IMPORT: Sql = both(
    "SELECT b.id, b.contact_id, b.due_on, b.amount_centavos, c.zones
     FROM imports i
     JOIN boletos b ON b.tenant_id = i.tenant_id AND b.id >= i.first_id AND b.id <= i.last_id
     JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id
     WHERE i.id = $4 AND i.tenant_id = $1
       AND b.tenant_id = $1
       AND b.id > $2
       AND b.import_id = i.id
       AND b.status = 'open'
       AND c.opted_out_at IS NULL
     ORDER BY b.id
     LIMIT $3",
);

/// Open boletos in `$1` and after `$2`.
macro_rules! open {
    ($which:literal) => {
        both(concat!(
            "SELECT b.id, b.contact_id, b.due_on, b.amount_centavos, c.zones
             FROM boletos b
             JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id
             WHERE b.tenant_id = $1
               AND b.id > $2
               AND b.status = 'open'
               AND c.opted_out_at IS NULL ",
            $which,
            " ORDER BY b.id
              LIMIT $3"
        ))
    };
}

const OPEN_OF_TENANT: Sql = open!("");
const OPEN_BOLETO: Sql = open!("AND b.id = $4");
const OPEN_OF_CONTACT: Sql = open!("AND b.contact_id = $4");

/// An enrollment that stands, in `$1` and after `$2`.
macro_rules! standing {
    ($which:expr) => {
        both(concat!(
            "SELECT e.id, e.campaign_id, e.boleto_id, e.contact_id, e.done, e.occurrence,
                 e.reminders, e.after_at, e.step_no, e.touch_occurrence, e.slot_at, e.expires_at,
                 e.try_no, e.channel_tries, e.channel_from, e.next_at, e.state, b.due_on,
                 b.amount_centavos, c.zones
             FROM enrollments e
             JOIN boletos b ON b.tenant_id = e.tenant_id AND b.id = e.boleto_id
             JOIN contacts c ON c.tenant_id = b.tenant_id AND c.id = b.contact_id
             WHERE e.tenant_id = $1
               AND e.id > $2 ",
            $which,
            " ORDER BY e.id
              LIMIT $3"
        ))
    };
}

/// Active, or stopped by what has been taken back, in a campaign that goes on.
macro_rules! standing_or_stopped {
    ($which:literal) => {
        standing!(concat!(
            $which,
            " AND (e.state = 'active'
                 OR (e.state = 'stopped'
                   AND e.stop_reason IN ('paid', 'cancelled', 'opted_out')
                   AND b.status = 'open'
                   AND c.opted_out_at IS NULL
                   AND EXISTS (SELECT 1 FROM campaigns k
                       WHERE k.tenant_id = e.tenant_id AND k.id = e.campaign_id
                         AND k.status <> 'archived')))"
        ))
    };
}

const OF_BOLETO: Sql = standing_or_stopped!("AND e.boleto_id = $4");
const OF_CONTACT: Sql = standing_or_stopped!("AND b.contact_id = $4");
const OF_CAMPAIGN: Sql = standing!("AND e.campaign_id = $4 AND e.state = 'active'");
const OF_TENANT: Sql = standing!("AND e.state = 'active'");

/// Reads a page.
pub(super) async fn page(
    conn: &mut Conn,
    tenant: TenantId,
    sweep: &Sweep,
    limit: u32,
) -> Result<SweepPage, StoreError> {
    let mut args = args![tenant.0, sweep.after, i64::from(limit) + 1];
    let mut of = |id: i64| args.push(Arg::from(id));
    let (sql, enrolls) = match sweep.kind {
        SweepKind::EnrollImport { import } => {
            of(import);
            (&OF_IMPORT, true)
        }
        SweepKind::EnrollCampaign { .. } => (&OPEN_OF_TENANT, true),
        SweepKind::EnrollBoleto { boleto } => {
            of(boleto.0);
            (&OPEN_BOLETO, true)
        }
        SweepKind::EnrollContact { contact, .. } => {
            of(contact.0);
            (&OPEN_OF_CONTACT, true)
        }
        SweepKind::ReplanBoleto { boleto } => {
            of(boleto.0);
            (&OF_BOLETO, false)
        }
        SweepKind::ReplanContact { contact, .. } => {
            of(contact.0);
            (&OF_CONTACT, false)
        }
        SweepKind::ReplanCampaign { campaign } | SweepKind::StopCampaign { campaign } => {
            of(campaign.0);
            (&OF_CAMPAIGN, false)
        }
        SweepKind::ReplanTenant => (&OF_TENANT, false),
    };
    let mut rows = conn.rows(sql, args).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let last = rows.len() <= limit;
    rows.truncate(limit);
    let mut page = SweepPage {
        last,
        read_to: sweep.after,
        ..SweepPage::default()
    };
    for row in rows {
        if enrolls {
            add_candidate(&mut page, sweep.seq, row)?;
        } else {
            add_standing(&mut page, row)?;
        }
    }
    Ok(page)
}

fn add_candidate(page: &mut SweepPage, sweep: i64, mut row: Row) -> Result<(), StoreError> {
    let (boleto, contact) = (BoletoId(row.int()?), ContactId(row.int()?));
    page.read_to = boleto.0;
    match readable(read_candidate(boleto, contact, row))? {
        Some(candidate) => page.candidates.push(candidate),
        None => page.unreadable.push(Part::Boleto {
            sweep,
            boleto,
            contact,
        }),
    }
    Ok(())
}

fn add_standing(page: &mut SweepPage, mut row: Row) -> Result<(), StoreError> {
    let enrollment = EnrollmentId(row.int()?);
    page.read_to = enrollment.0;
    match readable(read_standing(enrollment, row))? {
        Some(standing) => page.standing.push(standing),
        None => page.unreadable.push(Part::Enrollment(enrollment)),
    }
    Ok(())
}

fn read_candidate(
    boleto: BoletoId,
    contact: ContactId,
    mut row: Row,
) -> Result<Candidate, StoreError> {
    Ok(Candidate {
        boleto,
        contact,
        due_on: date(&mut row)?,
        amount_centavos: row.int()?,
        zone: likeliest_zone(&mut row)?,
    })
}

fn read_standing(id: EnrollmentId, mut row: Row) -> Result<Standing, StoreError> {
    Ok(Standing {
        enrollment: read_enrollment(id, &mut row)?,
        stopped: row.text()? == "stopped",
        due_on: date(&mut row)?,
        amount_centavos: row.int()?,
        zone: likeliest_zone(&mut row)?,
    })
}
