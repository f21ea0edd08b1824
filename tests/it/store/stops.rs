//! Facts that stop, facts that take it back, facts that come twice or too early.

use std::collections::BTreeSet;

use actors::machine::change::{Change, Moved};
use actors::machine::effect::Subject;
use actors::machine::input::{FactBody, Sweep, SweepKind};
use actors::ports::Journal;
use engine::facts::{FactAnswer, Saying};
use schedules::channel::Channel;
use schedules::stop::StopReason;
use schedules::verdict::{Reason, Ruling};
use tests::database::Database;
use tests::scene::{
    START, Scene, accepted, attempt, boleto, cancelled, claim, contact, cursor, opted_in,
    opted_out, reference, reopened, settled,
};

use super::store_suite;

store_suite!(
    a_payment_stops_once_however_often_it_is_told,
    a_stop_counts_what_is_in_flight_until_it_is_settled,
    a_paid_boleto_stays_paid_until_it_is_reopened,
    a_reopened_boleto_is_swept_and_goes_on,
    an_opt_out_stops_every_boleto_of_the_contact,
    an_opt_out_of_a_channel_suppresses_it,
    a_fact_that_came_early_is_applied_at_the_import,
    a_stopped_touch_is_recorded_as_cancelled,
    facts_about_one_boleto_keep_their_order,
    a_busy_feed_is_heard_once_a_second,
    a_boleto_that_changed_reads_back_changed,
);

async fn a_payment_stops_once_however_often_it_is_told(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(1, START).await;
    let told = futures::future::join_all((0..100).map(|_| scene.pay("same", 0))).await;
    let applied = told
        .iter()
        .filter(|answer| matches!(answer, FactAnswer::Applied { .. }));
    assert_eq!(applied.count(), 1);
    assert_eq!(
        told.iter()
            .filter(|answer| **answer == FactAnswer::Duplicate)
            .count(),
        99
    );
    let paid = "SELECT count(*) FROM inbox WHERE event_id = 'same'";
    assert_eq!(database.numbers(paid).await, [1]);
    let audited = "SELECT count(*) FROM audit WHERE action = 'boleto.paid'";
    assert_eq!(database.numbers(audited).await, [1]);
    let again = scene.pay("another", 0).await;
    assert!(matches!(again, FactAnswer::Applied { in_flight: 0, .. }));
}

async fn a_stop_counts_what_is_in_flight_until_it_is_settled(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(3, START).await;
    scene
        .commit(all.iter().map(|one| claim(one, 0, START)).collect())
        .await
        .expect("a commit");
    let paid = scene.pay("paid", 1).await;
    let subject = Subject::Boleto(all[1].enrollment.boleto);
    let FactAnswer::Applied {
        subject: found,
        in_flight,
        settles_at,
        ..
    } = paid
    else {
        panic!("{paid:?}");
    };
    let settles_at = settles_at.expect("something is in flight");
    assert_eq!((found, in_flight), (subject, 1));
    assert!(settles_at >= START.plus_ms(3_000));
    let settles = async |subject, now| {
        database
            .store
            .settled(scene.tenant, subject, now)
            .await
            .expect("an answer")
            .0
    };
    let of_contact = Subject::Contact(all[1].enrollment.contact);
    let of_campaign = Subject::Campaign(scene.campaign);
    assert_eq!(settles(subject, START).await, 1);
    assert_eq!(settles(of_contact, START).await, 1);
    assert_eq!(settles(of_campaign, START).await, 3);
    assert_eq!(settles(Subject::Tenant, START).await, 3);
    assert_eq!(settles(subject, settles_at).await, 0);
    assert_eq!(settles(Subject::Tenant, settles_at).await, 0);
    scene
        .commit(vec![settled(attempt(&all[1], 0), accepted())])
        .await
        .expect("a commit");
    assert_eq!(settles(subject, START).await, 0);
    assert_eq!(settles(of_campaign, START).await, 2);
    let paused = scene.say("pause", Saying::TenantPaused).await;
    assert!(matches!(paused, FactAnswer::Applied { in_flight: 2, .. }));
}

async fn a_paid_boleto_stays_paid_until_it_is_reopened(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let status = async || {
        let id = all[0].enrollment.boleto;
        database
            .store
            .why_boleto(scene.tenant, id)
            .await
            .expect("why")
            .boleto
            .status
    };
    scene.pay("paid", 0).await;
    scene.say("cancelled", cancelled(0)).await;
    assert_eq!(status().await, "paid");
    let stopped = scene.enrollments().await[0].stopped;
    assert_eq!(stopped, Some(StopReason::Paid));
    scene.say("reopened", reopened(0)).await;
    assert_eq!(status().await, "open");
    scene.say("cancelled again", cancelled(0)).await;
    assert_eq!(status().await, "cancelled");
}

