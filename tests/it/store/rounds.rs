//! Facts of one call that meet: at one contact, at one address, under one event id.

use actors::machine::input::FactBody;
use engine::facts::{ContactName, FactAnswer, Saying};
use engine::store::{NewBoleto, Point};
use schedules::channel::Channel;
use tests::database::Database;
use tests::scene::{START, Scene, boleto, contact};

use super::store_suite;

store_suite!(
    an_opt_out_by_an_address_and_a_word_by_phone_both_count,
    two_channels_barred_at_once_are_both_barred,
    an_owner_hears_of_every_contact_of_an_address,
    a_fact_that_waited_reaches_every_contact_of_its_address,
    facts_that_waited_for_one_contact_keep_their_order,
);

const ADDRESS: &str = "casal@exemplo.com.br";

fn address() -> ContactName {
    ContactName::Point(ADDRESS.to_owned())
}

fn shared() -> Option<Point> {
    Some(Point {
        address: ADDRESS.to_owned(),
        canonical: ADDRESS.to_owned(),
    })
}

/// Boletos of three contacts; the first two share an address.
fn of_three() -> Vec<NewBoleto> {
    let mut chunk: Vec<_> = (0..3).map(|n| boleto(n, n)).collect();
    chunk[0].contact.email = shared();
    chunk[1].contact.email = shared();
    chunk
}

/// A tenant with three contacts that have an enrolled boleto each.
async fn couple(database: &Database) -> Scene {
    let scene = Scene::set(&database.store).await;
    scene.import("file", of_three()).await;
    enroll(&scene).await;
    scene
}

async fn enroll(scene: &Scene) {
    let enrolled = [0, 1, 2].map(async |n| scene.enrolled(scene.boleto_id(n).await, START));
    let enrolled = futures::future::join_all(enrolled).await;
    scene.commit(enrolled).await.expect("a commit");
}

async fn tell(scene: &Scene, said: &[(&str, Saying)]) {
    let facts: Vec<_> = said
        .iter()
        .map(|(id, saying)| scene.fact(id, saying.clone()))
        .collect();
    let told = scene.store.commit_facts(&facts).await;
    told.expect("the facts are committed");
}

async fn an_opt_out_by_an_address_and_a_word_by_phone_both_count(database: Database) {
    let scene = couple(&database).await;
    let out = Saying::ContactOptedOut {
        contact: address(),
        channel: None,
    };
    let replied = |n| Saying::ContactReplied {
        contact: contact(n),
    };
    tell(
        &scene,
        &[
            ("out", out),
            ("of the second", replied(1)),
            ("of the first", replied(0)),
            ("of another", replied(2)),
        ],
    )
    .await;
    let left = "SELECT id FROM contacts WHERE opted_out_at IS NULL";
    assert_eq!(database.numbers(left).await.len(), 1);
    let silent = "SELECT id FROM contacts WHERE replied_at IS NULL";
    assert_eq!(database.numbers(silent).await, [0; 0]);
    let all = scene.enrollments().await;
    let states: Vec<_> = all.iter().map(|one| one.state.as_str()).collect();
    assert_eq!(states, ["stopped", "stopped", "active"]);
}

async fn two_channels_barred_at_once_are_both_barred(database: Database) {
    let scene = couple(&database).await;
    let out = |contact, channel| Saying::ContactOptedOut {
        contact,
        channel: Some(channel),
    };
    tell(
        &scene,
        &[
            ("both", out(address(), Channel::Email)),
            ("second", out(contact(1), Channel::Whatsapp)),
            ("first", out(contact(0), Channel::Sms)),
        ],
    )
    .await;
    let barred = "SELECT barred FROM enrollments ORDER BY id";
    assert_eq!(database.numbers(barred).await, [2 | 4, 1 | 4, 0]);
}

async fn an_owner_hears_of_every_contact_of_an_address(database: Database) {
    let scene = couple(&database).await;
    let all: Vec<_> = scene.enrollments().await;
    let ids: Vec<_> = all.iter().map(|one| one.enrollment.contact).collect();
    let replied = Saying::ContactReplied { contact: address() };
    let FactAnswer::Applied { seq, .. } = scene.say("replied", replied).await else {
        panic!("not applied");
    };
    let facts = scene.inbox().await;
    let heard = facts.iter().find(|fact| fact.seq == seq).expect("a fact");
    assert_eq!(heard.body.contacts().collect::<Vec<_>>(), ids[..2]);
}

async fn a_fact_that_waited_reaches_every_contact_of_its_address(database: Database) {
    let scene = Scene::set(&database.store).await;
    let out = Saying::ContactOptedOut {
        contact: address(),
        channel: Some(Channel::Sms),
    };
    assert_eq!(scene.say("early", out).await, FactAnswer::Parked);
    let outcome = scene.import("file", of_three()).await;
    assert_eq!(outcome.matched.len(), 2);
    let facts = scene.inbox().await;
    let heard = facts
        .iter()
        .find(|fact| matches!(fact.body, FactBody::ContactOptedOut { .. }))
        .expect("a fact");
    assert_eq!(heard.body.contacts().count(), 2);
    enroll(&scene).await;
    let barred = "SELECT barred FROM enrollments ORDER BY id";
    assert_eq!(database.numbers(barred).await, [2, 2, 0]);
}

async fn facts_that_waited_for_one_contact_keep_their_order(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (contact, channel) = (contact(1), None);
    let by_phone = |n| Saying::ContactReplied {
        contact: tests::scene::contact(n),
    };
    let said = [
        ("replied", by_phone(0)),
        (
            "out",
            Saying::ContactOptedOut {
                contact: address(),
                channel,
            },
        ),
        ("in", Saying::ContactOptedIn { contact, channel }),
        ("of another", by_phone(2)),
    ];
    // The order among the facts of one call is nobody's promise.
    for one in said {
        tell(&scene, &[one]).await;
    }
    scene.import("file", of_three()).await;
    let out = "SELECT coalesce(opted_out_at, 0) FROM contacts ORDER BY id";
    assert_eq!(database.numbers(out).await, [START.unix_ms(), 0, 0]);
    let replied = "SELECT id FROM contacts WHERE replied_at IS NOT NULL";
    assert_eq!(database.numbers(replied).await.len(), 2);
}
