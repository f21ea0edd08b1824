//! `/v1/tenants/{tenant}/why/{id}`: why a reminder was, or was not, sent.

use actix_web::{HttpResponse, web};
use chrono_tz::Tz;
use schedules::id::TenantId;
use serde::{Deserialize, Serialize};

use super::super::caller::Caller;
use super::super::server::Api;
use super::{Answer, Id, answer, resource};
use crate::access::Scope;
use crate::why::{About, story};

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.service(resource("/tenants/{tenant}/why/{id}").get(tell));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The zone of the wall clocks; the tenant's when left out.
    #[serde(default)]
    zone: Option<Tz>,
}

#[derive(Serialize)]
struct Told {
    status: String,
    /// One line a record, in pt-BR, in the order of time.
    story: Vec<String>,
}

async fn tell(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, String)>,
    asked: web::Query<Asked>,
) -> Answer {
    let (Id(tenant), id) = of.into_inner();
    caller.may(Scope::Read, Some(tenant))?;
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
