//! Campaigns and their versions.

use schedules::cadence::Cadence;
use schedules::id::{CampaignId, TenantId};
use schedules::time::Timestamp;

use super::tags::{Tag, Tagged, campaign_tag};
use super::{Ask, Page};
use crate::store::Store;
use crate::store::codec::instant;
use crate::store::conn::Row;
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, both};

/// A campaign in its newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRow {
    /// The campaign.
    pub id: CampaignId,
    /// Counts its edits from 1.
    pub version: u32,
    /// A name people read.
    pub name: String,
    /// `draft`, `running`, `paused` or `archived`.
    pub status: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// The steps and their limits.
    pub cadence: Cadence,
}

/// A campaign as it was from an edit on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignVersionRow {
    /// Counts the edits from 1.
    pub version: u32,
    /// The name it had.
    pub name: String,
    /// The steps it had.
    pub cadence: Cadence,
    /// When it was edited.
    pub created_at: Timestamp,
}

pub(super) const CAMPAIGNS: Sql = both(
    "SELECT id, version, name, status, created_at, cadence FROM campaigns
     WHERE tenant_id = $1 AND id > $2
     ORDER BY id
     LIMIT $3",
);

pub(super) const CAMPAIGN: Sql = both(
    "SELECT id, version, name, status, created_at, cadence FROM campaigns
     WHERE tenant_id = $1 AND id = $2",
);

pub(super) const VERSIONS: Sql = both(
    "SELECT version, name, cadence, created_at FROM campaign_versions
     WHERE campaign_id = $2 AND tenant_id = $1 AND version > $3
     ORDER BY version
     LIMIT $4",
);

impl Store {
    /// Lists a tenant's campaigns in the order of their ids; archived ones, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_campaigns(
        &self,
        tenant: TenantId,
        ask: &Ask<i64>,
    ) -> Result<Page<CampaignRow, i64>, StoreError> {
        let reads = ask.reads(false);
        let args = args![tenant.0, ask.after.unwrap_or(i64::MIN), i64::from(reads)];
        self.read(async |conn| {
            let rows = conn.rows(&CAMPAIGNS, args).await?.into_iter();
            let rows = rows.map(|row| read(row).map(|it| (it.id.0, it)));
            Ok(ask.page(reads, rows.collect::<Result<_, _>>()?, |_| true))
        })
        .await
    }

    /// Reads a campaign in its newest version; its tag changes with version and status.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such campaign.
    pub async fn campaign(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
    ) -> Result<Tagged<CampaignRow>, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&CAMPAIGN, args![tenant.0, campaign.0]).await?;
            let what = read(row.ok_or(StoreError::Absent { what: "campaign" })?)?;
            let tag: Tag = campaign_tag(what.version.into(), &what.status);
            Ok(Tagged { what, tag })
        })
        .await
    }

    /// Lists a campaign's versions, the first one first.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such campaign.
    pub async fn list_campaign_versions(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        ask: &Ask<i64>,
    ) -> Result<Page<CampaignVersionRow, i64>, StoreError> {
        let reads = ask.reads(false);
        let after = ask.after.unwrap_or(i64::MIN);
        self.read(async |conn| {
            let found = conn.first(&CAMPAIGN, args![tenant.0, campaign.0]).await?;
            found.ok_or(StoreError::Absent { what: "campaign" })?;
            let args = args![tenant.0, campaign.0, after, i64::from(reads)];
            let rows = conn.rows(&VERSIONS, args).await?.into_iter();
            let rows = rows.map(|row| read_version(row).map(|it| (i64::from(it.version), it)));
            Ok(ask.page(reads, rows.collect::<Result<_, _>>()?, |_| true))
        })
        .await
    }
}

fn read(mut row: Row) -> Result<CampaignRow, StoreError> {
    Ok(CampaignRow {
        id: CampaignId(row.int()?),
        version: row.small()?,
        name: row.text()?,
        status: row.text()?,
        created_at: instant(&mut row)?,
        cadence: row.json("cadence")?,
    })
}

fn read_version(mut row: Row) -> Result<CampaignVersionRow, StoreError> {
    Ok(CampaignVersionRow {
        version: row.small()?,
        name: row.text()?,
        cadence: row.json("cadence")?,
        created_at: instant(&mut row)?,
    })
}
