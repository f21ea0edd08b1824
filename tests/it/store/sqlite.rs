//! What can happen to an embedded database: a full disk, a lock, a damaged file, a second process.

use std::time::Duration;

use engine::store::{SqliteSettings, Store, StoreError};
use sqlx::Connection;
use tempfile::TempDir;
use tests::database::{Database, Engine, on};
use tests::scene::{START, Scene, boleto, claim, new_tenant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_the_write_and_loses_nothing() {
    let folder = TempDir::new().expect("a folder");
    let settings = SqliteSettings {
        pages_max: Some(160),
        ..SqliteSettings::at(folder.path())
    };
    let store = Store::open_sqlite(&settings)
        .await
        .expect("the store opens");
    let scene = Scene::set(&store).await;
    let (mut accepted, mut n) = (0, 0);
    let full = loop {
        let chunk: Vec<_> = (n..n + 50).map(|n| boleto(n, n)).collect();
        let key = format!("chunk {n}");
        let import = engine::store::Import {
            key,
            source: "test".into(),
            at: START,
        };
        match store.import_boletos(scene.tenant, import, chunk).await {
            Ok(outcome) => accepted += u64::from(outcome.accepted),
            Err(error) => break error,
        }
        n += 50;
    };
    assert_eq!((full.code(), accepted > 0), ("RG-STORE-003", true));
    let report = store.report(scene.tenant).await.expect("a report");
    assert_eq!(report.boletos.of("open"), accepted);
    store.close().await;
    let settings = SqliteSettings {
        pages_max: None,
        ..settings
    };
    let store = Store::open_sqlite(&settings)
        .await
        .expect("the store opens with more room");
    let report = store.report(scene.tenant).await.expect("a report");
    assert_eq!(report.boletos.of("open"), accepted);
    assert!(store.create_tenant(&new_tenant(), START).await.is_ok());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_writers_lock_is_waited_for_and_then_reported() {
    let folder = TempDir::new().expect("a folder");
    let busy_max = Duration::from_millis(100);
    let settings = SqliteSettings {
        busy_max,
        ..SqliteSettings::at(folder.path())
    };
    let store = Store::open_sqlite(&settings)
        .await
        .expect("the store opens");
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("regua.db"));
    let mut foreign = sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("a connection");
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut foreign)
        .await
        .expect("the lock");
    let tenant = new_tenant();
    assert_eq!(
        store.create_tenant(&tenant, START).await,
        Err(StoreError::Locked)
    );
    assert!(
        store.answers().await,
        "who reads does not wait for who writes"
    );
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut foreign)
        .await
        .expect("the lock is given up");
    assert!(store.create_tenant(&tenant, START).await.is_ok());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_database_is_refused() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(
        folder.path().join("regua.db"),
        "not a database".repeat(1_000),
    )
    .expect("a file");
    let opened = Store::open_sqlite(&SqliteSettings::at(folder.path())).await;
    assert_eq!(opened.err(), Some(StoreError::Damaged));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_store_on_the_folder_is_refused() {
    on(Engine::Sqlite, |database: Database| async move {
        let again = Store::open_sqlite(&SqliteSettings::at(database.folder())).await;
        assert_eq!(again.err(), Some(StoreError::InUse));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let settings = SqliteSettings::at(folder.path());
    Store::open_sqlite(&settings)
        .await
        .expect("the store opens")
        .close()
        .await;
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("regua.db"));
    let mut conn = sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("a connection");
    let newer = "INSERT INTO _sqlx_migrations
        SELECT 9999, description, installed_on, success, checksum, execution_time
        FROM _sqlx_migrations";
    sqlx::raw_sql(newer)
        .execute(&mut conn)
        .await
        .expect("the statement runs");
    conn.close().await.expect("closed");
    let opened = Store::open_sqlite(&settings).await;
    assert!(matches!(
        opened.err(),
        Some(StoreError::SchemaTooNew { found: 9999, .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_there_after_the_store_is_opened_again() {
    let folder = TempDir::new().expect("a folder");
    let settings = SqliteSettings::at(folder.path());
    let store = Store::open_sqlite(&settings)
        .await
        .expect("the store opens");
    let scene = Scene::set(&store).await;
    let all = scene.enroll(5, START).await;
    scene
        .commit(all.iter().map(|one| claim(one, 0, START)).collect())
        .await
        .expect("a commit");
    store.close().await;
    let store = Store::open_sqlite(&settings)
        .await
        .expect("the store opens");
    let report = store.report(scene.tenant).await.expect("a report");
    assert_eq!(report.attempts.of("in_flight"), 5);
    store.close().await;
}

// R085 R098: what is on disk is its user's alone.
#[tokio::test]
async fn the_data_folder_and_its_files_are_readable_by_their_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = TempDir::new().expect("a temporary folder");
    let folder = parent.path().join("data");
    let store = Store::open_sqlite(&SqliteSettings::at(&folder))
        .await
        .expect("the store opens");
    let mode = |path: &std::path::Path| path.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode(&folder) & 0o777, 0o700);
    let files = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|file| file.expect("a file").path());
    for file in files.collect::<Vec<_>>() {
        assert_eq!(mode(&file) & 0o777, 0o600, "{}", file.display());
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_to_seal_are_found_without_the_rows_before_them() {
    on(Engine::Sqlite, plan_of_seal).await;
}

async fn plan_of_seal(database: Database) {
    use sqlx::Row;
    let mut conn = database.sqlite_connection().await;
    let plan = "EXPLAIN QUERY PLAN SELECT id FROM audit
        WHERE tenant_id = 1 AND batch >= 2 AND batch < 3 ORDER BY id";
    let rows = sqlx::query(plan)
        .fetch_all(&mut conn)
        .await
        .expect("a plan");
    let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    assert!(
        steps[0].contains("audit_by_batch (tenant_id=? AND batch>? AND batch<?)"),
        "{steps:?}"
    );
}
