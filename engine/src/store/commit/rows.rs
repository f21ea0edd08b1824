//! The rows that commits change: credits, enrollments, facts, sweeps.

use std::collections::{BTreeMap, HashMap, HashSet};

use actors::machine::change::{Enrolled, Ruled};
use schedules::id::{EnrollmentId, TenantId};

use super::gather::{Fold, Of, Plan};
use super::records::NewOutcome;
use crate::store::codec::{channel_bit, cursor_cells, json};
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Cell, Sql, batch, row};

/// I8: a claim holds a credit only where one is free. Claims from before a tenant was metered hold
/// none: what they release and spend stops at zero.
const CREDITS: Sql = batch!(
    "UPDATE credits
     SET held = CASE WHEN credits.held < r.released THEN r.holds
             ELSE credits.held - r.released + r.holds END,
         balance = CASE WHEN credits.balance < r.spent THEN 0
             ELSE credits.balance - r.spent END
     FROM ",
    (1 "tenant" "bigint", 2 "holds" "bigint", 3 "released" "bigint", 4 "spent" "bigint"),
    "WHERE credits.tenant_id = r.tenant
       AND (r.holds = 0
         OR credits.balance - r.spent >= credits.held - r.released + r.holds)"
);

/// Holds a credit for every message whose claim stands, and releases those of the outcomes that are
/// new.
pub(super) async fn credits(
    conn: &mut Conn,
    plan: &Plan<'_>,
    settled: &[NewOutcome],
) -> Result<(), StoreError> {
    let mut moved: BTreeMap<TenantId, (i64, i64, i64)> = BTreeMap::new();
    for claim in plan
        .claims
        .iter()
        .filter(|claim| claim.what.lead.is_none() && plan.metered.contains(&claim.tenant))
    {
        moved.entry(claim.tenant).or_default().0 += 1;
    }
    for outcome in settled
        .iter()
        .filter(|outcome| plan.metered.contains(&outcome.tenant))
    {
        let (_, released, spent) = moved.entry(outcome.tenant).or_default();
        *released += 1;
        *spent += i64::from(outcome.counts);
    }
    let mut rows = Batch::default();
    for (tenant, (holds, released, spent)) in moved {
        rows.push(row![tenant.0, holds, released, spent]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let wanted = rows.len() as u64;
    let done = conn.execute(&CREDITS, rows.args(vec![])).await?;
    if done == wanted {
        Ok(())
    } else {
        Err(StoreError::Conflict { what: "credits" })
    }
}

/// The locks of the boleto and the contact meet the stop that updates them: either it sees the
/// new enrollment, or the enrollment sees the stop.
const LOCK_OPEN: Sql = batch!(
    "SELECT r.ord FROM ",
    (1 "ord" "bigint", 2 "tenant" "bigint", 3 "boleto" "bigint"),
    "JOIN boletos b ON b.tenant_id = r.tenant AND b.id = r.boleto
     JOIN contacts c ON c.tenant_id = r.tenant AND c.id = b.contact_id
     WHERE b.status = 'open' AND c.opted_out_at IS NULL",
    "FOR SHARE OF b, c"
);

const ENROLL: Sql = batch!(
    "INSERT INTO enrollments (tenant_id, campaign_id, boleto_id, contact_id, done, occurrence,
         reminders, after_at, step_no, touch_occurrence, slot_at, expires_at, try_no,
         channel_tries, channel_from, next_at, state, barred)
     SELECT r.tenant, r.campaign, r.boleto, b.contact_id, r.done, r.occurrence, r.reminders,
         r.after_at, r.step_no, r.touch_occurrence, r.slot_at, r.expires_at, r.try_no,
         r.channel_tries, r.channel_from, r.next_at,
         CASE WHEN r.step_no IS NULL THEN 'finished' ELSE 'active' END,
         (SELECT CAST(coalesce(sum(CASE s.channel WHEN 'whatsapp' THEN 1 WHEN 'sms' THEN 2
              ELSE 4 END), 0) AS BIGINT)
          FROM suppressions s
          WHERE s.tenant_id = r.tenant AND s.contact_id = b.contact_id)
     FROM ",
    (1 "tenant" "bigint", 2 "campaign" "bigint", 3 "boleto" "bigint", 4 "done" "bigint",
     5 "occurrence" "bigint", 6 "reminders" "bigint", 7 "after_at" "bigint", 8 "step_no" "bigint",
     9 "touch_occurrence" "bigint", 10 "slot_at" "bigint", 11 "expires_at" "bigint",
     12 "try_no" "bigint", 13 "channel_tries" "bigint", 14 "channel_from" "bigint",
     15 "next_at" "bigint"),
    "JOIN boletos b ON b.tenant_id = r.tenant AND b.id = r.boleto
     WHERE true
     ORDER BY r.boleto, r.campaign
     ON CONFLICT (tenant_id, boleto_id, campaign_id) DO NOTHING
     RETURNING id, campaign_id, boleto_id"
);

/// Enrolls open boletos, and puts the decisions about what had passed to the plan.
pub(super) async fn enroll(conn: &mut Conn, plan: &mut Plan<'_>) -> Result<(), StoreError> {
    if plan.enrolled.is_empty() {
        return Ok(());
    }
    plan.enrolled
        .sort_by_key(|of| (of.what.boleto, of.what.campaign));
    let mut wanted = Batch::default();
    for (ord, of) in plan.enrolled.iter().enumerate() {
        wanted.push(row![ord as i64, of.tenant.0, of.what.boleto.0]);
    }
    let mut fresh = Batch::default();
    let mut locked = conn.rows(&LOCK_OPEN, wanted.args(vec![])).await?;
    let mut open = locked
        .iter_mut()
        .map(|row| row.small())
        .collect::<Result<Vec<usize>, _>>()?;
    open.sort_unstable();
    let mut once = HashSet::new();
    for ord in open {
        let of = plan
            .enrolled
            .get(ord)
            .ok_or(StoreError::Unreadable { what: "ordinal" })?;
        // Two sweeps may have found the same boleto: the first of them enrolls it.
        if once.insert((of.what.boleto, of.what.campaign)) {
            fresh.push(enrollment_cells(of));
        }
    }
    if fresh.is_empty() {
        return Ok(());
    }
    let mut ids = HashMap::new();
    for mut row in conn.rows(&ENROLL, fresh.args(vec![])).await? {
        let id = EnrollmentId(row.int()?);
        ids.insert((row.int()?, row.int()?), id);
    }
    let Plan {
        enrolled, ruled, ..
    } = plan;
    for of in enrolled.iter() {
        if let Some(id) = ids.remove(&(of.what.campaign.0, of.what.boleto.0)) {
            ruled.extend(of.what.passed.iter().map(|what| (id, passed(of, what))));
        }
    }
    Ok(())
}

fn passed<'a>(of: &Of<'a, Enrolled>, what: &'a Ruled) -> Of<'a, Ruled> {
    Of {
        commit: of.commit,
        tenant: of.tenant,
        at: of.at,
        what,
    }
}

fn enrollment_cells(of: &Of<'_, Enrolled>) -> [Cell; 15] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = cursor_cells(&of.what.cursor);
    row![
        of.tenant.0,
        of.what.campaign.0,
        of.what.boleto.0,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        k,
        l
    ]
}

/// I1: a claim and a stop update the same row; whoever comes second finds it not active, or the
/// claim's channel barred.
const MOVE: Sql = batch!(
    "UPDATE enrollments SET state = r.new_state, done = r.done, occurrence = r.occurrence,
         reminders = r.reminders, after_at = r.after_at, step_no = r.step_no,
         touch_occurrence = r.touch_occurrence, slot_at = r.slot_at, expires_at = r.expires_at,
         try_no = r.try_no, channel_tries = r.channel_tries, channel_from = r.channel_from,
         next_at = r.next_at
     FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint", 3 "new_state" "text", 4 "done" "bigint",
     5 "occurrence" "bigint", 6 "reminders" "bigint", 7 "after_at" "bigint", 8 "step_no" "bigint",
     9 "touch_occurrence" "bigint", 10 "slot_at" "bigint", 11 "expires_at" "bigint",
     12 "try_no" "bigint", 13 "channel_tries" "bigint", 14 "channel_from" "bigint",
     15 "next_at" "bigint", 16 "channel_bit" "bigint"),
    "WHERE enrollments.tenant_id = r.tenant
       AND enrollments.id = r.enrollment
       AND enrollments.state = 'active'
       AND (enrollments.barred & r.channel_bit) = 0
     RETURNING id"
);

