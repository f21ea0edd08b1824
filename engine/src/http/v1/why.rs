//! `/v1/tenants/{tenant}/why/{id}`: why a reminder was, or was not, sent.

use actix_web::{HttpResponse, web};
use chrono_tz::Tz;
use schedules::id::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::doc::Doc;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, Id, answer};
use crate::access::Scope;
use crate::why::{About, story};

pub(super) const ROUTES: &[Route] =
    &[
        Route::get("/tenants/{tenant}/why/{id}", Scope::Read, || web::to(tell)).says(
            Doc::of(
                "tell_why",
                "Tells why the reminders of a boleto were, or were not, sent.",
            )
            .asks::<Asked>()
            .answers::<Told>(),
        ),
    ];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The zone of the wall clocks; the tenant's when left out.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    zone: Option<Tz>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Why)]
struct Told {
    status: String,
    /// One line a record, in pt-BR, in the order of time.
    story: Vec<String>,
}

async fn tell(
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, String)>,
    asked: web::Query<Asked>,
) -> Answer {
    let (Id(tenant), id) = of.into_inner();
    let zone = match asked.zone {
        Some(zone) => zone,
        None => api.store.tenant(tenant).await?.zone,
    };
    let why = About::of(&id).find(&api.store, tenant).await?;
    let told = Told {
        status: why.boleto.status.clone(),
        story: story(&why, zone)
            .iter()
            .map(|it| it.trim().to_owned())
            .collect(),
    };
    answer(HttpResponse::Ok(), &told)
}
