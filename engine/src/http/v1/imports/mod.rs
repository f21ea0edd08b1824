//! `/v1/tenants/{tenant}/boletos` takes boletos and their contacts, from a CSV file or in JSON;
//! `/v1/tenants/{tenant}/imports` tells what became of them.
//!
//! A file is imported part by part while it arrives, and its progress is as durable as its
//! boletos. Sent again under the same key it goes on where it ended. What was refused is named by
//! line, column and code, never by what stands there.

mod body;
mod request;
mod upload;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::id::{ImportId, TenantId};
use schedules::time::{DAY_MS, SECOND_MS, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, Id, answer, key};
use crate::access::Scope;
use crate::store::{
    IMPORT_KEY_USED, ImportName, ImportRecord, ImportState, RefusedLine, StoreError,
};

/// How many refusals stand in the answer to a file; the rest are listed page by page.
const REFUSALS_TOLD: u32 = 1_000;
/// The longest page, and the usual one.
const PAGE_MAX: u32 = 1_000;
const PAGE: u32 = 100;
/// How long after its latest part a job cannot be running any more, in milliseconds.
const SILENT_MS: i64 = upload::WHOLE_MAX.as_secs() as i64 * SECOND_MS + 60 * SECOND_MS;
/// What keeps the rest of a job from being read whose engine ended.
const INTERRUPTED: &str = "interrupted";

pub(super) const ROUTES: &[Route] = &[
    Route::post("/tenants/{tenant}/boletos", Scope::Import, || web::to(take))
        .with_file()
        .says(
            Doc::of(
                "import_boletos",
                "Imports boletos and their contacts, in JSON or as a CSV file.",
            )
            .takes::<request::Content>()
            .answers::<Report>()
            .keyed(),
        ),
    // Who brings boletos sees what became of them, and so does who reads.
    Route::get("/tenants/{tenant}/imports", Scope::Read, || web::to(list))
        .or(Scope::Import)
        .says(
            Doc::of("list_imports", "Lists what was imported, the newest first.")
                .asks::<OfImports>()
                .answers::<Imports>(),
        ),
    Route::get("/tenants/{tenant}/imports/{import}", Scope::Read, || {
        web::to(show)
    })
    .or(Scope::Import)
    .says(Doc::of("read_import", "Tells what became of an import.").answers::<Shown>()),
    Route::get(
        "/tenants/{tenant}/imports/{import}/refusals",
        Scope::Read,
        || web::to(refusals),
    )
    .or(Scope::Import)
    .says(
        Doc::of("list_refusals", "Lists what was refused of an import.")
            .asks::<OfRefusals>()
            .answers::<Refusals>(),
    ),
];

/// A job as it is told.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
struct Shown {
    id: Id<ImportId>,
    /// The key under which the same boletos may be sent again.
    key: String,
    /// `running`, `done` or `broke_off`.
    state: &'static str,
    /// The code of what kept the rest from being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    broke_off: Option<String>,
    /// Lines that were read so far.
    lines: u64,
    /// Boletos that are new.
    accepted: u64,
    /// Boletos that were there with the same content.
    unchanged: u64,
    /// Lines that were refused.
    refused: u64,
    begun_at: String,
    changed_at: String,
}

impl Shown {
    fn of(record: ImportRecord, now: Timestamp) -> Self {
        let is_silent = record.changed_at.plus_ms(SILENT_MS) < now;
        let (state, broke_off) = match record.state {
            ImportState::Running if is_silent => ("broke_off", Some(INTERRUPTED.to_owned())),
            ImportState::Running => ("running", None),
            ImportState::Done => ("done", None),
            ImportState::BrokeOff => ("broke_off", record.broke_off),
        };
        Self {
            id: Id(record.id),
            key: record.key,
            state,
            broke_off,
            lines: record.lines,
            accepted: record.accepted,
            unchanged: record.unchanged,
            refused: record.refused,
            begun_at: record.begun_at.to_string(),
            changed_at: record.changed_at.to_string(),
        }
    }
}

/// What was refused: of a file by its line, of a request by the place in its list, from 0.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportRefusal)]
struct Refusal {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    error: String,
}

impl Refusal {
    fn of_file(refused: RefusedLine) -> Self {
        Self {
            line: Some(refused.line),
            index: None,
            column: refused.field.map(Into::into),
            field: None,
            error: refused.error.into(),
        }
    }

    fn of_request(refused: RefusedLine) -> Self {
        Self {
            line: None,
            index: Some(refused.line.saturating_sub(1)),
            column: None,
            field: refused.field.map(Into::into),
            error: refused.error.into(),
        }
    }
}

/// What became of a file or request.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportReport)]
struct Report {
    #[serde(flatten)]
    import: Shown,
    /// The first of what was refused.
    refusals: Vec<Refusal>,
}