async fn a_reopened_boleto_is_swept_and_goes_on(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let boleto = all[0].enrollment.boleto;
    scene.pay("paid", 0).await;
    let sweep = Sweep {
        seq: 1,
        kind: SweepKind::ReplanBoleto { boleto },
        after: i64::MIN,
    };
    let page = async || {
        database
            .store
            .sweep_page(scene.tenant, &sweep, 10)
            .await
            .expect("a page")
            .standing
    };
    assert_eq!(page().await, []);
    let moved = Moved {
        enrollment: all[0].enrollment.id,
        to: cursor(2, START),
    };
    let reactivate = vec![Change::Reactivated(moved)];
    let refused = scene
        .commit(reactivate.clone())
        .await
        .expect("a commit")
        .refused;
    assert_eq!(refused, [all[0].enrollment.id]);
    scene.say("reopened", reopened(0)).await;
    let standing = page().await;
    assert!(standing[0].stopped && standing[0].enrollment.id == all[0].enrollment.id);
    assert_eq!(
        scene.commit(reactivate).await.expect("a commit").refused,
        []
    );
    let after = &scene.enrollments().await[0];
    assert_eq!((after.state.as_str(), after.stopped), ("active", None));
    assert_eq!(after.enrollment.cursor, cursor(2, START));
}

async fn an_opt_out_stops_every_boleto_of_the_contact(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene
        .import(
            "chunk",
            vec![boleto(0, 7), boleto(1, 7), boleto(2, 8), boleto(3, 7)],
        )
        .await;
    let mut changes = Vec::new();
    for n in 0..3 {
        changes.push(scene.enrolled(scene.boleto_id(n).await, START));
    }
    scene.commit(changes).await.expect("a commit");
    let out = opted_out(7, None);
    assert!(matches!(
        scene.say("out", out).await,
        FactAnswer::Applied { .. }
    ));
    let states: Vec<_> = scene
        .enrollments()
        .await
        .into_iter()
        .map(|one| one.state)
        .collect();
    assert_eq!(states, ["stopped", "stopped", "active"]);
    // Who opted out is not enrolled any more.
    let late = scene.enrolled(scene.boleto_id(3).await, START);
    scene.commit(vec![late.clone()]).await.expect("a commit");
    assert_eq!(scene.enrollments().await.len(), 3);
    let back = opted_in(7, None);
    scene.say("in", back).await;
    scene.commit(vec![late]).await.expect("a commit");
    assert_eq!(scene.enrollments().await.len(), 4);
    let id = scene.enrollments().await[0].enrollment.contact;
    let sweep = Sweep {
        seq: 1,
        kind: SweepKind::ReplanContact {
            contact: id,
            also: Vec::new(),
        },
        after: i64::MIN,
    };
    let page = database
        .store
        .sweep_page(scene.tenant, &sweep, 10)
        .await
        .expect("a page");
    let stopped: Vec<_> = page
        .standing
        .iter()
        .map(|standing| standing.stopped)
        .collect();
    assert_eq!(stopped, [true, true, false]);
}

async fn an_opt_out_of_a_channel_suppresses_it(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(1, START).await;
    let page = async || {
        let request = super::pages::request(START, 10);
        database
            .store
            .due_page(scene.tenant, request)
            .await
            .expect("a page")
            .contacts
    };
    let channel = Some(Channel::Sms);
    scene.say("out", opted_out(0, channel)).await;
    assert!(!page().await[0].confirmed);
    scene
        .say(
            "replied",
            Saying::ContactReplied {
                contact: contact(0),
            },
        )
        .await;
    assert_eq!(page().await[0].suppressed, [Channel::Sms]);
    assert_eq!(page().await[0].events.replied_at, Some(START));
    assert!(page().await[0].confirmed);
    assert_eq!(scene.enrollments().await[0].state, "active");
    scene.say("in", opted_in(0, channel)).await;
    assert_eq!(page().await[0].suppressed, []);
}

