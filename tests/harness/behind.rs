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

/// Overwrites the pages of a table or an index, but for the first; what lies in its log goes into
/// the file before. Nobody may have it open.
///
/// # Panics
/// When there is no such table or index, or the file cannot be written.
pub fn damage(database: &Path, name: &str) {
    tamper(database, "PRAGMA wal_checkpoint(TRUNCATE)");
    let pages = format!("SELECT pageno FROM dbstat WHERE name = '{name}' ORDER BY pageno");
    let pages = rows(database, &pages);
    assert!(!pages.is_empty(), "there is no {name}");
    let size = usize::try_from(number(database, "PRAGMA page_size")).expect("a size");
    let mut bytes = std::fs::read(database).expect("a database");
    for page in pages.iter().skip(usize::from(pages.len() > 1)) {
        let number = usize::try_from(page[0]).expect("a page");
        bytes[(number - 1) * size..number * size].fill(0x5a);
    }
    std::fs::write(database, bytes).expect("the file is written");
}

fn wait<A>(future: impl Future<Output = A>) -> A {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}
