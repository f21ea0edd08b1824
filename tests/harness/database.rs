//! Fresh databases, one a test, and the suite that runs a case on both engines.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::store::{PostgresSettings, SqliteSettings, Store};
use sqlx::{
    AssertSqlSafe, Connection, Decode, PgConnection, Postgres, Row, Sqlite, SqliteConnection, Type,
};
use tempfile::TempDir;

use crate::behind;

/// The variable with the address of a PostgreSQL server on which databases may be made.
pub const POSTGRES_VARIABLE: &str = "REGUA_TEST_POSTGRES";

/// The engines that every case runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The embedded database.
    Sqlite,
    /// The clustered database.
    Postgres,
}

/// A database of one test.
pub struct Database {
    /// The engine.
    pub engine: Engine,
    /// The opened store.
    pub store: Store,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(std::path::PathBuf),
    Url(String),
}

/// Runs a case on a database of its own, which goes away with it.
///
/// # Panics
/// When the case does, or when [`POSTGRES_VARIABLE`] is missing and the engine needs it.
pub async fn on<C, F>(engine: Engine, case: C)
where
    C: FnOnce(Database) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let folder = TempDir::new().expect("a temporary folder");
    let place = match engine {
        Engine::Sqlite => Place::Folder(folder.path().to_owned()),
        Engine::Postgres => Place::Url(create_postgres().await),
    };
    let store = place.open().await.expect("the store opens");
    let database = Database {
        engine,
        store: store.clone(),
        place: place.clone(),
    };
    let outcome = tokio::spawn(async move { case(database).await }).await;
    store.close().await;
    if let Place::Url(url) = &place {
        drop_postgres(url).await;
    }
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

impl Place {
    async fn open(&self) -> Result<Store, engine::store::StoreError> {
        match self {
            Place::Folder(folder) => Store::open_sqlite(&SqliteSettings::at(folder)).await,
            Place::Url(url) => Store::open_postgres(&PostgresSettings::at(url)).await,
        }
    }
}

impl Database {
    /// Returns the data folder of an embedded database.
    ///
    /// # Panics
    /// On the other engine.
    pub fn folder(&self) -> &std::path::Path {
        match &self.place {
            Place::Folder(folder) => folder,
            Place::Url(_) => panic!("a clustered database has no folder"),
        }
    }

    /// Returns the address of a clustered database.
    ///
    /// # Panics
    /// On the other engine.
    pub fn url(&self) -> &str {
        match &self.place {
            Place::Url(url) => url,
            Place::Folder(_) => panic!("an embedded database has no address"),
        }
    }

    /// Runs a statement behind the store's back.
    ///
    /// # Panics
    /// When the database refuses it.
    pub async fn tamper(&self, sql: &str) -> u64 {
        match &self.place {
            Place::Folder(_) => {
                let mut conn = self.sqlite_connection().await;
                let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await;
                done.expect("the statement runs").rows_affected()
            }
            Place::Url(url) => {
                let mut conn = PgConnection::connect(url).await.expect("a connection");
                let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await;
                done.expect("the statement runs").rows_affected()
            }
        }
    }

    /// Reads integers behind the store's back.
    ///
    /// # Panics
    /// When the database refuses it.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        self.column(sql).await
    }

    /// Reads texts behind the store's back.
    ///
    /// # Panics
    /// When the database refuses it.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        self.column(sql).await
    }

    async fn column<T>(&self, sql: &str) -> Vec<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match &self.place {
            Place::Folder(_) => {
                let mut conn = self.sqlite_connection().await;
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await;
                rows.expect("rows").iter().map(|row| row.get(0)).collect()
            }
            Place::Url(url) => {
                let mut conn = PgConnection::connect(url).await.expect("a connection");
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await;
                rows.expect("rows").iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Opens a connection of its own to the embedded database.
    ///
    /// # Panics
    /// On the other engine.
    pub async fn sqlite_connection(&self) -> SqliteConnection {
        behind::connect(&self.folder().join("regua.db")).await
    }
}

fn postgres_base() -> String {
    std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "set {POSTGRES_VARIABLE} to the address of a PostgreSQL server on which databases may \
             be made, for example postgres://postgres@127.0.0.1:5432"
        )
    })
}

async fn create_postgres() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = postgres_base();
    let base = base.trim_end_matches('/');
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("regua_test_{}_{count}", std::process::id());
    let mut conn = admin().await;
    for sql in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut conn)
            .await
            .expect("a database is made");
    }
    format!("{base}/{name}")
}

async fn drop_postgres(url: &str) {
    let name = url.rsplit('/').next().unwrap_or_default();
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    let mut conn = admin().await;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut conn)
        .await
        .expect("the database is dropped");
}

async fn admin() -> PgConnection {
    let base = postgres_base();
    let url = format!("{}/postgres", base.trim_end_matches('/'));
    PgConnection::connect(&url)
        .await
        .expect("a connection to the server")
}
