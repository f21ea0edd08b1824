//! The rows that commits only add: attempts, decisions, outcomes, announcements.

use std::collections::BTreeMap;

use actors::machine::change::{Announcement, CameBack, Claim, Harm, Ruled};
use actors::ports::Commit;
use schedules::id::{EnrollmentId, TenantId};
use schedules::time::Timestamp;
use schedules::verdict::{Reason, Ruling};

use super::gather::{Ended, EndedBy, Of, Plan, Stop};
use crate::store::codec::{claim_to_text, json};
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Cell, Sql, args, batch, both, row};

/// I3: a key that was used fails here, on the primary key, and nothing of the commit stands.
const ATTEMPT: Sql = batch!(
    "INSERT INTO attempts (tenant_id, enrollment_id, step_no, occurrence, try_no, boleto_id,
         contact_id, campaign_id, campaign_version, rules_version, template, template_version,
         channel, claimed_at, deadline_at, epoch, cursors, lead)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "enrollment" "bigint", 3 "step_no" "bigint", 4 "occurrence" "bigint",
     5 "try_no" "bigint", 6 "boleto" "bigint", 7 "contact" "bigint", 8 "campaign" "bigint",
     9 "campaign_version" "bigint", 10 "rules_version" "bigint", 11 "template" "text",
     12 "template_version" "bigint", 13 "channel" "text", 14 "claimed_at" "bigint",
     15 "deadline_at" "bigint", 16 "epoch" "bigint", 17 "cursors" "text", 18 "lead" "text"),
    ""
);

pub(super) async fn attempts(
    conn: &mut Conn,
    commits: &[&Commit],
    plan: &Plan<'_>,
) -> Result<(), StoreError> {
    let mut attempts = Batch::default();
    for claim in &plan.claims {
        attempts.push(attempt_cells(claim, commits[claim.commit].fence.epoch));
    }
    if !attempts.is_empty() {
        conn.execute(&ATTEMPT, attempts.args(vec![])).await?;
    }
    Ok(())
}

fn attempt_cells(of: &Of<'_, Claim>, epoch: i64) -> [Cell; 18] {
    let Claim {
        attempt,
        touch,
        from,
        to,
        ..
    } = of.what;
    let (reminder, claim) = (attempt.reminder, of.what);
    row![
        of.tenant.0,
        reminder.enrollment.0,
        i64::from(reminder.step_no),
        i64::from(reminder.occurrence),
        i64::from(attempt.try_no),
        claim.boleto.0,
        claim.contact.0,
        claim.campaign.0,
        i64::from(claim.campaign_version),
        i64::from(claim.rules_version),
        claim.template.as_str(),
        i64::from(claim.template_version),
        claim.channel.as_str(),
        claim.at.unix_ms(),
        claim.deadline_at.unix_ms(),
        epoch,
        claim_to_text(*touch, from, to),
        claim.lead.map(|lead| lead.to_string()),
    ]
}

const DECISION: Sql = batch!(
    "INSERT INTO decisions (tenant_id, enrollment_id, step_no, occurrence, try_no,
         campaign_version, rules_version, decided_at, slot_at, ruling, reason, hold_until,
         rule_code, rule_version)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "enrollment" "bigint", 3 "step_no" "bigint", 4 "occurrence" "bigint",
     5 "try_no" "bigint", 6 "campaign_version" "bigint", 7 "rules_version" "bigint",
     8 "decided_at" "bigint", 9 "slot_at" "bigint", 10 "ruling" "text", 11 "reason" "text",
     12 "hold_until" "bigint", 13 "rule_code" "text", 14 "rule_version" "bigint"),
    ""
);

pub(super) async fn decisions(conn: &mut Conn, plan: &Plan<'_>) -> Result<(), StoreError> {
    let mut decisions = Batch::default();
    for (enrollment, ruled) in &plan.ruled {
        decisions.push(decision_cells(*enrollment, ruled)?);
    }
    if !decisions.is_empty() {
        conn.execute(&DECISION, decisions.args(vec![])).await?;
    }
    Ok(())
}

