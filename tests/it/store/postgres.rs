//! What only a clustered database can meet: a take-over that waits, a connection that is cut.

use std::time::Duration;

use actors::lease::{Leases, NodeId};
use actors::ports::JournalError;
use engine::store::{PostgresSettings, Store};
use sqlx::{Connection, PgConnection};
use tests::database::{Database, Engine, on};
use tests::scene::{START, Scene, claim};

/// Waits until a query answers something else than zero.
async fn until(conn: &mut PgConnection, query: &'static str) -> i64 {
    let deadline = Duration::from_secs(20);
    let observed = tokio::time::timeout(deadline, async {
        loop {
            let count: i64 = sqlx::query_scalar(query)
                .fetch_one(&mut *conn)
                .await
                .expect("a count");
            if count > 0 {
                return count;
            }
            tokio::task::yield_now().await;
        }
    });
    observed.await.expect("the observation comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_waits_for_an_open_commit_and_a_renewal_does_not() {
    on(Engine::Postgres, steal).await;
}

async fn steal(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (shard, owner) = (scene.fence.shard, NodeId("node-of-1".to_owned()));
    let mut open = PgConnection::connect(database.url())
        .await
        .expect("a connection");
    let pin = "BEGIN; SELECT 1 FROM leases WHERE shard = 1 FOR KEY SHARE";
    sqlx::raw_sql(pin)
        .execute(&mut open)
        .await
        .expect("the pin of a commit");
    // The renewal goes through, and lets the lease end at once.
    let renewed = database.store.take_or_renew(&owner, shard, 0).await;
    assert_eq!(renewed, Ok(Some(scene.fence)));
    let store = database.store.clone();
    let thief = tokio::spawn(async move {
        store
            .take_or_renew(&NodeId("thief".to_owned()), shard, 60_000)
            .await
    });
    let mut eye = PgConnection::connect(database.url())
        .await
        .expect("a connection");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO leases%'
          AND datname = current_database()";
    assert_eq!(until(&mut eye, waiting).await, 1);
    assert!(!thief.is_finished());
    sqlx::raw_sql("COMMIT")
        .execute(&mut open)
        .await
        .expect("the commit");
    let taken = thief
        .await
        .expect("the thief")
        .expect("the database answers");
    assert_eq!(taken.map(|fence| fence.epoch), Some(scene.fence.epoch + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_a_commit_leaves_its_outcome_unknown() {
    on(Engine::Postgres, cut_in_commit).await;
}

/// A deferred trigger holds the COMMIT itself until the connection is ended.
async fn cut_in_commit(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_lock(42); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON attempts
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()";
    database.tamper(slow).await;
    let mut eye = PgConnection::connect(database.url())
        .await
        .expect("a connection");
    sqlx::raw_sql("SELECT pg_advisory_lock(42)")
        .execute(&mut eye)
        .await
        .expect("the lock");
    let claims = vec![claim(&all[0], 0, START)];
    let cut = tokio::spawn({
        let (scene, claims) = (scene.clone(), claims.clone());
        async move { scene.commit(claims).await }
    });
    let committing = "SELECT count(*) FROM pg_stat_activity
        WHERE query = 'COMMIT' AND wait_event_type = 'Lock' AND datname = current_database()";
    until(&mut eye, committing).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE query = 'COMMIT' AND wait_event_type = 'Lock' AND datname = current_database()";
    until(&mut eye, end).await;
    assert_eq!(cut.await.expect("the commit"), Err(JournalError::Unknown));
    sqlx::raw_sql("SELECT pg_advisory_unlock(42)")
        .execute(&mut eye)
        .await
        .expect("the lock");
    database.tamper("DROP TRIGGER slow ON attempts").await;
    // The store goes on with another connection; this time nothing had happened.
    assert_eq!(scene.commit(claims).await.expect("a commit").refused, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_before_its_commit_can_be_tried_again() {
    on(Engine::Postgres, cut_before_commit).await;
}

async fn cut_before_commit(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let mut open = PgConnection::connect(database.url())
        .await
        .expect("a connection");
    let hold = "BEGIN; SELECT 1 FROM enrollments FOR UPDATE";
    sqlx::raw_sql(hold)
        .execute(&mut open)
        .await
        .expect("the lock");
    let claims = vec![claim(&all[0], 0, START)];
    let cut = tokio::spawn({
        let (scene, claims) = (scene.clone(), claims.clone());
        async move { scene.commit(claims).await }
    });
    let mut eye = PgConnection::connect(database.url())
        .await
        .expect("a connection");
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE query LIKE 'UPDATE enrollments%' AND wait_event_type = 'Lock'
          AND datname = current_database()";
    until(&mut eye, end).await;
    assert_eq!(cut.await.expect("the commit"), Err(JournalError::Retryable));
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut open)
        .await
        .expect("the lock is given up");
    assert_eq!(scene.commit(claims).await.expect("a commit").refused, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_too_long_fails_one_commit_and_not_its_neighbours() {
    on(Engine::Postgres, held_too_long).await;
}

async fn held_too_long(database: Database) {
    let (stuck, free) = (
        Scene::set(&database.store).await,
        Scene::set(&database.store).await,
    );
    let (of_stuck, of_free) = (stuck.enroll(1, START).await, free.enroll(1, START).await);
    let mut open = PgConnection::connect(database.url())
        .await
        .expect("a connection");
    let hold = "BEGIN; SELECT 1 FROM leases WHERE shard = 1 FOR UPDATE";
    sqlx::raw_sql(hold)
        .execute(&mut open)
        .await
        .expect("the lock");
    let (one, other) = tokio::join!(
        stuck.commit(vec![claim(&of_stuck[0], 0, START)]),
        free.commit(vec![claim(&of_free[0], 0, START)]),
    );
    assert_eq!(one, Err(JournalError::Retryable));
    assert_eq!(other.map(|committed| committed.refused), Ok(Vec::new()));
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut open)
        .await
        .expect("the lock is given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_migrate_once() {
    on(Engine::Postgres, |database: Database| async move {
        database
            .tamper("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .await;
        let settings = PostgresSettings::at(database.url());
        let opened = futures::future::join_all((0..4).map(|_| Store::open_postgres(&settings)));
        for store in opened.await {
            let store = store.expect("the store opens");
            assert!(store.answers().await);
            store.close().await;
        }
    })
    .await;
}
