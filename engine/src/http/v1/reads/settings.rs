//! A tenant's settings as they stand, each with the ETag under which it can be edited.

use actix_web::{HttpRequest, web};
use schedules::id::TenantId;
use serde_json::json;

use super::super::super::caller::Caller;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::list::let_read;
use super::shared;
use super::tags::tagged;

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.service(shared("/tenants/{tenant}/rules").get(rules))
        .service(shared("/tenants/{tenant}/calendar").get(calendar))
        .service(shared("/tenants/{tenant}/charges").get(charges))
        .service(shared("/tenants/{tenant}/retry").get(retry))
        .service(shared("/tenants/{tenant}/senders").get(senders));
}

/// A handler that shows one kind of setting, in the shape in which it is put.
macro_rules! show {
    ($name:ident) => {
        async fn $name(
            caller: Caller,
            api: web::Data<Api>,
            tenant: web::Path<Id<TenantId>>,
            request: HttpRequest,
        ) -> Answer {
            let_read(&caller, &api, tenant.0).await?;
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
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
) -> Answer {
    let_read(&caller, &api, tenant.0).await?;
    let read = api.store.senders(tenant.0).await?;
    let page = json!({ "items": read.what, "next": null });
    tagged(&request, &read.tag, &page)
}
