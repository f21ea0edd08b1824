//! What the machine reads: due pages, sweeps, tallies, the look-ahead.

use actors::lease::{Leases, NodeId};
use actors::machine::change::Change;
use actors::machine::input::{Outcome, Sweep, SweepKind};
use actors::ports::{Journal, Mark, PageRequest, ShardId};
use engine::facts::Saying;
use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::id::EnrollmentId;
use schedules::rule::{Rule, RuleBody, RulePack};
use schedules::time::{DAY_MS, Timestamp};
use tests::database::Database;
use tests::scene::{START, Scene, accepted, attempt, boleto, claim, new_tenant, settled};

use super::store_suite;

store_suite!(
    due_pages_join_without_a_gap,
    a_due_page_knows_the_contacts_sends,
    a_paused_campaign_has_no_due_page,
    tallies_leave_refunds_out,
    an_import_is_swept_page_by_page,
    a_sweep_is_kept_until_it_ends,
    the_look_ahead_names_who_has_something_to_do,
    claims_of_a_former_owner_wake_their_tenant,
);

/// Asks for what is due up to an instant.
pub fn request(until: Timestamp, limit: u32) -> PageRequest {
    PageRequest {
        after: Mark::default(),
        until,
        limit,
        sends_since: START.plus_ms(-DAY_MS),
        ahead_ms: 0,
    }
}

async fn due_pages_join_without_a_gap(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene
        .import("chunk", (0..30).map(|n| boleto(n, n / 3)).collect())
        .await;
    let mut changes = Vec::new();
    for n in 0..30 {
        // Ten instants, three at each, the last ten far in the future.
        let at = START.plus_ms(i64::from(n / 3) * 1_000);
        let far = if n >= 20 { 100 * DAY_MS } else { 0 };
        changes.push(scene.enrolled(scene.boleto_id(n).await, at.plus_ms(far)));
    }
    scene.commit(changes).await.expect("a commit");
    let (mut seen, mut after) = (Vec::new(), Mark::default());
    loop {
        let request = PageRequest {
            after,
            ..request(START.plus_ms(60_000), 7)
        };
        let page = database
            .store
            .due_page(scene.tenant, request)
            .await
            .expect("a page");
        assert!(page.rows.len() <= 7);
        let first_unseen = page
            .next_after_at
            .expect("the far ones come after every page");
        assert!(first_unseen >= page.read_to.next_at || first_unseen > request.until);
        seen.extend(page.rows.iter().map(|row| row.enrollment.id));
        after = page.read_to;
        if page.read_to.enrollment == EnrollmentId(i64::MAX) {
            break;
        }
    }
    let all: Vec<_> = scene
        .enrollments()
        .await
        .iter()
        .map(|one| one.enrollment.id)
        .collect();
    assert_eq!(seen, all[..20]);
}

async fn a_due_page_knows_the_contacts_sends(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene
        .import("chunk", (0..3).map(|n| boleto(n, 0)).collect())
        .await;
    for n in 0..3 {
        let enrolled = scene.enrolled(scene.boleto_id(n).await, START);
        scene.commit(vec![enrolled]).await.expect("a commit");
    }
    let all = scene.enrollments().await;
    let changes = vec![
        claim(&all[0], 0, START.plus_ms(-1_000)),
        claim(&all[1], 0, START.plus_ms(-5_000)),
        settled(attempt(&all[0], 0), accepted()),
        settled(attempt(&all[1], 0), Outcome::Unavailable),
    ];
    scene.commit(changes).await.expect("a commit");
    let page = database
        .store
        .due_page(scene.tenant, request(START, 10))
        .await
        .expect("a page");
    assert_eq!(page.rows.len(), 1);
    let contact = &page.contacts[0];
    assert_eq!(contact.zones, [chrono_tz::Tz::America__Sao_Paulo]);
    // The refunded one is left out; the other counts at its deadline.
    let sends: Vec<_> = contact
        .sends
        .iter()
        .map(|send| (send.at, send.boleto))
        .collect();
    assert_eq!(sends, [(START.plus_ms(2_000), all[0].enrollment.boleto)]);
    let later = PageRequest {
        sends_since: START.plus_ms(2_001),
        ..request(START, 10)
    };
    let page = database
        .store
        .due_page(scene.tenant, later)
        .await
        .expect("a page");
    assert_eq!(page.contacts[0].sends, []);
}

