//! The launch of a campaign, in two steps: an estimate is kept, and a launch confirms it by its
//! hash, as long as nothing came in that could add to what it counted.
//!
//! A payment, a cancellation or an opt-out after the estimate only takes messages away: a busy
//! tenant can still launch.

use std::sync::Arc;

use futures::future::BoxFuture;
use schedules::id::{CampaignId, TenantId};
use schedules::time::Timestamp;

use super::facts::together;
use crate::facts::{Fact, FactAnswer};
use crate::store::Store;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::{ALONE, Lane};
use crate::store::sql::{Sql, args, both, locking};

/// Up to where an estimate has seen what could add to it.
///
/// Batches of the audit below this one are complete, and were seen; of the others, as many rows.
/// (What is a batch, and why others may be visible: see `store/audit`.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The first batch that may be added to.
    pub batch: i64,
    /// Rows that tell of additions and were visible in that batch or a later one.
    pub rows: i64,
}

/// An estimate, as far as its confirmation needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The tenant.
    pub tenant: TenantId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The version that was counted.
    pub version: u32,
    /// What the caller confirms.
    pub hash: String,
    /// What it has seen.
    pub seen: Seen,
    /// When it was made.
    pub made_at: Timestamp,
    /// From this instant on it confirms nothing.
    pub good_until: Timestamp,
}

const FORGET: Sql =
    both("DELETE FROM estimates WHERE tenant_id = $1 AND campaign_id = $2 AND good_until <= $3");

/// A campaign is launched once.
const USED: Sql = both("DELETE FROM estimates WHERE tenant_id = $1 AND campaign_id = $2");

const KEEP: Sql = both(
    "INSERT INTO estimates (tenant_id, campaign_id, hash, campaign_version, seen_batch, seen_rows,
         made_at, good_until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (tenant_id, campaign_id, hash) DO UPDATE
     SET seen_batch = excluded.seen_batch, seen_rows = excluded.seen_rows,
         made_at = excluded.made_at",
);

const TOLD: Sql =
    both("SELECT seq FROM inbox WHERE tenant_id = $1 AND source = $2 AND event_id = $3");

/// An edit of the campaign waits for the launch, or the launch for it.
const CAMPAIGN: Sql = locking!(
    "SELECT version, status FROM campaigns WHERE id = $1 AND tenant_id = $2",
    "FOR UPDATE"
);

const ESTIMATE: Sql = both(
    "SELECT campaign_version, seen_batch, seen_rows FROM estimates
     WHERE tenant_id = $1 AND campaign_id = $2 AND hash = $3 AND good_until > $4",
);

/// What may add to what goes out, or change it. Every door records its act in its transaction.
macro_rules! additions {
    () => {
        "action IN ('boletos.imported', 'boleto.reopened', 'boleto.changed', 'contact.changed', 'contact.opted_in',
             'profile.changed', 'rules.changed', 'calendar.changed', 'charges.changed',
             'sender.changed', 'template.changed', 'channel.resumed', 'campaign.edited', 'campaign.launched', 'campaign.paused',
             'campaign.resumed', 'campaign.archived')"
    };
}

const ADDITIONS: Sql = both(concat!(
    "SELECT count(*) FROM audit WHERE tenant_id = $1 AND batch >= $2 AND ",
    additions!()
));

/// One statement: what is counted is what is visible beside the batch.
const SEEN: Sql = Sql {
    sqlite: "SELECT coalesce(max(batch), 0) + 1, 0 FROM audit WHERE tenant_id = $1",
    postgres: concat!(
        "SELECT s.batch, (SELECT count(*) FROM audit
             WHERE tenant_id = $1 AND audit.batch >= s.batch AND ",
        additions!(),
        ") FROM (SELECT txid_snapshot_xmin(txid_current_snapshot()) AS batch) s"
    ),
};

