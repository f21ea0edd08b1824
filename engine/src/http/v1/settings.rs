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
use super::super::server::Api;
use super::{Answer, Id, answer, edit, resource};
use crate::access::Scope;
use crate::store::Setting;

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.service(resource("/tenants/{tenant}/rules").put(rules))
        .service(resource("/tenants/{tenant}/calendar").put(calendar))
        .service(resource("/tenants/{tenant}/charges").put(charges))
        .service(resource("/tenants/{tenant}/retry").put(retry))
        .service(resource("/tenants/{tenant}/senders").put(sender))
        .service(resource("/tenants/{tenant}/templates").put(template))
        .service(resource("/tenants/{tenant}/credits").post(credits));
}

/// Credits that were bought.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bought {
    bought: i64,
}

#[derive(Serialize)]
struct Changed {
    /// False when the request was made before, under the same key.
    changed: bool,
}

/// A handler that puts one kind of setting.
macro_rules! put {
    ($name:ident, $body:ty, $scope:ident, $setting:expr) => {
        async fn $name(
            caller: Caller,
            api: web::Data<Api>,
            tenant: web::Path<Id<TenantId>>,
            request: HttpRequest,
            body: web::Json<$body>,
        ) -> Answer {
            caller.may(Scope::$scope, Some(tenant.0))?;
            let body = body.into_inner();
            let edit = edit(&request, &caller, &api, &body)?;
            let setting = $setting(body);
            let changed = api.doors.put_setting(tenant.0, edit, setting).await?;
            answer(HttpResponse::Ok(), &Changed { changed })
        }
    };
}

put!(rules, RulePack, Manage, Setting::Rules);
put!(calendar, Calendar, Manage, Setting::Calendar);
put!(charges, Option<ChargeRule>, Manage, Setting::Charges);
put!(retry, RetryPolicy, Manage, Setting::Retry);
put!(template, Template, Manage, Setting::Template);
// Whoever could give himself credits would not need any.
put!(credits, Bought, Admin, |of: Bought| Setting::CreditsBought(
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
    caller.may(Scope::Manage, Some(tenant.0))?;
    let sender = body.into_inner();
    let offered = api.offers.check(tenant.0, sender.channel, &sender.provider);
    offered.map_err(|why| Problem::invalid(why.to_string()))?;
    let edit = edit(&request, &caller, &api, &sender)?;
    let setting = Setting::Sender(sender);
    let changed = api.doors.put_setting(tenant.0, edit, setting).await?;
    answer(HttpResponse::Ok(), &Changed { changed })
}