async fn a_fact_that_came_early_is_applied_at_the_import(database: Database) {
    let scene = Scene::set(&database.store).await;
    assert_eq!(scene.pay("early", 0).await, FactAnswer::Parked);
    assert_eq!(scene.pay("early", 0).await, FactAnswer::Duplicate);
    let out = opted_out(1, None);
    assert_eq!(scene.say("early out", out).await, FactAnswer::Parked);
    let waiting = scene.inbox().await;
    assert!(
        waiting
            .iter()
            .all(|fact| !fact.event_id.starts_with("early"))
    );
    scene
        .import("chunk", (0..3).map(|n| boleto(n, n)).collect())
        .await;
    let (paid, open) = (scene.boleto_id(0).await, scene.boleto_id(2).await);
    let facts = scene.inbox().await;
    assert!(
        facts
            .iter()
            .any(|fact| fact.body == FactBody::BoletoPaid { boleto: paid })
    );
    for n in 0..3 {
        let enrolled = scene.enrolled(scene.boleto_id(n).await, START);
        scene.commit(vec![enrolled]).await.expect("a commit");
    }
    let enrolled: Vec<_> = scene
        .enrollments()
        .await
        .into_iter()
        .map(|one| one.enrollment.boleto)
        .collect();
    assert_eq!(enrolled, [open]);
}

async fn a_stopped_touch_is_recorded_as_cancelled(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let FactAnswer::Applied { seq, .. } = scene.pay("paid", 0).await else {
        panic!("a stop")
    };
    let changes = vec![
        Change::StopRecorded {
            seq,
            reason: StopReason::Paid,
        },
        Change::FactApplied { seq },
    ];
    scene.commit(changes).await.expect("a commit");
    let why = database
        .store
        .why_boleto(scene.tenant, all[0].enrollment.boleto)
        .await;
    let why = why.expect("why");
    assert_eq!(why.decisions.len(), 1);
    assert_eq!(why.decisions[0].reason, Reason::Stopped(StopReason::Paid));
    assert_eq!(why.decisions[0].ruling, Ruling::Cancel);
    assert_eq!(why.stops[0].seq, seq);
    let facts = scene.inbox().await;
    assert!(facts.iter().all(|fact| fact.seq != seq));
}

async fn facts_about_one_boleto_keep_their_order(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let boleto = reference(0);
    let facts = [
        scene.fact(
            "a",
            Saying::BoletoPaid {
                boleto: boleto.clone(),
            },
        ),
        scene.fact(
            "b",
            Saying::BoletoReopened {
                boleto: boleto.clone(),
            },
        ),
        scene.fact(
            "c",
            Saying::BoletoCancelled {
                boleto: boleto.clone(),
            },
        ),
        scene.fact(
            "c",
            Saying::BoletoCancelled {
                boleto: boleto.clone(),
            },
        ),
        scene.fact("d", Saying::BoletoPaid { boleto }),
        scene.fact("e", Saying::FeedHeard),
    ];
    let answers = database
        .store
        .commit_facts(&facts)
        .await
        .expect("the facts are committed");
    let seqs: BTreeSet<_> = answers
        .iter()
        .filter_map(|answer| match answer {
            FactAnswer::Applied { seq, .. } => Some(*seq),
            _ => None,
        })
        .collect();
    assert_eq!(seqs.len(), 5);
    assert_eq!(answers[3], FactAnswer::Duplicate);
    let why = database
        .store
        .why_boleto(scene.tenant, all[0].enrollment.boleto)
        .await;
    assert_eq!(why.expect("why").boleto.status, "cancelled");
}

async fn a_busy_feed_is_heard_once_a_second(database: Database) {
    let scene = Scene::set(&database.store).await;
    let mut heard = scene.fact("later", Saying::FeedHeard);
    let heard_at = async || {
        database
            .store
            .settings(scene.tenant)
            .await
            .expect("settings")
            .tenant
            .feed
            .heard_at
    };
    heard.received_at = START.plus_ms(900);
    database
        .store
        .commit_facts(&[heard.clone()])
        .await
        .expect("a fact");
    assert_eq!(heard_at().await, START);
    (heard.event_id, heard.received_at) = ("much later".to_owned(), START.plus_ms(5_000));
    database.store.commit_facts(&[heard]).await.expect("a fact");
    assert_eq!(heard_at().await, START.plus_ms(5_000));
}

async fn a_boleto_that_changed_reads_back_changed(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let due_on = chrono::NaiveDate::from_ymd_opt(2027, 2, 28).expect("a date");
    let changed = Saying::BoletoChanged {
        boleto: reference(0),
        amount_centavos: 99,
        due_on,
    };
    scene.say("changed", changed).await;
    let why = database
        .store
        .why_boleto(scene.tenant, all[0].enrollment.boleto)
        .await;
    let boleto = why.expect("why").boleto.boleto;
    assert_eq!((boleto.amount_centavos, boleto.due_on), (99, due_on));
}
