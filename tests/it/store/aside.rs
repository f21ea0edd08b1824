//! Dead letters: what its owner cannot go on with, and what nobody can read.

use actors::machine::change::{Change, Harm, Moved};
use actors::machine::input::{Part, Sweep, SweepKind};
use actors::ports::Journal;
use schedules::id::EnrollmentId;
use schedules::stop::StopReason;
use schedules::time::MINUTE_MS;
use tests::database::Database;
use tests::scene::{START, Scene, boleto, claim, cursor, reopened};

use super::store_suite;

store_suite!(
    a_fact_that_nobody_can_read_is_told_apart,
    a_fact_that_cannot_be_applied_is_set_aside,
    an_enrollment_that_is_set_aside_is_claimed_by_nobody_and_says_why,
    what_is_set_aside_stays_so_when_its_boleto_is_reopened,
    due_rows_that_nobody_can_read_are_told_apart,
    rows_of_a_sweep_that_nobody_can_read_are_told_apart,
    an_enrollment_that_nobody_can_read_is_set_aside_whatever_stands_in_it,
    what_has_ended_is_not_set_aside,
);

async fn a_fact_that_nobody_can_read_is_told_apart(database: Database) {
    let scene = Scene::set(&database.store).await;
    let before = scene.inbox().await;
    database
        .tamper("UPDATE inbox SET body = '{\"kind\":\"of_tomorrow\"}' WHERE event_id = 'launch'")
        .await;
    let page = database.store.inbox_page(scene.tenant, 100).await;
    let page = page.expect("a page");
    let launch = before.iter().find(|fact| fact.event_id == "launch");
    assert_eq!(page.unreadable, [launch.expect("the launch").seq]);
    assert_eq!(page.facts.len(), before.len() - 1);
}

async fn a_fact_that_cannot_be_applied_is_set_aside(database: Database) {
    let scene = Scene::set(&database.store).await;
    let facts = scene.inbox().await;
    let seq = facts[0].seq;
    let harm = Harm::Kills;
    let aside = scene.commit(vec![Change::FactSetAside { seq, harm }]).await;
    assert!(aside.is_ok());
    let facts = scene.inbox().await;
    assert!(facts.iter().all(|fact| fact.seq != seq));
    let report = database.store.report(scene.tenant).await.expect("a report");
    assert_eq!(report.facts.of("dead"), 1);
}

fn aside(enrollment: EnrollmentId) -> Vec<Change> {
    let harm = Harm::Kills;
    vec![Change::SetAside { enrollment, harm }]
}

async fn an_enrollment_that_is_set_aside_is_claimed_by_nobody_and_says_why(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let id = all[0].enrollment.id;
    let committed = scene.commit(aside(id)).await.expect("a commit");
    assert_eq!(committed.refused, []);
    let committed = scene.commit(vec![claim(&all[0], 0, START)]).await;
    assert_eq!(committed.expect("a commit").refused, [id]);
    let request = super::pages::request(START.plus_ms(MINUTE_MS), 10);
    let page = database.store.due_page(scene.tenant, request).await;
    let due: Vec<_> = page.expect("a page").rows;
    assert!(due.iter().all(|row| row.enrollment.id != id) && due.len() == 1);
    let why = database.store.why_enrollment(scene.tenant, id).await;
    let why = why.expect("why");
    assert_eq!(why.enrollments[0].stopped, Some(StopReason::SetAside));
    let said: Vec<_> = why.decisions.iter().map(|one| one.reason.code()).collect();
    assert_eq!(said, ["stopped.set_aside"]);
    let told = "SELECT count(*) FROM outbox WHERE topic = 'enrollment.set_aside'";
    assert_eq!(database.numbers(told).await, [1]);
    let kept = "SELECT count(*) FROM audit WHERE action = 'enrollment.set_aside'
        AND detail = '{\"harm\":\"kills\"}'";
    assert_eq!(database.numbers(kept).await, [1]);
}

async fn what_is_set_aside_stays_so_when_its_boleto_is_reopened(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let (id, boleto) = (all[0].enrollment.id, all[0].enrollment.boleto);
    scene.pay("paid", 0).await;
    scene.say("reopened", reopened(0)).await;
    // Its owner died of planning it again.
    let committed = scene.commit(aside(id)).await.expect("a commit");
    assert_eq!(committed.refused, []);
    let sweep = Sweep {
        seq: 1,
        kind: SweepKind::ReplanBoleto { boleto },
        after: i64::MIN,
    };
    let page = database.store.sweep_page(scene.tenant, &sweep, 10).await;
    assert_eq!(page.expect("a page").standing, []);
    let to = cursor(1, START);
    let enrollment = id;
    let back = vec![Change::Reactivated(Moved { enrollment, to })];
    let committed = scene.commit(back).await.expect("a commit");
    assert_eq!(committed.refused, [id]);
}

