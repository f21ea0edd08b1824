//! One message for several boletos: its claims are rows of their own, it counts and costs once.

use actors::machine::change::{Change, Settled};
use actors::machine::input::Outcome;
use actors::ports::{Journal, PageRequest};
use engine::facts::FactAnswer;
use engine::store::EnrollmentRecord;
use engine::why::story;
use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::id::AttemptId;
use schedules::rule::{Rule, RuleBody};
use schedules::time::{DAY_MS, HOUR_MS, Timestamp};
use tests::database::Database;
use tests::scene::{START, Scene, accepted, attempt, boleto, claim, loaded, new_tenant, settled};

use super::pages::request;
use super::store_suite;

store_suite!(
    a_message_holds_and_spends_one_credit,
    a_companion_reads_back_with_its_lead_and_counts_for_its_boleto,
    a_stop_of_a_companion_finds_its_own_claim,
    what_a_stop_left_of_a_message_stands_and_costs_nothing,
    a_page_brings_what_its_touches_may_bring_forward,
    each_boleto_tells_with_which_others_it_went_out,
);

/// A tenant of two credits and a cap, and three boletos of one contact that are due.
async fn scene_of(database: &Database) -> (Scene, Vec<EnrollmentRecord>) {
    let mut tenant = new_tenant();
    tenant.credits = Some(2);
    tenant.rules.rules.push(Rule {
        code: "cap.tenant".into(),
        version: 1,
        channels: Vec::new(),
        body: RuleBody::Cap(Cap {
            scope: CapScope::Tenant,
            window: CapWindow::RollingMs(DAY_MS),
            max: 10,
        }),
    });
    let scene = Scene::set_with(&database.store, &tenant).await;
    let all = enroll(&scene, &[(0, START), (1, START), (2, START)]).await;
    (scene, all)
}

/// Enrolls boletos of contact 0, each at an instant.
async fn enroll(scene: &Scene, boletos: &[(u32, Timestamp)]) -> Vec<EnrollmentRecord> {
    let new = boletos.iter().map(|(n, _)| boleto(*n, 0));
    scene.import("chunk", new.collect()).await;
    let mut changes = Vec::new();
    for (n, at) in boletos {
        changes.push(scene.enrolled(scene.boleto_id(*n).await, *at));
    }
    scene.commit(changes).await.expect("the enrollment");
    scene.enrollments().await
}

/// Returns the claims of one message, the first of which leads.
fn together(all: &[EnrollmentRecord]) -> Vec<Change> {
    let lead = attempt(&all[0], 0);
    let mut claims: Vec<Change> = all.iter().map(|one| claim(one, 0, START)).collect();
    for change in &mut claims[1..] {
        if let Change::Claimed(claim) = change {
            claim.lead = Some(lead);
        }
    }
    claims
}

fn settled_companion(attempt: AttemptId, outcome: Outcome) -> Change {
    Change::Settled(Settled {
        attempt,
        at: START,
        outcome,
        companion: true,
    })
}

async fn credits(scene: &Scene) -> Option<(i64, i64)> {
    let settings = scene.store.settings(scene.tenant).await.expect("settings");
    let credits = settings.tenant.credits;
    credits.map(|credits| (credits.balance, credits.held))
}

async fn a_message_holds_and_spends_one_credit(database: Database) {
    let (scene, all) = scene_of(&database).await;
    scene.commit(together(&all)).await.expect("a commit");
    assert_eq!(credits(&scene).await, Some((2, 1)));
    let outcomes = vec![
        settled_companion(attempt(&all[1], 0), accepted()),
        settled_companion(attempt(&all[2], 0), accepted()),
    ];
    scene.commit(outcomes).await.expect("a commit");
    assert_eq!(credits(&scene).await, Some((2, 1)), "it is the lead's");
    let lead = settled(attempt(&all[0], 0), accepted());
    let again = settled_companion(attempt(&all[1], 0), Outcome::Unknown);
    scene
        .commit(vec![lead.clone(), again, lead])
        .await
        .expect("a commit");
    assert_eq!(credits(&scene).await, Some((1, 0)));
    let kinds = database.numbers("SELECT count(*) FROM outcomes WHERE kind = 'accepted'");
    assert_eq!(kinds.await, [3]);
}

async fn a_companion_reads_back_with_its_lead_and_counts_for_its_boleto(database: Database) {
    let (scene, all) = scene_of(&database).await;
    let claims = together(&all);
    scene.commit(claims.clone()).await.expect("a commit");
    let snapshot = database.store.load(scene.tenant).await.expect("a snapshot");
    let unsettled = snapshot.unsettled.into_iter().map(Change::Claimed);
    let claims: Vec<Change> = claims.iter().map(loaded).collect();
    assert_eq!(unsettled.collect::<Vec<_>>(), claims);
    let sends: Vec<u32> = snapshot.tallies.iter().map(|row| row.sends).collect();
    assert_eq!(sends, [1]);
    let attempts =
        database
            .store
            .attempts(scene.tenant, all[0].enrollment.id, all[2].enrollment.id);
    let leads: Vec<_> = attempts
        .await
        .expect("attempts")
        .iter()
        .map(|one| one.lead)
        .collect();
    assert_eq!(leads, [Some(attempt(&all[0], 0)); 2]);
    let another = enroll_one_more(&scene).await;
    let page = database
        .store
        .due_page(scene.tenant, request(START, 10))
        .await
        .expect("a page");
    assert_eq!(page.rows[0].enrollment.id, another.enrollment.id);
    let mut sends: Vec<_> = page.contacts[0]
        .sends
        .iter()
        .map(|send| (send.boleto, send.merged))
        .collect();
    sends.sort_unstable();
    let boleto = |n: usize| all[n].enrollment.boleto;
    let expected = [(boleto(0), false), (boleto(1), true), (boleto(2), true)];
    assert_eq!(sends, expected);
}

