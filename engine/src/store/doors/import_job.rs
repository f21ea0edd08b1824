//! A file or request of boletos as a job: what became of it so far, chunk by chunk.
//!
//! A chunk counts in the transaction that imports it, so that the report is as durable as the
//! boletos, and a chunk that is given again counts once.

use std::borrow::Cow;

use chrono::NaiveDate;
use schedules::id::{ImportId, TenantId};
use schedules::time::Timestamp;
use serde::Serialize;

use super::import::ImportOutcome;
use crate::store::Store;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::Lane;
use crate::store::sql::{Batch, Sql, args, batch, both, locking, row};

/// How many refusals of a job are kept; the rest are counted.
const REFUSALS_KEPT_MAX: i64 = 10_000;

/// The name under which a job goes on: a key counts for the caller who chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportName {
    /// The door or the caller; never personal data.
    pub source: String,
    /// The caller's key.
    pub key: String,
}

/// A part of a job: some lines that were read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportPart {
    /// The job.
    pub of: ImportName,
    /// The part's place in it, from 0.
    pub number: u32,
    /// The day by which due dates of lines are read; the job keeps that of its first part.
    pub read_on: NaiveDate,
    /// The line of each boleto.
    pub lines: Vec<u64>,
    /// The lines that are no boleto.
    pub refused: Vec<RefusedLine>,
    /// That nothing comes after it, and why.
    pub end: Option<ImportEnd>,
    /// The door's clock.
    pub at: Timestamp,
}

/// A line that was refused; holds nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedLine {
    /// The line, or the place in a request, counted from 1.
    pub line: u64,
    /// The column it is wrong with; nothing when it is the line as a whole.
    pub field: Option<Cow<'static, str>>,
    /// The stable name of what is wrong.
    pub error: Cow<'static, str>,
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ImportEnd {
    /// Everything was read.
    Done,
    /// The rest cannot be read, for the reason of this code.
    BrokeOff(&'static str),
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOutcome {
    /// Its job.
    pub job: ImportId,
    /// What became of its boletos, by their place in the part.
    pub outcome: ImportOutcome,
}

impl ImportPart {
    /// Returns what makes it this part besides its boletos: two files that differ in a refused
    /// line, or in where they end, are two.
    pub(super) fn content(&self) -> impl Serialize + '_ {
        (&self.lines, &self.refused, self.end)
    }

    /// Returns the key of its chunk: nobody else's keys begin with a job's id.
    pub(super) fn chunk_key(&self, job: ImportId) -> String {
        format!("{job}#{}", self.number)
    }
}

/// A job that a part is about to be added to.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) id: ImportId,
    /// How many lines of it were refused so far.
    refused: i64,
}

/// Held until its part is counted: a job that goes on is not removed for its age.
const FIND: Sql = locking!(
    "SELECT id, refused FROM import_jobs WHERE tenant_id = $1 AND source = $2 AND key = $3",
    "FOR NO KEY UPDATE"
);

const BEGIN: Sql = both(
    "INSERT INTO import_jobs (tenant_id, source, key, read_on, state, lines, accepted, unchanged,
         refused, begun_at, changed_at)
     VALUES ($1, $2, $3, $4, 'running', 0, 0, 0, 0, $5, $5)
     RETURNING id, refused",
);

/// A job that is done stays so when its file is given again.
const COUNT: Sql = both(
    "UPDATE import_jobs SET lines = lines + $3, accepted = accepted + $4,
         unchanged = unchanged + $5, refused = refused + $6, broke_off = $8,
         changed_at = CASE WHEN state = 'done' THEN changed_at ELSE $9 END,
         state = CASE WHEN $7 = 'running' AND state = 'done' THEN 'done' ELSE $7 END
     WHERE tenant_id = $1 AND id = $2",
);

const REFUSE: Sql = batch!(
    "INSERT INTO import_refusals (tenant_id, job_id, no, line, field, error) SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "job" "bigint", 3 "no" "bigint", 4 "line" "bigint", 5 "field" "text",
     6 "error" "text"),
    ""
);

