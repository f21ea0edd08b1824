//! `/v1/tokens`: service tokens, the engine's own and those of tenants. Only whoever holds `admin`
//! makes, lists or ends them; a secret is shown once, when it is made.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use schedules::id::TenantId;
use schedules::time::{HOUR_MS, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, Id, Once, ToldAgain, answer, edit};
use crate::access::{Issued, NewToken, Prefix, Scope, Scopes, TokenId, TokenRecord};
use crate::store::TokenMade;

/// How many tokens a page has.
const PAGE: u32 = 100;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tokens", Scope::Admin, || web::to(list)).says(
        Doc::of(
            "list_tokens",
            "Lists the service tokens, without their secrets.",
        )
        .asks::<Asked>()
        .answers::<Page>(),
    ),
    Route::post("/tokens", Scope::Admin, || web::to(Once(create))).says(
        Doc::of(
            "create_token",
            "Makes a service token; its secret is shown this once.",
        )
        .takes::<New>()
        .answers::<Shown>()
        .with(201)
        .keyed(),
    ),
    Route::delete("/tokens/{prefix}", Scope::Admin, || web::to(Once(revoke))).says(
        Doc::of("revoke_token", "Ends a service token.")
            .with(204)
            .keyed(),
    ),
    Route::post("/tokens/{prefix}/rotate", Scope::Admin, || {
        web::to(Once(rotate))
    })
    .says(
        Doc::of(
            "rotate_token",
            "Makes a successor of a service token, which ends after a grace.",
        )
        .takes::<Rotation>()
        .answers::<Shown>()
        .with(201)
        .keyed(),
    ),
];

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = NewToken)]
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

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    #[param(inline)]
    tenant: Option<Id<TenantId>>,
    #[serde(default)]
    #[param(inline)]
    after: Option<Id<TokenId>>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// How long the old token still opens, in milliseconds; a day when left out.
    #[serde(default = "day_ms")]
    grace_ms: i64,
}

const fn day_ms() -> i64 {
    24 * HOUR_MS
}

#[derive(Serialize, ToSchema)]
#[schema(as = TokenShown)]
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

#[derive(Serialize, ToSchema)]
#[schema(as = TokenPage)]
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

async fn create(
    caller: Caller,
    api: web::Data<Api>,
    request: HttpRequest,
    new: web::Json<New>,
) -> Answer {
    let edit = edit(&request, &caller, &api, &*new)?;
    let new = new.into_inner();
    let new = NewToken {
        name: new.name,
        tenant: new.tenant.map(|tenant| tenant.0),
        scopes: new.scopes.0,
        expires_at: new
            .expires_at
            .map(|at| Timestamp::from_unix_ms(at.timestamp_millis())),
    };
    issued(api.store.create_token_once(new, &edit).await?, edit.at)
}

/// Shows a secret this once; who asks again hears whose it was.
fn issued(made: TokenMade, now: Timestamp) -> Answer {
    match made {
        TokenMade::Now(issued) => {
            let again = ToldAgain(Problem::already_done(&issued.record.prefix));
            let shown = Shown::issued(issued, now);
            let mut response = answer(HttpResponse::Created(), &shown)?;
            response.extensions_mut().insert(again);
            Ok(response)
        }
        TokenMade::Before(prefix) => Err(Problem::already_done(&prefix)),
    }
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
    request: HttpRequest,
    rotation: web::Json<Rotation>,
) -> Answer {
    let edit = edit(&request, &caller, &api, &*rotation)?;
    let (prefix, grace_ms) = (prefix.into_inner().0, rotation.grace_ms);
    let made = api.store.rotate_token_once(&prefix, grace_ms, &edit);
    issued(made.await?, edit.at)
}