fn decision_cells(enrollment: EnrollmentId, of: &Of<'_, Ruled>) -> Result<[Cell; 14], StoreError> {
    let ruled = of.what;
    let (ruling, hold_until) = match ruled.verdict.ruling {
        Ruling::Hold { until } => ("hold", Some(until.unix_ms())),
        Ruling::Skip => ("skip", None),
        Ruling::Cancel => ("cancel", None),
        // What is sent has an attempt, and the attempt is its decision record.
        Ruling::Send { .. } => {
            return Err(StoreError::Conflict {
                what: "a send that is no claim",
            });
        }
    };
    let rule = ruled.verdict.rule.as_ref();
    Ok(row![
        of.tenant.0,
        enrollment.0,
        i64::from(ruled.reminder.step_no),
        i64::from(ruled.reminder.occurrence),
        i64::from(ruled.try_no),
        i64::from(ruled.campaign_version),
        i64::from(ruled.rules_version),
        ruled.at.unix_ms(),
        ruled.slot_at.unix_ms(),
        ruling,
        ruled.verdict.reason.code(),
        hold_until,
        rule.map(|rule| rule.code.clone()),
        rule.map(|rule| i64::from(rule.version)),
    ])
}

/// The touch of an attempt that was under way when a stop came: the stop's own records are about
/// the touch after it.
const CANCELLED: Sql = batch!(
    "INSERT INTO decisions (tenant_id, enrollment_id, step_no, occurrence, try_no,
         campaign_version, rules_version, decided_at, slot_at, ruling, reason)
     SELECT r.tenant, r.enrollment, r.step_no, r.occurrence, r.try_no, r.campaign_version,
         r.rules_version, r.decided_at, r.slot_at, 'cancel', 'stopped.' || e.stop_reason
     FROM ",
    (1 "tenant" "bigint", 2 "enrollment" "bigint", 3 "step_no" "bigint", 4 "occurrence" "bigint",
     5 "try_no" "bigint", 6 "campaign_version" "bigint", 7 "rules_version" "bigint",
     8 "decided_at" "bigint", 9 "slot_at" "bigint"),
    "JOIN enrollments e ON e.tenant_id = r.tenant AND e.id = r.enrollment
     WHERE e.state = 'stopped'"
);

/// Records what became of touches whose attempt came to nothing: failed, or cancelled by a stop.
pub(super) async fn came_back(conn: &mut Conn, plan: &Plan<'_>) -> Result<(), StoreError> {
    let (mut failed, mut cancelled) = (Batch::default(), Batch::default());
    for of in &plan.came_back {
        let [a, b, c, d, e, f, g, h, i] = came_back_cells(of);
        match of.what.failed {
            Some(reason) => {
                let (nothing, no_rule) = (None::<i64>, None::<String>);
                let (skip, code) = ("skip", reason.code());
                let cells = row![
                    a, b, c, d, e, f, g, h, i, skip, code, nothing, no_rule, nothing
                ];
                failed.push(cells);
            }
            None if plan.stands(of.commit, of.what.reminder.enrollment) => {}
            None => cancelled.push([a, b, c, d, e, f, g, h, i]),
        }
    }
    for (sql, batch) in [(&DECISION, failed), (&CANCELLED, cancelled)] {
        if !batch.is_empty() {
            conn.execute(sql, batch.args(vec![])).await?;
        }
    }
    Ok(())
}

fn came_back_cells(of: &Of<'_, CameBack>) -> [Cell; 9] {
    let back = of.what;
    row![
        of.tenant.0,
        back.reminder.enrollment.0,
        i64::from(back.reminder.step_no),
        i64::from(back.reminder.occurrence),
        i64::from(back.try_no),
        i64::from(back.campaign_version),
        i64::from(back.rules_version),
        back.at.unix_ms(),
        back.slot_at.unix_ms(),
    ]
}

const OUTCOME: Sql = batch!(
    "INSERT INTO outcomes (tenant_id, enrollment_id, step_no, occurrence, try_no, known_at, kind,
         counts, detail)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "enrollment" "bigint", 3 "step_no" "bigint", 4 "occurrence" "bigint",
     5 "try_no" "bigint", 6 "known_at" "bigint", 7 "kind" "text", 8 "counts" "bigint",
     9 "detail" "text"),
    "WHERE true
     ON CONFLICT DO NOTHING
     RETURNING tenant_id, counts"
);

/// The outcome of a message where there was none.
pub(super) struct NewOutcome {
    pub(super) tenant: TenantId,
    pub(super) counts: bool,
}

