//! Enrollments with something to come, in the order of their next touch, and what the planner
//! needs to go on from there.

use std::collections::BTreeMap;

use actors::ports::Enrollment;
use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::cadence::Cadence;
use schedules::calendar::Calendar;
use schedules::id::{CampaignId, TenantId};
use schedules::time::Timestamp;

use super::settings::CALENDAR;
use crate::store::Store;
use crate::store::codec::{date, likeliest_zone};
use crate::store::conn::{Conn, Row};
use crate::store::error::StoreError;
use crate::store::history::read_enrollment;
use crate::store::sql::{Sql, args, both};

/// An enrollment with something to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The enrollment, with its cursor.
    pub enrollment: Enrollment,
    /// When the engine looks at it next.
    pub next_at: Timestamp,
    /// The boleto's due date, as printed.
    pub due_on: NaiveDate,
    /// The boleto's amount, in centavos.
    pub amount_centavos: i64,
    /// The contact's likeliest zone.
    pub zone: Tz,
}

/// When an enrollment is looked at next, and the enrollment.
pub type AheadKey = (i64, i64);

/// Enrollments, in the order of their keys, and the settings to plan with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AheadPage {
    /// The enrollments.
    pub rows: Vec<Ahead>,
    /// Whether more follow.
    pub more: bool,
    /// The tenant's calendar.
    pub calendar: Calendar,
    /// The running campaigns.
    pub cadences: BTreeMap<CampaignId, Cadence>,
}

const RUNNING: Sql = both(
    "SELECT c.id, c.cadence FROM campaigns c
     JOIN tenants t ON t.id = c.tenant_id
     WHERE c.tenant_id = $1 AND c.status = 'running' AND t.status = 'active'
       AND t.held = 0
     ORDER BY c.id",
);

pub(super) const AHEAD: Sql = both(
    "SELECT b.due_on, b.amount_centavos, c.zones, e.id, e.campaign_id, e.boleto_id, e.contact_id,
         e.done, e.occurrence, e.reminders, e.after_at, e.step_no, e.touch_occurrence, e.slot_at,
         e.expires_at, e.try_no, e.channel_tries, e.channel_from, e.next_at, e.state,
         e.stopped_by, e.stop_reason
     FROM enrollments e
     JOIN boletos b ON b.tenant_id = e.tenant_id AND b.id = e.boleto_id
     JOIN contacts c ON c.tenant_id = e.tenant_id AND c.id = e.contact_id
     WHERE e.tenant_id = $1
       AND e.campaign_id = $2
       AND e.state = 'active'
       AND e.next_at IS NOT NULL
       AND (e.next_at, e.id) >= ($3, $4)
       AND e.next_at <= $5
     ORDER BY e.next_at, e.id
     LIMIT $6",
);

impl Store {
    /// Lists the enrollments of running campaigns that are looked at next up to `until`, from a key
    /// on, itself included; nothing is to come while the tenant is paused or
    /// held.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub async fn list_ahead(
        &self,
        tenant: TenantId,
        from: AheadKey,
        until: Timestamp,
        limit: u32,
    ) -> Result<AheadPage, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&CALENDAR, args![tenant.0]).await?;
            let mut row = row.ok_or(StoreError::Absent { what: "tenant" })?;
            let calendar = row.json("calendar")?;
            let mut cadences = BTreeMap::new();
            for mut row in conn.rows(&RUNNING, args![tenant.0]).await? {
                cadences.insert(CampaignId(row.int()?), row.json("cadence")?);
            }
            let mut rows = Vec::new();
            for campaign in cadences.keys() {
                rows.extend(of(conn, (tenant, *campaign), from, until, limit).await?);
            }
            rows.sort_by_key(|row: &Ahead| (row.next_at, row.enrollment.id));
            let more = rows.len() > limit as usize;
            rows.truncate(limit as usize);
            Ok(AheadPage {
                rows,
                more,
                calendar,
                cadences,
            })
        })
        .await
    }
}

/// Reads those of one campaign, one more than asked for if there are more.
async fn of(
    conn: &mut Conn,
    (tenant, campaign): (TenantId, CampaignId),
    (next_at, enrollment): AheadKey,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Ahead>, StoreError> {
    let more = i64::from(limit) + 1;
    let (of, until) = ((tenant.0, campaign.0), until.unix_ms());
    let args = args![of.0, of.1, next_at, enrollment, until, more];
    let rows = conn.rows(&AHEAD, args).await?;
    rows.into_iter().map(read).collect()
}

fn read(mut row: Row) -> Result<Ahead, StoreError> {
    let (due_on, amount_centavos) = (date(&mut row)?, row.int()?);
    let zone = likeliest_zone(&mut row)?;
    let enrollment = read_enrollment(row)?.enrollment;
    let next_at = enrollment.cursor.next_at;
    Ok(Ahead {
        enrollment,
        next_at: next_at.ok_or(StoreError::Unreadable { what: "cursor" })?,
        due_on,
        amount_centavos,
        zone,
    })
}
