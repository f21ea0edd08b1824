//! What the differential test found a store to do otherwise than its ports say.

use actors::machine::change::{Change, Enrolled, Moved};
use actors::machine::input::{Sweep, SweepKind};
use actors::ports::{Cursor, Journal, SweepPage};
use engine::facts::{FactAnswer, Saying};
use engine::store::{ImportRefusal, Point, Refused};
use schedules::time::Timestamp;
use tests::database::Database;
use tests::scene::{START, Scene, boleto, contact, cursor, reference, reopened};

use super::store_suite;

store_suite!(
    a_reopening_from_before_the_payment_opens_nothing,
    an_opt_in_from_before_the_opt_out_changes_nothing,
    every_row_of_merged_contacts_is_answered,
    a_chunk_that_is_refused_whole_is_answered_while_a_fact_waits,
    a_boleto_enrolled_twice_at_once_stands_as_the_first_says,
    an_enrollment_without_a_touch_is_finished,
    a_replan_finds_boletos_that_were_passed_over,
    an_archived_campaign_gets_nothing_back,
    a_replan_of_a_campaign_leaves_the_stopped_alone,
);

/// Says something that happened at an instant; it is received at the same one as all else.
async fn say_at(scene: &Scene, event_id: &str, occurred_at: Timestamp, saying: Saying) {
    let mut fact = scene.fact(event_id, saying);
    fact.occurred_at = occurred_at;
    let answers = scene.store.commit_facts(&[fact]).await.expect("a commit");
    assert!(matches!(answers[..], [FactAnswer::Applied { .. }]));
}

async fn status(scene: &Scene, n: u32) -> String {
    let id = scene.boleto_id(n).await;
    let why = scene.store.why_boleto(scene.tenant, id).await;
    why.expect("the boleto is there").boleto.status
}

async fn sweep(scene: &Scene, kind: SweepKind) -> SweepPage {
    let sweep = Sweep {
        seq: 1,
        kind,
        after: 0,
    };
    let page = scene.store.sweep_page(scene.tenant, &sweep, 10).await;
    page.expect("a page")
}

async fn a_reopening_from_before_the_payment_opens_nothing(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.import("chunk", vec![boleto(0, 0)]).await;
    let reopened = || reopened(0);
    scene.pay("paid", 0).await;
    say_at(&scene, "before", START.plus_ms(-1), reopened()).await;
    assert_eq!(status(&scene, 0).await, "paid");
    let paid = Saying::BoletoPaid {
        boleto: reference(0),
    };
    say_at(&scene, "paid later", START.plus_ms(10), paid).await;
    say_at(&scene, "between", START.plus_ms(9), reopened()).await;
    assert_eq!(status(&scene, 0).await, "paid");
    say_at(&scene, "after", START.plus_ms(10), reopened()).await;
    assert_eq!(status(&scene, 0).await, "open");
}

async fn an_opt_in_from_before_the_opt_out_changes_nothing(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.import("chunk", vec![boleto(0, 0)]).await;
    let (contact, channel) = (contact(0), None);
    let opted_in = || Saying::ContactOptedIn {
        contact: contact.clone(),
        channel,
    };
    let opted_out = Saying::ContactOptedOut {
        contact: contact.clone(),
        channel,
    };
    say_at(&scene, "out", START, opted_out).await;
    say_at(&scene, "before", START.plus_ms(-1), opted_in()).await;
    let out = "SELECT count(*) FROM contacts WHERE opted_out_at IS NOT NULL";
    assert_eq!(database.numbers(out).await, [1]);
    say_at(&scene, "after", START, opted_in()).await;
    assert_eq!(database.numbers(out).await, [0]);
}

async fn every_row_of_merged_contacts_is_answered(database: Database) {
    let scene = Scene::set(&database.store).await;
    let email = Point {
        address: "a@example.com".to_owned(),
        canonical: "a@example.com".to_owned(),
    };
    // The second is the first by its address, and was to be added for the third.
    let (mut first, mut second, third) = (boleto(1, 1), boleto(2, 2), boleto(3, 2));
    first.contact.phone = None;
    first.contact.email = Some(email.clone());
    second.contact.email = Some(email);
    let outcome = scene.import("chunk", vec![first, second, third]).await;
    assert_eq!((outcome.accepted, outcome.refused), (3, Vec::new()));
}

