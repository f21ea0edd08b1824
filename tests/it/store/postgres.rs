//! What only a clustered database can meet: a take-over that waits, a connection that is cut.

use std::time::Duration;

use actors::lease::{Leases, NodeId};
use actors::ports::JournalError;
use engine::access::first_token;
use engine::facts::{ContactName, FactAnswer, Saying};
use engine::store::reads::Ask;
use engine::store::{ContactChange, Point, PostgresSettings, Store};
use schedules::channel::Channel;
use sqlx::{Connection, PgConnection};
use tests::database::{Database, Engine, on};
use tests::scene::{START, Scene, boleto, claim, edit, opted_out};

/// Opens a session of the test's own.
async fn session(database: &Database) -> PgConnection {
    PgConnection::connect(database.url())
        .await
        .expect("a connection")
}

async fn run(session: &mut PgConnection, sql: &'static str) {
    let done = sqlx::raw_sql(sql).execute(session).await;
    done.expect("the statement runs");
}

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
    let mut open = session(&database).await;
    let pin = "BEGIN; SELECT 1 FROM leases WHERE shard = 1 FOR KEY SHARE";
    run(&mut open, pin).await;
    // The renewal goes through, and lets the lease end at once.
    let renewed = database.store.take_or_renew(&owner, shard, 0).await;
    assert_eq!(renewed, Ok(Some(scene.fence)));
    let store = database.store.clone();
    let thief = tokio::spawn(async move {
        store
            .take_or_renew(&NodeId("thief".to_owned()), shard, 60_000)
            .await
    });
    let mut eye = session(&database).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO leases%'
          AND datname = current_database()";
    assert_eq!(until(&mut eye, waiting).await, 1);
    assert!(!thief.is_finished());
    run(&mut open, "COMMIT").await;
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
    let mut eye = session(&database).await;
    run(&mut eye, "SELECT pg_advisory_lock(42)").await;
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
    run(&mut eye, "SELECT pg_advisory_unlock(42)").await;
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
    let mut open = session(&database).await;
    let hold = "BEGIN; SELECT 1 FROM enrollments FOR UPDATE";
    run(&mut open, hold).await;
    let claims = vec![claim(&all[0], 0, START)];
    let cut = tokio::spawn({
        let (scene, claims) = (scene.clone(), claims.clone());
        async move { scene.commit(claims).await }
    });
    let mut eye = session(&database).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE query LIKE 'UPDATE enrollments%' AND wait_event_type = 'Lock'
          AND datname = current_database()";
    until(&mut eye, end).await;
    assert_eq!(cut.await.expect("the commit"), Err(JournalError::Retryable));
    run(&mut open, "ROLLBACK").await;
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
    let mut open = session(&database).await;
    let hold = "BEGIN; SELECT 1 FROM leases WHERE shard = 1 FOR UPDATE";
    run(&mut open, hold).await;
    let (one, other) = tokio::join!(
        stuck.commit(vec![claim(&of_stuck[0], 0, START)]),
        free.commit(vec![claim(&of_free[0], 0, START)]),
    );
    assert_eq!(one, Err(JournalError::Retryable));
    assert_eq!(other.map(|committed| committed.refused), Ok(Vec::new()));
    run(&mut open, "ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_out_by_an_address_waits_for_the_import_that_gives_it_to_another() {
    on(Engine::Postgres, shared_address).await;
}

