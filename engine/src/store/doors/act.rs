//! What a fact does besides being there: the status of its subject, and the stop of enrollments.
//!
//! Statuses absorb: a boleto is paid or cancelled only from open, and opens again only by the
//! explicit fact. Locks are taken in the order of the owners' commits.

use std::collections::HashSet;

use actors::machine::effect::Subject;
use schedules::id::TenantId;
use schedules::stop::StopReason;
use schedules::time::Timestamp;

use crate::facts::Saying;
use crate::store::codec::channel_bit;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, both, row};

/// A fact with its inbox row and its subject; no two of a round have the same subject.
pub(super) struct Act<'a> {
    pub(super) ord: usize,
    pub(super) seq: i64,
    pub(super) tenant: TenantId,
    pub(super) subject: Subject,
    /// The phone by which the subject was found, and may be found no more.
    pub(super) phone: Option<&'a str>,
    /// Whether the fact is about nobody else.
    pub(super) alone: bool,
    pub(super) saying: &'a Saying,
    pub(super) source: &'a str,
    /// When the door took it.
    pub(super) at: Timestamp,
    /// When it happened, by its source.
    pub(super) occurred_at: Timestamp,
}

impl Act<'_> {
    /// Returns why enrollments stop, row by row; campaigns and tenants stop by their status.
    fn stop(&self) -> Option<StopReason> {
        match self.saying {
            Saying::BoletoPaid { .. } => Some(StopReason::Paid),
            Saying::BoletoCancelled { .. } => Some(StopReason::Cancelled),
            Saying::ContactOptedOut { channel: None, .. } => Some(StopReason::OptedOut),
            _ => None,
        }
    }

    fn subject_id(&self) -> i64 {
        match self.subject {
            Subject::Boleto(id) => id.0,
            Subject::Contact(id) => id.0,
            Subject::Campaign(id) => id.0,
            Subject::Channel(channel) => channel_bit(channel),
            Subject::Tenant => self.tenant.0,
        }
    }

    fn subject_name(&self) -> String {
        match self.subject {
            Subject::Boleto(id) => id.to_string(),
            Subject::Contact(id) => id.to_string(),
            Subject::Campaign(id) => id.to_string(),
            Subject::Channel(channel) => channel.to_string(),
            Subject::Tenant => self.tenant.to_string(),
        }
    }
}

