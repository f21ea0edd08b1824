//! What a machine starts from.

use actors::machine::change::Claim;
use actors::machine::input::Sweep;
use actors::ports::{CampaignState, Credits, Sender, Settings, Snapshot, TallyRow, Tenant};
use schedules::cadence::Campaign;
use schedules::id::{
    AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId,
};
use schedules::pace::Pace;
use schedules::plan::Touch;
use schedules::time::{HOUR_MS, MINUTE_MS, Timestamp};
use schedules::verdict::Feed;

use crate::store::codec::{channels_of, claim_from_text, instant, lead};
use crate::store::conn::{Conn, Row};
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, both};

/// How far behind a tenant's newest claim a claim without outcome may be.
///
/// An owner settles what its former life left behind before it claims anew, and a claim of this
/// life has its outcome, unknown at the latest, when its provider's time is up: minutes. What is
/// older than an hour at the newest claim had its outcome before that claim.
const UNSETTLED_FOR_MAX_MS: i64 = HOUR_MS;

const TENANT: Sql = both(
    "SELECT t.name, t.document, t.address, t.zone,
         CAST(CASE WHEN t.status = 'active' AND t.held = 0 THEN 1 ELSE 0 END AS BIGINT),
         t.channels_paused, t.rules, t.calendar, t.charges, t.retry,
         f.silence_max_ms, f.heard_at, c.balance, c.held
     FROM tenants t
     JOIN feeds f ON f.tenant_id = t.id
     LEFT JOIN credits c ON c.tenant_id = t.id
     WHERE t.id = $1",
);

const SENDERS: Sql = both(
    "SELECT channel, provider, pace_per_second, pace_burst FROM senders
     WHERE tenant_id = $1
     ORDER BY channel",
);

const CAMPAIGNS: Sql = both(
    "SELECT id, version, name, cadence, status FROM campaigns
     WHERE tenant_id = $1 AND status <> 'archived'
     ORDER BY id",
);

const TEMPLATES: Sql = both(
    "SELECT t.content FROM templates t
     WHERE t.tenant_id = $1
       AND t.version = (SELECT max(n.version) FROM templates n
           WHERE n.tenant_id = t.tenant_id AND n.code = t.code AND n.channel = t.channel)
     ORDER BY t.code, t.channel",
);

/// Reads the tenant's own settings.
pub(super) async fn tenant(conn: &mut Conn, id: TenantId) -> Result<Tenant, StoreError> {
    let row = conn.first(&TENANT, args![id.0]).await?;
    let mut tenant = read_tenant(id, row.ok_or(StoreError::Absent { what: "tenant" })?)?;
    for mut row in conn.rows(&SENDERS, args![id.0]).await? {
        tenant.senders.push(Sender {
            channel: row.parsed("channel")?,
            provider: row.text()?,
            pace: Pace {
                per_second: row.small()?,
                burst: row.small()?,
            },
        });
    }
    Ok(tenant)
}

/// Reads the settings.
pub(super) async fn settings(conn: &mut Conn, tenant: TenantId) -> Result<Settings, StoreError> {
    let mut settings = Settings {
        tenant: self::tenant(conn, tenant).await?,
        campaigns: Vec::new(),
        templates: Vec::new(),
    };
    for mut row in conn.rows(&CAMPAIGNS, args![tenant.0]).await? {
        let campaign = Campaign {
            id: CampaignId(row.int()?),
            version: row.small()?,
            name: row.text()?,
            cadence: row.json("cadence")?,
        };
        settings.campaigns.push(CampaignState {
            campaign,
            running: row.text()? == "running",
        });
    }
    for mut row in conn.rows(&TEMPLATES, args![tenant.0]).await? {
        settings.templates.push(row.json("template")?);
    }
    Ok(settings)
}

fn read_tenant(id: TenantId, mut row: Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id,
        name: row.text()?,
        document: row.text_or_null()?,
        address: row.text_or_null()?,
        zone: row.parsed("zone")?,
        running: row.int()? == 1,
        paused_channels: channels_of(row.int()?),
        rules: row.json("rules")?,
        calendar: row.json("calendar")?,
        charges: match row.text_or_null()? {
            Some(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|_| StoreError::Unreadable { what: "charges" })?,
            None => None,
        },
        retry: row.json("retry policy")?,
        feed: Feed {
            silence_max_ms: row.int_or_null()?,
            heard_at: instant(&mut row)?,
        },
        credits: match (row.int_or_null()?, row.int_or_null()?) {
            (Some(balance), Some(held)) => Some(Credits { balance, held }),
            _ => None,
        },
        senders: Vec::new(),
    })
}

