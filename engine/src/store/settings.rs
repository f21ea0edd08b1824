//! How a store is opened.

use std::path::PathBuf;
use std::time::Duration;

/// The embedded database.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// The data folder; it belongs to one process at a time.
    pub folder: PathBuf,
    /// The name of the database file in it.
    pub file: PathBuf,
    /// The largest size of the database file in pages of 4 KiB; `None` for as much as fits.
    pub pages_max: Option<u32>,
    /// How long a foreign writer's lock is waited for.
    pub busy_max: Duration,
    /// How many connections read at a time.
    pub readers: u32,
}

impl SqliteSettings {
    /// Returns the settings for a data folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            file: "regua.db".into(),
            pages_max: None,
            busy_max: Duration::from_secs(10),
            readers: 4,
        }
    }
}

/// The clustered database; every kind of work has connections of its own.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// The address, for example `postgres://regua@127.0.0.1:5432/regua`.
    pub url: String,
    /// Connections that write facts.
    pub stops: u32,
    /// Connections that write the owners' commits.
    pub commits: u32,
    /// Connections that write everything else.
    pub doors: u32,
    /// Connections that read.
    pub readers: u32,
}

impl PostgresSettings {
    /// Returns the settings for an address.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            stops: 2,
            commits: 3,
            doors: 2,
            readers: 6,
        }
    }
}
