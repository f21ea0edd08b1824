//! Campaigns, in versions; an edit is a new version, and the old ones stay readable.

use std::sync::Arc;

use actors::machine::input::FactBody;
use futures::future::BoxFuture;
use schedules::cadence::{Cadence, Campaign};
use schedules::id::{CampaignId, TenantId};

use super::tenant::{Edit, audit, record_edit};
use crate::store::Store;
use crate::store::codec::json;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::{ALONE, Lane};
use crate::store::reads::{self, Tag};
use crate::store::sql::{Sql, args, both, locking};

const CREATE: Sql = both(
    "INSERT INTO campaigns (tenant_id, version, name, cadence, created_at)
     VALUES ($1, 1, $2, $3, $4)
     RETURNING id",
);

const LOCK: Sql = locking!(
    "SELECT version, status FROM campaigns
     WHERE id = $1 AND tenant_id = $2 AND status <> 'archived'",
    "FOR UPDATE"
);

const EDIT: Sql = both(
    "UPDATE campaigns SET version = $3, name = $4, cadence = $5 WHERE id = $1 AND tenant_id = $2",
);

const VERSION: Sql = both(
    "INSERT INTO campaign_versions (campaign_id, version, tenant_id, name, cadence, created_at,
         made_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);

const MADE_BY: Sql = both(
    "SELECT campaign_id, version FROM campaign_versions WHERE tenant_id = $1 AND made_by = $2",
);

const READ: Sql = both(
    "SELECT name, cadence FROM campaign_versions
     WHERE campaign_id = $1 AND version = $2 AND tenant_id = $3",
);

/// A campaign's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCampaign {
    /// A name people read.
    pub name: String,
    /// The steps and their limits.
    pub cadence: Cadence,
}

impl Store {
    /// Adds a campaign as a draft, in version 1; a fact launches it. Given again, the edit returns
    /// the campaign that it made.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the edit's id was used for something else;
    /// [`StoreError::Invalid`] when its steps cannot be followed.
    pub async fn create_campaign(
        &self,
        tenant: TenantId,
        edit: Edit,
        campaign: NewCampaign,
    ) -> Result<CampaignId, StoreError> {
        campaign.check()?;
        let new = Arc::new((edit, campaign));
        self.write(Lane::Doors, 4, move |conn| {
            create(conn, tenant, Arc::clone(&new))
        })
        .await
    }

    /// Puts a new version in the place of a campaign; returns its number. Given again, the edit
    /// returns the number of the version that it made.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such campaign, or it is archived;
    /// [`StoreError::Conflict`] when the edit's id was used for something else;
    /// [`StoreError::Invalid`] when its steps cannot be followed.
    pub async fn edit_campaign(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        edit: Edit,
        content: NewCampaign,
    ) -> Result<u32, StoreError> {
        self.edit_campaign_if(tenant, campaign, edit, content, None)
            .await
    }

    /// As [`Store::edit_campaign`], only while the campaign has one of the tags that are expected.
    ///
    /// # Errors
    /// As [`Store::edit_campaign`], and [`StoreError::Outdated`].
    pub async fn edit_campaign_if(
        &self,
        tenant: TenantId,
        campaign: CampaignId,
        edit: Edit,
        content: NewCampaign,
        expected: Option<Vec<Tag>>,
    ) -> Result<u32, StoreError> {
        content.check()?;
        let new = Arc::new((edit, content, expected));
        self.write(Lane::Doors, ALONE, move |conn| {
            replace(conn, tenant, campaign, Arc::clone(&new))
        })
        .await
    }

    /// Reads a campaign as it was in a version.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such version.
    pub async fn campaign_version(
        &self,
        tenant: TenantId,
        id: CampaignId,
        version: u32,
    ) -> Result<Campaign, StoreError> {
        self.read(async |conn| {
            let row = conn
                .first(&READ, args![id.0, i64::from(version), tenant.0])
                .await?;
            let mut row = row.ok_or(StoreError::Absent {
                what: "campaign version",
            })?;
            let campaign = Campaign {
                id,
                version,
                name: row.text()?,
                cadence: row.json("cadence")?,
            };
            Ok(campaign)
        })
        .await
    }
}

const USED: StoreError = StoreError::Conflict {
    what: "edit id used before",
};

/// Returns the campaign and the version that an edit made.
async fn made_by(
    conn: &mut Conn,
    tenant: TenantId,
    edit: &Edit,
) -> Result<(CampaignId, i64), StoreError> {
    let made = conn.first(&MADE_BY, args![tenant.0, edit.name()]).await?;
    let mut made = made.ok_or(USED)?;
    Ok((CampaignId(made.int()?), made.int()?))
}

fn create(
    conn: &mut Conn,
    tenant: TenantId,
    new: Arc<(Edit, NewCampaign)>,
) -> BoxFuture<'_, Result<CampaignId, StoreError>> {
    Box::pin(async move {
        let (edit, NewCampaign { name, cadence }) = &*new;
        // A draft is nothing to the owner but a change of settings.
        if !record_edit(conn, tenant, edit, &FactBody::SettingsChanged).await? {
            return match made_by(conn, tenant, edit).await? {
                (made, 1) => Ok(made),
                _ => Err(USED),
            };
        }
        let (cadence, at) = (json(cadence)?, edit.at.unix_ms());
        let row = args![tenant.0, name.as_str(), cadence.as_str(), at];
        let row = conn.first(&CREATE, row).await?;
        let id = row
            .ok_or(StoreError::Unreadable { what: "campaign" })?
            .int()?;
        conn.execute(
            &VERSION,
            args![id, 1_i64, tenant.0, name.as_str(), cadence, at, edit.name()],
        )
        .await?;
        let id = CampaignId(id);
        audit(conn, tenant, edit, "campaign.created", id.to_string()).await?;
        Ok(id)
    })
}

fn replace(
    conn: &mut Conn,
    tenant: TenantId,
    campaign: CampaignId,
    new: Arc<(Edit, NewCampaign, Option<Vec<Tag>>)>,
) -> BoxFuture<'_, Result<u32, StoreError>> {
    Box::pin(async move {
        let (edit, NewCampaign { name, cadence }, expected) = &*new;
        let (cadence, at) = (json(cadence)?, edit.at.unix_ms());
        let found = conn.first(&LOCK, args![campaign.0, tenant.0]).await?;
        let mut found = found.ok_or(StoreError::Absent { what: "campaign" })?;
        let (before, status) = (found.int()?, found.text()?);
        let version = before + 1;
        if !record_edit(conn, tenant, edit, &FactBody::CampaignEdited { campaign }).await? {
            return match made_by(conn, tenant, edit).await? {
                (made, version) if made == campaign => crate::store::codec::small(version),
                _ => Err(USED),
            };
        }
        reads::expect(expected.as_deref(), &reads::campaign_tag(before, &status))?;
        let row = args![
            campaign.0,
            tenant.0,
            version,
            name.as_str(),
            cadence.as_str()
        ];
        conn.execute(&EDIT, row).await?;
        let row = args![
            campaign.0,
            version,
            tenant.0,
            name.as_str(),
            cadence,
            at,
            edit.name()
        ];
        conn.execute(&VERSION, row).await?;
        audit(conn, tenant, edit, "campaign.edited", campaign.to_string()).await?;
        crate::store::codec::small(version)
    })
}