/// As [`MOVE`], for an enrollment that was stopped and may go on.
const REACTIVATE: Sql = batch!(
    "UPDATE enrollments SET state = r.new_state, done = r.done, occurrence = r.occurrence,
         reminders = r.reminders, after_at = r.after_at, step_no = r.step_no,
         touch_occurrence = r.touch_occurrence, slot_at = r.slot_at, expires_at = r.expires_at,
         try_no = r.try_no, channel_tries = r.channel_tries, channel_from = r.channel_from,
         next_at = r.next_at, stopped_by = NULL, stop_reason = NULL
     FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint", 3 "new_state" "text", 4 "done" "bigint",
     5 "occurrence" "bigint", 6 "reminders" "bigint", 7 "after_at" "bigint", 8 "step_no" "bigint",
     9 "touch_occurrence" "bigint", 10 "slot_at" "bigint", 11 "expires_at" "bigint",
     12 "try_no" "bigint", 13 "channel_tries" "bigint", 14 "channel_from" "bigint",
     15 "next_at" "bigint"),
    "WHERE enrollments.tenant_id = r.tenant
       AND enrollments.id = r.enrollment
       AND enrollments.state = 'stopped'
     RETURNING id"
);

const FINISH: Sql = batch!(
    "UPDATE enrollments SET state = 'finished', next_at = NULL FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint"),
    "WHERE enrollments.tenant_id = r.tenant
       AND enrollments.id = r.enrollment
       AND enrollments.state = 'active'
     RETURNING id"
);