/// Adds outcomes, and returns those of messages that are new: what went out in the message of
/// another has no credit of its own.
pub(super) async fn outcomes(
    conn: &mut Conn,
    plan: &Plan<'_>,
) -> Result<Vec<NewOutcome>, StoreError> {
    let (mut outcomes, mut companions) = (Batch::default(), Batch::default());
    for of in &plan.settled {
        let (attempt, outcome) = (of.what.attempt, &of.what.outcome);
        let batch = match of.what.companion {
            true => &mut companions,
            false => &mut outcomes,
        };
        batch.push(row![
            of.tenant.0,
            attempt.reminder.enrollment.0,
            i64::from(attempt.reminder.step_no),
            i64::from(attempt.reminder.occurrence),
            i64::from(attempt.try_no),
            of.what.at.unix_ms(),
            outcome.as_str(),
            i64::from(outcome.counts()),
            json(outcome)?,
        ]);
    }
    if !companions.is_empty() {
        conn.rows(&OUTCOME, companions.args(vec![])).await?;
    }
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = conn.rows(&OUTCOME, outcomes.args(vec![])).await?;
    let new = rows.into_iter().map(|mut row| {
        Ok(NewOutcome {
            tenant: TenantId(row.int()?),
            counts: row.int()? == 1,
        })
    });
    new.collect()
}

const STOP_RECORDED: Sql = both(
    "INSERT INTO decisions (tenant_id, enrollment_id, step_no, occurrence, try_no,
         campaign_version, rules_version, decided_at, slot_at, ruling, reason)
     SELECT e.tenant_id, e.id, e.step_no, e.touch_occurrence, e.try_no, c.version,
         t.rules_version, CAST($3 AS BIGINT), e.slot_at, 'cancel', CAST($4 AS TEXT)
     FROM enrollments e
     JOIN campaigns c ON c.id = e.campaign_id
     JOIN tenants t ON t.id = e.tenant_id
     WHERE e.tenant_id = $1 AND e.stopped_by = $2
       -- Nothing came next: nothing was cancelled.
       AND e.step_no IS NOT NULL",
);

pub(super) async fn stops(conn: &mut Conn, plan: &Plan<'_>) -> Result<(), StoreError> {
    for Stop {
        tenant,
        at,
        seq,
        reason,
    } in &plan.stops
    {
        let reason = Reason::Stopped(*reason).code();
        conn.execute(&STOP_RECORDED, args![tenant.0, *seq, at.unix_ms(), reason])
            .await?;
    }
    Ok(())
}

/// An archived campaign's enrollments are stopped here, by the owner and page by page: for the
/// door, its status is one row. What is set aside stays so when what stopped it before is over;
/// the fact that did keeps its place, for its own records.
const END: Sql = batch!(
    "UPDATE enrollments SET state = 'stopped', stopped_by = coalesce(r.fact, stopped_by),
         stop_reason = r.reason
     FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint", 3 "fact" "bigint", 4 "reason" "text"),
    "WHERE enrollments.id = r.enrollment
       AND enrollments.tenant_id = r.tenant
       AND (enrollments.state = 'active'
         OR (enrollments.state = 'stopped' AND r.reason = 'set_aside'
           AND enrollments.stop_reason <> 'set_aside'))
     RETURNING id, stopped_by"
);

const ENDED: Sql = batch!(
    "INSERT INTO decisions (tenant_id, enrollment_id, step_no, occurrence, try_no,
         campaign_version, rules_version, decided_at, slot_at, ruling, reason)
     SELECT e.tenant_id, e.id, e.step_no, e.touch_occurrence, e.try_no, c.version,
         t.rules_version, r.at, e.slot_at, 'cancel', 'stopped.' || e.stop_reason
     FROM ",
    (1 "enrollment" "bigint", 2 "tenant" "bigint", 3 "at" "bigint"),
    "JOIN enrollments e ON e.tenant_id = r.tenant AND e.id = r.enrollment
     JOIN campaigns c ON c.id = e.campaign_id
     JOIN tenants t ON t.id = e.tenant_id
     -- Nothing came next: nothing was cancelled.
     WHERE e.step_no IS NOT NULL"
);

