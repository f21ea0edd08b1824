//! An embedded database behind the engine's back, for tests that run the binary.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

/// Opens a connection of its own to a database file.
///
/// # Panics
/// When there is none.
pub async fn connect(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(Duration::from_secs(10));
    SqliteConnection::connect_with(&options)
        .await
        .expect("a database")
}

/// Reads rows of integers.
///
/// # Panics
/// When the database refuses it.
pub fn rows(database: &Path, sql: &str) -> Vec<Vec<i64>> {
    wait(async {
        let mut conn = connect(database).await;
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await;
        let numbers = |row: &SqliteRow| (0..row.len()).map(|at| row.get(at)).collect();
        rows.expect("rows").iter().map(numbers).collect()
    })
}

/// Reads one integer.
///
/// # Panics
/// When the database refuses it.
pub fn number(database: &Path, sql: &str) -> i64 {
    rows(database, sql)[0][0]
}

/// Runs statements.
///
/// # Panics
/// When the database refuses one.
pub fn tamper(database: &Path, sql: &str) {
    wait(async {
        let mut conn = connect(database).await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await;
        done.expect("the statements run");
    });
}

fn wait<A>(future: impl Future<Output = A>) -> A {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}
