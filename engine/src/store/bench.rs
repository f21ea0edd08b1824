//! What measurements need of the databases beyond the engine's own work: a database of their own,
//! rows in numbers, and the plain limit that the engine's figures stand beside.

use std::str::FromStr;

use futures::future::{BoxFuture, try_join_all};
use schedules::id::TenantId;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use uuid::Uuid;

use super::Store;
use super::backend::Backend;
use super::conn::Conn;
use super::doors::import::NewBoleto;
use super::error::StoreError;
use super::queue::Lane;
use super::sql::{Batch, Sql, args, batch, both, row};

/// A PostgreSQL database that a measurement makes and removes.
pub struct ScratchDatabase {
    server: PgConnectOptions,
    name: String,
    url: String,
}

impl ScratchDatabase {
    /// Makes a database on the server of `url`; the name of a database in it counts for nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(url: &str) -> Result<Self, StoreError> {
        let name = format!("regua_bench_{}", Uuid::new_v4().simple());
        let scratch = Self {
            server: PgConnectOptions::from_str(&with_database(url, "postgres"))?,
            url: with_database(url, &name),
            name,
        };
        scratch
            .on_server(format!("CREATE DATABASE {}", scratch.name))
            .await?;
        Ok(scratch)
    }

    /// Returns the address of the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Removes the database with all that is in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(self) -> Result<(), StoreError> {
        self.on_server(format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .await
    }

    async fn on_server(&self, sql: String) -> Result<(), StoreError> {
        let mut conn = self.server.connect().await?;
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await;
        done?;
        conn.close().await?;
        Ok(())
    }
}

