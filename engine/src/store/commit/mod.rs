//! The owners' commits, many tenants in one transaction, each under its own fence.
//!
//! Everything is written set-wise over all commits. A commit whose fence does not hold is left out
//! before anything of it is written; every other contradiction fails the transaction, and the
//! writer then tries each commit alone.
//!
//! Locks are taken in one order everywhere: leases, tenants, campaigns, boletos, contacts,
//! enrollments (by id), credits.

mod gather;
mod records;
mod rows;

use std::collections::{BTreeSet, HashMap, HashSet};

use actors::ports::{Commit, Committed};
use schedules::id::{CampaignId, TenantId};

use super::conn::Conn;
use super::error::StoreError;
use super::sql::{Batch, Sql, batch, row};
pub(super) use gather::CLAIM_LASTS_MAX_MS;
use gather::Plan;

/// Writes commits; on an error nothing of any of them may stand.
pub(super) async fn together(
    conn: &mut Conn,
    commits: &[&Commit],
) -> Result<Vec<Result<Committed, StoreError>>, StoreError> {
    let mut results: Vec<_> = commits.iter().map(|_| Err(StoreError::Fenced)).collect();
    let mut left: Vec<usize> = (0..commits.len()).collect();
    while !left.is_empty() {
        // Two commits of one tenant touch the same rows: the later one waits for the next round.
        let mut seen = HashSet::new();
        let (round, later): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|at: &usize| seen.insert(commits[*at].tenant));
        self::round(conn, commits, &round, &mut results).await?;
        left = later;
    }
    Ok(results)
}

async fn round(
    conn: &mut Conn,
    commits: &[&Commit],
    round: &[usize],
    results: &mut [Result<Committed, StoreError>],
) -> Result<(), StoreError> {
    let pinned = pin(conn, commits, round).await?;
    let held: Vec<usize> = round
        .iter()
        .copied()
        .filter(|at| pinned.contains_key(at))
        .collect();
    let campaigns = pin_campaigns(conn, commits, &held).await?;
    let mut plan = Plan::default();
    for at in &held {
        let Pinned {
            running,
            channels_paused,
            metered,
        } = pinned[at];
        let standing = gather::Standing {
            running,
            channels_paused,
            metered,
            campaigns: &campaigns,
        };
        plan.add(*at, commits[*at], standing)?;
    }
    let refused = write(conn, commits, plan).await?;
    for at in held {
        results[at] = Ok(Committed::default());
    }
    for (at, enrollment) in refused {
        if let Ok(committed) = &mut results[at] {
            committed.refused.push(enrollment);
        }
    }
    Ok(())
}

/// Writes a plan, and returns what was refused, in order.
async fn write(
    conn: &mut Conn,
    commits: &[&Commit],
    mut plan: Plan<'_>,
) -> Result<BTreeSet<(usize, schedules::id::EnrollmentId)>, StoreError> {
    rows::enroll(conn, &mut plan).await?;
    let kept = rows::move_cursors(conn, &plan).await?;
    plan.leave_out_all_but(&kept);
    let not_ended = records::end(conn, &plan).await?;
    plan.refused.extend(not_ended);
    records::attempts(conn, commits, &plan).await?;
    records::decisions(conn, &plan).await?;
    records::came_back(conn, &plan).await?;
    let settled = records::outcomes(conn, &plan).await?;
    rows::credits(conn, &plan, &settled).await?;
    records::stops(conn, &plan).await?;
    rows::facts_applied(conn, &plan).await?;
    rows::facts_dead(conn, &plan).await?;
    rows::sweeps(conn, &plan).await?;
    records::announcements(conn, &plan).await?;
    Ok(plan.refused)
}

/// A lease of another epoch, or a tenant of another shard, has no row here: fenced. The key share
/// of the lease holds off a take-over (its epoch is part of a key), but no renewal; the share of
/// the tenant holds off a pause.
const PIN: Sql = batch!(
    "SELECT r.ord, CAST(CASE WHEN t.status = 'active' AND t.held = 0 THEN 1 ELSE 0 END AS BIGINT),
         t.channels_paused, c.balance
     FROM ",
    (1 "ord" "bigint", 2 "tenant" "bigint", 3 "shard" "bigint", 4 "epoch" "bigint"),
    "JOIN leases l ON l.shard = r.shard AND l.epoch = r.epoch
     JOIN tenants t ON t.id = r.tenant AND t.shard = r.shard
     LEFT JOIN credits c ON c.tenant_id = t.id",
    "FOR KEY SHARE OF l FOR SHARE OF t"
);

/// What is known of the tenant of a commit that holds its fence.
#[derive(Clone, Copy)]
struct Pinned {
    running: bool,
    /// The channels that its kill switch holds, as bits.
    channels_paused: i64,
    metered: bool,
}

/// Returns which commits hold their fence.
async fn pin(
    conn: &mut Conn,
    commits: &[&Commit],
    round: &[usize],
) -> Result<HashMap<usize, Pinned>, StoreError> {
    let mut pins = Batch::default();
    for at in round {
        let (commit, fence) = (commits[*at], commits[*at].fence);
        pins.push(row![
            *at as i64,
            commit.tenant.0,
            i64::from(fence.shard.0),
            fence.epoch
        ]);
    }
    let rows = conn.rows(&PIN, pins.args(vec![])).await?;
    let pinned = rows.into_iter().map(|mut row| {
        let (at, running) = (row.small()?, row.int()? == 1);
        Ok((
            at,
            Pinned {
                running,
                channels_paused: row.int()?,
                metered: row.int_or_null()?.is_some(),
            },
        ))
    });
    pinned.collect()
}

const PIN_CAMPAIGNS: Sql = batch!(
    "SELECT c.id, c.status FROM ",
    (1 "campaign" "bigint", 2 "tenant" "bigint"),
    "JOIN campaigns c ON c.id = r.campaign AND c.tenant_id = r.tenant",
    "FOR SHARE OF c"
);

/// Pins the campaigns of claims and enrollments, and returns those that are not archived, with
/// whether they run.
async fn pin_campaigns(
    conn: &mut Conn,
    commits: &[&Commit],
    held: &[usize],
) -> Result<HashMap<CampaignId, bool>, StoreError> {
    let mut wanted: BTreeSet<(CampaignId, TenantId)> = BTreeSet::new();
    for at in held {
        let campaigns = commits[*at]
            .changes
            .iter()
            .filter_map(gather::campaign_to_pin);
        wanted.extend(campaigns.map(|campaign| (campaign, commits[*at].tenant)));
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let mut pins = Batch::default();
    wanted
        .iter()
        .for_each(|(campaign, tenant)| pins.push(row![campaign.0, tenant.0]));
    let mut campaigns = HashMap::new();
    for mut row in conn.rows(&PIN_CAMPAIGNS, pins.args(vec![])).await? {
        let (campaign, status) = (CampaignId(row.int()?), row.text()?);
        if status == "running" || status == "paused" {
            campaigns.insert(campaign, status == "running");
        }
    }
    Ok(campaigns)
}
