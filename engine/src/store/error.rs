//! What can go wrong in the store, by class; each class has a code that the runbook explains.
//!
//! A database's own text is never kept: it may quote a value, and a value may be a person's.

use actors::ports::JournalError;

use super::doors::InvalidSetting;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or no connection was free in time; nothing happened.
    #[error("database cannot be reached")]
    Unreachable,
    /// Another writer held a lock for too long; nothing happened.
    #[error("database is locked by another writer")]
    Locked,
    /// The disk, or the size the database may have, is full; nothing happened.
    #[error("no room left for the database")]
    DiskFull,
    /// The file is no database, or is damaged.
    #[error("database file is damaged")]
    Damaged,
    /// The database was written by a newer version of the program.
    #[error("database schema {found} is newer than {known}, the newest this program knows")]
    SchemaTooNew {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration in the program.
        known: i64,
    },
    /// Another process works on the data folder.
    #[error("data folder is in use by another process")]
    InUse,
    /// The schema could not be brought up to date.
    #[error("schema could not be migrated")]
    Migrate,
    /// A stored value is not what it should be.
    #[error("stored {what} cannot be read")]
    Unreadable {
        /// Which value.
        what: &'static str,
    },
    /// The changes contradict what is stored: a key used twice, credits below zero.
    #[error("changes contradict what is stored: {what}")]
    Conflict {
        /// What they contradict.
        what: &'static str,
    },
    /// Another epoch holds the shard.
    #[error("shard is owned under another epoch")]
    Fenced,
    /// There is no such row in this tenant.
    #[error("no such {what}")]
    Absent {
        /// What is missing.
        what: &'static str,
    },
    /// The answer to a commit was lost: it may or may not have happened.
    #[error("outcome of a commit is unknown")]
    Unknown,
    /// The database refuses the user or the file.
    #[error("access to the database is refused")]
    Refused,
    /// Two transactions waited for each other, and this one gave way; nothing happened.
    #[error("transaction gave way to another")]
    GaveWay,
    /// There is no database to read.
    #[error("there is no database here")]
    Missing,
    /// The database was last migrated by an older version of the program.
    #[error("database schema {found} is older than {known}: run `regua migrate` first")]
    SchemaTooOld {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration in the program.
        known: i64,
    },
    /// The address of the database cannot be read; it is not repeated, for it may hold a password.
    #[error("address of the database, store.url, cannot be read")]
    Address,
    /// A tenant, setting or campaign that cannot be followed; nothing of it was stored.
    #[error("refused: {0}")]
    Invalid(#[from] InvalidSetting),
    /// The system gave no random numbers for a token; nothing was stored.
    #[error("system gave no random numbers")]
    NoRandomness,
    /// What was to be edited is not any more what the editor has read; nothing was stored.
    #[error("what was to be edited has changed since it was read")]
    Outdated,
    /// Any other error of the database, by its code.
    #[error("database error {code}")]
    Database {
        /// The code of the database.
        code: String,
    },
}

impl StoreError {
    /// Every code that [`StoreError::code`] returns.
    pub const CODES: [&'static str; 21] = [
        "RG-STORE-001",
        "RG-STORE-002",
        "RG-STORE-003",
        "RG-STORE-004",
        "RG-STORE-005",
        "RG-STORE-006",
        "RG-STORE-007",
        "RG-STORE-008",
        "RG-STORE-009",
        "RG-STORE-010",
        "RG-STORE-011",
        "RG-STORE-012",
        "RG-STORE-013",
        "RG-STORE-014",
        "RG-STORE-015",
        "RG-STORE-016",
        "RG-STORE-017",
        "RG-STORE-018",
        "RG-STORE-019",
        "RG-STORE-020",
        "RG-STORE-021",
    ];

