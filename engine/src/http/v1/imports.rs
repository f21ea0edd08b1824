//! `/v1/tenants/{tenant}/boletos`: boletos and their contacts from a CSV file, with a report.
//!
//! The rows are imported chunk by chunk, each under the request's key and its number: an upload
//! that broke off is made again under the same key, and goes on where it ended. What was refused is
//! named by line, column and code, never by what stands there.

use std::io::Cursor;
use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono_tz::Tz;
use schedules::id::TenantId;
use serde::Serialize;
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, Id, answer, key};
use crate::access::Scope;
use crate::imports::csv::{BoletoCsv, ImportLine};
use crate::store::{Import, ImportOutcome, ImportRefusal, NewBoleto};

/// The largest file, in bytes: 100,000 lines and more.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a file may take to arrive.
const UPLOAD_MAX: Duration = Duration::from_secs(300);
/// How many lines are read, and their boletos imported, at once.
const CHUNK: usize = 1_000;
/// How many refusals are named; the rest are counted.
const NAMED_MAX: usize = 10_000;

pub(super) const ROUTES: &[Route] =
    &[Route::post("/tenants/{tenant}/boletos", Scope::Import, || web::to(take)).with_file()];

/// What became of a file.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// The key under which the same file may be sent again.
    key: String,
    /// Boletos that are new.
    accepted: u64,
    /// Boletos that were there with the same content.
    unchanged: u64,
    /// Lines that were refused.
    refused: u64,
    /// The first of them.
    refusals: Vec<Refusal>,
    /// What kept the rest of the file from being read, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    broke_off: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'static str>,
    error: &'static str,
}

async fn take(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    file: web::Payload,
) -> Answer {
    let content = request.headers().get(CONTENT_TYPE);
    if !content.is_some_and(|it| it.as_bytes().starts_with(b"text/csv")) {
        return Err(Problem::malformed("the body must be text/csv"));
    }
    // Before anything of the file is read: files are held in memory.
    let Ok(_turn) = api.uploads.try_acquire() else {
        return Err(Problem::busy("other files are being imported"));
    };
    let file = whole(file).await?;
    let key = key(&request)?.unwrap_or_else(|| Uuid::new_v4().to_string());
    let home = api.store.tenant(tenant.0).await?.zone;
    let today = api.clock.now().local_date(home);
    let mut upload = Upload {
        api: &api,
        tenant: tenant.0,
        source: caller.source("imports"),
        chunks: 0,
        report: Report {
            key,
            ..Report::default()
        },
    };
    // Off this thread: stops are answered on it.
    let opened = web::block(move || BoletoCsv::open(Cursor::new(file), today));
    let mut lines = opened.await.map_err(|_| Problem::interrupted())??;
    loop {
        let read = web::block(move || (Chunk::read(&mut lines, home), lines));
        let (chunk, rest) = read.await.map_err(|_| Problem::interrupted())?;
        lines = rest;
        let ends = chunk.ends;
        upload.take(chunk).await?;
        if ends {
            return answer(HttpResponse::Ok(), &upload.report);
        }
    }
}

/// Reads a file to its end.
async fn whole(file: web::Payload) -> Result<web::Bytes, Problem> {
    let read = file.to_bytes_limited(FILE_BYTES_MAX);
    match tokio::time::timeout(UPLOAD_MAX, read).await {
        Err(_) => Err(Problem::malformed("the file took too long")),
        Ok(Err(_)) => Err(Problem::too_large()),
        Ok(Ok(Err(_))) => Err(Problem::malformed("the file broke off")),
        Ok(Ok(Ok(file))) => Ok(file),
    }
}

/// A part of a file.
#[derive(Default)]
struct Chunk {
    /// Boletos, each with its line.
    rows: Vec<(u64, NewBoleto)>,
    refusals: Vec<Refusal>,
    broke_off: Option<&'static str>,
    ends: bool,
}

impl Chunk {
    fn read(lines: &mut BoletoCsv<Cursor<web::Bytes>>, home: Tz) -> Self {
        let mut chunk = Self::default();
        while chunk.rows.len() + chunk.refusals.len() < CHUNK {
            match lines.next() {
                None => {
                    chunk.ends = true;
                    break;
                }
                Some(Ok(ImportLine::Row(line, row))) => chunk.rows.push((line, row.boleto(home))),
                Some(Ok(ImportLine::Refused(refusal))) => chunk.refusals.push(Refusal {
                    line: refusal.line,
                    column: refusal.field(),
                    error: refusal.code(),
                }),
                Some(Err(error)) => chunk.broke_off = Some(error.code()),
            }
        }
        chunk
    }
}

/// A file on its way in.
struct Upload<'a> {
    api: &'a Api,
    tenant: TenantId,
    source: String,
    chunks: u64,
    report: Report,
}

impl Upload<'_> {
    async fn take(&mut self, chunk: Chunk) -> Result<(), Problem> {
        chunk.refusals.into_iter().for_each(|one| self.refuse(one));
        self.report.broke_off = chunk.broke_off;
        let number = self.chunks;
        self.chunks += 1;
        if chunk.rows.is_empty() {
            return Ok(());
        }
        let rows = chunk.rows.into_iter();
        let (lines, boletos): (Vec<u64>, Vec<NewBoleto>) = rows.unzip();
        let import = Import {
            key: format!("{}#{number}", self.report.key),
            source: self.source.clone(),
            at: self.api.clock.now(),
        };
        let (doors, tenant) = (self.api.doors.clone(), self.tenant);
        // To its end, also when the caller hangs up: it takes back what a stop had waited for.
        let imported = async move { doors.import(tenant, import, boletos).await };
        let outcome = actix_web::rt::spawn(imported).await;
        let outcome = outcome.map_err(|_| Problem::interrupted())??;
        self.count(&outcome, &lines);
        Ok(())
    }

    fn count(&mut self, outcome: &ImportOutcome, lines: &[u64]) {
        self.report.accepted += u64::from(outcome.accepted);
        self.report.unchanged += u64::from(outcome.unchanged);
        for refused in &outcome.refused {
            self.refuse(Refusal {
                line: lines.get(refused.row).copied().unwrap_or_default(),
                column: None,
                error: code(refused.why),
            });
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.report.refused += 1;
        if self.report.refusals.len() < NAMED_MAX {
            self.report.refusals.push(refusal);
        }
    }
}

const fn code(why: ImportRefusal) -> &'static str {
    match why {
        ImportRefusal::ReferenceTaken => "reference_taken",
        ImportRefusal::ContactDiffers => "contact_differs",
        ImportRefusal::ContactWithoutPoint => "contact_without_point",
        ImportRefusal::Malformed => "malformed",
    }
}
