//! `GET /v1/tenants`: every tenant of the engine, for its operator.

use actix_web::{HttpRequest, web};
use schedules::id::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::doc::Doc;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::list::{List, Paging};
use super::shown;
use crate::access::Scope;
use crate::store::reads::TenantRow;

pub(super) const ROUTES: &[Route] = &[Route::get("/tenants", Scope::Admin, || web::to(list)).says(
    Doc::of("list_tenants", "Lists every tenant of the engine.")
        .asks::<Paging>()
        .lists::<Shown>(),
)];

#[derive(Serialize, ToSchema)]
#[schema(as = TenantRow)]
struct Shown {
    id: Id<TenantId>,
    name: String,
    document: Option<String>,
    zone: &'static str,
    running: bool,
    created_at: String,
}

impl From<TenantRow> for Shown {
    fn from(row: TenantRow) -> Self {
        Self {
            id: Id(row.id),
            name: row.name,
            document: row.document,
            zone: row.zone.name(),
            running: row.running,
            created_at: shown(row.created_at),
        }
    }
}

async fn list(api: web::Data<Api>, request: HttpRequest, paging: web::Query<Paging>) -> Answer {
    let list = List::at(&api, &request).await?;
    let page = api.store.list_tenants(&list.ask(&paging)?).await?;
    list.answer(page.map(Shown::from))
}