async fn a_paused_campaign_has_no_due_page(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(2, START).await;
    let rows = async || {
        let page = database
            .store
            .due_page(scene.tenant, request(START, 10))
            .await;
        page.expect("a page").rows.len()
    };
    assert_eq!(rows().await, 2);
    scene
        .say(
            "pause",
            Saying::CampaignPaused {
                campaign: scene.campaign,
            },
        )
        .await;
    assert_eq!(rows().await, 0);
    scene
        .say(
            "resume",
            Saying::CampaignResumed {
                campaign: scene.campaign,
            },
        )
        .await;
    assert_eq!(rows().await, 2);
    scene.say("kill", Saying::TenantPaused).await;
    assert_eq!(rows().await, 0);
}

async fn tallies_leave_refunds_out(database: Database) {
    let mut tenant = new_tenant();
    let cap = Cap {
        scope: CapScope::Tenant,
        window: CapWindow::RollingMs(DAY_MS),
        max: 10,
    };
    let body = RuleBody::Cap(cap);
    let rule = Rule {
        code: "cap.tenant".into(),
        version: 1,
        channels: Vec::new(),
        body,
    };
    tenant.rules = RulePack {
        name: "capped".into(),
        version: 1,
        rules: vec![rule],
    };
    let scene = Scene::set_with(&database.store, &tenant).await;
    let all = scene.enroll(4, START).await;
    let mut changes: Vec<_> = all.iter().map(|one| claim(one, 0, START)).collect();
    changes.push(settled(attempt(&all[0], 0), accepted()));
    changes.push(settled(attempt(&all[1], 0), Outcome::Unavailable));
    scene.commit(changes).await.expect("a commit");
    let snapshot = database.store.load(scene.tenant).await.expect("a snapshot");
    let sends: u32 = snapshot.tallies.iter().map(|row| row.sends).sum();
    assert_eq!(sends, 3);
    assert!(
        snapshot
            .tallies
            .iter()
            .all(|row| row.campaign == scene.campaign)
    );
    assert_eq!(snapshot.unsettled.len(), 2);
}

async fn an_import_is_swept_page_by_page(database: Database) {
    let scene = Scene::set(&database.store).await;
    let first = scene
        .import("one", (0..5).map(|n| boleto(n, n)).collect())
        .await;
    scene
        .import("two", (5..9).map(|n| boleto(n, n)).collect())
        .await;
    scene.pay("paid", 3).await;
    let kinds = [
        (
            SweepKind::EnrollImport {
                import: first.import,
            },
            4,
        ),
        (
            SweepKind::EnrollCampaign {
                campaign: scene.campaign,
            },
            8,
        ),
    ];
    for (kind, open) in kinds {
        let (mut sweep, mut seen) = (
            Sweep {
                seq: 1,
                kind,
                after: i64::MIN,
            },
            Vec::new(),
        );
        loop {
            let page = database
                .store
                .sweep_page(scene.tenant, &sweep, 2)
                .await
                .expect("a page");
            seen.extend(page.candidates.iter().map(|candidate| candidate.boleto));
            sweep.after = page.read_to;
            if page.last {
                break;
            }
        }
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (open, open));
        assert!(!seen.contains(&scene.boleto_id(3).await));
    }
}

