//! The audit's chain of seals, and what it notices.

use actors::ports::Journal;
use engine::store::AuditReport;
use tests::database::Database;
use tests::scene::{START, Scene};

use super::store_suite;

store_suite!(
    seals_cover_what_was_written_and_fit,
    a_changed_row_breaks_its_seal,
    a_missing_row_breaks_its_seal,
    a_seal_that_was_left_out_breaks_the_next,
);

/// Sets a scene up with three seals.
async fn sealed(database: &Database) -> Scene {
    let scene = Scene::set(&database.store, 1).await;
    scene.enroll(6, START).await;
    for n in 0..3 {
        scene.pay(&format!("paid {n}"), n).await;
        database.store.seal_audit(scene.tenant, scene.fence).await.expect("a seal");
    }
    scene
}

async fn check(database: &Database, scene: &Scene) -> AuditReport {
    database.store.verify_audit(scene.tenant).await.expect("the database answers")
}

async fn seals_cover_what_was_written_and_fit(database: Database) {
    let scene = sealed(&database).await;
    // Another tenant's rows are none of its business.
    sealed_beside(&database).await;
    scene.pay("paid late", 4).await;
    let rows = format!("SELECT count(*) FROM audit WHERE tenant_id = {}", scene.tenant.0);
    let rows = u64::try_from(database.numbers(&rows).await[0]).expect("a count");
    let report = check(&database, &scene).await;
    assert_eq!((report.seals, report.broken_at), (3, None));
    assert_eq!((report.sealed, report.unsealed), (rows - 1, 1));
    database.store.seal_audit(scene.tenant, scene.fence).await.expect("a seal");
    let report = check(&database, &scene).await;
    assert_eq!((report.sealed, report.unsealed), (rows, 0));
    // With nothing new there is nothing to seal.
    database.store.seal_audit(scene.tenant, scene.fence).await.expect("a seal");
    assert_eq!(check(&database, &scene).await.seals, 4);
}

async fn sealed_beside(database: &Database) {
    let other = Scene::set(&database.store, 2).await;
    other.enroll(1, START).await;
    other.pay("paid", 0).await;
}

async fn a_changed_row_breaks_its_seal(database: Database) {
    let scene = sealed(&database).await;
    let second = "UPDATE audit SET actor = 'somebody' WHERE id IN
        (SELECT id FROM audit WHERE action = 'boleto.paid' ORDER BY id LIMIT 1 OFFSET 1)";
    assert_eq!(database.tamper(second).await, 1);
    assert_eq!(check(&database, &scene).await.broken_at, Some(2));
}

async fn a_missing_row_breaks_its_seal(database: Database) {
    let scene = sealed(&database).await;
    let last = "DELETE FROM audit WHERE id IN
        (SELECT max(id) FROM audit WHERE action = 'boleto.paid')";
    assert_eq!(database.tamper(last).await, 1);
    assert_eq!(check(&database, &scene).await.broken_at, Some(3));
}

async fn a_seal_that_was_left_out_breaks_the_next(database: Database) {
    let scene = sealed(&database).await;
    database.tamper("DELETE FROM audit_seals WHERE no = 2").await;
    assert_eq!(check(&database, &scene).await.broken_at, Some(3));
}