/// Puts the name of a database into an address.
fn with_database(url: &str, name: &str) -> String {
    let (place, query) = match url.split_once('?') {
        Some((place, query)) => (place, format!("?{query}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = place.split_once("://").unwrap_or(("postgres", place));
    let server = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{server}/{name}{query}")
}

const COPY_CONTACTS: Sql = both(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
     INSERT INTO contacts (tenant_id, id, name, phone, phone_canonical, zones, created_at)
     SELECT c.tenant_id, $2 + n.i, c.name, c.phone, c.phone_canonical || '-' || n.i, c.zones,
         c.created_at
     FROM contacts c CROSS JOIN n
     WHERE c.tenant_id = $1",
);

const COPY_BOLETOS: Sql = both(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
     INSERT INTO boletos (tenant_id, id, contact_id, import_id, reference, amount_centavos, due_on,
         digitable_line, status_at)
     SELECT b.tenant_id, $2 + n.i, $2 + n.i, b.import_id, b.reference || '-' || n.i,
         b.amount_centavos, b.due_on, b.digitable_line, b.status_at
     FROM boletos b CROSS JOIN n
     WHERE b.tenant_id = $1",
);

const COPY_ENROLLMENTS: Sql = both(
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
     INSERT INTO enrollments (tenant_id, id, campaign_id, boleto_id, contact_id, done, occurrence,
         reminders, after_at, step_no, touch_occurrence, slot_at, expires_at, try_no,
         channel_tries, channel_from, next_at)
     SELECT e.tenant_id, $2 + n.i, e.campaign_id, $2 + n.i, $2 + n.i, e.done, e.occurrence,
         e.reminders, e.after_at, e.step_no, e.touch_occurrence, e.slot_at, e.expires_at, e.try_no,
         e.channel_tries, e.channel_from, e.next_at
     FROM enrollments e CROSS JOIN n
     WHERE e.tenant_id = $1",
);

/// SQLite's planner has its figures from the schema.
const KNOW_SIZES: Sql = Sql {
    sqlite: "SELECT 1",
    postgres: "ANALYZE",
};

const COUNT: Sql = both("SELECT count(*) FROM enrollments WHERE state = 'active'");

const LIMIT_DROP: Sql = both("DROP TABLE IF EXISTS limit_rows");
const LIMIT_COPY: Sql = both("CREATE TABLE limit_rows AS SELECT * FROM enrollments");
const LIMIT_KEY: Sql = both("CREATE UNIQUE INDEX limit_rows_by_id ON limit_rows (id)");
const LIMIT_DUE: Sql = both("CREATE INDEX limit_rows_due ON limit_rows (next_at)");
/// Rows lie scattered, as due rows do.
const LIMIT_IDS: Sql = both("SELECT id FROM limit_rows ORDER BY id % 997, id");
const LIMIT_UPDATE: Sql = batch!(
    "UPDATE limit_rows SET next_at = limit_rows.next_at + 86400000 WHERE state = 'active'
       AND id IN (SELECT r.id FROM ",
    (1 "id" "bigint"),
    ") RETURNING id"
);

const PLAIN_DROP: Sql = both("DROP TABLE IF EXISTS limit_boletos");
const PLAIN_MAKE: Sql = both("CREATE TABLE limit_boletos AS SELECT * FROM boletos WHERE 1 = 0");
const PLAIN_KEY: Sql =
    both("CREATE UNIQUE INDEX limit_boletos_by_reference ON limit_boletos (tenant_id, reference)");
const PLAIN_INSERT: Sql = batch!(
    "INSERT INTO limit_boletos (tenant_id, contact_id, import_id, reference, amount_centavos,
         due_on, digitable_line, status, status_at, changed_at)
     SELECT r.tenant, r.ord, 1, r.reference, r.amount_centavos, r.due_on, r.line, 'open', 0, 0 FROM ",
    (1 "ord" "bigint", 2 "tenant" "bigint", 3 "reference" "text", 4 "amount_centavos" "bigint",
     5 "due_on" "text", 6 "line" "text"),
    "WHERE true"
);

impl Store {
    /// Inserts boletos plainly into a table of their own that has their key, `batch` a transaction,
    /// removes it again, and returns how many there were. PostgreSQL is given as many connections
    /// as doors have, SQLite its one writer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_plainly(
        &self,
        boletos: Vec<NewBoleto>,
        batch: usize,
    ) -> Result<usize, StoreError> {
        let mut conn = self.inner.backend.writer(&[Lane::Doors]).await?;
        for sql in [&PLAIN_DROP, &PLAIN_MAKE, &PLAIN_KEY] {
            conn.steer(sql).await?;
        }
        drop(conn);
        let writers = match &*self.inner.backend {
            Backend::Postgres { doors, .. } => doors.options().get_max_connections() as usize,
            _ => 1,
        };
        let share = boletos.len().div_ceil(writers).max(1);
        let shares = boletos.chunks(share);
        let shares = shares.map(|boletos| self.insert_share(boletos, batch.max(1)));
        let inserted = try_join_all(shares).await?.into_iter().sum();
        let mut conn = self.inner.backend.writer(&[Lane::Doors]).await?;
        conn.steer(&PLAIN_DROP).await?;
        Ok(inserted)
    }

    async fn insert_share(&self, boletos: &[NewBoleto], batch: usize) -> Result<usize, StoreError> {
        let mut conn = self.inner.backend.writer(&[Lane::Doors]).await?;
        let mut inserted = 0;
        for chunk in boletos.chunks(batch) {
            let mut rows = Batch::default();
            for (ord, boleto) in chunk.iter().enumerate() {
                rows.push(row![
                    ord as i64,
                    1_i64,
                    boleto.reference.as_str(),
                    boleto.amount_centavos,
                    boleto.due_on.to_string(),
                    boleto.digitable_line.clone()
                ]);
            }
            inserted += conn.execute(&PLAIN_INSERT, rows.args(vec![])).await? as usize;
        }
        Ok(inserted)
    }

    /// Copies the contacts, boletos and enrollments of a tenant `times` times, under the ids that
    /// follow `after_id`; meant for a tenant that has one of each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn multiply(
        &self,
        tenant: TenantId,
        after_id: i64,
        times: i64,
    ) -> Result<(), StoreError> {
        self.write(Lane::Doors, 1, move |conn| {
            copy(conn, tenant, after_id, times)
        })
        .await
    }

    /// Lets the planner know what the tables hold by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn know_sizes(&self) -> Result<(), StoreError> {
        let mut conn = self.inner.backend.writer(&[Lane::Doors]).await?;
        conn.steer(&KNOW_SIZES).await
    }

    /// Counts the active enrollments.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn active_enrollments(&self) -> Result<u64, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&COUNT, args![]).await?;
            row.ok_or(StoreError::Unreadable { what: "count" })?.small()
        })
        .await
    }

    /// Copies the enrollments to a table with a key and an index on the instant, and returns their
    /// ids, scattered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn copy_for_limit(&self) -> Result<Vec<i64>, StoreError> {
        let mut conn = self.inner.backend.writer(&[Lane::Commits]).await?;
        for sql in [
            &LIMIT_DROP,
            &LIMIT_COPY,
            &LIMIT_KEY,
            &LIMIT_DUE,
            &KNOW_SIZES,
        ] {
            conn.steer(sql).await?;
        }
        let rows = conn.rows(&LIMIT_IDS, args![]).await?;
        rows.into_iter().map(|mut row| row.int()).collect()
    }

    /// Updates those copies plainly, `batch` a transaction, and returns how many there were.
    ///
    /// PostgreSQL is given as many connections as the owners' commits have, SQLite its one writer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn update_limit_rows(&self, ids: &[i64], batch: usize) -> Result<usize, StoreError> {
        let writers = match &*self.inner.backend {
            Backend::Postgres { commits, .. } => commits.options().get_max_connections() as usize,
            _ => 1,
        };
        let share = ids.len().div_ceil(writers).max(1);
        let shares = ids.chunks(share).map(|ids| self.update_plainly(ids, batch));
        Ok(try_join_all(shares).await?.into_iter().sum())
    }

    /// Removes the copies.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_limit_rows(&self) -> Result<(), StoreError> {
        let mut conn = self.inner.backend.writer(&[Lane::Commits]).await?;
        conn.steer(&LIMIT_DROP).await
    }

    async fn update_plainly(&self, ids: &[i64], batch: usize) -> Result<usize, StoreError> {
        let mut conn = self.inner.backend.writer(&[Lane::Commits]).await?;
        let mut updated = 0;
        for ids in ids.chunks(batch.max(1)) {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            let mut rows = Batch::default();
            ids.iter().for_each(|id| rows.push(row![*id]));
            updated += conn.rows(&LIMIT_UPDATE, rows.args(vec![])).await?.len();
        }
        Ok(updated)
    }
}

fn copy(
    conn: &mut Conn,
    tenant: TenantId,
    after_id: i64,
    times: i64,
) -> BoxFuture<'_, Result<(), StoreError>> {
    Box::pin(async move {
        for sql in [&COPY_CONTACTS, &COPY_BOLETOS, &COPY_ENROLLMENTS] {
            conn.execute(sql, args![tenant.0, after_id, times]).await?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn the_name_of_a_database_takes_its_place_in_an_address() {
        for (url, expected) in [
            ("postgres://u@h:5432", "postgres://u@h:5432/x"),
            ("postgres://u@h:5432/old?a=b", "postgres://u@h:5432/x?a=b"),
            ("postgres:///?host=/run/pg", "postgres:///x?host=/run/pg"),
        ] {
            assert_eq!(with_database(url, "x"), expected);
        }
    }
}
