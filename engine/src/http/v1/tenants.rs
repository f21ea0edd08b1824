//! `/v1/tenants`: companies that bill, and their kill switch.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono_tz::Tz;
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::charges::ChargeRule;
use schedules::document::Document;
use schedules::id::TenantId;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::events::{self, Said};
use super::reads::tags::expected;
use super::settings::Changed;
use super::{Answer, Id, Once, answer, edit};
use crate::access::Scope;
use crate::facts::Saying;
use crate::store::{NewTenant, Profile, Setting};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/tenants", Scope::Admin, || web::to(Once(create))).says(
        Doc::of("create_tenant", "Makes a tenant.")
            .takes::<New>()
            .answers::<Created>()
            .with(201)
            .keyed(),
    ),
    Route::get("/tenants/{tenant}", Scope::Read, || web::to(read))
        .says(Doc::of("read_tenant", "Shows a tenant with its settings.").answers::<Shown>()),
    Route::put("/tenants/{tenant}/profile", Scope::Manage, || {
        web::to(Once(profile))
    })
    .says(
        Doc::of("put_profile", "Puts who a tenant is for its contacts.")
            .takes::<Who>()
            .answers::<Changed>()
            .keyed()
            .or(&[412]),
    ),
    // Whoever may say that something ends may also hold everything.
    Route::post("/tenants/{tenant}/{act:pause}", Scope::Facts, || {
        web::to(act)
    })
    .says(
        Doc::of("{act}_tenant", "Holds all of a tenant.")
            .takes::<Said>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
    Route::post("/tenants/{tenant}/{act:resume}", Scope::Manage, || {
        web::to(act)
    })
    .says(
        Doc::of("{act}_tenant", "Lets a tenant go on.")
            .takes::<Said>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
    Route::post(
        "/tenants/{tenant}/channels/{channel}/{act:pause}",
        Scope::Facts,
        || web::to(act_on),
    )
    .says(
        Doc::of("{act}_channel", "Holds a channel of a tenant.")
            .takes::<Said>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
    Route::post(
        "/tenants/{tenant}/channels/{channel}/{act:resume}",
        Scope::Manage,
        || web::to(act_on),
    )
    .says(
        Doc::of("{act}_channel", "Lets a channel of a tenant go on.")
            .takes::<Said>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
];

/// The kill switch.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Pause,
    Resume,
}

/// A tenant to begin with.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = NewTenant)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    /// CPF or CNPJ, in any spelling.
    #[serde(default)]
    document: Option<String>,
    /// The postal address, in one line.
    #[serde(default)]
    address: Option<String>,
    #[serde(default = "sao_paulo")]
    #[schema(value_type = String, required = false)]
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

#[derive(Serialize, ToSchema)]
#[schema(as = TenantCreated)]
struct Created {
    id: Id<TenantId>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TenantState)]
struct Shown {
    id: Id<TenantId>,
    name: String,
    document: Option<String>,
    address: Option<String>,
    zone: &'static str,
    running: bool,
    paused_channels: Vec<Channel>,
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
    let tenant = NewTenant {
        document: formatted(new.document.as_deref())?,
        name: new.name,
        address: new.address,
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

fn formatted(document: Option<&str>) -> Result<Option<String>, Problem> {
    let document = document.map(Document::parse).transpose();
    let document =
        document.map_err(|_| Problem::invalid("the document is neither a CPF nor a CNPJ"))?;
    // Contacts read it whole: its plain text is masked.
    Ok(document.map(|document| document.formatted()))
}

/// Who a tenant is for its contacts.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = TenantProfile)]
#[serde(deny_unknown_fields)]
struct Who {
    name: String,
    /// CPF or CNPJ, in any spelling.
    #[serde(default)]
    document: Option<String>,
    /// The postal address, in one line.
    #[serde(default)]
    address: Option<String>,
}

async fn profile(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    who: web::Json<Who>,
) -> Answer {
    let edit = edit(&request, &caller, &api, &*who)?;
    let who = who.into_inner();
    let profile = Setting::Profile(Profile {
        document: formatted(who.document.as_deref())?,
        name: who.name,
        address: who.address,
    });
    // It has no tag that anybody could have read.
    let changed = api
        .doors
        .put_setting(tenant.0, edit, profile, expected(&request));
    let changed = changed.await?;
    answer(HttpResponse::Ok(), &Changed { changed })
}

async fn read(api: web::Data<Api>, tenant: web::Path<Id<TenantId>>) -> Answer {
    let tenant = api.store.tenant(tenant.0).await?;
    let shown = Shown {
        id: Id(tenant.id),
        name: tenant.name,
        document: tenant.document,
        address: tenant.address,
        zone: tenant.zone.name(),
        running: tenant.running,
        paused_channels: tenant.paused_channels,
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

async fn act_on(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Channel, Act)>,
    said: web::Json<Said>,
) -> Answer {
    let (Id(tenant), channel, act) = *of;
    let saying = match act {
        Act::Pause => Saying::ChannelPaused { channel },
        Act::Resume => Saying::ChannelResumed { channel },
    };
    events::tell(&caller, &api, tenant, said.into_inner(), saying).await
}
