//! A tenant's settings as they stand, each with the ETag under which it can be edited.

use actix_web::{HttpRequest, web};
use actors::ports::Sender;
use schedules::calendar::Calendar;
use schedules::charges::ChargeRule;
use schedules::id::TenantId;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use serde_json::json;

use super::super::super::doc::Doc;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::tags::tagged;
use crate::access::Scope;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/rules", Scope::Read, || web::to(rules)).says(
        Doc::of("read_rules", "Shows the rules of a tenant.")
            .answers::<RulePack>()
            .tagged(),
    ),
    Route::get("/tenants/{tenant}/calendar", Scope::Read, || {
        web::to(calendar)
    })
    .says(
        Doc::of("read_calendar", "Shows the calendar of a tenant.")
            .answers::<Calendar>()
            .tagged(),
    ),
    Route::get("/tenants/{tenant}/charges", Scope::Read, || {
        web::to(charges)
    })
    .says(
        Doc::of("read_charges", "Shows what a tenant charges for delay.")
            .answers_or_null::<ChargeRule>()
            .tagged(),
    ),
    Route::get("/tenants/{tenant}/retry", Scope::Read, || web::to(retry)).says(
        Doc::of("read_retry", "Shows how often messages are tried.")
            .answers::<RetryPolicy>()
            .tagged(),
    ),
    Route::get("/tenants/{tenant}/senders", Scope::Read, || {
        web::to(senders)
    })
    .says(
        Doc::of("list_senders", "Lists the senders of a tenant.")
            .lists::<Sender>()
            .tagged(),
    ),
];

/// A handler that shows one kind of setting, in the shape in which it is put.
macro_rules! show {
    ($name:ident) => {
        async fn $name(
            api: web::Data<Api>,
            tenant: web::Path<Id<TenantId>>,
            request: HttpRequest,
        ) -> Answer {
            api.store.expect_tenant(tenant.0).await?;
            let read = api.store.$name(tenant.0).await?;
            tagged(&request, &read.tag, &read.what)
        }
    };
}

show!(rules);
show!(calendar);
show!(charges);
show!(retry);

/// There is one on each channel at the most: a page holds them all.
async fn senders(
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let read = api.store.senders(tenant.0).await?;
    let page = json!({ "items": read.what, "next": null });
    tagged(&request, &read.tag, &page)
}