/// Writes what the facts of a round do; returns those that changed no status and need no owner.
pub(super) async fn all(conn: &mut Conn, acts: &[Act<'_>]) -> Result<HashSet<usize>, StoreError> {
    let mut sorted: Vec<&Act<'_>> = acts.iter().collect();
    sorted.sort_by_key(|act| (act.subject, act.tenant));
    let unchanged = statuses(conn, &sorted).await?;
    boletos(conn, &sorted).await?;
    contacts(conn, &sorted).await?;
    stops(conn, &sorted).await?;
    let idle = sorted.iter().filter(|act| unchanged.contains(&act.ord));
    leave_to_nobody(conn, idle).await?;
    audit(conn, acts).await?;
    Ok(unchanged)
}

const TENANT_STATUS: Sql = batch!(
    "UPDATE tenants SET status = r.new_status FROM ",
    (1 "tenant" "bigint", 2 "new_status" "text"),
    "WHERE tenants.id = r.tenant AND tenants.status <> r.new_status
     RETURNING id"
);

const TENANT_HELD: Sql = batch!(
    "UPDATE tenants SET held = r.held FROM ",
    (1 "tenant" "bigint", 2 "held" "bigint"),
    "WHERE tenants.id = r.tenant AND tenants.held <> r.held
     RETURNING id"
);

/// The channels that stay as they are, and those that are held from now on.
const CHANNELS: Sql = both(
    "UPDATE tenants SET channels_paused = (channels_paused & $2) | $3
     WHERE id = $1 AND channels_paused <> ((channels_paused & $2) | $3)",
);

const CAMPAIGN_STATUS: Sql = batch!(
    "UPDATE campaigns SET status = r.new_status FROM ",
    (1 "campaign" "bigint", 2 "tenant" "bigint", 3 "new_status" "text", 4 "old_status" "text"),
    "WHERE campaigns.id = r.campaign
       AND campaigns.tenant_id = r.tenant
       AND campaigns.status <> 'archived'
       AND (campaigns.status = r.old_status OR r.new_status = 'archived')
     RETURNING id"
);

/// Every channel's bit.
const CHANNELS_ALL: i64 = 7;

/// One row, however many enrollments it stops: claims pin it and read it.
async fn statuses(conn: &mut Conn, acts: &[&Act<'_>]) -> Result<HashSet<usize>, StoreError> {
    let (mut tenants, mut held) = (Batch::default(), Batch::default());
    let mut campaigns = Batch::default();
    let mut unchanged = HashSet::new();
    for act in acts {
        let (id, tenant) = (act.subject_id(), act.tenant.0);
        let mut campaign = |new: &str, old: &str| campaigns.push(row![id, tenant, new, old]);
        match act.saying {
            Saying::TenantPaused => tenants.push(row![tenant, "paused"]),
            Saying::TenantResumed => tenants.push(row![tenant, "active"]),
            Saying::TenantHeld => held.push(row![tenant, 1_i64]),
            Saying::TenantReleased => held.push(row![tenant, 0_i64]),
            Saying::ChannelPaused { .. } | Saying::ChannelResumed { .. } => {
                if !channel(conn, act).await? {
                    unchanged.insert(act.ord);
                }
                continue;
            }
            Saying::CampaignLaunched { .. } => campaign("running", "draft"),
            Saying::CampaignPaused { .. } => campaign("paused", "running"),
            Saying::CampaignResumed { .. } => campaign("running", "paused"),
            Saying::CampaignArchived { .. } => campaign("archived", ""),
            _ => continue,
        }
        unchanged.insert(act.ord);
    }
    for (sql, rows, of_tenants) in [
        (&TENANT_STATUS, tenants, true),
        (&TENANT_HELD, held, true),
        (&CAMPAIGN_STATUS, campaigns, false),
    ] {
        if rows.is_empty() {
            continue;
        }
        for mut row in conn.rows(sql, rows.args(vec![])).await? {
            let changed = row.int()?;
            let acts = acts.iter().filter(|act| act.subject_id() == changed);
            let act = acts.into_iter().find(|act| match act.subject {
                Subject::Tenant => of_tenants,
                Subject::Campaign(_) => !of_tenants,
                _ => false,
            });
            act.map(|act| unchanged.remove(&act.ord));
        }
    }
    Ok(unchanged)
}

/// Holds or frees a channel; returns false when it was so before. One at a time: a statement
/// changes a tenant's row once.
async fn channel(conn: &mut Conn, act: &Act<'_>) -> Result<bool, StoreError> {
    let bit = act.subject_id();
    let pauses = matches!(act.saying, Saying::ChannelPaused { .. });
    let others = CHANNELS_ALL & !bit;
    let args = args![act.tenant.0, others, if pauses { bit } else { 0 }];
    Ok(conn.execute(&CHANNELS, args).await? == 1)
}

/// What is said twice is said at the later instant: an older word does not take it back.
const BOLETO_CLOSED: Sql = batch!(
    "UPDATE boletos
     SET status = CASE boletos.status WHEN 'open' THEN r.new_status ELSE boletos.status END,
         status_at = r.at
     FROM ",
    (1 "boleto" "bigint", 2 "tenant" "bigint", 3 "new_status" "text", 4 "at" "bigint"),
    "WHERE boletos.tenant_id = r.tenant AND boletos.id = r.boleto
       AND (boletos.status = 'open' OR boletos.status_at < r.at)"
);

/// Events come out of their order: a reopening from before the payment opens nothing.
const BOLETO_REOPENED: Sql = batch!(
    "UPDATE boletos SET status = 'open', status_at = r.at FROM ",
    (1 "boleto" "bigint", 2 "tenant" "bigint", 3 "at" "bigint"),
    "WHERE boletos.tenant_id = r.tenant AND boletos.id = r.boleto AND boletos.status <> 'open'
       AND boletos.status_at <= r.at"
);

/// The line and the Pix code say the old amount and due date: without them a step that shows them
/// is skipped, with them it would ask for the wrong money.
const BOLETO_CHANGED: Sql = batch!(
    "UPDATE boletos SET amount_centavos = r.amount_centavos, due_on = r.due_on,
         digitable_line = NULL, pix_code = NULL, changed_at = r.at
     FROM ",
    (1 "boleto" "bigint", 2 "tenant" "bigint", 3 "amount_centavos" "bigint", 4 "due_on" "text",
     5 "at" "bigint"),
    "WHERE boletos.tenant_id = r.tenant AND boletos.id = r.boleto AND boletos.changed_at <= r.at"
);

async fn boletos(conn: &mut Conn, acts: &[&Act<'_>]) -> Result<(), StoreError> {
    let (mut closed, mut reopened, mut changed) =
        (Batch::default(), Batch::default(), Batch::default());
    for act in acts {
        let (id, tenant, at) = (act.subject_id(), act.tenant.0, act.occurred_at.unix_ms());
        match act.saying {
            Saying::BoletoPaid { .. } => closed.push(row![id, tenant, "paid", at]),
            Saying::BoletoCancelled { .. } => closed.push(row![id, tenant, "cancelled", at]),
            Saying::BoletoReopened { .. } => reopened.push(row![id, tenant, at]),
            Saying::BoletoChanged {
                amount_centavos,
                due_on,
                ..
            } => {
                changed.push(row![id, tenant, *amount_centavos, due_on.to_string(), at]);
            }
            _ => {}
        }
    }
    run(conn, &BOLETO_CLOSED, closed).await?;
    run(conn, &BOLETO_REOPENED, reopened).await?;
    run(conn, &BOLETO_CHANGED, changed).await
}

/// As with a boleto's status: a word from before the opt-out does not take it back. Of several who
/// read one address nobody knows who spoke: none of them is confirmed.
const CONTACT_EVENT: Sql = batch!(
    "UPDATE contacts SET
         opted_out_at = CASE r.event
             WHEN 'opted_out' THEN
                 CASE WHEN contacts.opted_out_at > r.occurred_at THEN contacts.opted_out_at
                 ELSE r.occurred_at END
             WHEN 'opted_in' THEN
                 CASE WHEN contacts.opted_out_at > r.occurred_at THEN contacts.opted_out_at END
             ELSE contacts.opted_out_at END,
         replied_at = CASE r.event WHEN 'replied' THEN r.at ELSE contacts.replied_at END,
         promised_at = CASE r.event WHEN 'promised' THEN r.at ELSE contacts.promised_at END,
         confirmed_at = CASE WHEN r.event IN ('replied', 'promised') AND r.alone = 1
             THEN coalesce(contacts.confirmed_at, r.at) ELSE contacts.confirmed_at END
     FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint", 3 "event" "text", 4 "at" "bigint",
     5 "occurred_at" "bigint", 6 "phone" "text", 7 "alone" "bigint"),
    "WHERE contacts.tenant_id = r.tenant AND contacts.id = r.contact
       AND (r.phone IS NULL OR contacts.phone_canonical = r.phone)"
);

/// As with a contact's opt-out, the later of two words counts.
const SUPPRESSED: Sql = batch!(
    "INSERT INTO suppressions (tenant_id, contact_id, channel, since_at) SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "contact" "bigint", 3 "channel" "text", 4 "since_at" "bigint"),
    "WHERE true
     ON CONFLICT (tenant_id, contact_id, channel) DO UPDATE SET since_at = CASE
         WHEN suppressions.since_at > excluded.since_at THEN suppressions.since_at
         ELSE excluded.since_at END"
);

/// The contact's row first: an enrollment in the making holds it, and sees the suppression or is
/// seen here; words about two channels of one contact come one after the other.
const CONTACT_HELD: Sql = batch!(
    "UPDATE contacts SET created_at = created_at FROM ",
    (1 "tenant" "bigint", 2 "contact" "bigint", 3 "phone" "text"),
    "WHERE contacts.tenant_id = r.tenant AND contacts.id = r.contact
       AND (r.phone IS NULL OR contacts.phone_canonical = r.phone)"
);

/// I1, for one channel: after this no claim on it commits.
const BARRED: Sql = batch!(
    "UPDATE enrollments SET barred = enrollments.barred | r.bit FROM ",
    (1 "bit" "bigint", 2 "tenant" "bigint", 3 "contact" "bigint"),
    "JOIN boletos b ON b.contact_id = r.contact AND b.tenant_id = r.tenant
     WHERE enrollments.tenant_id = r.tenant AND enrollments.boleto_id = b.id"
);

/// What is barred yet is said by the suppressions that are left: an older word took none away.
pub(super) const FREED: Sql = batch!(
    "UPDATE enrollments
     SET barred = (SELECT CAST(coalesce(sum(CASE s.channel WHEN 'whatsapp' THEN 1 WHEN 'sms' THEN 2
         ELSE 4 END), 0) AS BIGINT)
         FROM suppressions s
         WHERE s.tenant_id = r.tenant AND s.contact_id = r.contact)
     FROM ",
    (1 "tenant" "bigint", 2 "contact" "bigint"),
    "JOIN boletos b ON b.contact_id = r.contact AND b.tenant_id = r.tenant
     WHERE enrollments.tenant_id = r.tenant AND enrollments.boleto_id = b.id"
);

const ALLOWED_AGAIN: Sql = batch!(
    "DELETE FROM suppressions WHERE (tenant_id, contact_id, channel) IN
         (SELECT s.tenant_id, s.contact_id, s.channel FROM ",
    (1 "tenant" "bigint", 2 "contact" "bigint", 3 "channel" "text", 4 "occurred_at" "bigint"),
    "JOIN suppressions s ON s.tenant_id = r.tenant AND s.contact_id = r.contact
           AND s.channel = r.channel AND s.since_at <= r.occurred_at)"
);

async fn contacts(conn: &mut Conn, acts: &[&Act<'_>]) -> Result<(), StoreError> {
    let (mut events, mut suppressed, mut allowed) =
        (Batch::default(), Batch::default(), Batch::default());
    let (mut held, mut barred, mut freed) = (Batch::default(), Batch::default(), Batch::default());
    for act in acts {
        let (id, tenant, at) = (act.subject_id(), act.tenant.0, act.at.unix_ms());
        let occurred_at = act.occurred_at.unix_ms();
        let phone = || act.phone.map(str::to_owned);
        let alone = i64::from(act.alone);
        let mut event = |what: &str| {
            events.push(row![id, tenant, what, at, occurred_at, phone(), alone]);
        };
        match act.saying {
            Saying::ContactOptedOut {
                channel: Some(channel),
                ..
            } => {
                held.push(row![tenant, id, phone()]);
                suppressed.push(row![tenant, id, channel.as_str(), occurred_at]);
                barred.push(row![channel_bit(*channel), tenant, id]);
            }
            Saying::ContactOptedIn {
                channel: Some(channel),
                ..
            } => {
                held.push(row![tenant, id, phone()]);
                allowed.push(row![tenant, id, channel.as_str(), occurred_at]);
                freed.push(row![tenant, id]);
            }
            Saying::ContactOptedOut { .. } => event("opted_out"),
            Saying::ContactOptedIn { .. } => event("opted_in"),
            Saying::ContactReplied { .. } => event("replied"),
            Saying::ContactPromised { .. } => event("promised"),
            _ => {}
        }
    }
    still_found(conn, &CONTACT_EVENT, events).await?;
    still_found(conn, &CONTACT_HELD, held).await?;
    run(conn, &SUPPRESSED, suppressed).await?;
    run(conn, &ALLOWED_AGAIN, allowed).await?;
    run(conn, &BARRED, barred).await?;
    run(conn, &FREED, freed).await
}

/// Writes what was said to the rows of contacts, which are held from then on. One that was given
/// another phone since it was found by its phone is not who was meant: nothing stands, and the
/// facts look again for whom they are about.
async fn still_found(conn: &mut Conn, sql: &Sql, rows: Batch) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let wanted = rows.len() as u64;
    match conn.execute(sql, rows.args(vec![])).await? {
        done if done == wanted => Ok(()),
        _ => Err(StoreError::GaveWay),
    }
}

/// I1: after this no claim of the boleto commits; see the commit's own update of these rows.
const STOP_OF_BOLETO: Sql = batch!(
    "UPDATE enrollments SET state = 'stopped', stopped_by = r.fact, stop_reason = r.reason FROM ",
    (1 "boleto" "bigint", 2 "tenant" "bigint", 3 "fact" "bigint", 4 "reason" "text"),
    "WHERE enrollments.boleto_id = r.boleto
       AND enrollments.tenant_id = r.tenant
       AND enrollments.state = 'active'"
);

const STOP_OF_CONTACT: Sql = batch!(
    "UPDATE enrollments SET state = 'stopped', stopped_by = r.fact, stop_reason = r.reason FROM ",
    (1 "contact" "bigint", 2 "tenant" "bigint", 3 "fact" "bigint", 4 "reason" "text"),
    "JOIN boletos b ON b.contact_id = r.contact AND b.tenant_id = r.tenant
     WHERE enrollments.boleto_id = b.id
       AND enrollments.tenant_id = r.tenant
       AND enrollments.state = 'active'"
);

async fn stops(conn: &mut Conn, acts: &[&Act<'_>]) -> Result<(), StoreError> {
    let (mut of_boletos, mut of_contacts) = (Batch::default(), Batch::default());
    for act in acts {
        let Some(reason) = act.stop() else { continue };
        let cells = row![act.subject_id(), act.tenant.0, act.seq, reason.as_str()];
        match act.subject {
            Subject::Boleto(_) => of_boletos.push(cells),
            _ => of_contacts.push(cells),
        }
    }
    run(conn, &STOP_OF_BOLETO, of_boletos).await?;
    run(conn, &STOP_OF_CONTACT, of_contacts).await
}

const APPLIED: Sql = batch!(
    "UPDATE inbox SET applied_at = inbox.received_at FROM ",
    (1 "fact" "bigint", 2 "tenant" "bigint"),
    "WHERE inbox.seq = r.fact AND inbox.tenant_id = r.tenant"
);

/// What changed nothing stays for its event id, and the owner need not look at it.
async fn leave_to_nobody<'a>(
    conn: &mut Conn,
    idle: impl Iterator<Item = &'a &'a Act<'a>>,
) -> Result<(), StoreError> {
    let mut rows = Batch::default();
    idle.for_each(|act| rows.push(row![act.seq, act.tenant.0]));
    run(conn, &APPLIED, rows).await
}

async fn audit(conn: &mut Conn, acts: &[Act<'_>]) -> Result<(), StoreError> {
    let mut rows = Batch::default();
    for act in acts {
        rows.push(row![
            act.tenant.0,
            act.at.unix_ms(),
            act.source,
            act.saying.action(),
            act.subject_name(),
            format!("{{\"seq\":{}}}", act.seq),
        ]);
    }
    crate::store::audit::record(conn, rows).await
}

async fn run(conn: &mut Conn, sql: &Sql, rows: Batch) -> Result<(), StoreError> {
    if !rows.is_empty() {
        conn.execute(sql, rows.args(vec![])).await?;
    }
    Ok(())
}