async fn a_sweep_is_kept_until_it_ends(database: Database) {
    let scene = Scene::set(&database.store).await;
    let kind = SweepKind::EnrollCampaign {
        campaign: scene.campaign,
    };
    let begun = Sweep {
        seq: 5,
        kind,
        after: i64::MIN,
    };
    let sweeps = async || {
        database
            .store
            .load(scene.tenant)
            .await
            .expect("a snapshot")
            .sweeps
    };
    scene
        .commit(vec![Change::SweepMoved(begun.clone())])
        .await
        .expect("a commit");
    assert_eq!(sweeps().await, std::slice::from_ref(&begun));
    let on = Sweep { after: 77, ..begun };
    scene
        .commit(vec![Change::SweepMoved(on.clone())])
        .await
        .expect("a commit");
    assert_eq!(sweeps().await, [on]);
    scene
        .commit(vec![Change::SweepEnded { seq: 5 }])
        .await
        .expect("a commit");
    assert_eq!(sweeps().await, []);
}

async fn the_look_ahead_names_who_has_something_to_do(database: Database) {
    let mut scenes = Vec::new();
    for shard in 1..=4 {
        let scene = Scene::set(&database.store).await;
        let at = START.plus_ms(i64::from(shard) * 10_000);
        scene.enroll(2, at).await;
        scenes.push((scene, at));
    }
    let apply = "UPDATE inbox SET applied_at = 1";
    database.tamper(apply).await;
    let ahead = async |shards: &[i32], until| {
        let shards: Vec<_> = shards.iter().copied().map(ShardId).collect();
        database
            .store
            .look_ahead(&shards, until)
            .await
            .expect("tenants")
    };
    let expected = |n: usize| (scenes[n].0.tenant, scenes[n].1);
    let until = START.plus_ms(30_000);
    assert_eq!(
        ahead(&[1, 2, 3, 4], until).await,
        [expected(0), expected(1), expected(2)]
    );
    assert_eq!(ahead(&[2, 4], until).await, [expected(1)]);
    assert_eq!(ahead(&[], until).await, []);
    scenes[1]
        .0
        .say(
            "pause",
            Saying::CampaignPaused {
                campaign: scenes[1].0.campaign,
            },
        )
        .await;
    // The fact itself wants to be applied, at once.
    let paused = (scenes[1].0.tenant, Timestamp::default());
    assert_eq!(ahead(&[2], until).await, [paused]);
    database.tamper(apply).await;
    assert_eq!(ahead(&[2], until).await, []);
    let kind = SweepKind::ReplanTenant;
    let sweep = Sweep {
        seq: 1,
        kind,
        after: i64::MIN,
    };
    scenes[1]
        .0
        .commit(vec![Change::SweepMoved(sweep)])
        .await
        .expect("a commit");
    assert_eq!(ahead(&[2], until).await, [paused]);
}

async fn claims_of_a_former_owner_wake_their_tenant(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let claims = all.iter().map(|one| claim(one, 0, START)).collect();
    scene.commit(claims).await.expect("a commit");
    database.tamper("UPDATE inbox SET applied_at = 1").await;
    let wakes = async || {
        let shards = [scene.fence.shard];
        let ahead = database.store.look_ahead(&shards, START).await;
        ahead.expect("tenants").len()
    };
    assert_eq!(wakes().await, 0, "its own claims are known to the owner");
    let shard = scene.fence.shard;
    let former = NodeId(format!("node-of-{}", shard.0));
    let released = database.store.release(&former, scene.fence).await;
    released.expect("the shard is free");
    let next = NodeId("next".to_owned());
    let taken = database.store.take_or_renew(&next, shard, 60_000).await;
    let fence = taken.expect("an answer").expect("the shard is free");
    let mut next = scene.clone();
    next.fence = fence;
    for one in &all {
        assert_eq!(wakes().await, 1, "again, until the last is closed");
        let unknown = settled(attempt(one, 0), Outcome::Unknown);
        next.commit(vec![unknown]).await.expect("a commit");
    }
    assert_eq!(wakes().await, 0);
}
