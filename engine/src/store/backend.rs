//! The two databases: how each is opened, and where connections come from.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

use super::conn::Conn;
use super::error::StoreError;
use super::folder::{self, Folder};
use super::queue::Lane;
use super::relay::Relay;
use super::settings::{PostgresSettings, SqliteSettings};
use super::{lease, migrate};

/// How long a caller waits for a free connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);

/// Pages of the file that a connection keeps in memory, in KiB: the indexes' upper levels and the
/// newest leaves.
const CACHE_KIB: &str = "-65536";

/// One of the two databases.
pub(super) enum Backend {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        folder: Mutex<Option<Folder>>,
    },
    Postgres {
        leases: PgPool,
        stops: PgPool,
        commits: PgPool,
        doors: PgPool,
        readers: PgPool,
        /// Carries the connections to a server over TCP.
        _relay: Option<Relay>,
    },
    SqliteToRead(SqlitePool),
    PostgresToRead(PgPool),
}

impl Backend {
    pub(super) async fn sqlite(settings: &SqliteSettings) -> Result<Self, StoreError> {
        let folder = Folder::take(&settings.folder, &settings.file)?;
        match Self::pools(settings, &folder).await {
            Ok((writer, readers)) => Ok(Self::Sqlite {
                writer,
                readers,
                folder: Mutex::new(Some(folder)),
            }),
            // SQLite tells a full disk as any error of input and output while it makes its files.
            Err(StoreError::Unreachable) if folder.is_full() => Err(StoreError::DiskFull),
            Err(error) => Err(error),
        }
    }

