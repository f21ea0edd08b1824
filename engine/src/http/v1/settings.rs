//! A tenant's settings: rules, calendar, charges, senders, templates, credits.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::ports::Sender;
use schedules::calendar::Calendar;
use schedules::charges::ChargeRule;
use schedules::id::TenantId;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::Template;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::reads::tags::expected;
use super::{Answer, Id, Once, answer, edit};
use crate::access::Scope;
use crate::store::Setting;

pub(super) const ROUTES: &[Route] = &[
    Route::put("/tenants/{tenant}/rules", Scope::Manage, || {
        web::to(Once(rules))
    })
    .says(
        Doc::of("put_rules", "Puts the rules of a tenant.")
            .takes::<RulePack>()
            .answers::<Changed>()
            .keyed()
            .matched(),
    ),
    Route::put("/tenants/{tenant}/calendar", Scope::Manage, || {
        web::to(Once(calendar))
    })
    .says(
        Doc::of("put_calendar", "Puts the calendar of a tenant.")
            .takes::<Calendar>()
            .answers::<Changed>()
            .keyed()
            .matched(),
    ),
    Route::put("/tenants/{tenant}/charges", Scope::Manage, || {
        web::to(Once(charges))
    })
    .says(
        Doc::of(
            "put_charges",
            "Puts what a tenant charges for delay; null for nothing.",
        )
        .takes_or_null::<ChargeRule>()
        .answers::<Changed>()
        .keyed()
        .matched(),
    ),
    Route::put("/tenants/{tenant}/retry", Scope::Manage, || {
        web::to(Once(retry))
    })
    .says(
        Doc::of("put_retry", "Puts how often a tenant's messages are tried.")
            .takes::<RetryPolicy>()
            .answers::<Changed>()
            .keyed()
            .matched(),
    ),
    Route::put("/tenants/{tenant}/senders", Scope::Manage, || {
        web::to(Once(sender))
    })
    .says(
        Doc::of("put_sender", "Puts the sender of a tenant on a channel.")
            .takes::<Sender>()
            .answers::<Changed>()
            .keyed()
            .matched(),
    ),
    Route::put("/tenants/{tenant}/templates", Scope::Manage, || {
        web::to(Once(template))
    })
    .says(
        Doc::of("put_template", "Puts a template of a tenant.")
            .takes::<Template>()
            .answers::<Changed>()
            .keyed()
            .matched(),
    ),
    // Whoever could give himself credits would not need any.
    Route::post("/tenants/{tenant}/credits", Scope::Admin, || {
        web::to(Once(credits))
    })
    .says(
        Doc::of("buy_credits", "Adds credits to a tenant.")
            .takes::<Bought>()
            .answers::<Changed>()
            .keyed()
            .matched(),
    ),
];

/// Credits that were bought.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Bought {
    bought: i64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    /// False when the request was made before, under the same key.
    pub(super) changed: bool,
}

/// A handler that puts one kind of setting.
macro_rules! put {
    ($name:ident, $body:ty, $setting:expr) => {
        async fn $name(
            caller: Caller,
            api: web::Data<Api>,
            tenant: web::Path<Id<TenantId>>,
            request: HttpRequest,
            body: web::Json<$body>,
        ) -> Answer {
            let body = body.into_inner();
            let edit = edit(&request, &caller, &api, &body)?;
            let setting = $setting(body);
            let expected = expected(&request);
            let changed = api.doors.put_setting(tenant.0, edit, setting, expected);
            let changed = changed.await?;
            answer(HttpResponse::Ok(), &Changed { changed })
        }
    };
}

put!(rules, RulePack, Setting::Rules);
put!(calendar, Calendar, Setting::Calendar);
put!(charges, Option<ChargeRule>, Setting::Charges);
put!(retry, RetryPolicy, Setting::Retry);
put!(template, Template, Setting::Template);
put!(credits, Bought, |of: Bought| Setting::CreditsBought(
    of.bought
));

/// Puts a sender, which must name a provider that carries its channel for this tenant.
async fn sender(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    body: web::Json<Sender>,
) -> Answer {
    let sender = body.into_inner();
    let offered = api.offers.check(tenant.0, sender.channel, &sender.provider);
    offered.map_err(|why| Problem::invalid(why.to_string()))?;
    let edit = edit(&request, &caller, &api, &sender)?;
    let setting = Setting::Sender(sender);
    let expected = expected(&request);
    let changed = api.doors.put_setting(tenant.0, edit, setting, expected);
    let changed = changed.await?;
    answer(HttpResponse::Ok(), &Changed { changed })
}