async fn due_rows_that_nobody_can_read_are_told_apart(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(3, START).await;
    let (one, other) = (all[0].enrollment, all[1].enrollment);
    let spoil_boleto = format!(
        "UPDATE boletos SET due_on = 'some day' WHERE id = {}",
        one.boleto.0
    );
    let spoil_contact = format!(
        "UPDATE contacts SET zones = 'Mars/Olympus' WHERE id = {}",
        other.contact.0
    );
    database.tamper(&spoil_boleto).await;
    database.tamper(&spoil_contact).await;
    let request = super::pages::request(START.plus_ms(MINUTE_MS), 10);
    let page = database.store.due_page(scene.tenant, request).await;
    let page = page.expect("a page");
    assert_eq!(page.unreadable, [one.id, other.id]);
    let rows: Vec<_> = page.rows.iter().map(|row| row.enrollment.id).collect();
    assert_eq!(rows, [all[2].enrollment.id]);
    let committed = scene.commit(aside(one.id)).await.expect("a commit");
    assert_eq!(committed.refused, []);
}

async fn rows_of_a_sweep_that_nobody_can_read_are_told_apart(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    scene.import("more", vec![boleto(7, 7)]).await;
    let spoil = "UPDATE contacts SET zones = 'Mars/Olympus'";
    database.tamper(spoil).await;
    let page = async |kind| {
        let sweep = Sweep {
            seq: 1,
            kind,
            after: i64::MIN,
        };
        let page = database.store.sweep_page(scene.tenant, &sweep, 10).await;
        page.expect("a page")
    };
    let standing = page(SweepKind::ReplanTenant).await;
    let id = all[0].enrollment.id;
    assert_eq!(standing.unreadable, [Part::Enrollment(id)]);
    assert_eq!(standing.read_to, id.0);
    let campaign = scene.campaign;
    let candidates = page(SweepKind::EnrollCampaign { campaign }).await;
    let named = |part: &Part| matches!(part, Part::Boleto { sweep: 1, .. });
    assert_eq!(
        candidates
            .unreadable
            .iter()
            .filter(|part| named(part))
            .count(),
        2
    );
    assert!(candidates.candidates.is_empty() && candidates.last);
}

async fn an_enrollment_that_nobody_can_read_is_set_aside_whatever_stands_in_it(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(3, START).await;
    let ids = [0, 1].map(|n| all[n].enrollment.id);
    for (id, spoil) in ids.iter().zip(["slot_at = NULL", "step_no = 300"]) {
        let spoil = format!("UPDATE enrollments SET {spoil} WHERE id = {}", id.0);
        database.tamper(&spoil).await;
    }
    let request = super::pages::request(START.plus_ms(MINUTE_MS), 10);
    let page = database.store.due_page(scene.tenant, request).await;
    assert_eq!(page.expect("a page").unreadable, ids);
    let harm = Harm::Unreadable;
    let changes = ids.map(|enrollment| Change::SetAside { enrollment, harm });
    let committed = scene.commit(changes.to_vec()).await.expect("a commit");
    assert_eq!(committed.refused, []);
    let page = database.store.due_page(scene.tenant, request).await;
    let page = page.expect("a page");
    assert_eq!((page.unreadable.len(), page.rows.len()), (0, 1));
    // Nothing of what cannot be read is copied to where it would be read for ever.
    let decisions = "SELECT count(*) FROM decisions";
    assert_eq!(database.numbers(decisions).await, [0]);
    let told = "SELECT count(*) FROM outbox WHERE topic = 'enrollment.set_aside'";
    assert_eq!(database.numbers(told).await, [2]);
}

async fn what_has_ended_is_not_set_aside(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let (ended, paid) = (all[0].enrollment.id, all[1].enrollment.id);
    let finished = vec![Change::Finished { enrollment: ended }];
    scene.commit(finished).await.expect("a commit");
    scene.pay("paid", 1).await;
    let changes = [aside(ended), aside(paid)].concat();
    let committed = scene.commit(changes).await.expect("a commit");
    assert_eq!(committed.refused, [ended]);
    let told = "SELECT count(*) FROM outbox WHERE topic = 'enrollment.set_aside'";
    assert_eq!(database.numbers(told).await, [1]);
    // The payment's own record is still to come.
    let enrollments = scene.enrollments().await;
    let paid = enrollments.iter().find(|one| one.enrollment.id == paid);
    let paid = paid.expect("the paid one");
    assert_eq!(paid.stopped, Some(StopReason::SetAside));
    assert!(paid.stopped_by.is_some());
    let decisions = "SELECT count(*) FROM decisions";
    assert_eq!(database.numbers(decisions).await, [0]);
}
