//! Both dialects define the same tables with the same columns.

use std::collections::BTreeSet;

use tests::database::{Database, Engine, on};

/// Tables and columns, as `table.column`; the migrations' own bookkeeping aside.
async fn columns(database: &Database) -> BTreeSet<String> {
    let sql = match database.engine {
        Engine::Sqlite => {
            "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_xinfo(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
               AND t.name <> '_sqlx_migrations'"
        }
        Engine::Postgres => {
            "SELECT table_name || '.' || column_name FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'"
        }
    };
    database.texts(sql).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dialects_define_the_same_tables_and_columns() {
    on(Engine::Sqlite, |sqlite| async move {
        let sqlite = columns(&sqlite).await;
        assert!(sqlite.len() > 100, "{sqlite:?}");
        on(Engine::Postgres, |postgres| async move {
            assert_eq!(columns(&postgres).await, sqlite);
        })
        .await;
    })
    .await;
}
