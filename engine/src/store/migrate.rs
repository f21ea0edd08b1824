//! The schema: migrations in order, and the refusal to work on a newer one.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Acquire, PgPool, SqlStr, SqlitePool};

use super::error::StoreError;

/// Number, name, SQLite, PostgreSQL.
const MIGRATIONS: [(i64, &str, &str, &str); 1] = [(
    1,
    "start",
    include_str!("../../../migrations/sqlite/0001_start.sql"),
    include_str!("../../../migrations/postgres/0001_start.sql"),
)];

fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

fn migrator(texts: impl Iterator<Item = (i64, &'static str, &'static str)>) -> Migrator {
    let migrations = texts
        .map(|(version, name, text)| {
            let sql = SqlStr::from_static(text);
            Migration::new(
                version,
                Cow::Borrowed(name),
                MigrationType::Simple,
                sql,
                false,
            )
        })
        .collect::<Vec<_>>();
    Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    }
}

/// Brings an SQLite file up to date.
pub(super) async fn sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    refuse_newer(found_sqlite(pool).await?)?;
    let texts = MIGRATIONS
        .iter()
        .map(|(version, name, sqlite, _)| (*version, *name, *sqlite));
    run(migrator(texts), pool).await
}

/// Brings a PostgreSQL database up to date; nodes that start together take turns.
pub(super) async fn postgres(pool: &PgPool) -> Result<(), StoreError> {
    refuse_newer(found_postgres(pool).await?)?;
    let texts = MIGRATIONS
        .iter()
        .map(|(version, name, _, postgres)| (*version, *name, *postgres));
    run(migrator(texts), pool).await
}

/// Refuses an SQLite file whose schema is not the program's; changes nothing.
pub(super) async fn expect_sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    refuse_other(found_sqlite(pool).await?)
}

/// Refuses a PostgreSQL database whose schema is not the program's; changes nothing.
pub(super) async fn expect_postgres(pool: &PgPool) -> Result<(), StoreError> {
    refuse_other(found_postgres(pool).await?)
}

const NEWEST_FOUND: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";

/// Returns the newest migration of an SQLite file, 0 when there is none.
async fn found_sqlite(pool: &SqlitePool) -> Result<i64, StoreError> {
    const KNOWN: &str = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let known: i64 = sqlx::query_scalar(KNOWN).fetch_one(pool).await?;
    match known {
        0 => Ok(0),
        _ => Ok(sqlx::query_scalar(NEWEST_FOUND).fetch_one(pool).await?),
    }
}

/// Returns the newest migration of a PostgreSQL database, 0 when there is none.
async fn found_postgres(pool: &PgPool) -> Result<i64, StoreError> {
    const KNOWN: &str = "SELECT count(*) FROM information_schema.tables
        WHERE table_name = '_sqlx_migrations' AND table_schema = current_schema()";
    let known: i64 = sqlx::query_scalar(KNOWN).fetch_one(pool).await?;
    match known {
        0 => Ok(0),
        _ => Ok(sqlx::query_scalar(NEWEST_FOUND).fetch_one(pool).await?),
    }
}

fn refuse_other(found: i64) -> Result<(), StoreError> {
    let known = newest();
    if found < known {
        return Err(StoreError::SchemaTooOld { found, known });
    }
    refuse_newer(found)
}

fn refuse_newer(found: i64) -> Result<(), StoreError> {
    let known = newest();
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    Ok(())
}

async fn run<'a, A>(migrator: Migrator, to: A) -> Result<(), StoreError>
where
    A: Acquire<'a>,
    <A::Connection as std::ops::Deref>::Target: sqlx::migrate::Migrate,
{
    migrator.run(to).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => StoreError::from(error),
        _ => StoreError::Migrate,
    })
}
