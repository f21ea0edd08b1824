//! `/v1/tenants/{tenant}/contacts`: contacts ahead of their boletos.
//!
//! Whoever is registered again, in any spelling, is found and not changed. To change a contact is
//! an edit of its own, by the same checks.

use actix_web::{HttpRequest, HttpResponse, web};
use schedules::id::{ContactId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::reads::tags::expected;
use super::settings::Changed;
use super::{Answer, Id, Once, answer, edit_of_person};
use crate::access::Scope;
use crate::imports::json::{ContactItem, ContactPatch, ITEMS_MAX, contacts};
use crate::store::Registration;

pub(super) const ROUTES: &[Route] = &[
    Route::post("/tenants/{tenant}/contacts", Scope::Import, || {
        web::to(Once(register))
    })
    .says(
        Doc::of(
            "register_contacts",
            "Registers contacts ahead of their boletos.",
        )
        .takes::<Content>()
        .answers::<Registered>()
        .keyed(),
    ),
    Route::patch(
        "/tenants/{tenant}/contacts/{contact}",
        Scope::Import,
        || web::to(Once(change)),
    )
    .says(
        Doc::of(
            "change_contact",
            "Corrects a contact: its name, phone, e-mail address or zones.",
        )
        .takes::<ContactPatch>()
        .answers::<Changed>()
        .keyed()
        .matched(),
    ),
];

#[derive(Deserialize, ToSchema)]
#[schema(as = NewContacts)]
#[serde(deny_unknown_fields)]
struct Content {
    contacts: Vec<ContactItem>,
}

/// What became of the contacts, each by its place in the request.
#[derive(Serialize, ToSchema)]
struct Registered {
    contacts: Vec<Found>,
    refusals: Vec<Refusal>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RegisteredContact)]
struct Found {
    index: usize,
    id: Id<ContactId>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RefusedContact)]
struct Refusal {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    error: &'static str,
}

async fn register(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    content: web::Json<Content>,
) -> Answer {
    let items = content.into_inner().contacts;
    if items.len() > ITEMS_MAX {
        return Err(Problem::invalid("a request has 1000 contacts at the most"));
    }
    let home = api.store.tenant(tenant.0).await?.zone;
    let (mut places, mut good, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for (index, contact) in contacts(&items).enumerate() {
        match contact {
            Ok(contact) => {
                places.push(index);
                good.push(contact.contact(home));
            }
            Err(refusal) => refusals.push(Refusal {
                index,
                field: refusal.field,
                error: refusal.error,
            }),
        }
    }
    let registration = Registration {
        source: caller.source("contacts"),
        contacts: good,
        at: api.clock.now(),
    };
    let (doors, tenant) = (api.doors.clone(), tenant.0);
    // To its end, also when the caller hangs up: it takes back what a stop had waited for.
    let registered =
        actix_web::rt::spawn(async move { doors.register(tenant, registration).await });
    let registered = registered.await.map_err(|_| Problem::interrupted())??;
    let found = places.into_iter().zip(registered.contacts);
    let found = found.filter_map(|(index, id)| Some(Found { index, id: Id(id?) }));
    let told = Registered {
        contacts: found.collect(),
        refusals,
    };
    answer(HttpResponse::Ok(), &told)
}

async fn change(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<ContactId>)>,
    request: HttpRequest,
    content: web::Json<ContactPatch>,
) -> Answer {
    let (Id(tenant), Id(contact)) = *of;
    let edit = edit_of_person(&request, &caller, &api, &*content).await?;
    let change = content.change()?;
    let (doors, expected) = (api.doors.clone(), expected(&request));
    // To its end, also when the caller hangs up: it takes back what was addressed otherwise.
    let changed = actix_web::rt::spawn(async move {
        let edited = doors.edit_contact(tenant, contact, edit, change, expected);
        edited.await
    });
    let changed = changed.await.map_err(|_| Problem::interrupted())??;
    answer(HttpResponse::Ok(), &Changed { changed })
}
