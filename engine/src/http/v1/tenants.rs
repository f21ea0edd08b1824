//! `/v1/tenants`: companies that bill, and their kill switch.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono_tz::Tz;
use schedules::calendar::Calendar;
use schedules::charges::ChargeRule;
use schedules::document::Document;
use schedules::id::TenantId;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use serde::{Deserialize, Serialize};

use super::super::caller::Caller;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::events::{self, Said};
use super::{Answer, Id, Once, answer, edit};
use crate::access::Scope;
use crate::facts::Saying;
use crate::store::NewTenant;

pub(super) const ROUTES: &[Route] = &[
    Route::post("/tenants", Scope::Admin, || web::to(Once(create))),
    Route::get("/tenants/{tenant}", Scope::Read, || web::to(read)),
    // Whoever may say that something ends may also hold everything.
    Route::post("/tenants/{tenant}/{act:pause}", Scope::Facts, || {
        web::to(act)
    }),
    Route::post("/tenants/{tenant}/{act:resume}", Scope::Manage, || {
        web::to(act)
    }),
];

/// The kill switch.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Pause,
    Resume,
}

/// A tenant to begin with.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    /// CPF or CNPJ, in any spelling.
    #[serde(default)]
    document: Option<String>,
    #[serde(default = "sao_paulo")]
    zone: Tz,
    /// Those of Brazil when left out.
    #[serde(default = "RulePack::brazil")]
    rules: RulePack,
    #[serde(default = "Calendar::brazil")]
    calendar: Calendar,
    #[serde(default)]
    charges: Option<ChargeRule>,
    #[serde(default)]
    retry: RetryPolicy,
    #[serde(default)]
    feed_silence_max_ms: Option<i64>,
    #[serde(default)]
    credits: Option<i64>,
}

const fn sao_paulo() -> Tz {
    Tz::America__Sao_Paulo
}

#[derive(Serialize)]
struct Created {
    id: Id<TenantId>,
}

#[derive(Serialize)]
struct Shown {
    id: Id<TenantId>,
    name: String,
    document: Option<String>,
    zone: &'static str,
    running: bool,
    rules: RulePack,
    calendar: Calendar,
    charges: Option<ChargeRule>,
    retry: RetryPolicy,
    feed_silence_max_ms: Option<i64>,
    credits: Option<i64>,
}

async fn create(
    caller: Caller,
    api: web::Data<Api>,
    request: HttpRequest,
    new: web::Json<New>,
) -> Answer {
    let edit = edit(&request, &caller, &api, &*new)?;
    let new = new.into_inner();
    let document = new.document.as_deref().map(Document::parse).transpose();
    let document =
        document.map_err(|_| Problem::invalid("the document is neither a CPF nor a CNPJ"))?;
    let tenant = NewTenant {
        name: new.name,
        document: document.map(|document| document.to_string()),
        zone: new.zone,
        rules: new.rules,
        calendar: new.calendar,
        charges: new.charges,
        retry: new.retry,
        feed_silence_max_ms: new.feed_silence_max_ms,
        credits: new.credits,
        senders: Vec::new(),
    };
    let id = api.store.create_tenant_once(&tenant, edit).await?;
    answer(HttpResponse::Created(), &Created { id: Id(id) })
}

async fn read(api: web::Data<Api>, tenant: web::Path<Id<TenantId>>) -> Answer {
    let tenant = api.store.tenant(tenant.0).await?;
    let shown = Shown {
        id: Id(tenant.id),
        name: tenant.name,
        document: tenant.document,
        zone: tenant.zone.name(),
        running: tenant.running,
        rules: tenant.rules,
        calendar: tenant.calendar,
        charges: tenant.charges,
        retry: tenant.retry,
        feed_silence_max_ms: tenant.feed.silence_max_ms,
        credits: tenant.credits.map(|credits| credits.balance - credits.held),
    };
    answer(HttpResponse::Ok(), &shown)
}

async fn act(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Act)>,
    said: web::Json<Said>,
) -> Answer {
    let (Id(tenant), act) = *of;
    let saying = match act {
        Act::Pause => Saying::TenantPaused,
        Act::Resume => Saying::TenantResumed,
    };
    events::tell(&caller, &api, tenant, said.into_inner(), saying).await
}
