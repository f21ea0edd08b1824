//! A store that is only read: it makes, locks and migrates nothing, beside a process that writes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use engine::store::{PostgresSettings, SqliteSettings, Store, StoreError};
use sqlx::Connection;
use tempfile::TempDir;
use tests::database::{Database, Engine, on};
use tests::scene::{START, Scene, claim, new_tenant};

fn mode(path: &Path) -> u32 {
    let permissions = path.metadata().expect("it is there").permissions();
    permissions.mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("the mode is set");
}

async fn read(database: &Database) -> Result<Store, StoreError> {
    match database.engine {
        Engine::Sqlite => Store::read_sqlite(&SqliteSettings::at(database.folder())).await,
        Engine::Postgres => Store::read_postgres(&PostgresSettings::at(database.url())).await,
    }
}

async fn what_another_store_writes_is_read_and_nothing_can_be_written(database: Database) {
    let scene = Scene::set(&database.store).await;
    let reading = read(&database).await.expect("the store opens to read");
    let compare = async || {
        let written = database.store.report(scene.tenant).await;
        assert_eq!(reading.report(scene.tenant).await, written);
        written.expect("a report")
    };
    let all = scene.enroll(3, START).await;
    assert_eq!(compare().await.attempts.of("in_flight"), 0);
    let claims = all.iter().map(|one| claim(one, 0, START)).collect();
    scene.commit(claims).await.expect("a commit");
    assert_eq!(compare().await.attempts.of("in_flight"), 3);
    let refused = reading.create_tenant(&new_tenant(), START).await;
    assert_eq!(refused, Err(StoreError::Refused));
    let written = database.store.create_tenant(&new_tenant(), START).await;
    assert!(written.is_ok(), "{written:?}");
    reading.close().await;
}

super::store_suite!(what_another_store_writes_is_read_and_nothing_can_be_written);

#[tokio::test]
async fn a_database_that_is_missing_is_told_and_not_made() {
    let parent = TempDir::new().expect("a folder");
    let folder = parent.path().join("nowhere");
    let opened = Store::read_sqlite(&SqliteSettings::at(&folder)).await;
    assert_eq!(opened.err(), Some(StoreError::Missing));
    assert!(!folder.exists());
    let opened = Store::read_sqlite(&SqliteSettings::at(parent.path())).await;
    assert_eq!(opened.err(), Some(StoreError::Missing));
    assert_eq!(parent.path().read_dir().expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_schema_that_is_not_the_programs_is_told_and_left_alone() {
    let folder = TempDir::new().expect("a folder");
    let (settings, file) = (
        SqliteSettings::at(folder.path()),
        folder.path().join("regua.db"),
    );
    std::fs::write(&file, "").expect("a file");
    let old = Store::read_sqlite(&settings).await.err();
    assert!(matches!(
        old,
        Some(StoreError::SchemaTooOld { found: 0, .. })
    ));
    assert_eq!(file.metadata().expect("the file").len(), 0);
    let store = Store::open_sqlite(&settings).await.expect("a store");
    store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut conn = sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("a connection");
    let newer = "UPDATE _sqlx_migrations SET version = 9999
        WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    let done = sqlx::raw_sql(newer).execute(&mut conn).await;
    assert_eq!(done.expect("the statement runs").rows_affected(), 1);
    conn.close().await.expect("closed");
    let new = Store::read_sqlite(&settings).await.err();
    assert!(matches!(
        new,
        Some(StoreError::SchemaTooNew { found: 9999, .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clustered_schema_that_is_missing_is_told_and_not_made() {
    on(Engine::Postgres, |database: Database| async move {
        database
            .tamper("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .await;
        let old = read(&database).await.err();
        assert!(matches!(
            old,
            Some(StoreError::SchemaTooOld { found: 0, .. })
        ));
        let tables = "SELECT count(*) FROM information_schema.tables
            WHERE table_schema = 'public'";
        assert_eq!(database.numbers(tables).await, [0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_nobody_works_on_is_read_and_can_be_opened_again() {
    let folder = TempDir::new().expect("a folder");
    let settings = SqliteSettings::at(folder.path());
    let store = Store::open_sqlite(&settings).await.expect("a store");
    let scene = Scene::set(&store).await;
    scene.enroll(2, START).await;
    let written = store.report(scene.tenant).await.expect("a report");
    store.close().await;
    let reading = Store::read_sqlite(&settings).await.expect("a store");
    assert_eq!(reading.report(scene.tenant).await, Ok(written));
    reading.close().await;
    let store = Store::open_sqlite(&settings).await.expect("a store");
    assert!(store.create_tenant(&new_tenant(), START).await.is_ok());
    store.close().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_told_and_not_repeated() {
    for url in [
        "postgres://regua:hunter2@db:port/regua",
        "regua:hunter2@db/regua",
        "mysql://regua:hunter2@db/regua",
        "hunter2",
        "postgres://regua:hunter2@[::1/regua?sslmode=hunter2",
        "postgres://regua:p@db/regua?sslmode=hunter2",
    ] {
        let settings = PostgresSettings::at(url);
        let opened = [
            Store::open_postgres(&settings).await.err(),
            Store::read_postgres(&settings).await.err(),
        ];
        for error in opened {
            let error = error.expect("no store");
            assert_eq!(error.code(), "RG-STORE-018", "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused_before_its_database_is_touched() {
    let folder = TempDir::new().expect("a folder");
    let lock = std::fs::File::create(folder.path().join("regua.lock")).expect("a file");
    lock.try_lock().expect("the lock");
    let opened = Store::open_sqlite(&SqliteSettings::at(folder.path())).await;
    assert_eq!(opened.err(), Some(StoreError::InUse));
    assert!(!folder.path().join("regua.db").exists());
}

#[tokio::test]
async fn a_restored_folder_is_closed_to_others_when_it_is_opened() {
    let parent = TempDir::new().expect("a folder");
    let (ours, shared) = (parent.path().join("ours"), parent.path().join("shared"));
    for folder in [&ours, &shared] {
        let store = Store::open_sqlite(&SqliteSettings::at(folder)).await;
        store.expect("a store").close().await;
        set_mode(folder, 0o755);
        for file in ["regua.db", "regua.lock"] {
            set_mode(&folder.join(file), 0o664);
        }
    }
    let notes = shared.join("notes.txt");
    std::fs::write(&notes, "").expect("a file");
    set_mode(&notes, 0o644);
    for folder in [&ours, &shared] {
        let store = Store::open_sqlite(&SqliteSettings::at(folder)).await;
        let store = store.expect("a store");
        for file in ["regua.db", "regua.lock", "regua.db-wal", "regua.db-shm"] {
            assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
        }
        store.close().await;
    }
    assert_eq!(mode(&ours), 0o700);
    assert_eq!((mode(&shared), mode(&notes)), (0o755, 0o644));
}
