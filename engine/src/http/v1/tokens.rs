//! `/v1/tokens`: service tokens, the engine's own and those of tenants. Only whoever holds `admin`
//! makes, lists or ends them; a secret is shown once, when it is made.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use schedules::id::TenantId;
use schedules::time::{HOUR_MS, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::caller::Caller;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, Id, answer};
use crate::access::{Issued, NewToken, Prefix, Scope, Scopes, TokenId, TokenRecord};

/// How many tokens a page has.
const PAGE: u32 = 100;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tokens", Scope::Admin, || web::to(list)),
    Route::post("/tokens", Scope::Admin, || web::to(create)),
    Route::delete("/tokens/{prefix}", Scope::Admin, || web::to(revoke)),
    Route::post("/tokens/{prefix}/rotate", Scope::Admin, || web::to(rotate)),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    /// Left out: a token of the engine itself.
    #[serde(default)]
    tenant: Option<Id<TenantId>>,
    /// For example `read,facts`.
    scopes: Id<Scopes>,
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    tenant: Option<Id<TenantId>>,
    #[serde(default)]
    after: Option<Id<TokenId>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// How long the old token still opens, in milliseconds; a day when left out.
    #[serde(default = "day_ms")]
    grace_ms: i64,
}

const fn day_ms() -> i64 {
    24 * HOUR_MS
}

#[derive(Serialize)]
struct Shown {
    id: Id<TokenId>,
    prefix: String,
    tenant: Option<Id<TenantId>>,
    name: String,
    scopes: Id<Scopes>,
    state: &'static str,
    created_at: String,
    expires_at: Option<String>,
    /// The token itself: only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

#[derive(Serialize)]
struct Page {
    tokens: Vec<Shown>,
    /// Where the next page begins, if there may be one.
    next: Option<Id<TokenId>>,
}

impl Shown {
    fn of(record: TokenRecord, now: Timestamp) -> Self {
        Self {
            id: Id(record.id),
            state: record.state(now).as_str(),
            prefix: record.prefix.to_string(),
            tenant: record.tenant.map(Id),
            name: record.name,
            scopes: Id(record.scopes),
            created_at: record.created_at.to_string(),
            expires_at: record.expires_at.map(|at| at.to_string()),
            token: None,
        }
    }

    fn issued(issued: Issued, now: Timestamp) -> Self {
        let token = Some(issued.token.expose());
        Self {
            token,
            ..Self::of(issued.record, now)
        }
    }
}

async fn create(caller: Caller, api: web::Data<Api>, new: web::Json<New>) -> Answer {
    let (now, new) = (api.clock.now(), new.into_inner());
    let tenant = new.tenant.map(|tenant| tenant.0);
    let new = NewToken {
        name: new.name,
        tenant,
        scopes: new.scopes.0,
        expires_at: new
            .expires_at
            .map(|at| Timestamp::from_unix_ms(at.timestamp_millis())),
    };
    let issued = api
        .store
        .create_token(new, &caller.source("tokens"), now)
        .await?;
    answer(HttpResponse::Created(), &Shown::issued(issued, now))
}

async fn list(api: web::Data<Api>, asked: web::Query<Asked>) -> Answer {
    let (now, asked) = (api.clock.now(), asked.into_inner());
    let tenant = asked.tenant.map(|tenant| tenant.0);
    let after = asked.after.map(|after| after.0);
    let found = api.store.tokens(tenant, after, PAGE).await?;
    let full = found.len() >= PAGE as usize;
    let next = found.last().filter(|_| full).map(|last| Id(last.id));
    let tokens = found.into_iter().map(|one| Shown::of(one, now)).collect();
    answer(HttpResponse::Ok(), &Page { tokens, next })
}

async fn revoke(caller: Caller, api: web::Data<Api>, prefix: web::Path<Id<Prefix>>) -> Answer {
    let prefix = prefix.into_inner().0;
    let (by, now) = (caller.source("tokens"), api.clock.now());
    api.store.revoke_token(&prefix, &by, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn rotate(
    caller: Caller,
    api: web::Data<Api>,
    prefix: web::Path<Id<Prefix>>,
    rotation: web::Json<Rotation>,
) -> Answer {
    let prefix = prefix.into_inner().0;
    let (by, now) = (caller.source("tokens"), api.clock.now());
    let rotated = api.store.rotate_token(&prefix, rotation.grace_ms, &by, now);
    answer(HttpResponse::Created(), &Shown::issued(rotated.await?, now))
}
