//! `/v1/tenants/{tenant}/contacts`: whom a tenant reaches. Who only reads sees contact points by
//! the one rule that masks them; who manages the tenant sees them whole.

use actix_web::{HttpRequest, web};
use schedules::channel::Channel;
use schedules::id::{ContactId, TenantId};
use schedules::mask::masked;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::caller::Caller;
use super::super::super::doc::Doc;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::list::{List, Paging};
use super::shown;
use super::tags::tagged;
use crate::access::Scope;
use crate::store::reads::ContactRow;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/contacts", Scope::Read, || web::to(list)).says(
        Doc::of("list_contacts", "Lists the contacts.")
            .asks::<Paging>()
            .lists::<Shown>(),
    ),
    Route::get("/tenants/{tenant}/contacts/{contact}", Scope::Read, || {
        web::to(read)
    })
    .says(
        Doc::of("read_contact", "Shows a contact.")
            .answers::<Shown>()
            .tagged(),
    ),
];

#[derive(Serialize, ToSchema)]
#[schema(as = Contact)]
struct Shown {
    id: Id<ContactId>,
    name: String,
    phone: Option<String>,
    email: Option<String>,
    /// Whether phone and e-mail are shown in part only.
    masked: bool,
    /// Where the contact may be, the likeliest first.
    zones: Vec<&'static str>,
    opted_out_at: Option<String>,
    /// The channels of which it opted out.
    suppressed: Vec<Suppressed>,
    replied_at: Option<String>,
    promised_at: Option<String>,
    /// Since when it is confirmed by a reply or a promise that whoever reads is who is meant.
    confirmed_at: Option<String>,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
struct Suppressed {
    channel: Channel,
    since: String,
}

impl Shown {
    fn of(row: ContactRow, in_full: bool) -> Self {
        let point = |point: String| if in_full { point } else { masked(&point) };
        let suppressed = row.suppressed.into_iter();
        Self {
            id: Id(row.id),
            name: row.name,
            phone: row.phone.map(point),
            email: row.email.map(point),
            masked: !in_full,
            zones: row.zones.iter().map(|zone| zone.name()).collect(),
            opted_out_at: row.opted_out_at.map(shown),
            suppressed: suppressed
                .map(|(channel, since)| Suppressed {
                    channel,
                    since: shown(since),
                })
                .collect(),
            replied_at: row.replied_at.map(shown),
            promised_at: row.promised_at.map(shown),
            confirmed_at: row.confirmed_at.map(shown),
            created_at: shown(row.created_at),
        }
    }
}

fn in_full(caller: &Caller, tenant: TenantId) -> bool {
    caller.may(Scope::Manage, Some(tenant)).is_ok()
}

async fn list(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    paging: web::Query<Paging>,
) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let list = List::at(&api, &request).await?;
    let ask = list.ask(&paging)?;
    let page = api.store.list_contacts(tenant.0, &ask).await?;
    let in_full = in_full(&caller, tenant.0);
    list.answer(page.map(|row| Shown::of(row, in_full)))
}

async fn read(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<ContactId>)>,
    request: HttpRequest,
) -> Answer {
    let (Id(tenant), Id(contact)) = *of;
    api.store.expect_tenant(tenant).await?;
    let row = api.store.contact(tenant, contact).await?;
    let tag = row.tag();
    let shown = Shown::of(row, in_full(&caller, tenant));
    tagged(&request, &tag, &shown)
}