async fn a_chunk_that_is_refused_whole_is_answered_while_a_fact_waits(database: Database) {
    let scene = Scene::set(&database.store).await;
    assert_eq!(scene.pay("early", 7).await, FactAnswer::Parked);
    let mut nobodys = boleto(1, 1);
    nobodys.contact.phone = None;
    let outcome = scene.import("chunk", vec![nobodys]).await;
    let why = ImportRefusal::ContactWithoutPoint;
    assert_eq!(outcome.refused, [Refused { row: 0, why }]);
}

async fn a_boleto_enrolled_twice_at_once_stands_as_the_first_says(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene
        .import("chunk", (0..20).map(|n| boleto(n, n)).collect())
        .await;
    let mut changes = Vec::new();
    for n in 0..20 {
        let id = scene.boleto_id(n).await;
        changes.push(scene.enrolled(id, START));
        changes.push(scene.enrolled(id, START.plus_ms(1)));
    }
    scene.commit(changes).await.expect("a commit");
    let next: Vec<_> = scene
        .enrollments()
        .await
        .iter()
        .map(|record| record.enrollment.cursor.next_at)
        .collect();
    assert_eq!(next, [Some(START); 20]);
}

async fn an_enrollment_without_a_touch_is_finished(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.import("chunk", vec![boleto(0, 0)]).await;
    let enrolled = Change::Enrolled(Enrolled {
        campaign: scene.campaign,
        boleto: scene.boleto_id(0).await,
        contact: schedules::id::ContactId(0),
        cursor: Cursor::default(),
        passed: Vec::new(),
    });
    scene.commit(vec![enrolled]).await.expect("a commit");
    assert_eq!(scene.enrollments().await[0].state, "finished");
}

async fn a_replan_finds_boletos_that_were_passed_over(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene
        .import("chunk", vec![boleto(0, 0), boleto(1, 0)])
        .await;
    let id = scene.boleto_id(0).await;
    scene.pay("paid", 0).await;
    let of_boleto = SweepKind::EnrollBoleto { boleto: id };
    assert!(sweep(&scene, of_boleto.clone()).await.candidates.is_empty());
    let reopened = reopened(0);
    scene.say("reopened", reopened).await;
    let page = sweep(&scene, of_boleto).await;
    assert!(page.last);
    assert_eq!(page.candidates.len(), 1);
    let of_contact = SweepKind::EnrollContact {
        also: Vec::new(),
        contact: page.candidates[0].contact,
    };
    assert_eq!(sweep(&scene, of_contact).await.candidates.len(), 2);
}

async fn an_archived_campaign_gets_nothing_back(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    scene.pay("paid", 0).await;
    let campaign = scene.campaign;
    let archived = scene
        .say("end", Saying::CampaignArchived { campaign })
        .await;
    let FactAnswer::Applied { seq, .. } = archived else {
        panic!("{archived:?}");
    };
    let enrollment = all[0].enrollment.id;
    let ended = Change::Stopped { enrollment, seq };
    let committed = scene.commit(vec![ended]).await.expect("a commit");
    assert_eq!(committed.refused, [enrollment], "the payment came first");
    let reopened = reopened(0);
    scene.say("reopened", reopened).await;
    let boleto = all[0].enrollment.boleto;
    let page = sweep(&scene, SweepKind::ReplanBoleto { boleto }).await;
    assert!(page.standing.is_empty());
    let to = cursor(1, START);
    let back = Change::Reactivated(Moved { enrollment, to });
    let committed = scene.commit(vec![back]).await.expect("a commit");
    assert_eq!(committed.refused, [enrollment]);
}

async fn a_replan_of_a_campaign_leaves_the_stopped_alone(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    scene.pay("paid", 0).await;
    let reopened = reopened(0);
    scene.say("reopened", reopened).await;
    let boleto = all[0].enrollment.boleto;
    let own = sweep(&scene, SweepKind::ReplanBoleto { boleto }).await;
    assert!(own.standing[0].stopped);
    let campaign = scene.campaign;
    for kind in [
        SweepKind::ReplanCampaign { campaign },
        SweepKind::ReplanTenant,
    ] {
        let page = sweep(&scene, kind.clone()).await;
        let ids: Vec<_> = page.standing.iter().map(|one| one.enrollment.id).collect();
        assert_eq!(ids, [all[1].enrollment.id], "{kind:?}");
    }
}
