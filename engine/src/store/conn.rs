//! A connection to either database, and rows read in the order of their columns.

use std::str::FromStr;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{Database, Postgres, Row as _, Sqlite};

use super::error::StoreError;
use super::sql::{Arg, Column, Sql, rows_as_json};

/// A connection, borrowed from one of the pools.
///
/// It is closed instead of given back when a statement was cut short or its answer was lost: the
/// next borrower would read the rest of it.
pub(super) struct Conn {
    native: NativeConn,
    cut_short: bool,
}

enum NativeConn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl From<PoolConnection<Sqlite>> for Conn {
    fn from(conn: PoolConnection<Sqlite>) -> Self {
        Self {
            native: NativeConn::Sqlite(conn),
            cut_short: false,
        }
    }
}

impl From<PoolConnection<Postgres>> for Conn {
    fn from(conn: PoolConnection<Postgres>) -> Self {
        Self {
            native: NativeConn::Postgres(conn),
            cut_short: false,
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.cut_short {
            self.condemn();
        }
    }
}

impl Conn {
    /// Runs a statement and returns the number of rows it changed.
    pub(super) async fn execute(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<u64, StoreError> {
        self.cut_short = true;
        let done = match &mut self.native {
            NativeConn::Sqlite(conn) => bind_sqlite(sql.sqlite, args)
                .execute(&mut **conn)
                .await
                .map(|done| done.rows_affected()),
            NativeConn::Postgres(conn) => bind_postgres(sql.postgres, args)
                .execute(&mut **conn)
                .await
                .map(|done| done.rows_affected()),
        };
        self.answered(done)
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn rows(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        self.cut_short = true;
        let rows = match &mut self.native {
            NativeConn::Sqlite(conn) => bind_sqlite(sql.sqlite, args)
                .fetch_all(&mut **conn)
                .await
                .map(|rows| {
                    rows.into_iter()
                        .map(|row| Row::new(Native::Sqlite(row)))
                        .collect()
                }),
            NativeConn::Postgres(conn) => bind_postgres(sql.postgres, args)
                .fetch_all(&mut **conn)
                .await
                .map(|rows| {
                    rows.into_iter()
                        .map(|row| Row::new(Native::Postgres(row)))
                        .collect()
                }),
        };
        self.answered(rows)
    }

    /// Runs a statement and returns its first row, if there is one.
    pub(super) async fn first(
        &mut self,
        sql: &Sql,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Runs a statement that steers a transaction.
    pub(super) async fn steer(&mut self, sql: &Sql) -> Result<(), StoreError> {
        self.cut_short = true;
        let done = match &mut self.native {
            NativeConn::Sqlite(conn) => sqlx::raw_sql(sql.sqlite)
                .execute(&mut **conn)
                .await
                .map(drop),
            NativeConn::Postgres(conn) => sqlx::raw_sql(sql.postgres)
                .execute(&mut **conn)
                .await
                .map(drop),
        };
        self.answered(done)
    }

    /// Sees to it that the connection is closed and not used again.
    pub(super) fn condemn(&mut self) {
        match &mut self.native {
            NativeConn::Sqlite(conn) => conn.close_on_drop(),
            NativeConn::Postgres(conn) => conn.close_on_drop(),
        }
    }

    fn answered<A>(&mut self, answer: Result<A, sqlx::Error>) -> Result<A, StoreError> {
        let answer = answer.map_err(StoreError::from);
        self.cut_short = matches!(answer, Err(StoreError::Unreachable));
        answer
    }
}

type Bound<'q, DB> = Query<'q, DB, <DB as Database>::Arguments>;

fn bind_sqlite(sql: &'static str, args: Vec<Arg>) -> Bound<'static, Sqlite> {
    let mut query = sqlx::query(sql);
    for arg in args {
        query = match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::Rows(columns) => {
                let query = query.bind(rows_as_json(&columns));
                // The scalars have the same numbers as in PostgreSQL, where each column has one.
                (1..columns.len()).fold(query, |query, _| query.bind(None::<i64>))
            }
        };
    }
    query
}

fn bind_postgres(sql: &'static str, args: Vec<Arg>) -> Bound<'static, Postgres> {
    let mut query = sqlx::query(sql);
    for arg in args {
        query = match arg {
            Arg::Int(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::Rows(columns) => columns
                .into_iter()
                .fold(query, |query, column| match column {
                    Column::Ints(values) => query.bind(values),
                    Column::Texts(values) => query.bind(values),
                }),
        };
    }
    query
}

enum Native {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A row, read column by column from the left.
pub(super) struct Row {
    native: Native,
    next: usize,
}

impl Row {
    fn new(native: Native) -> Self {
        Self { native, next: 0 }
    }

    /// Reads the next column, an integer.
    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        self.int_or_null()?
            .ok_or(StoreError::Unreadable { what: "integer" })
    }

    /// Reads the next column, an integer or NULL.
    pub(super) fn int_or_null(&mut self) -> Result<Option<i64>, StoreError> {
        let at = self.step();
        Ok(match &self.native {
            Native::Sqlite(row) => row.try_get(at)?,
            Native::Postgres(row) => row.try_get(at)?,
        })
    }

    /// Reads the next column, a text.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.text_or_null()?
            .ok_or(StoreError::Unreadable { what: "text" })
    }

    /// Reads the next column, a text or NULL.
    pub(super) fn text_or_null(&mut self) -> Result<Option<String>, StoreError> {
        let at = self.step();
        Ok(match &self.native {
            Native::Sqlite(row) => row.try_get(at)?,
            Native::Postgres(row) => row.try_get(at)?,
        })
    }

    /// Reads the next column, an integer of a smaller kind.
    pub(super) fn small<N: TryFrom<i64>>(&mut self) -> Result<N, StoreError> {
        N::try_from(self.int()?).map_err(|_| StoreError::Unreadable {
            what: "small integer",
        })
    }

    /// Reads the next column, a text that stands for a value.
    pub(super) fn parsed<T: FromStr>(&mut self, what: &'static str) -> Result<T, StoreError> {
        self.text()?
            .parse()
            .map_err(|_| StoreError::Unreadable { what })
    }

    /// Reads the next column, a value in JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &mut self,
        what: &'static str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(&self.text()?).map_err(|_| StoreError::Unreadable { what })
    }

    /// Passes over columns that have been dealt with.
    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }
}