/// Stops enrollments; returns those that had ended already.
pub(super) async fn end(
    conn: &mut Conn,
    plan: &Plan<'_>,
) -> Result<Vec<(usize, EnrollmentId)>, StoreError> {
    let mut rows = Batch::default();
    let mut lost: BTreeMap<EnrollmentId, &Ended> = BTreeMap::new();
    for ended in &plan.ended {
        let (enrollment, by) = (ended.enrollment, ended.by);
        // A row is changed once, whoever asks for it twice.
        if lost.insert(enrollment, ended).is_none() {
            let reason = by.reason().as_str();
            rows.push(row![enrollment.0, ended.tenant.0, by.fact(), reason]);
        }
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut recorded = Batch::default();
    for mut row in conn.rows(&END, rows.args(vec![])).await? {
        let (id, stopped_by) = (EnrollmentId(row.int()?), row.int_or_null()?);
        let Some(ended) = lost.remove(&id) else {
            continue;
        };
        // Nothing is copied from what nobody can read; what was stopped before has its record.
        let readable = !matches!(ended.by, EndedBy::Harm(Harm::Unreadable));
        if readable && stopped_by == ended.by.fact() {
            recorded.push(row![id.0, ended.tenant.0, ended.at.unix_ms()]);
        }
    }
    if !recorded.is_empty() {
        conn.execute(&ENDED, recorded.args(vec![])).await?;
    }
    let lost = lost.into_values().map(|one| (one.commit, one.enrollment));
    Ok(lost.collect())
}

const OUTBOX: Sql = batch!(
    "INSERT INTO outbox (tenant_id, topic, body, created_at) SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "topic" "text", 3 "body" "text", 4 "created_at" "bigint"),
    ""
);

pub(super) async fn announcements(conn: &mut Conn, plan: &Plan<'_>) -> Result<(), StoreError> {
    let (mut outbox, mut audit) = (Batch::default(), Batch::default());
    for told in told(plan) {
        let at = told.at.unix_ms();
        let body = serde_json::json!({ "subject": told.subject, "at": at }).to_string();
        outbox.push(row![told.tenant.0, told.topic, body, at]);
        let harm = told.harm.map(Harm::as_str);
        let detail = harm.map_or_else(|| "{}".to_owned(), |it| format!("{{\"harm\":\"{it}\"}}"));
        audit.push(row![
            told.tenant.0,
            at,
            "owner",
            told.topic,
            told.subject,
            detail
        ]);
    }
    if outbox.is_empty() {
        return Ok(());
    }
    conn.execute(&OUTBOX, outbox.args(vec![])).await?;
    crate::store::audit::record(conn, audit).await
}

/// Something that the world and the audit hear of.
struct Told {
    tenant: TenantId,
    at: Timestamp,
    topic: &'static str,
    subject: String,
    harm: Option<Harm>,
}

fn told(plan: &Plan<'_>) -> Vec<Told> {
    let mut told = Vec::new();
    let mut say = |(tenant, at), topic, subject, harm| {
        told.push(Told {
            tenant,
            at,
            topic,
            subject,
            harm,
        });
    };
    for of in &plan.announced {
        let by = (of.tenant, of.at);
        match of.what {
            Announcement::CampaignEnrolled(campaign) => {
                say(by, "campaign.enrolled", campaign.to_string(), None);
            }
            Announcement::BoletoSetAside(boleto, harm) => {
                say(by, "boleto.set_aside", boleto.to_string(), Some(*harm));
            }
        }
    }
    for of in plan.came_back.iter().filter(|of| of.what.failed.is_some()) {
        let reminder = of.what.reminder.to_string();
        say((of.tenant, of.at), "reminder.failed", reminder, None);
    }
    for (id, fold) in &plan.folds {
        if fold.finished && plan.stands(fold.commit, *id) {
            let by = (fold.tenant, fold.at);
            say(by, "enrollment.finished", id.to_string(), None);
        }
    }
    for ended in &plan.ended {
        if let EndedBy::Harm(harm) = ended.by
            && plan.stands(ended.commit, ended.enrollment)
        {
            let id = ended.enrollment.to_string();
            say(
                (ended.tenant, ended.at),
                "enrollment.set_aside",
                id,
                Some(harm),
            );
        }
    }
    for (seq, (tenant, at, harm)) in &plan.dead {
        say(
            (*tenant, *at),
            "fact.set_aside",
            seq.to_string(),
            Some(*harm),
        );
    }
    told
}