const NEWEST_CLAIM: Sql = both("SELECT max(claimed_at) FROM attempts WHERE tenant_id = $1");

const UNSETTLED: Sql = both(
    "SELECT a.enrollment_id, a.step_no, a.occurrence, a.try_no, a.boleto_id, a.contact_id,
         a.campaign_id, a.campaign_version, a.rules_version, a.template, a.template_version,
         a.channel,
         a.claimed_at, a.deadline_at, a.cursors, a.lead
     FROM attempts a
     WHERE a.tenant_id = $1
       AND a.claimed_at >= $2
       AND NOT EXISTS (SELECT 1 FROM outcomes o
           WHERE o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
             AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no)
     ORDER BY a.claimed_at, a.enrollment_id",
);

/// A claim without outcome counts: the message may be on its way. It counts at its deadline, the
/// latest instant at which the hand-over may have begun. A message about several boletos is one
/// send, that of its lead.
const TALLIES: Sql = both(
    "SELECT a.campaign_id, a.deadline_at / 60000, count(*)
     FROM attempts a
     LEFT JOIN outcomes o
       ON o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
         AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no
     WHERE a.tenant_id = $1
       AND a.claimed_at >= $2
       AND a.lead IS NULL
       AND (o.counts IS NULL OR o.counts = 1)
     GROUP BY a.campaign_id, a.deadline_at / 60000
     ORDER BY 1, 2",
);

const SWEEPS: Sql =
    both("SELECT seq, kind, after_id FROM sweeps WHERE tenant_id = $1 ORDER BY seq");

/// Reads all that a machine starts from.
pub(super) async fn snapshot(conn: &mut Conn, tenant: TenantId) -> Result<Snapshot, StoreError> {
    let settings = settings(conn, tenant).await?;
    let (mut unsettled, mut tallies) = (Vec::new(), Vec::new());
    let newest = conn.first(&NEWEST_CLAIM, args![tenant.0]).await?;
    let newest = newest.map_or(Ok(None), |mut row| row.int_or_null())?;
    if let Some(newest) = newest {
        let since = newest - UNSETTLED_FOR_MAX_MS;
        for row in conn.rows(&UNSETTLED, args![tenant.0, since]).await? {
            unsettled.push(read_claim(row)?);
        }
        // No window that is open at or after the newest claim reaches further back.
        let lookback_ms = settings.tenant.rules.tally_lookback_ms();
        if lookback_ms > 0 {
            let since = newest - lookback_ms - MINUTE_MS;
            for row in conn.rows(&TALLIES, args![tenant.0, since]).await? {
                tallies.push(read_tally(row)?);
            }
        }
    }
    let mut sweeps = Vec::new();
    for mut row in conn.rows(&SWEEPS, args![tenant.0]).await? {
        sweeps.push(Sweep {
            seq: row.int()?,
            kind: row.json("sweep")?,
            after: row.int()?,
        });
    }
    Ok(Snapshot {
        settings,
        unsettled,
        tallies,
        sweeps,
    })
}

fn read_tally(mut row: Row) -> Result<TallyRow, StoreError> {
    Ok(TallyRow {
        campaign: CampaignId(row.int()?),
        minute_at: Timestamp::from_unix_ms(row.int()? * MINUTE_MS),
        sends: row.small()?,
    })
}

fn read_claim(mut row: Row) -> Result<Claim, StoreError> {
    let enrollment = EnrollmentId(row.int()?);
    let (step_no, occurrence) = (row.small()?, row.small()?);
    let reminder = ReminderId {
        enrollment,
        step_no,
        occurrence,
    };
    let attempt = AttemptId {
        reminder,
        try_no: row.small()?,
    };
    let (boleto, contact) = (BoletoId(row.int()?), ContactId(row.int()?));
    let campaign = CampaignId(row.int()?);
    let (campaign_version, rules_version) = (row.small()?, row.small()?);
    let (template, template_version) = (row.text()?, row.small()?);
    let channel = row.parsed("channel")?;
    let (at, deadline_at) = (instant(&mut row)?, instant(&mut row)?);
    let (slot_at, expires_at, from, to) = claim_from_text(&row.text()?)?;
    Ok(Claim {
        attempt,
        lead: lead(&mut row)?,
        boleto,
        contact,
        contact_version: 0,
        campaign,
        campaign_version,
        rules_version,
        template,
        template_version,
        channel,
        at,
        deadline_at,
        touch: Touch {
            step_no,
            occurrence,
            slot_at,
            expires_at,
        },
        from,
        to,
    })
}
