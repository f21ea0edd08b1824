//! `/v1/tenants/{tenant}/publisher-keys`: the keys by which a tenant's systems sign what they say
//! on the bus.

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use schedules::id::TenantId;
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, Id, Once, ToldAgain, answer, edit};
use crate::access::Scope;
use crate::bus::reception::publisher_key;
use crate::keys::RootKey;
use crate::store::PublisherKey;

/// The most keys of a tenant, those that have ended with them.
const KEYS_MAX: usize = 1_000;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/publisher-keys", Scope::Manage, || {
        web::to(list)
    })
    .says(
        Doc::of(
            "list_publisher_keys",
            "Lists the keys of publishers, without what signs.",
        )
        .answers::<Keys>(),
    ),
    Route::post("/tenants/{tenant}/publisher-keys", Scope::Manage, || {
        web::to(Once(create))
    })
    .says(
        Doc::of(
            "create_publisher_key",
            "Makes a key that signs what the tenant says on the bus.",
        )
        .takes::<New>()
        .answers::<Shown>()
        .with(201)
        .or(&[409])
        .keyed(),
    ),
    Route::delete(
        "/tenants/{tenant}/publisher-keys/{key}",
        Scope::Manage,
        || web::to(Once(revoke)),
    )
    .says(
        Doc::of("revoke_publisher_key", "Ends a publisher's key at once.")
            .with(204)
            .keyed(),
    ),
];

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = NewPublisherKey)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PublisherKey)]
struct Shown {
    id: String,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// What signs, in base64url: only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PublisherKeys)]
struct Keys {
    keys: Vec<Shown>,
}

impl Shown {
    fn of(key: PublisherKey) -> Self {
        Self {
            id: key.id,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
            key: None,
        }
    }

    fn with_key(key: PublisherKey, root: &RootKey) -> Self {
        let signs = URL_SAFE_NO_PAD.encode(publisher_key(root, &key.id));
        Self {
            key: Some(signs),
            ..Self::of(key)
        }
    }
}

async fn create(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    new: web::Json<New>,
) -> Answer {
    let reception = api.reception.as_ref();
    let root = reception.ok_or_else(Problem::no_root_key)?.root();
    let edit = edit(&request, &caller, &api, &*new)?;
    let ends = new.expires_at.map(|at| at.timestamp_millis());
    let ends = ends.map(Timestamp::from_unix_ms);
    if ends.is_some_and(|ends| ends <= edit.at) {
        return Err(Problem::invalid("the key would have ended before it began"));
    }
    if api.store.publisher_keys(tenant.0).await?.len() >= KEYS_MAX {
        return Err(Problem::conflict("the tenant has as many keys as it may"));
    }
    let made = api.store.create_publisher_key(tenant.0, ends, &edit);
    let made = made.await?;
    if !made.counts(edit.at) {
        return Err(Problem::key_made_before(&made.id));
    }
    // What signs is kept nowhere: who asks again hears that it was made.
    let again = ToldAgain(Problem::key_made_before(&made.id));
    let mut response = answer(HttpResponse::Created(), &Shown::with_key(made, root))?;
    response.extensions_mut().insert(again);
    Ok(response)
}

async fn list(api: web::Data<Api>, tenant: web::Path<Id<TenantId>>) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let keys = api.store.publisher_keys(tenant.0).await?;
    let keys = keys.into_iter().map(Shown::of).collect();
    answer(HttpResponse::Ok(), &Keys { keys })
}

async fn revoke(
    caller: Caller,
    api: web::Data<Api>,
    path: web::Path<(Id<TenantId>, String)>,
) -> Answer {
    let (tenant, id) = path.into_inner();
    let (by, now) = (caller.source("edits"), api.clock.now());
    if !api
        .store
        .revoke_publisher_key(tenant.0, &id, &by, now)
        .await?
    {
        return Err(Problem::not_found());
    }
    Ok(HttpResponse::NoContent().finish())
}
