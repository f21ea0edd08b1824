//! The audit's chain of seals, and what it notices.

use std::time::Duration;

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

/// Sets a scene up with a payment under each of at least three seals.
async fn sealed(database: &Database) -> Scene {
    let scene = Scene::set(&database.store).await;
    scene.enroll(6, START).await;
    for n in 0..3 {
        scene.pay(&format!("paid {n}"), n).await;
        seal_all(database, &scene).await;
    }
    scene
}

/// Seals until nothing is left: a transaction elsewhere on the server may hold rows open.
async fn seal_all(database: &Database, scene: &Scene) {
    let sealed = tokio::time::timeout(Duration::from_secs(60), async {
        while check(database, scene).await.unsealed > 0 {
            database
                .store
                .seal_audit(scene.tenant, scene.fence)
                .await
                .expect("a seal");
        }
    });
    sealed.await.expect("everything is sealed");
}

async fn check(database: &Database, scene: &Scene) -> AuditReport {
    database
        .store
        .verify_audit(scene.tenant)
        .await
        .expect("the database answers")
}

/// Returns the seal that covers the payment with a number.
async fn seal_of(database: &Database, payment: u32) -> i64 {
    let seal = format!(
        "SELECT s.no FROM audit a
         JOIN audit_seals s ON a.batch >= s.from_batch AND a.batch < s.to_batch
         WHERE a.action = 'boleto.paid' ORDER BY a.id LIMIT 1 OFFSET {payment}"
    );
    database.numbers(&seal).await[0]
}

async fn seals_cover_what_was_written_and_fit(database: Database) {
    let scene = sealed(&database).await;
    // Another tenant's rows are none of its business.
    let other = Scene::set(&database.store).await;
    other.enroll(1, START).await;
    scene.pay("paid late", 4).await;
    let rows = format!(
        "SELECT count(*) FROM audit WHERE tenant_id = {}",
        scene.tenant.0
    );
    let rows = u64::try_from(database.numbers(&rows).await[0]).expect("a count");
    let report = check(&database, &scene).await;
    assert!(report.seals >= 3 && report.broken_at.is_none());
    assert_eq!((report.sealed, report.unsealed), (rows - 1, 1));
    seal_all(&database, &scene).await;
    let report = check(&database, &scene).await;
    assert_eq!((report.sealed, report.unsealed), (rows, 0));
    // With nothing new there is nothing to seal.
    database
        .store
        .seal_audit(scene.tenant, scene.fence)
        .await
        .expect("a seal");
    assert_eq!(check(&database, &scene).await, report);
}

async fn a_changed_row_breaks_its_seal(database: Database) {
    let scene = sealed(&database).await;
    let seal = seal_of(&database, 1).await;
    let second = "UPDATE audit SET actor = 'somebody' WHERE id IN
        (SELECT id FROM audit WHERE action = 'boleto.paid' ORDER BY id LIMIT 1 OFFSET 1)";
    assert_eq!(database.tamper(second).await, 1);
    assert_eq!(check(&database, &scene).await.broken_at, Some(seal));
}

async fn a_missing_row_breaks_its_seal(database: Database) {
    let scene = sealed(&database).await;
    let seal = seal_of(&database, 2).await;
    let last = "DELETE FROM audit WHERE id IN
        (SELECT max(id) FROM audit WHERE action = 'boleto.paid')";
    assert_eq!(database.tamper(last).await, 1);
    assert_eq!(check(&database, &scene).await.broken_at, Some(seal));
}

async fn a_seal_that_was_left_out_breaks_the_next(database: Database) {
    let scene = sealed(&database).await;
    database
        .tamper("DELETE FROM audit_seals WHERE no = 2")
        .await;
    assert_eq!(check(&database, &scene).await.broken_at, Some(3));
}