/// Locks what an enrollment may only go on with; see [`LOCK_OPEN`].
const LOCK_REOPENED: Sql = batch!(
    "SELECT e.id FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint"),
    "JOIN enrollments e ON e.tenant_id = r.tenant AND e.id = r.enrollment
     JOIN boletos b ON b.tenant_id = r.tenant AND b.id = e.boleto_id
     JOIN contacts c ON c.tenant_id = r.tenant AND c.id = b.contact_id
     JOIN campaigns k ON k.tenant_id = r.tenant AND k.id = e.campaign_id
     WHERE b.status = 'open'
       AND c.opted_out_at IS NULL
       AND k.status <> 'archived'
       AND e.stop_reason IN ('paid', 'cancelled', 'opted_out')",
    "FOR SHARE OF b, c"
);

/// The share of the contact holds off a correction until the claim has committed, and waits for one
/// that is under way. A statement of its own: one that also waits for the enrollment would read the
/// version as it was before it waited.
const PIN_CONTACTS: Sql = batch!(
    "SELECT e.id, c.version FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint"),
    "JOIN enrollments e ON e.tenant_id = r.tenant AND e.id = r.enrollment
     JOIN contacts c ON c.tenant_id = r.tenant AND c.id = e.contact_id
     ORDER BY c.id, e.id",
    "FOR SHARE OF c"
);

/// Pins the contacts of claims, and returns the enrollments whose claim is addressed to what its
/// contact is no longer.
async fn misaddressed(
    conn: &mut Conn,
    plan: &Plan<'_>,
) -> Result<HashSet<EnrollmentId>, StoreError> {
    let (mut pins, mut wrong) = (Batch::default(), HashMap::new());
    for (id, fold) in &plan.folds {
        if let Some(version) = fold.contact_version {
            pins.push(row![id.0, fold.tenant.0]);
            wrong.insert(*id, version);
        }
    }
    if !pins.is_empty() {
        for mut row in conn.rows(&PIN_CONTACTS, pins.args(vec![])).await? {
            let (id, version) = (EnrollmentId(row.int()?), row.int()?);
            if wrong.get(&id) == Some(&version) {
                wrong.remove(&id);
            }
        }
    }
    Ok(wrong.into_keys().collect())
}

/// Moves enrollments, and returns those that no stop came before, and no correction of whom their
/// claim is addressed to.
pub(super) async fn move_cursors(
    conn: &mut Conn,
    plan: &Plan<'_>,
) -> Result<HashSet<EnrollmentId>, StoreError> {
    let misaddressed = misaddressed(conn, plan).await?;
    let (mut reopened, mut finished, mut moved) =
        (Batch::default(), Batch::default(), Batch::default());
    for (id, fold) in &plan.folds {
        match fold.to {
            _ if misaddressed.contains(id) => {}
            _ if fold.reactivated => reopened.push(row![id.0, fold.tenant.0]),
            None => finished.push(row![id.0, fold.tenant.0]),
            Some(_) => {
                let cells = fold_cells(*id, fold);
                let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = cells;
                let bit = Cell::from(fold.claims_on.map_or(0, channel_bit));
                moved.push([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, bit]);
            }
        }
    }
    let mut kept = HashSet::with_capacity(plan.folds.len());
    let reactivated = reactivated(conn, plan, reopened).await?;
    for (sql, batch) in [
        (&REACTIVATE, reactivated),
        (&MOVE, moved),
        (&FINISH, finished),
    ] {
        if !batch.is_empty() {
            for mut row in conn.rows(sql, batch.args(vec![])).await? {
                kept.insert(EnrollmentId(row.int()?));
            }
        }
    }
    Ok(kept)
}