    /// Returns the code under which the runbook explains the error.
    pub fn code(&self) -> &'static str {
        Self::CODES[match self {
            StoreError::Unreachable => 0,
            StoreError::Locked => 1,
            StoreError::DiskFull => 2,
            StoreError::Damaged => 3,
            StoreError::SchemaTooNew { .. } => 4,
            StoreError::InUse => 5,
            StoreError::Migrate => 6,
            StoreError::Unreadable { .. } => 7,
            StoreError::Conflict { .. } => 8,
            StoreError::Fenced => 9,
            StoreError::Absent { .. } => 10,
            StoreError::Unknown => 11,
            StoreError::Refused => 12,
            StoreError::GaveWay => 13,
            StoreError::Database { .. } => 14,
            StoreError::Missing => 15,
            StoreError::SchemaTooOld { .. } => 16,
            StoreError::Address => 17,
            StoreError::Invalid(_) => 18,
            StoreError::NoRandomness => 19,
            StoreError::Outdated => 20,
        }]
    }

    /// Says whether the same facts, told again, may be taken: their ids make that harmless.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Locked | Self::DiskFull | Self::GaveWay | Self::Unknown
        )
    }

    /// Says whether nothing else would be taken, either: it is about the database, not about what
    /// it was asked.
    pub(crate) fn is_of_the_whole(&self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::DiskFull
                | Self::Damaged
                | Self::Refused
                | Self::SchemaTooNew { .. }
                | Self::SchemaTooOld { .. }
        )
    }

    /// Says whether the whole transaction is lost with the statement that failed.
    pub(super) fn loses_transaction(&self) -> bool {
        matches!(
            self,
            StoreError::Unreachable
                | StoreError::GaveWay
                | StoreError::DiskFull
                | StoreError::Damaged
        )
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreachable | StoreError::Locked | StoreError::GaveWay => Self::Retryable,
            StoreError::DiskFull
            | StoreError::Damaged
            | StoreError::SchemaTooNew { .. }
            | StoreError::InUse
            | StoreError::Migrate
            | StoreError::Refused
            | StoreError::Missing
            | StoreError::SchemaTooOld { .. }
            | StoreError::Address
            | StoreError::NoRandomness
            | StoreError::Database { .. } => Self::Permanent,
            StoreError::Unreadable { .. } => Self::Corrupt,
            StoreError::Conflict { .. } | StoreError::Invalid(_) | StoreError::Outdated => {
                Self::Conflict
            }
            StoreError::Fenced => Self::Fenced,
            StoreError::Absent { .. } => Self::Absent,
            StoreError::Unknown => Self::Unknown,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => of_database(error.as_ref()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreError::Unreachable,
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::TypeNotFound { .. } => StoreError::Unreadable { what: "row" },
            sqlx::Error::Configuration(_) => StoreError::Address,
            // Not read as anything else: a protocol error leaves the connection unusable.
            sqlx::Error::Protocol(_) => StoreError::Unreachable,
            _ => StoreError::Database {
                code: "unclassified".into(),
            },
        }
    }
}

fn of_database(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default();
    if error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        of_sqlite(&code)
    } else {
        of_postgres(&code)
    }
}

/// Source: <https://www.sqlite.org/rescode.html>; the low byte of a code is its class.
fn of_sqlite(code: &str) -> StoreError {
    let number: u32 = code.parse().unwrap_or_default();
    match (number & 0xff, number) {
        (_, 1555 | 2067) => StoreError::Conflict { what: "unique key" },
        (_, 275) => StoreError::Conflict { what: "check" },
        // Constraints of other kinds, values of another type or out of range: it is the changes.
        (18 | 19 | 20 | 25, _) => StoreError::Conflict { what: "column" },
        (5 | 6, _) => StoreError::Locked,
        (13, _) => StoreError::DiskFull,
        (11 | 26, _) => StoreError::Damaged,
        (3 | 8 | 14 | 23, _) => StoreError::Refused,
        (10, _) => StoreError::Unreachable,
        _ => StoreError::Database {
            code: format!("sqlite {number}"),
        },
    }
}

/// Source: PostgreSQL 15, appendix A.
fn of_postgres(code: &str) -> StoreError {
    match code {
        "40001" | "40P01" => StoreError::GaveWay,
        "23505" => StoreError::Conflict { what: "unique key" },
        "23514" => StoreError::Conflict { what: "check" },
        // Data exceptions and constraints of other kinds: it is the changes.
        code if ["22", "23"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Conflict { what: "column" }
        }
        // lock_timeout, statement_timeout
        "55P03" | "57014" => StoreError::Locked,
        "53100" => StoreError::DiskFull,
        // idle_in_transaction_session_timeout
        "25P03" => StoreError::Unreachable,
        "XX001" | "XX002" => StoreError::Damaged,
        "42501" | "28000" | "28P01" | "3D000" => StoreError::Refused,
        // connection exceptions, insufficient resources, operator intervention
        code if ["08", "53", "57"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            StoreError::Unreachable
        }
        code => StoreError::Database {
            code: code.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_code_of_its_own() {
        let mut codes = StoreError::CODES.to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), StoreError::CODES.len());
        assert_eq!(StoreError::Unreachable.code(), "RG-STORE-001");
        let code = String::new();
        assert_eq!(StoreError::Database { code }.code(), "RG-STORE-015");
        assert_eq!(StoreError::Address.code(), "RG-STORE-018");
    }

    #[test]
    fn the_databases_codes_are_read_as_classes() {
        assert_eq!(of_sqlite("517"), StoreError::Locked);
        assert_eq!(of_sqlite("13"), StoreError::DiskFull);
        assert_eq!(of_sqlite("26"), StoreError::Damaged);
        assert_eq!(of_postgres("40P01"), StoreError::GaveWay);
        assert_eq!(of_postgres("57P01"), StoreError::Unreachable);
        assert_eq!(of_postgres("57014"), StoreError::Locked);
    }
}
