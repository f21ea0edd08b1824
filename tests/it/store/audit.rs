//! The audit's chain of seals, and what it notices.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::ports::Journal;
use engine::facts::Saying;
use engine::store::AuditReport;
use engine::store::reads::{Ask, AuditOf, AuditRow, SealRow};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tests::database::Database;
use tests::scene::{START, Scene, boleto, reference};

use super::store_suite;

store_suite!(
    seals_cover_what_was_written_and_fit,
    a_changed_row_breaks_its_seal,
    a_missing_row_breaks_its_seal,
    a_seal_that_was_left_out_breaks_the_next,
    the_audit_is_found_by_time_and_kind,
    the_seals_of_the_audit_can_be_checked_from_its_pages,
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

/// Reads the audit page by page.
async fn listed(scene: &Scene, of: &AuditOf) -> Vec<AuditRow> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let ask = Ask { after, limit: 7 };
        let page = scene.store.list_audit(scene.tenant, of, &ask).await;
        let page = page.expect("a page");
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

/// Pays boletos `0..12`, a second apart, and seals now and then.
async fn paid_and_sealed(scene: &Scene) {
    let boletos = (0..12).map(|n| boleto(n, n)).collect();
    scene.import("chunk", boletos).await;
    for n in 0..12_u32 {
        let paid = Saying::BoletoPaid {
            boleto: reference(n),
        };
        let mut fact = scene.fact(&format!("paid {n}"), paid);
        fact.received_at = START.plus_ms(i64::from(n) * 1_000);
        scene.store.commit_facts(&[fact]).await.expect("a fact");
        if n % 4 == 3 {
            let sealed = scene.store.seal_audit(scene.tenant, scene.fence).await;
            sealed.expect("a seal");
        }
    }
}

async fn the_audit_is_found_by_time_and_kind(database: Database) {
    let scene = Scene::set(&database.store).await;
    paid_and_sealed(&scene).await;
    for (from, to, expected) in [(0, 12_000, 12), (3_000, 5_000, 2), (5_000, 3_000, 0)] {
        let of = AuditOf {
            at: Some(START.plus_ms(from)..START.plus_ms(to)),
            action: Some("boleto.paid".to_owned()),
        };
        assert_eq!(listed(&scene, &of).await.len(), expected, "{of:?}");
    }
    let all = listed(&scene, &AuditOf::default()).await;
    assert!(all.len() > 12, "{all:?}");
    assert!(all.is_sorted_by_key(|it| (it.at, it.id)));
}

/// Whoever has the rows finds the hashes of the seals, as the pages say.
async fn the_seals_of_the_audit_can_be_checked_from_its_pages(database: Database) {
    let scene = Scene::set(&database.store).await;
    paid_and_sealed(&scene).await;
    seal_all(&database, &scene).await;
    let all = listed(&scene, &AuditOf::default()).await;
    let mut seals: BTreeMap<i64, (SealRow, Vec<&AuditRow>)> = BTreeMap::new();
    for row in &all {
        let seal = row.seal.clone().expect("everything is sealed");
        assert!((seal.from_batch..seal.to_batch).contains(&row.batch));
        let of = seals.entry(seal.no).or_insert((seal, Vec::new()));
        of.1.push(row);
    }
    let mut before = String::new();
    for (no, (seal, mut rows)) in seals {
        rows.sort_by_key(|it| (it.batch, it.id));
        let mut hash = Sha256::new();
        hash.update(&before);
        for it in &rows {
            let (tenant, at) = (scene.tenant.0, it.at.unix_ms());
            let (who, what, subject) = (&it.actor, &it.action, &it.subject);
            let line = json!([tenant, it.id, at, who, what, subject, it.detail]);
            hash.update(format!("{line}\n"));
        }
        let digest = hash.finalize();
        let digest: String = digest.iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(digest, seal.hash, "seal {no}");
        assert_eq!(seal.rows, i64::try_from(rows.len()).expect("few"));
        before = seal.hash;
    }
}
