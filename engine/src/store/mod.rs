//! The truth: one store over two databases, SQLite (embedded) and PostgreSQL (clustered).
//!
//! It implements the machine's journal and the leases, writes what doors say as facts, and answers
//! what people ask. It knows no rule: what follows from a fact is the owner's to decide. Statements
//! stand beside the functions that run them, written once in the vocabulary of [`sql`].

mod audit;
mod authenticate;
mod backend;
mod bench;
mod check;
mod codec;
mod commit;
mod conn;
mod dead_events;
mod doors;
mod error;
mod folder;
mod history;
mod imports;
mod journal;
mod lease;
mod mailbox;
mod migrate;
mod outbox;
mod past_imports;
mod publishers;
mod queue;
pub mod reads;
mod relay;
mod remembered;
mod rotation;
mod settings;
mod sql;
mod survey;
mod tokens;
mod why;
mod work;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use audit::AuditReport;
pub use bench::ScratchDatabase;
pub use dead_events::{DEAD_EVENTS_MAX, DeadEvent, DeadEventRecord};
pub use doors::InvalidSetting;
pub use doors::campaign::NewCampaign;
pub use doors::contact::{ContactChange, ContactEdited, POINT_TAKEN};
pub use doors::engine::Turn;
pub use doors::import::{
    IMPORT_KEY_USED, Import, ImportOutcome, ImportRefusal, NewBoleto, NewContact, Point, Refused,
};
pub use doors::import_job::{ImportEnd, ImportName, ImportPart, PartOutcome, RefusedLine};
pub use doors::in_flight::{InFlight, Standing};
pub use doors::launch::{Kept, Seen};
pub use doors::register::{Registered, Registration};
pub use doors::tenant::{Edit, NewTenant, Profile, Setting};
pub use error::StoreError;
pub use history::{AttemptRecord, DecisionRecord, EnrollmentRecord, Report, StateCounts};
pub use imports::{ImportRecord, ImportState};
pub use journal::rehearsal::{Ground, LeftOut, Meant, Whom};
pub use mailbox::Letter;
pub use outbox::Announced;
pub use publishers::PublisherKey;
pub use remembered::{CLAIM_MS, Claimed, Remembered, Repeatable};
pub use settings::{PostgresSettings, SqliteSettings};
pub use survey::{LiveToken, SenderInUse};
pub use tokens::TokenMade;
pub use why::{BoletoRecord, References, Why};

use backend::Backend;
use conn::Conn;
use queue::{Lane, Queue};
use work::{Asked, Reply, Work};
use writer::Writer;

/// How many slices the tenants are spread over. It is part of what is stored: it never changes for
/// a database.
pub const SHARDS: i32 = 64;

/// How much longer than a transaction may take whoever asked for it waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest read; its connection is closed when it takes longer.
const READ_MAX: Duration = Duration::from_secs(30);

/// The lanes of the one writer of an embedded database.
const ALL_LANES: &[Lane] = &[Lane::Leases, Lane::Stops, Lane::Commits, Lane::Doors];

