//! `/v1/tenants/{tenant}/templates`: the newest of each, and the versions of a code.
//!
//! A template is put for a code and a channel; what the editor of a code expects is the ETag of the
//! code's versions.

use actix_web::{HttpRequest, web};
use schedules::id::TenantId;
use schedules::template::Template;
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
use crate::store::reads::TemplateRow;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/templates", Scope::Read, || web::to(list)).says(
        Doc::of(
            "list_templates",
            "Lists the templates in their newest versions.",
        )
        .asks::<Paging>()
        .lists::<Shown>(),
    ),
    Route::get("/tenants/{tenant}/templates/{code}", Scope::Read, || {
        web::to(versions)
    })
    .says(
        Doc::of(
            "list_template_versions",
            "Lists the versions of the templates of a code.",
        )
        .asks::<Paging>()
        .lists::<Shown>()
        .tagged(),
    ),
];

#[derive(Serialize, ToSchema)]
#[schema(as = TemplateShown)]
struct Shown {
    #[serde(flatten)]
    template: Template,
    created_at: String,
}

impl From<TemplateRow> for Shown {
    fn from(row: TemplateRow) -> Self {
        Self {
            template: row.template,
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
    let page = api.store.list_templates(tenant.0, &ask).await?;
    list.answer(page.map(Shown::from))
}

async fn versions(
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, String)>,
    request: HttpRequest,
    paging: web::Query<Paging>,
) -> Answer {
    let (Id(tenant), code) = of.into_inner();
    api.store.expect_tenant(tenant).await?;
    let list = List::at(&api, &request).await?;
    let ask = list.ask(&paging)?;
    let read = api
        .store
        .list_template_versions(tenant, &code, &ask)
        .await?;
    let body = list.body(read.what.map(Shown::from))?;
    tagged(&request, &read.tag, &body)
}
