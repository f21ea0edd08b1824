//! `/v1/tenants/{tenant}/campaigns`: drafts, versions, pause, end.

use actix_web::{HttpRequest, HttpResponse, web};
use schedules::cadence::{Cadence, Campaign};
use schedules::id::{CampaignId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::events::{self, Said};
use super::reads::tags::expected;
use super::{Answer, Id, Once, answer, edit};
use crate::access::Scope;
use crate::facts::Saying;
use crate::store::NewCampaign;

pub(super) const ROUTES: &[Route] = &[
    Route::post("/tenants/{tenant}/campaigns", Scope::Manage, || {
        web::to(Once(create))
    })
    .says(
        Doc::of("create_campaign", "Makes a campaign, as a draft.")
            .takes::<Content>()
            .answers::<Version>()
            .with(201)
            .keyed(),
    ),
    Route::put(
        "/tenants/{tenant}/campaigns/{campaign}",
        Scope::Manage,
        || web::to(Once(replace)),
    )
    .says(
        Doc::of(
            "edit_campaign",
            "Gives a campaign a new version of its content.",
        )
        .takes::<Content>()
        .answers::<Version>()
        .keyed()
        .matched(),
    ),
    Route::get(
        "/tenants/{tenant}/campaigns/{campaign}/versions/{version}",
        Scope::Read,
        || web::to(read),
    )
    .says(Doc::of("read_campaign_version", "Shows one version of a campaign.").answers::<Shown>()),
    // Whoever may say that something ends may also hold it.
    Route::post(
        "/tenants/{tenant}/campaigns/{campaign}/{act:pause}",
        Scope::Facts,
        || web::to(act),
    )
    .says(
        Doc::of("{act}_campaign", "Holds a campaign.")
            .takes::<Said>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
    Route::post(
        "/tenants/{tenant}/campaigns/{campaign}/{act:archive}",
        Scope::Manage,
        || web::to(act),
    )
    .stopping()
    .says(
        Doc::of("{act}_campaign", "Ends a campaign for good.")
            .takes::<Said>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
    Route::post(
        "/tenants/{tenant}/campaigns/{campaign}/{act:resume}",
        Scope::Manage,
        || web::to(act),
    )
    .says(
        Doc::of("{act}_campaign", "Lets a campaign go on.")
            .takes::<Said>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
];

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CampaignContent, example = json!({
    "name": "Lembretes",
    "cadence": {
        "steps": [{
            "no": 0,
            "when": { "kind": "offset", "days": -5, "unit": "calendar", "at": "09:00:00" },
            "channels": ["sms"],
            "template": "lembrete",
            "expires_after_ms": 86_400_000,
        }],
        "reminders_max": 1,
    },
}))]
#[serde(deny_unknown_fields)]
struct Content {
    name: String,
    cadence: Cadence,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CampaignEdited)]
struct Version {
    id: Id<CampaignId>,
    version: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CampaignOfVersion)]
struct Shown {
    id: Id<CampaignId>,
    version: u32,
    name: String,
    cadence: Cadence,
}

/// What can be done to a campaign.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Pause,
    Resume,
    Archive,
}

impl From<Content> for NewCampaign {
    fn from(Content { name, cadence }: Content) -> Self {
        Self { name, cadence }
    }
}

async fn create(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    content: web::Json<Content>,
) -> Answer {
    let edit = edit(&request, &caller, &api, &*content)?;
    let content = content.into_inner().into();
    let id = api.doors.create_campaign(tenant.0, edit, content).await?;
    let version = Version {
        id: Id(id),
        version: 1,
    };
    answer(HttpResponse::Created(), &version)
}

async fn replace(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<CampaignId>)>,
    request: HttpRequest,
    content: web::Json<Content>,
) -> Answer {
    let (Id(tenant), id) = *of;
    let edit = edit(&request, &caller, &api, &*content)?;
    let content = content.into_inner().into();
    let edited = api
        .doors
        .edit_campaign(tenant, id.0, edit, content, expected(&request));
    let version = edited.await?;
    answer(HttpResponse::Ok(), &Version { id, version })
}

async fn read(api: web::Data<Api>, of: web::Path<(Id<TenantId>, Id<CampaignId>, u32)>) -> Answer {
    let (Id(tenant), Id(id), version) = *of;
    let campaign = api.store.campaign_version(tenant, id, version).await?;
    let Campaign {
        id,
        version,
        name,
        cadence,
    } = campaign;
    let shown = Shown {
        id: Id(id),
        version,
        name,
        cadence,
    };
    answer(HttpResponse::Ok(), &shown)
}

async fn act(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<CampaignId>, Act)>,
    said: web::Json<Said>,
) -> Result<HttpResponse, Problem> {
    let (Id(tenant), Id(campaign), act) = *of;
    let saying = match act {
        Act::Pause => Saying::CampaignPaused { campaign },
        Act::Resume => Saying::CampaignResumed { campaign },
        Act::Archive => Saying::CampaignArchived { campaign },
    };
    events::tell(&caller, &api, tenant, said.into_inner(), saying).await
}
