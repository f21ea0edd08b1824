//! `/v1/tenants/{tenant}/audit`: who did what, in the order of time; nobody can change it here.
//!
//! A seal is the SHA-256 of the seal before it and of its rows, each as the JSON array `[tenant,
//! id, at, actor, action, subject, detail]` in numbers and texts, and a line feed. What a token may
//! do is shown to who manages the tenant: to others the detail of such a row is null.

use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use schedules::id::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::caller::Caller;
use super::super::super::doc::Doc;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::list::{List, Paging};
use super::{shown, span};
use crate::access::Scope;
use crate::store::reads::{AuditOf, AuditRow, SealRow};

/// How the kinds of rows begin that tell of tokens: their prefix, scopes and end.
const TOKEN_KINDS: &str = "token.";

pub(super) const ROUTES: &[Route] =
    &[
        Route::get("/tenants/{tenant}/audit", Scope::Read, || web::to(list)).says(
            Doc::of("list_audit", "Lists who did what.")
                .asks::<Asked>()
                .lists::<Shown>(),
        ),
    ];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// From this instant on.
    from: Option<DateTime<Utc>>,
    /// Before this instant.
    to: Option<DateTime<Utc>>,
    /// What was done, such as `boleto.paid`.
    kind: Option<String>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl Asked {
    fn split(self) -> (AuditOf, Paging) {
        let of = AuditOf {
            at: span(self.from, self.to),
            action: self.kind,
        };
        let (cursor, limit) = (self.cursor, self.limit);
        (of, Paging { cursor, limit })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditRecord)]
struct Shown {
    id: i64,
    at: String,
    /// The instant as it is sealed, in milliseconds since 1970.
    at_ms: i64,
    actor: String,
    kind: String,
    subject: String,
    /// JSON, as it is sealed; null where it is not the caller's to see.
    detail: Option<String>,
    batch: i64,
    /// Null while no seal covers it.
    seal: Option<Seal>,
}

/// The hash chain: a seal covers the rows of the batches from the first to before the last.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditSeal)]
struct Seal {
    no: i64,
    from_batch: i64,
    to_batch: i64,
    rows: i64,
    hash: String,
    sealed_at: String,
}

impl From<SealRow> for Seal {
    fn from(seal: SealRow) -> Self {
        Self {
            no: seal.no,
            from_batch: seal.from_batch,
            to_batch: seal.to_batch,
            rows: seal.rows,
            hash: seal.hash,
            sealed_at: shown(seal.sealed_at),
        }
    }
}

impl From<AuditRow> for Shown {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: shown(row.at),
            at_ms: row.at.unix_ms(),
            actor: row.actor,
            kind: row.action,
            subject: row.subject,
            detail: Some(row.detail),
            batch: row.batch,
            seal: row.seal.map(Seal::from),
        }
    }
}

impl Shown {
    /// Returns the row without what only those may see who manage the tenant.
    fn for_readers(self) -> Self {
        let detail = self.detail.filter(|_| !self.kind.starts_with(TOKEN_KINDS));
        Self { detail, ..self }
    }
}

async fn list(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    asked: web::Query<Asked>,
) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let list = List::at(&api, &request).await?;
    let (of, paging) = asked.into_inner().split();
    let ask = list.ask(&paging)?;
    let page = api.store.list_audit(tenant.0, &of, &ask).await?;
    let manages = caller.may(Scope::Manage, Some(tenant.0)).is_ok();
    list.answer(page.map(|row| match manages {
        true => Shown::from(row),
        false => Shown::from(row).for_readers(),
    }))
}