async fn reactivated(
    conn: &mut Conn,
    plan: &Plan<'_>,
    reopened: Batch,
) -> Result<Batch, StoreError> {
    let mut open = Batch::default();
    if reopened.is_empty() {
        return Ok(open);
    }
    for mut row in conn.rows(&LOCK_REOPENED, reopened.args(vec![])).await? {
        let id = EnrollmentId(row.int()?);
        if let Some(fold) = plan.folds.get(&id) {
            open.push(fold_cells(id, fold));
        }
    }
    Ok(open)
}

fn fold_cells(id: EnrollmentId, fold: &Fold) -> [Cell; 15] {
    let state = if fold.finished { "finished" } else { "active" };
    let [a, b, c, d, e, f, g, h, i, j, k, l] = cursor_cells(&fold.to.unwrap_or_default());
    row![
        id.0,
        fold.tenant.0,
        state,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        k,
        l
    ]
}

const FACT_APPLIED: Sql = batch!(
    "UPDATE inbox SET applied_at = r.at FROM ",
    (1 "fact" "bigint", 2 "tenant" "bigint", 3 "at" "bigint"),
    "WHERE inbox.seq = r.fact AND inbox.tenant_id = r.tenant AND inbox.applied_at IS NULL"
);

pub(super) async fn facts_applied(conn: &mut Conn, plan: &Plan<'_>) -> Result<(), StoreError> {
    let mut applied = Batch::default();
    for (seq, (tenant, at)) in &plan.applied {
        applied.push(row![*seq, tenant.0, at.unix_ms()]);
    }
    if !applied.is_empty() {
        conn.execute(&FACT_APPLIED, applied.args(vec![])).await?;
    }
    Ok(())
}

/// A dead letter is applied as far as the owner is concerned.
const FACT_DEAD: Sql = batch!(
    "UPDATE inbox SET applied_at = r.at, dead_reason = r.harm FROM ",
    (1 "fact" "bigint", 2 "tenant" "bigint", 3 "at" "bigint", 4 "harm" "text"),
    "WHERE inbox.seq = r.fact AND inbox.tenant_id = r.tenant AND inbox.applied_at IS NULL"
);

pub(super) async fn facts_dead(conn: &mut Conn, plan: &Plan<'_>) -> Result<(), StoreError> {
    let mut dead = Batch::default();
    for (seq, (tenant, at, harm)) in &plan.dead {
        dead.push(row![*seq, tenant.0, at.unix_ms(), harm.as_str()]);
    }
    if !dead.is_empty() {
        conn.execute(&FACT_DEAD, dead.args(vec![])).await?;
    }
    Ok(())
}

const SWEEP_MOVED: Sql = batch!(
    "INSERT INTO sweeps (tenant_id, seq, kind, after_id)
     SELECT r.tenant, r.fact, r.kind, r.after_id FROM ",
    (1 "tenant" "bigint", 2 "fact" "bigint", 3 "kind" "text", 4 "after_id" "bigint"),
    "WHERE true
     ON CONFLICT (tenant_id, seq) DO UPDATE SET kind = excluded.kind, after_id = excluded.after_id"
);

const SWEEP_ENDED: Sql = batch!(
    "DELETE FROM sweeps WHERE (tenant_id, seq) IN (SELECT r.tenant, r.fact FROM ",
    (1 "tenant" "bigint", 2 "fact" "bigint"),
    ")"
);

pub(super) async fn sweeps(conn: &mut Conn, plan: &Plan<'_>) -> Result<(), StoreError> {
    let (mut moved, mut ended) = (Batch::default(), Batch::default());
    for ((tenant, seq), sweep) in &plan.sweeps {
        moved.push(row![tenant.0, *seq, json(&sweep.kind)?, sweep.after]);
    }
    for (tenant, seq) in &plan.sweeps_ended {
        ended.push(row![tenant.0, *seq]);
    }
    if !moved.is_empty() {
        conn.execute(&SWEEP_MOVED, moved.args(vec![])).await?;
    }
    if !ended.is_empty() {
        conn.execute(&SWEEP_ENDED, ended.args(vec![])).await?;
    }
    Ok(())
}
