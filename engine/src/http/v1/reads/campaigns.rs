//! `/v1/tenants/{tenant}/campaigns`: what campaigns there are, and what they were.

use actix_web::{HttpRequest, web};
use schedules::cadence::Cadence;
use schedules::id::{CampaignId, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::doc::Doc;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::list::{List, Paging};
use super::shown;
use super::tags::tagged;
use crate::access::Scope;
use crate::store::reads::{CampaignRow, CampaignVersionRow};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/campaigns", Scope::Read, || web::to(list)).says(
        Doc::of("list_campaigns", "Lists the campaigns.")
            .asks::<Paging>()
            .lists::<Shown>(),
    ),
    Route::get(
        "/tenants/{tenant}/campaigns/{campaign}",
        Scope::Read,
        || web::to(read),
    )
    .says(
        Doc::of("read_campaign", "Shows a campaign in its newest version.")
            .answers::<Shown>()
            .tagged(),
    ),
    Route::get(
        "/tenants/{tenant}/campaigns/{campaign}/versions",
        Scope::Read,
        || web::to(versions),
    )
    .says(
        Doc::of(
            "list_campaign_versions",
            "Lists the versions of a campaign.",
        )
        .asks::<Paging>()
        .lists::<Version>(),
    ),
];

#[derive(Serialize, ToSchema)]
#[schema(as = Campaign)]
struct Shown {
    id: Id<CampaignId>,
    version: u32,
    name: String,
    state: String,
    created_at: String,
    /// Left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    cadence: Option<Cadence>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CampaignVersion)]
struct Version {
    version: u32,
    name: String,
    cadence: Cadence,
    created_at: String,
}

impl From<CampaignRow> for Shown {
    fn from(row: CampaignRow) -> Self {
        Self {
            id: Id(row.id),
            version: row.version,
            name: row.name,
            state: row.status,
            created_at: shown(row.created_at),
            cadence: Some(row.cadence),
        }
    }
}

impl From<CampaignVersionRow> for Version {
    fn from(row: CampaignVersionRow) -> Self {
        Self {
            version: row.version,
            name: row.name,
            cadence: row.cadence,
            created_at: shown(row.created_at),
        }
    }
}

async fn list(
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    paging: web::Query<Paging>,
) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let list = List::at(&api, &request).await?;
    let ask = list.ask(&paging)?;
    let page = api.store.list_campaigns(tenant.0, &ask).await?;
    list.answer(page.map(|row| Shown {
        cadence: None,
        ..Shown::from(row)
    }))
}

async fn read(
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<CampaignId>)>,
    request: HttpRequest,
) -> Answer {
    let (Id(tenant), Id(campaign)) = *of;
    api.store.expect_tenant(tenant).await?;
    let read = api.store.campaign(tenant, campaign).await?;
    tagged(&request, &read.tag, &Shown::from(read.what))
}

async fn versions(
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<CampaignId>)>,
    request: HttpRequest,
    paging: web::Query<Paging>,
) -> Answer {
    let (Id(tenant), Id(campaign)) = *of;
    api.store.expect_tenant(tenant).await?;
    let list = List::at(&api, &request).await?;
    let ask = list.ask(&paging)?;
    let page = api.store.list_campaign_versions(tenant, campaign, &ask);
    list.answer(page.await?.map(Version::from))
}