    /// Opens the writer and the readers of a folder, and brings the schema up to date.
    async fn pools(
        settings: &SqliteSettings,
        folder: &Folder,
    ) -> Result<(SqlitePool, SqlitePool), StoreError> {
        let mut options = SqliteConnectOptions::new()
            .filename(folder.database())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(settings.busy_max)
            .pragma("cache_size", CACHE_KIB)
            .pragma("temp_store", "memory");
        if let Some(pages) = settings.pages_max {
            options = options.pragma("max_page_count", pages.to_string());
        }
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(settings.busy_max.max(ACQUIRE_MAX))
            .connect_with(options.clone())
            .await?;
        migrate::sqlite(&writer).await?;
        lease::free_all(&mut writer.acquire().await?.into()).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers)
            .test_before_acquire(false)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_with(options.read_only(true))
            .await?;
        Ok((writer, readers))
    }

    pub(super) async fn postgres(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let (relay, base) = relayed(address(settings)?);
        migrate_postgres(&base).await?;
        // A writer notices a dead connection by its first statement and takes another; who reads is
        // spared that.
        let pool = |connections: u32, statement_ms: &'static str, tested: bool| {
            PgPoolOptions::new()
                .max_connections(connections)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(tested)
                .acquire_timeout(ACQUIRE_MAX)
                .connect_with(base.clone().options([
                    ("statement_timeout", statement_ms),
                    ("lock_timeout", "2000"),
                    ("idle_in_transaction_session_timeout", "5000"),
                    // A parallel plan or a compiled one costs more than these statements take.
                    ("max_parallel_workers_per_gather", "0"),
                    ("jit", "off"),
                    // What this store promises rests on these, whatever the server's defaults:
                    // a statement sees what the lock before it waited for, and what was answered
                    // is on disk.
                    ("default_transaction_isolation", "read committed"),
                    ("synchronous_commit", "on"),
                ]))
        };
        let (leases, stops, commits, doors, readers) = tokio::try_join!(
            pool(1, "5000", false),
            pool(settings.stops, "5000", false),
            pool(settings.commits, "10000", false),
            pool(settings.doors, "30000", false),
            pool(settings.readers, "30000", true),
        )?;
        Ok(Self::Postgres {
            leases,
            stops,
            commits,
            doors,
            readers,
            _relay: relay,
        })
    }

    /// Opens an SQLite file that is there, without the folder's lock: beside a process that writes.
    pub(super) async fn sqlite_to_read(settings: &SqliteSettings) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(folder::find(&settings.folder, &settings.file)?)
            .read_only(true)
            .busy_timeout(settings.busy_max)
            .pragma("temp_store", "memory");
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers)
            .acquire_timeout(settings.busy_max.max(ACQUIRE_MAX))
            .connect_with(options)
            .await?;
        migrate::expect_sqlite(&readers).await?;
        Ok(Self::SqliteToRead(readers))
    }

    /// Opens a PostgreSQL database in sessions that cannot write.
    pub(super) async fn postgres_to_read(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let readers = PgPoolOptions::new()
            .max_connections(settings.readers)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_with(address(settings)?.options([
                ("default_transaction_read_only", "on"),
                ("statement_timeout", "30000"),
                ("lock_timeout", "2000"),
            ]))
            .await?;
        migrate::expect_postgres(&readers).await?;
        Ok(Self::PostgresToRead(readers))
    }

    /// Lends the connection of a writer that serves these lanes.
    pub(super) async fn writer(&self, lanes: &[Lane]) -> Result<Conn, StoreError> {
        match self {
            Backend::Sqlite { writer, .. } => Ok(writer.acquire().await?.into()),
            Backend::Postgres {
                leases,
                stops,
                commits,
                doors,
                ..
            } => {
                let pool = match lanes.first() {
                    Some(Lane::Leases) => leases,
                    Some(Lane::Stops) => stops,
                    Some(Lane::Commits) => commits,
                    Some(Lane::Doors) | None => doors,
                };
                Ok(pool.acquire().await?.into())
            }
            Backend::SqliteToRead(_) | Backend::PostgresToRead(_) => Err(StoreError::Refused),
        }
    }

    /// Returns how many lines of a file are imported in one transaction. With one writer a reminder
    /// that is due waits for the one under way; connections of their own wait for nobody.
    pub(super) const fn part_lines(&self) -> usize {
        match self {
            Backend::Sqlite { .. } | Backend::SqliteToRead(_) => 250,
            Backend::Postgres { .. } | Backend::PostgresToRead(_) => 1_000,
        }
    }

    /// Lends a connection to read with.
    pub(super) async fn reader(&self) -> Result<Conn, StoreError> {
        Ok(match self {
            Backend::Sqlite { readers, .. } | Backend::SqliteToRead(readers) => {
                readers.acquire().await?.into()
            }
            Backend::Postgres { readers, .. } | Backend::PostgresToRead(readers) => {
                readers.acquire().await?.into()
            }
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Backend::Sqlite {
                writer,
                readers,
                folder,
            } => {
                readers.close().await;
                writer.close().await;
                folder.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            Backend::Postgres {
                leases,
                stops,
                commits,
                doors,
                readers,
                ..
            } => {
                leases.close().await;
                tokio::join!(
                    stops.close(),
                    commits.close(),
                    doors.close(),
                    readers.close()
                );
            }
            Backend::SqliteToRead(readers) => readers.close().await,
            Backend::PostgresToRead(readers) => readers.close().await,
        }
    }
}

/// Reads the address; one without its scheme would be taken for a database on this machine.
pub(super) fn address(settings: &PostgresSettings) -> Result<PgConnectOptions, StoreError> {
    const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
    if !SCHEMES.iter().any(|it| settings.url.starts_with(it)) {
        return Err(StoreError::Address);
    }
    let options = PgConnectOptions::from_str(&settings.url).map_err(|_| StoreError::Address)?;
    Ok(options.application_name("regua"))
}

/// Leads a way over TCP through a relay; without one it is slower, but a way.
fn relayed(options: PgConnectOptions) -> (Option<Relay>, PgConnectOptions) {
    match Relay::start(&options) {
        Ok(Some(relay)) => {
            let options = options.socket(relay.folder());
            (Some(relay), options)
        }
        Ok(None) => (None, options),
        Err(error) => {
            tracing::warn!(%error, "relay to the database could not be made");
            (None, options)
        }
    }
}

/// Migrations may take long: they run without the time-outs of everyday work.
async fn migrate_postgres(options: &PgConnectOptions) -> Result<(), StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_with(options.clone())
        .await?;
    let migrated = migrate::postgres(&pool).await;
    pool.close().await;
    migrated
}