/// Finds the job of a part, or begins it. The tenant's gate is held: nobody else begins one.
pub(super) async fn begin(
    conn: &mut Conn,
    tenant: TenantId,
    part: &ImportPart,
) -> Result<Job, StoreError> {
    let ImportName { source, key } = &part.of;
    let (source, key) = (source.as_str(), key.as_str());
    let mut row = conn.first(&FIND, args![tenant.0, source, key]).await?;
    if row.is_none() {
        let (read_on, at) = (part.read_on.to_string(), part.at.unix_ms());
        let named = args![tenant.0, source, key, read_on, at];
        row = conn.first(&BEGIN, named).await?;
    }
    let mut row = row.ok_or(StoreError::Unreadable { what: "import job" })?;
    Ok(Job {
        id: ImportId(row.int()?),
        refused: row.int()?,
    })
}

/// Adds what became of a part to its job; nothing when it was counted before.
pub(super) async fn count(
    conn: &mut Conn,
    tenant: TenantId,
    job: Job,
    part: &ImportPart,
    counted: Option<&ImportOutcome>,
) -> Result<(), StoreError> {
    let (state, broke_off) = match part.end {
        None => ("running", None),
        Some(ImportEnd::Done) => ("done", None),
        Some(ImportEnd::BrokeOff(code)) => ("broke_off", Some(code.to_owned())),
    };
    let (mut lines, mut accepted, mut unchanged) = (0, 0, 0);
    let mut refused = Vec::new();
    if let Some(outcome) = counted {
        refused = all_refused(part, outcome);
        lines = part.lines.len() + part.refused.len();
        (accepted, unchanged) = (outcome.accepted, outcome.unchanged);
    }
    let counts = args![
        tenant.0,
        job.id.0,
        lines as i64,
        i64::from(accepted),
        i64::from(unchanged),
        refused.len() as i64,
        state,
        broke_off,
        part.at.unix_ms(),
    ];
    conn.execute(&COUNT, counts).await?;
    keep(conn, tenant, job, refused).await
}

/// Returns every refused line of a part, in their order.
fn all_refused(part: &ImportPart, outcome: &ImportOutcome) -> Vec<RefusedLine> {
    let by_store = outcome.refused.iter().map(|refused| RefusedLine {
        line: part.lines.get(refused.row).copied().unwrap_or_default(),
        field: None,
        error: refused.why.code().into(),
    });
    let mut all: Vec<RefusedLine> = part.refused.iter().cloned().chain(by_store).collect();
    all.sort_by_key(|refused| refused.line);
    all
}

async fn keep(
    conn: &mut Conn,
    tenant: TenantId,
    job: Job,
    refused: Vec<RefusedLine>,
) -> Result<(), StoreError> {
    let numbers = job.refused + 1..=REFUSALS_KEPT_MAX;
    let mut rows = Batch::default();
    for (no, one) in numbers.zip(refused) {
        let line = i64::try_from(one.line).unwrap_or(i64::MAX);
        let field = one.field.map(Cow::into_owned);
        rows.push(row![
            tenant.0,
            job.id.0,
            no,
            line,
            field,
            one.error.into_owned()
        ]);
    }
    if !rows.is_empty() {
        conn.execute(&REFUSE, rows.args(vec![])).await?;
    }
    Ok(())
}

const BREAK_OFF: Sql = both(
    "UPDATE import_jobs SET state = 'broke_off', broke_off = $4, changed_at = $5
     WHERE tenant_id = $1 AND source = $2 AND key = $3 AND state = 'running'",
);

impl Store {
    /// Says that a job that runs goes on no further for now, for the reason of this code. Under
    /// the same key its next part still follows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn break_off_import(
        &self,
        tenant: TenantId,
        job: &ImportName,
        code: &'static str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let ImportName { source, key } = job.clone();
        self.write(Lane::Doors, 1, move |conn| {
            let told = args![tenant.0, source.as_str(), key.as_str(), code, at.unix_ms()];
            Box::pin(async move { conn.execute(&BREAK_OFF, told).await.map(drop) })
        })
        .await
    }
}
