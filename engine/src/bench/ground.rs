//! Where a measurement takes place: a database of its own, which goes away with it.

use std::io;

use serde::Serialize;
use tempfile::TempDir;
use tokio::task::JoinError;

use crate::boot::BootError;
use crate::config::{Problems, Secret};
use crate::http::health::ListenError;
use crate::imports::csv::ImportError;
use crate::providers::smtp::SetUpError;
use crate::store::{PostgresSettings, ScratchDatabase, SqliteSettings, Store, StoreError};

/// Which database is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// The embedded one, in a temporary folder.
    Sqlite,
    /// One on the PostgreSQL server of an address.
    Postgres(Secret),
}

/// Why a measurement came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The temporary folder could not be made.
    #[error("temporary folder could not be made")]
    Folder(#[source] io::Error),
    /// The store failed.
    #[error("store failed")]
    Store(#[from] StoreError),
    /// The engine did not start.
    #[error("engine did not start")]
    Boot(#[from] BootError),
    /// The file that was made up could not be read.
    #[error("file could not be imported")]
    Import(#[from] ImportError),
    /// The server that stands for a provider, or the API's, could not listen.
    #[error("no port could be listened on")]
    Listen(#[source] io::Error),
    /// The API's address could not be listened on.
    #[error("API did not begin")]
    Serve(#[from] ListenError),
    /// A connection to the API broke off.
    #[error("a connection to the API broke off")]
    Call(#[source] io::Error),
    /// The API answered something else than that it was done.
    #[error("API answered {status}")]
    Answered {
        /// The status.
        status: u16,
    },
    /// The settings that were made up could not be read.
    #[error("settings could not be read")]
    Settings(#[source] Problems),
    /// The providers of those settings could not be made.
    #[error("providers could not be made")]
    Providers(#[from] SetUpError),
    /// A part of the measurement broke off.
    #[error("a part of the measurement broke off")]
    Task(#[from] JoinError),
    /// The process's own figures could not be read.
    #[error("figures of the process could not be read")]
    Process(#[source] io::Error),
    /// Something else happened than what was to be measured.
    #[error("{what}: {found} instead of {wanted}")]
    Unexpected {
        /// What was counted.
        what: &'static str,
        /// How many there were.
        found: usize,
        /// How many there should have been.
        wanted: usize,
    },
}

impl BenchError {
    /// Returns the code under which the runbook explains the error; `None` where the error that
    /// caused it has one.
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Folder(_) => Some("RG-BENCH-001"),
            Self::Process(_) => Some("RG-BENCH-002"),
            Self::Unexpected { .. } => Some("RG-BENCH-003"),
            Self::Listen(_) => Some("RG-BENCH-004"),
            Self::Settings(_) | Self::Task(_) | Self::Call(_) | Self::Answered { .. } => {
                Some("RG-BENCH-005")
            }
            Self::Store(_)
            | Self::Boot(_)
            | Self::Import(_)
            | Self::Providers(_)
            | Self::Serve(_) => None,
        }
    }
}

/// The way to the database, as it stands beside the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// SQLite, in the process.
    Sqlite,
    /// PostgreSQL over TCP.
    PostgresTcp,
    /// PostgreSQL over a Unix socket.
    PostgresSocket,
}

/// A database for one measurement.
pub(super) enum Ground {
    Folder(TempDir),
    Scratch(Box<ScratchDatabase>),
}

impl Ground {
    pub(super) async fn prepare(choice: &StoreChoice) -> Result<Self, BenchError> {
        Ok(match choice {
            StoreChoice::Sqlite => Self::Folder(TempDir::new().map_err(BenchError::Folder)?),
            StoreChoice::Postgres(url) => {
                let scratch = ScratchDatabase::create(url.expose()).await?;
                Self::Scratch(Box::new(scratch))
            }
        })
    }

    pub(super) async fn open(&self) -> Result<Store, StoreError> {
        match self {
            Self::Folder(folder) => Store::open_sqlite(&SqliteSettings::at(folder.path())).await,
            Self::Scratch(scratch) => {
                Store::open_postgres(&PostgresSettings::at(scratch.url())).await
            }
        }
    }

    /// Opens it for so many who write at once, where the database lets them.
    pub(super) async fn open_wide(&self, doors: u32) -> Result<Store, StoreError> {
        match self {
            Self::Folder(_) => self.open().await,
            Self::Scratch(scratch) => {
                let mut settings = PostgresSettings::at(scratch.url());
                settings.doors = doors;
                Store::open_postgres(&settings).await
            }
        }
    }

    pub(super) fn via(&self) -> Via {
        match self {
            Self::Folder(_) => Via::Sqlite,
            Self::Scratch(scratch) if scratch.url().contains("host=/") => Via::PostgresSocket,
            Self::Scratch(_) => Via::PostgresTcp,
        }
    }

    /// Removes the database; its store must be closed.
    pub(super) async fn remove(self) -> Result<(), BenchError> {
        match self {
            Self::Folder(folder) => folder.close().map_err(BenchError::Folder),
            Self::Scratch(scratch) => Ok(scratch.remove().await?),
        }
    }
}

/// Fails unless as many were found as wanted.
pub(super) fn expect(what: &'static str, found: usize, wanted: usize) -> Result<(), BenchError> {
    if found == wanted {
        return Ok(());
    }
    Err(BenchError::Unexpected {
        what,
        found,
        wanted,
    })
}