async fn enroll_one_more(scene: &Scene) -> EnrollmentRecord {
    scene.import("another", vec![boleto(9, 0)]).await;
    let change = scene.enrolled(scene.boleto_id(9).await, START);
    scene.commit(vec![change]).await.expect("the enrollment");
    scene.enrollments().await.pop().expect("an enrollment")
}

async fn a_stop_of_a_companion_finds_its_own_claim(database: Database) {
    let (scene, all) = scene_of(&database).await;
    scene.commit(together(&all)).await.expect("a commit");
    let answer = scene.pay("paid", 1).await;
    let FactAnswer::Applied { in_flight, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(in_flight, 1);
}

async fn what_a_stop_left_of_a_message_stands_and_costs_nothing(database: Database) {
    for (n, others) in [(0, [1, 2]), (2, [0, 1])] {
        let (scene, all) = scene_of(&database).await;
        scene.pay("paid", n).await;
        let committed = scene.commit(together(&all)).await.expect("a commit");
        assert_eq!(committed.refused, [all[n as usize].enrollment.id]);
        let held = i64::from(n != 0);
        assert_eq!(credits(&scene).await, Some((2, held)), "stop of {n}");
        let stopped = Outcome::Abandoned {
            why: actors::machine::input::Abandoned::Stopped,
        };
        let back = others.map(|other: usize| match other {
            0 => settled(attempt(&all[0], 0), stopped.clone()),
            _ => settled_companion(attempt(&all[other], 0), stopped.clone()),
        });
        scene.commit(back.to_vec()).await.expect("a commit");
        assert_eq!(credits(&scene).await, Some((2, 0)));
        let left = database.store.load(scene.tenant).await.expect("a snapshot");
        assert_eq!(left.unsettled, []);
    }
}

async fn a_page_brings_what_its_touches_may_bring_forward(database: Database) {
    let scene = Scene::set(&database.store).await;
    let later = START.plus_ms(DAY_MS);
    let boletos = [(0, START), (1, START), (2, later), (3, later.plus_ms(1))];
    let all = enroll(&scene, &boletos).await;
    // Another contact's, which nothing of the page brings forward.
    scene.import("other", vec![boleto(7, 7)]).await;
    let change = scene.enrolled(scene.boleto_id(7).await, START.plus_ms(HOUR_MS));
    scene.commit(vec![change]).await.expect("the enrollment");
    let ahead = async |request: PageRequest| {
        let page = database.store.due_page(scene.tenant, request).await;
        let page = page.expect("a page");
        let ids = |rows: &[actors::ports::DueRow]| {
            rows.iter().map(|row| row.enrollment.id).collect::<Vec<_>>()
        };
        (ids(&page.rows), ids(&page.ahead))
    };
    let id = |n: usize| all[n].enrollment.id;
    let whole = request(START, 10);
    assert_eq!(ahead(whole).await, (vec![id(0), id(1)], vec![]));
    let a_day = PageRequest {
        ahead_ms: DAY_MS,
        ..whole
    };
    assert_eq!(ahead(a_day).await, (vec![id(0), id(1)], vec![id(2)]));
    let short = PageRequest { limit: 1, ..a_day };
    assert_eq!(ahead(short).await, (vec![id(0)], vec![id(1), id(2)]));
    scene.pay("paid", 2).await;
    assert_eq!(ahead(a_day).await, (vec![id(0), id(1)], vec![]));
}

async fn each_boleto_tells_with_which_others_it_went_out(database: Database) {
    let (scene, all) = scene_of(&database).await;
    scene.commit(together(&all)).await.expect("a commit");
    let other = enroll_one_more(&scene).await;
    scene
        .commit(vec![claim(&other, 0, START)])
        .await
        .expect("a commit");
    let told = async |record: &EnrollmentRecord| {
        let why = scene
            .store
            .why_boleto(scene.tenant, record.enrollment.boleto)
            .await;
        story(&why.expect("a story"), chrono_tz::Tz::America__Sao_Paulo).join("\n")
    };
    for (n, others) in ["NF-1, NF-2", "NF-0, NF-2", "NF-0, NF-1"]
        .iter()
        .enumerate()
    {
        let told = told(&all[n]).await;
        assert!(
            told.contains(&format!("que os boletos {others} (")),
            "{told}"
        );
    }
    let alone = told(&other).await;
    assert!(!alone.contains("na mesma mensagem"), "{alone}");
}
