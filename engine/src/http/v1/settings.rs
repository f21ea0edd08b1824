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

use super::super::caller::Caller;
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
    }),
    Route::put("/tenants/{tenant}/calendar", Scope::Manage, || {
        web::to(Once(calendar))
    }),
    Route::put("/tenants/{tenant}/charges", Scope::Manage, || {
        web::to(Once(charges))
    }),
    Route::put("/tenants/{tenant}/retry", Scope::Manage, || {
        web::to(Once(retry))
    }),
    Route::put("/tenants/{tenant}/senders", Scope::Manage, || {
        web::to(Once(sender))
    }),
    Route::put("/tenants/{tenant}/templates", Scope::Manage, || {
        web::to(Once(template))
    }),
    // Whoever could give himself credits would not need any.
    Route::post("/tenants/{tenant}/credits", Scope::Admin, || {
        web::to(Once(credits))
    }),
];

/// Credits that were bought.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bought {
    bought: i64,
}

#[derive(Serialize)]
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
