//! The kill switch of the whole engine in the store, and what may make a stop wait.

use std::pin::pin;
use std::time::Duration;

use engine::facts::Saying;
use engine::store::{Import, Setting, Turn};
use futures::poll;
use schedules::rule::RulePack;
use sqlx::{Connection, PgConnection};
use tests::database::{Database, Engine, on};
use tests::scene::{START, Scene, boleto, edit};

use super::store_suite;

store_suite!(a_turn_that_was_overtaken_reaches_nobody);

/// Opens a session of the test's own, and runs statements in it.
async fn session(database: &Database, sql: &'static str) -> PgConnection {
    let session = PgConnection::connect(database.url()).await;
    let mut session = session.expect("a connection");
    run(&mut session, sql).await;
    session
}

async fn run(session: &mut PgConnection, sql: &'static str) {
    let done = sqlx::raw_sql(sql).execute(session).await;
    done.expect("the statement runs");
}

/// Waits until so many of the store's statements wait for a lock.
async fn waiting(database: &Database, count: i64) {
    let seen = tokio::time::timeout(Duration::from_secs(20), async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while database.numbers(waiting).await != [count] {
            tokio::task::yield_now().await;
        }
    });
    seen.await.expect("they wait");
}

/// Imports a boleto.
async fn import(scene: &Scene, key: &str) {
    let import = Import {
        key: key.to_owned(),
        source: "test".to_owned(),
        at: START,
    };
    let imported = scene
        .store
        .import_boletos(scene.tenant, import, vec![boleto(1, 1)]);
    // Whether it is taken in the end is its own matter.
    _ = imported.await;
}

/// Holds the gates of both tenants, so that imports of them wait as for another node's.
const GATES: &str = "BEGIN; SELECT 1 FROM import_gates FOR UPDATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engines_switch_waits_for_no_import() {
    on(Engine::Postgres, |database| async move {
        let scene = Scene::set(&database.store).await;
        let mut gates = session(&database, GATES).await;
        let mut imports = pin!(async { tokio::join!(import(&scene, "a"), import(&scene, "b")) });
        assert!(poll!(&mut imports).is_pending());
        // Every writer of the imports' lane waits.
        waiting(&database, 2).await;
        let turned = turn(&scene, true);
        tokio::select! {
            biased;
            _ = &mut imports => panic!("the imports came first"),
            _ = turned => {}
        }
        run(&mut gates, "COMMIT").await;
    })
    .await;
}

async fn turn(scene: &Scene, held: bool) -> Turn {
    let turned = scene.store.turn_engine_switch(held, "test", START).await;
    turned.expect("a turn")
}

/// Tells the tenant what a turn says; returns whether the turn still counted.
async fn tell(scene: &Scene, turn: Turn, saying: Saying) -> bool {
    let facts = [scene.fact(&format!("{turn:?}"), saying)];
    let told = scene.store.commit_facts_of_turn(turn, &facts).await;
    told.expect("the database answers").is_some()
}

async fn held(database: &Database) -> Vec<i64> {
    database.numbers("SELECT held FROM tenants").await
}

async fn a_turn_that_was_overtaken_reaches_nobody(database: Database) {
    let scene = Scene::set(&database.store).await;
    let pause = turn(&scene, true).await;
    assert!(tell(&scene, pause, Saying::TenantHeld).await);
    let resume = turn(&scene, false).await;
    let again = turn(&scene, true).await;
    assert!(!tell(&scene, resume, Saying::TenantReleased).await);
    assert_eq!(held(&database).await, [1]);
    let resume = turn(&scene, false).await;
    assert!(tell(&scene, resume, Saying::TenantReleased).await);
    assert!(!tell(&scene, again, Saying::TenantHeld).await);
    assert_eq!(held(&database).await, [0]);
    let kept = "SELECT count(*) FROM inbox WHERE event_id LIKE 'Turn%'";
    assert_eq!(
        database.numbers(kept).await,
        [2],
        "nothing is kept of the others"
    );
}

/// The page waits for a tenant's row that somebody holds: the turn does not wait for the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_overtakes_a_page_that_waits_and_waits_for_none() {
    on(Engine::Postgres, |database| async move {
        let scene = Scene::set(&database.store).await;
        let pause = turn(&scene, true).await;
        assert!(tell(&scene, pause, Saying::TenantHeld).await);
        let resume = turn(&scene, false).await;
        let row = "BEGIN; SELECT 1 FROM tenants FOR NO KEY UPDATE";
        let mut row = session(&database, row).await;
        let mut page = pin!(tell(&scene, resume, Saying::TenantReleased));
        assert!(poll!(&mut page).is_pending());
        waiting(&database, 1).await;
        tokio::select! {
            biased;
            _ = &mut page => panic!("the page came first"),
            _ = turn(&scene, true) => {}
        }
        run(&mut row, "COMMIT").await;
        assert!(!page.await, "it was overtaken");
        assert_eq!(held(&database).await, [1]);
    })
    .await;
}

/// Another node's turn is on its way: a page waits for it and then knows of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_waits_for_a_turn_of_another_node_and_heeds_it() {
    on(Engine::Postgres, |database| async move {
        let scene = Scene::set(&database.store).await;
        let pause = turn(&scene, true).await;
        assert!(tell(&scene, pause, Saying::TenantHeld).await);
        let resume = turn(&scene, false).await;
        let elsewhere = "BEGIN; UPDATE engine_switch SET held = 1, turn = turn + 1";
        let mut elsewhere = session(&database, elsewhere).await;
        let mut page = pin!(tell(&scene, resume, Saying::TenantReleased));
        assert!(poll!(&mut page).is_pending());
        waiting(&database, 1).await;
        run(&mut elsewhere, "COMMIT").await;
        assert!(!page.await, "it was overtaken");
        assert_eq!(held(&database).await, [1]);
    })
    .await;
}

/// A pause of the tenant would wait for the edit, and so for another tenant's import.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_shares_its_transaction_with_no_import() {
    on(Engine::Postgres, |database| async move {
        let (edited, busy) = (
            Scene::set(&database.store).await,
            Scene::set(&database.store).await,
        );
        let first = "BEGIN; SELECT 1 FROM import_gates WHERE tenant_id = 1 FOR UPDATE";
        let mut first = session(&database, first).await;
        let second = "BEGIN; SELECT 1 FROM import_gates WHERE tenant_id = 2 FOR UPDATE";
        let mut second = session(&database, second).await;
        let mut busy_writers =
            pin!(async { tokio::join!(import(&edited, "a"), import(&edited, "b")) });
        assert!(poll!(&mut busy_writers).is_pending());
        waiting(&database, 2).await;
        // Both wait for a writer now, the edit first.
        let rules = Setting::Rules(RulePack::brazil());
        let mut put = pin!(
            edited
                .store
                .put_setting(edited.tenant, edit("rules"), rules)
        );
        assert!(poll!(&mut put).is_pending());
        let mut blocked = pin!(import(&busy, "c"));
        assert!(poll!(&mut blocked).is_pending());
        run(&mut first, "COMMIT").await;
        tokio::select! {
            biased;
            () = &mut blocked => panic!("the import came first"),
            put = &mut put => assert_eq!(put, Ok(true)),
        }
        run(&mut second, "COMMIT").await;
    })
    .await;
}