/// The import has added its contact, and waits to add its boleto, when the opt-out comes.
async fn shared_address(database: Database) {
    let scene = Scene::set(&database.store).await;
    let at_address = |n| {
        let mut boleto = boleto(n, n);
        boleto.contact.email = Some(Point {
            address: "casal@exemplo.com.br".to_owned(),
            canonical: "casal@exemplo.com.br".to_owned(),
        });
        vec![boleto]
    };
    scene.import("first", at_address(1)).await;
    let mut open = session(&database).await;
    run(&mut open, "BEGIN; LOCK TABLE boletos IN SHARE MODE").await;
    let mut eye = session(&database).await;
    let import = tokio::spawn({
        let (scene, chunk) = (scene.clone(), at_address(2));
        async move { scene.import("second", chunk).await }
    });
    let adding = "SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE 'INSERT INTO boletos%' AND wait_event_type = 'Lock'
          AND datname = current_database()";
    until(&mut eye, adding).await;
    let opt_out = tokio::spawn({
        let scene = scene.clone();
        let contact = ContactName::Point("casal@exemplo.com.br".to_owned());
        let saying = Saying::ContactOptedOut {
            contact,
            channel: None,
        };
        async move { scene.say("out", saying).await }
    });
    // It has been answered, or it waits as well.
    let told = "SELECT (SELECT count(*) FROM inbox WHERE event_id = 'out') + (
        SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE '%import_gates%' AND wait_event_type = 'Lock'
          AND datname = current_database())";
    until(&mut eye, told).await;
    run(&mut open, "ROLLBACK").await;
    import.await.expect("the import");
    opt_out.await.expect("the opt-out");
    let opted_out = "SELECT count(*) FROM contacts WHERE opted_out_at IS NOT NULL";
    assert_eq!(database.numbers(opted_out).await, [2]);
}