async fn take(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    body: web::Payload,
) -> Answer {
    let content = request.headers().get(CONTENT_TYPE);
    let is = |kind: &str| content.is_some_and(|it| it.as_bytes().starts_with(kind.as_bytes()));
    let (is_file, is_request) = (is("text/csv"), is("application/json"));
    if !is_file && !is_request {
        return Err(Problem::malformed("the body must be text/csv or JSON"));
    }
    let sent = Sent {
        tenant: tenant.0,
        job: ImportName {
            source: caller.source("imports"),
            key: key(&request)?.unwrap_or_else(|| Uuid::new_v4().to_string()),
        },
        length: length(&request),
    };
    let (job, told): (_, fn(RefusedLine) -> Refusal) = if is_file {
        (upload::take(&api, sent, body).await?, Refusal::of_file)
    } else {
        (request::take(&api, sent, body).await?, Refusal::of_request)
    };
    let import = api.store.import(tenant.0, job).await?;
    let refused = api.store.import_refusals(tenant.0, job, 0, REFUSALS_TOLD);
    let report = Report {
        import: Shown::of(import, api.clock.now()),
        refusals: refused.await?.into_iter().map(|it| told(it.1)).collect(),
    };
    forget_past(&api).await;
    answer(HttpResponse::Ok(), &report)
}

/// Removes some of what was kept for long enough.
async fn forget_past(api: &Api) {
    let keep_ms = api.http.import_days * DAY_MS;
    let forgotten = api.store.forget_imports(api.clock.now(), keep_ms);
    if let Err(error) = forgotten.await {
        tracing::warn!(code = error.code(), %error, "imports of long ago were not removed");
    }
}

/// Whose boletos come, and what is said of them before they do.
struct Sent {
    tenant: TenantId,
    job: ImportName,
    /// The bytes of the body, if they are declared.
    length: Option<u64>,
}

impl Sent {
    /// Returns the tenant's zone and the day by which due dates are read: a job that goes on keeps
    /// its own, or its parts would be others.
    async fn read_on(&self, api: &Api) -> Result<(Tz, NaiveDate), StoreError> {
        let home = api.store.tenant(self.tenant).await?.zone;
        let before = api.store.import_of(self.tenant, &self.job).await?;
        let today = api.clock.now().local_date(home);
        Ok((home, before.map_or(today, |job| job.read_on)))
    }
}

fn length(request: &HttpRequest) -> Option<u64> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Tells a failed import; a key under which other boletos came is the caller's mistake.
fn failed(error: StoreError) -> Problem {
    let is_reused = matches!(&error, StoreError::Conflict { what } if *what == IMPORT_KEY_USED);
    if !is_reused {
        return error.into();
    }
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "other boletos were sent under this Idempotency-Key",
    )
}

/// Which page of the jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfImports {
    /// The last job of the page before.
    #[param(inline)]
    after: Option<Id<ImportId>>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Which page of the refusals.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfRefusals {
    /// The number of the last refusal of the page before.
    after: Option<u32>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

fn usable(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(PAGE);
    let usable = (1..=PAGE_MAX).contains(&limit);
    usable
        .then_some(limit)
        .ok_or_else(|| Problem::malformed("the limit is from 1 to 1000"))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImportPage)]
struct Imports {
    imports: Vec<Shown>,
    /// What `after` is to be for the next page.
    next: Option<Id<ImportId>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImportRefusalPage)]
struct Refusals {
    refusals: Vec<Refusal>,
    /// What `after` is to be for the next page.
    next: Option<u32>,
}

async fn list(
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    page: web::Query<OfImports>,
) -> Answer {
    let limit = usable(page.limit)?;
    let after = page.after.map(|id| id.0);
    let records = api.store.imports(tenant.0, after, limit).await?;
    let is_full = records.len() == limit as usize;
    let last = records.last().map(|last| Id(last.id));
    let now = api.clock.now();
    let imports = Imports {
        imports: records.into_iter().map(|it| Shown::of(it, now)).collect(),
        next: last.filter(|_| is_full),
    };
    answer(HttpResponse::Ok(), &imports)
}

async fn show(api: web::Data<Api>, of: web::Path<(Id<TenantId>, Id<ImportId>)>) -> Answer {
    let (tenant, import) = of.into_inner();
    let record = api.store.import(tenant.0, import.0).await?;
    answer(HttpResponse::Ok(), &Shown::of(record, api.clock.now()))
}

async fn refusals(
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<ImportId>)>,
    page: web::Query<OfRefusals>,
) -> Answer {
    let (tenant, import) = of.into_inner();
    let limit = usable(page.limit)?;
    // Another tenant's job is not found, where its refusals would be none.
    api.store.import(tenant.0, import.0).await?;
    let after = page.after.unwrap_or(0);
    let refused = api.store.import_refusals(tenant.0, import.0, after, limit);
    let refused = refused.await?;
    let is_full = refused.len() == limit as usize;
    let last = refused.last().map(|(no, _)| *no);
    let refusals = refused.into_iter().map(|(_, one)| Refusal::of_file(one));
    let refusals = Refusals {
        refusals: refusals.collect(),
        next: last.filter(|_| is_full),
    };
    answer(HttpResponse::Ok(), &refusals)
}