/// A handle to the store; clones are cheap.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Arc<Backend>,
    queue: Arc<Queue>,
    writers: std::sync::Mutex<Vec<JoinHandle<()>>>,
    /// The longest wait for an answer of a writer.
    answer_max: Duration,
    /// Where no claims of former owners are open.
    settled: journal::look_ahead::Settled,
    /// With what the API signs where its pages begin.
    page_secret: reads::Kept,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Store {
    /// Returns how many lines of a file are imported in one transaction.
    pub fn part_lines(&self) -> usize {
        self.inner.backend.part_lines()
    }

    /// Opens the embedded database in a data folder, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process works on the folder;
    /// [`StoreError::SchemaTooNew`] when a newer program wrote it; [`StoreError::Damaged`],
    /// [`StoreError::DiskFull`], [`StoreError::Refused`] as the file is.
    pub async fn open_sqlite(settings: &SqliteSettings) -> Result<Self, StoreError> {
        let longest = settings.busy_max + Duration::from_secs(30);
        let backend = Backend::sqlite(settings).await?;
        Ok(Self::start(backend, &[ALL_LANES], longest))
    }

    /// Opens a PostgreSQL database, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Refused`], [`StoreError::SchemaTooNew`].
    pub async fn open_postgres(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let mut lanes: Vec<&'static [Lane]> = vec![&[Lane::Leases]];
        lanes.extend((0..settings.stops).map(|_| &[Lane::Stops] as &[Lane]));
        lanes.extend((0..settings.commits).map(|_| &[Lane::Commits] as &[Lane]));
        lanes.extend((0..settings.doors).map(|_| &[Lane::Doors] as &[Lane]));
        let longest = Duration::from_secs(30);
        Ok(Self::start(
            Box::pin(Backend::postgres(settings)).await?,
            &lanes,
            longest,
        ))
    }

    /// Opens an embedded database that is there, to read it only: no lock is taken, nothing is made
    /// or migrated, and another process may go on to write.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such file; [`StoreError::SchemaTooOld`] and
    /// [`StoreError::SchemaTooNew`] when the schema is another; what writes is answered with
    /// [`StoreError::Refused`].
    pub async fn read_sqlite(settings: &SqliteSettings) -> Result<Self, StoreError> {
        Ok(Self::to_read(Backend::sqlite_to_read(settings).await?))
    }

    /// Opens a PostgreSQL database to read it only; nothing is migrated.
    ///
    /// # Errors
    /// As [`Store::read_sqlite`], and [`StoreError::Unreachable`].
    pub async fn read_postgres(settings: &PostgresSettings) -> Result<Self, StoreError> {
        Ok(Self::to_read(Backend::postgres_to_read(settings).await?))
    }

    /// Starts the one writer that answers every wish to write with a refusal.
    fn to_read(backend: Backend) -> Self {
        Self::start(backend, &[ALL_LANES], Duration::ZERO)
    }

    fn start(backend: Backend, lanes: &[&'static [Lane]], longest: Duration) -> Self {
        let (backend, queue) = (Arc::new(backend), Arc::new(Queue::new()));
        let writers = lanes.iter().map(|lanes| {
            let (backend, queue) = (Arc::clone(&backend), Arc::clone(&queue));
            tokio::spawn(
                Writer {
                    backend,
                    queue,
                    lanes,
                    longest,
                }
                .run(),
            )
        });
        let writers = std::sync::Mutex::new(writers.collect());
        Self {
            inner: Arc::new(Inner {
                backend,
                queue,
                writers,
                answer_max: longest + PATIENCE,
                settled: journal::look_ahead::Settled::default(),
                page_secret: reads::Kept::default(),
            }),
        }
    }

    /// Says whether the database answers.
    pub async fn answers(&self) -> bool {
        let asked = self.read(async |conn| {
            let answered = conn.first(&sql::both("SELECT 1"), Vec::new()).await?;
            Ok(answered.is_some())
        });
        asked.await.unwrap_or_default()
    }

    /// Writes what waits, then closes every connection.
    pub async fn close(&self) {
        self.inner.queue.close();
        let writers = std::mem::take(
            &mut *self
                .inner
                .writers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        for writer in writers {
            // A writer that panicked has nothing more to finish.
            let _ = writer.await;
        }
        self.inner.backend.close().await;
    }

    async fn ask<A>(
        &self,
        lane: Lane,
        work: impl FnOnce(Reply<A>) -> Work,
    ) -> Result<A, StoreError> {
        let answered = async {
            let (reply, answer) = oneshot::channel();
            if !self.inner.queue.put(lane, work(reply)).await {
                return Err(StoreError::Unreachable);
            }
            // A writer that panicked with the work may have committed it.
            answer.await.unwrap_or(Err(StoreError::Unknown))
        };
        let answered = tokio::time::timeout(self.inner.answer_max, answered).await;
        // What nobody has taken from the queue yet is not written any more: see [`queue`].
        answered.unwrap_or(Err(StoreError::Unknown))
    }

    /// Runs a function in a transaction of its own, or beside others under a savepoint; `weight` is
    /// about how many rows it writes.
    async fn write<A, F>(&self, lane: Lane, weight: usize, function: F) -> Result<A, StoreError>
    where
        A: Send + 'static,
        F: for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<A, StoreError>> + Send + Sync + 'static,
    {
        self.ask(lane, |reply| {
            Work::Job(Box::new(Asked::new(function, weight, reply)))
        })
        .await
    }

    /// Reads on a connection of its own; cut short when it takes too long.
    async fn read<A>(
        &self,
        reading: impl AsyncFnOnce(&mut Conn) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        let reading = async {
            let mut conn = self.inner.backend.reader().await?;
            reading(&mut conn).await
        };
        tokio::time::timeout(READ_MAX, reading)
            .await
            .unwrap_or(Err(StoreError::Unreachable))
    }
}