/// Statements of this database that wait for a lock.
macro_rules! waiting {
    ($query:literal) => {
        concat!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
               AND datname = current_database() AND query LIKE '",
            $query,
            "'"
        )
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_is_not_answered_before_a_claim_of_what_its_contact_was() {
    on(Engine::Postgres, claim_then_correct).await;
}

/// The claim has read whom it is addressed to, and waits for its enrollment.
async fn claim_then_correct(database: Database) {
    let scene = Scene::set(&database.store).await;
    let record = scene.enroll(1, START).await[0].clone();
    let mut open = session(&database).await;
    run(&mut open, "BEGIN; SELECT 1 FROM enrollments FOR UPDATE").await;
    let mut eye = session(&database).await;
    let claimed = tokio::spawn({
        let (scene, claim) = (scene.clone(), claim(&record, 0, START));
        async move { scene.commit(vec![claim]).await }
    });
    until(&mut eye, waiting!("UPDATE enrollments SET state%")).await;
    let contact = record.enrollment.contact;
    let mut corrected = tokio::spawn({
        let scene = scene.clone();
        let change = ContactChange {
            name: Some("Ana Lima".to_owned()),
            ..ContactChange::default()
        };
        async move {
            let edit = edit("correction");
            let edited = scene
                .store
                .edit_contact(scene.tenant, contact, edit, change, None);
            edited.await
        }
    });
    tokio::select! {
        _ = until(&mut eye, waiting!("SELECT phone, phone_canonical, email%")) => {}
        early = &mut corrected => panic!("the claim is under way: {early:?}"),
    }
    run(&mut open, "COMMIT").await;
    let committed = claimed.await.expect("the claim").expect("a commit");
    assert_eq!(committed.refused, []);
    let edited = corrected.await.expect("the correction").expect("a change");
    assert!(edited.changed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_waits_for_a_correction_is_refused_by_it() {
    on(Engine::Postgres, correct_then_claim).await;
}

async fn correct_then_claim(database: Database) {
    let scene = Scene::set(&database.store).await;
    let record = scene.enroll(1, START).await[0].clone();
    let mut open = session(&database).await;
    let correct = "BEGIN; UPDATE contacts SET name = 'Ana', version = 2";
    run(&mut open, correct).await;
    let mut eye = session(&database).await;
    let mut claimed = tokio::spawn({
        let (scene, claim) = (scene.clone(), claim(&record, 0, START));
        async move { scene.commit(vec![claim]).await }
    });
    tokio::select! {
        _ = until(&mut eye, waiting!("SELECT e.id, c.version FROM%")) => {}
        early = &mut claimed => panic!("a correction is under way: {early:?}"),
    }
    run(&mut open, "COMMIT").await;
    let committed = claimed.await.expect("the claim").expect("a commit");
    assert_eq!(committed.refused, [record.enrollment.id]);
    let attempts = "SELECT count(*) FROM attempts";
    assert_eq!(database.numbers(attempts).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_by_a_phone_that_is_given_up_meanwhile_is_not_its_former_owners() {
    on(Engine::Postgres, speak_while_corrected).await;
}

/// The phone is somebody's when it is looked up, and nobody's when the row is there to be changed.
async fn speak_while_corrected(database: Database) {
    for (n, channel) in [(0, None), (1, Some(Channel::Sms))] {
        let scene = Scene::set(&database.store).await;
        scene.import("chunk", vec![boleto(n, n)]).await;
        let mut open = session(&database).await;
        let correct = "BEGIN; UPDATE contacts SET version = version + 1,
            phone = '+5592988887777', phone_canonical = '+5592988887777' || id";
        run(&mut open, correct).await;
        let said = tokio::spawn({
            let scene = scene.clone();
            async move { scene.say("out", opted_out(n, channel)).await }
        });
        let mut eye = session(&database).await;
        until(&mut eye, waiting!("UPDATE contacts SET%")).await;
        run(&mut open, "COMMIT").await;
        assert_eq!(said.await.expect("an answer"), FactAnswer::Parked);
        let ask = Ask {
            after: None,
            limit: 1,
        };
        let page = scene.store.list_contacts(scene.tenant, &ask).await;
        let contact = page.expect("a page").items.remove(0);
        assert_eq!((contact.opted_out_at, contact.suppressed), (None, vec![]));
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_defaults_of_a_server_change_no_promise() {
    on(Engine::Postgres, with_other_defaults).await;
}

async fn with_other_defaults(database: Database) {
    let name = database.url().rsplit('/').next().unwrap_or_default();
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "synchronous_commit = off",
    ] {
        let altered = format!("ALTER DATABASE {name} SET {setting}");
        database.tamper(&altered).await;
    }
    let witness = "CREATE TABLE seen (settings text);
        CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen VALUES (current_setting('transaction_isolation') || ', '
                || current_setting('synchronous_commit'));
            RETURN NULL;
        END $$;
        CREATE TRIGGER witness AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION witness()";
    database.tamper(witness).await;
    let store = Store::open_postgres(&PostgresSettings::at(database.url())).await;
    let store = store.expect("the database opens");
    let scene = Scene::set(&store).await;
    scene.import("chunk", vec![boleto(0, 0)]).await;
    let seen = database.texts("SELECT DISTINCT settings FROM seen").await;
    assert_eq!(seen, ["read committed, on"]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_are_about_to_make_the_first_token_one_does() {
    on(Engine::Postgres, both_begin).await;
}

/// A trigger holds a first token that is inserted and not committed, until both nodes are at it.
async fn both_begin(database: Database) {
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
        CREATE TRIGGER slow AFTER INSERT ON service_tokens
            FOR EACH ROW EXECUTE FUNCTION slow()";
    database.tamper(slow).await;
    let mut eye = session(&database).await;
    run(&mut eye, "SELECT pg_advisory_lock(42)").await;
    let other = Store::open_postgres(&PostgresSettings::at(database.url())).await;
    let other = other.expect("a store");
    let nodes = [database.store.clone(), other.clone()];
    let begun = nodes.map(|node| tokio::spawn(async move { first_token(&node, START).await }));
    let both = "SELECT count(*) / 2 FROM pg_stat_activity
        WHERE query LIKE '%INSERT INTO service_tokens%' AND wait_event_type = 'Lock'
          AND datname = current_database()";
    until(&mut eye, both).await;
    run(&mut eye, "SELECT pg_advisory_unlock(42)").await;
    let mut made = 0;
    for node in begun {
        let token = node.await.expect("a node").expect("an answer");
        made += usize::from(token.is_some());
    }
    assert_eq!(made, 1);
    let kept = database.numbers("SELECT id FROM service_tokens").await;
    assert_eq!(kept, [0]);
    other.close().await;
}
