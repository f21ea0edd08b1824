//! What became of files and requests of boletos.

use chrono::NaiveDate;
use schedules::id::{ImportId, TenantId};
use schedules::time::Timestamp;

use super::Store;
use super::codec::{date, instant};
use super::conn::Row;
use super::doors::import_job::{ImportName, RefusedLine};
use super::error::StoreError;
use super::sql::{Sql, args, both};

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// Its parts come in.
    Running,
    /// Everything was read.
    Done,
    /// It goes on no further, unless it is sent again under its key.
    BrokeOff,
}

/// A job: a file or request of boletos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its id.
    pub id: ImportId,
    /// The caller's key.
    pub key: String,
    /// The day by which due dates of its lines are read.
    pub read_on: NaiveDate,
    /// How far it is.
    pub state: ImportState,
    /// The code of what kept the rest from being read, if something did.
    pub broke_off: Option<String>,
    /// Lines that were read, blank ones aside.
    pub lines: u64,
    /// Boletos that are new.
    pub accepted: u64,
    /// Boletos that were there with the same content.
    pub unchanged: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// When its first part came in.
    pub begun_at: Timestamp,
    /// When its latest part did.
    pub changed_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, key, read_on, state, broke_off, lines, accepted, unchanged, refused,
                 begun_at, changed_at
             FROM import_jobs WHERE tenant_id = $1 ",
            $rest
        )
    };
}

const BY_ID: Sql = both(select!("AND id = $2"));
const BY_NAME: Sql = both(select!("AND source = $2 AND key = $3"));
const NEWEST: Sql = both(select!("AND id < $2 ORDER BY id DESC LIMIT $3"));

const REFUSALS: Sql = both(
    "SELECT no, line, field, error FROM import_refusals
     WHERE tenant_id = $1 AND job_id = $2 AND no > $3
     ORDER BY no LIMIT $4",
);

impl Store {
    /// Returns a job.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when the tenant has none of this id.
    pub async fn import(&self, tenant: TenantId, id: ImportId) -> Result<ImportRecord, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&BY_ID, args![tenant.0, id.0]).await?;
            read(row.ok_or(StoreError::Absent { what: "import" })?)
        })
        .await
    }

    /// Returns the job of a name, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import_of(
        &self,
        tenant: TenantId,
        name: &ImportName,
    ) -> Result<Option<ImportRecord>, StoreError> {
        self.read(async |conn| {
            let named = args![tenant.0, name.source.as_str(), name.key.as_str()];
            conn.first(&BY_NAME, named).await?.map(read).transpose()
        })
        .await
    }

    /// Lists a tenant's jobs, the newest first, from the one before `before` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn imports(
        &self,
        tenant: TenantId,
        before: Option<ImportId>,
        limit: u32,
    ) -> Result<Vec<ImportRecord>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.0);
        self.read(async |conn| {
            let page = args![tenant.0, before, i64::from(limit)];
            let rows = conn.rows(&NEWEST, page).await?;
            rows.into_iter().map(read).collect()
        })
        .await
    }

    /// Lists what was refused of a job, in the order of its lines, from the refusal after the
    /// number `after` on, each with its number. The first 10,000 of a job are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import_refusals(
        &self,
        tenant: TenantId,
        id: ImportId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<(u32, RefusedLine)>, StoreError> {
        self.read(async |conn| {
            let page = args![tenant.0, id.0, i64::from(after), i64::from(limit)];
            let rows = conn.rows(&REFUSALS, page).await?;
            let refusal = |mut row: Row| {
                let no = row.small()?;
                let refused = RefusedLine {
                    line: row.small()?,
                    field: row.text_or_null()?.map(Into::into),
                    error: row.text()?.into(),
                };
                Ok((no, refused))
            };
            rows.into_iter().map(refusal).collect()
        })
        .await
    }
}

fn read(mut row: Row) -> Result<ImportRecord, StoreError> {
    Ok(ImportRecord {
        id: ImportId(row.int()?),
        key: row.text()?,
        read_on: date(&mut row)?,
        state: match row.text()?.as_str() {
            "running" => ImportState::Running,
            "done" => ImportState::Done,
            "broke_off" => ImportState::BrokeOff,
            _ => return Err(StoreError::Unreadable { what: "state" }),
        },
        broke_off: row.text_or_null()?,
        lines: row.small()?,
        accepted: row.small()?,
        unchanged: row.small()?,
        refused: row.small()?,
        begun_at: instant(&mut row)?,
        changed_at: instant(&mut row)?,
    })
}