/// Says up to where is seen what could add to an estimate, by whoever reads it after this.
pub(in crate::store) async fn seen(conn: &mut Conn, tenant: TenantId) -> Result<Seen, StoreError> {
    let row = conn.first(&SEEN, args![tenant.0]).await?;
    let mut row = row.ok_or(StoreError::Unreadable { what: "audit" })?;
    Ok(Seen {
        batch: row.int()?,
        rows: row.int()?,
    })
}

impl Store {
    /// Keeps an estimate until its day ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_estimate(&self, estimate: Kept) -> Result<(), StoreError> {
        let estimate = Arc::new(estimate);
        self.write(Lane::Doors, 2, move |conn| {
            keep(conn, Arc::clone(&estimate))
        })
        .await
    }

    /// Launches a campaign by a fact that confirms an estimate; nothing is answered, and nothing
    /// changed, when there is no such estimate (any more) or something came in that it did not
    /// count. A fact that was told before is answered as such, whatever came in since.
    ///
    /// # Errors
    /// As [`Store::commit_facts`].
    pub async fn launch(
        &self,
        fact: &Fact,
        estimate: &str,
    ) -> Result<Option<FactAnswer>, StoreError> {
        let told = Arc::new((fact.clone(), estimate.to_owned()));
        self.write(Lane::Doors, ALONE, move |conn| {
            confirmed(conn, Arc::clone(&told))
        })
        .await
    }
}

fn keep(conn: &mut Conn, estimate: Arc<Kept>) -> BoxFuture<'_, Result<(), StoreError>> {
    Box::pin(async move {
        let (tenant, campaign) = (estimate.tenant.0, estimate.campaign.0);
        let made_at = estimate.made_at.unix_ms();
        conn.execute(&FORGET, args![tenant, campaign, made_at])
            .await?;
        let row = args![
            tenant,
            campaign,
            estimate.hash.as_str(),
            i64::from(estimate.version),
            estimate.seen.batch,
            estimate.seen.rows,
            made_at,
            estimate.good_until.unix_ms(),
        ];
        conn.execute(&KEEP, row).await.map(drop)
    })
}

fn confirmed(
    conn: &mut Conn,
    told: Arc<(Fact, String)>,
) -> BoxFuture<'_, Result<Option<FactAnswer>, StoreError>> {
    Box::pin(async move {
        let (fact, estimate) = &*told;
        let event = args![fact.tenant.0, fact.source.as_str(), fact.event_id.as_str()];
        let was_told = conn.first(&TOLD, event).await?.is_some();
        if !was_told && !holds(conn, fact, estimate).await? {
            return Ok(None);
        }
        let answers = together(conn, &[fact]).await?;
        let answer = answers.into_iter().next();
        if let Some(FactAnswer::Applied { .. }) = &answer {
            let campaign = fact.saying.campaign().unwrap_or_default().0;
            conn.execute(&USED, args![fact.tenant.0, campaign]).await?;
        }
        Ok(answer)
    })
}

/// Says whether the estimate holds, or there is no draft that it could be about: nothing starts.
async fn holds(conn: &mut Conn, fact: &Fact, estimate: &str) -> Result<bool, StoreError> {
    let (tenant, at) = (fact.tenant.0, fact.received_at.unix_ms());
    let campaign = fact.saying.campaign().unwrap_or_default().0;
    let Some(mut row) = conn.first(&CAMPAIGN, args![campaign, tenant]).await? else {
        return Ok(true);
    };
    let (version, status) = (row.int()?, row.text()?);
    if status != "draft" {
        return Ok(true);
    }
    let kept = conn
        .first(&ESTIMATE, args![tenant, campaign, estimate, at])
        .await?;
    let Some(mut kept) = kept else {
        return Ok(false);
    };
    if kept.int()? != version {
        return Ok(false);
    }
    let (batch, seen) = (kept.int()?, kept.int()?);
    let additions = conn.first(&ADDITIONS, args![tenant, batch]).await?;
    let additions = additions.map_or(Ok(0), |mut row| row.int())?;
    Ok(additions == seen)
}
