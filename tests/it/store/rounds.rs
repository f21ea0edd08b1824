//! Facts of one call that meet: at one contact, at one address, under one event id.

use engine::facts::{ContactName, Saying};
use engine::store::Point;
use schedules::channel::Channel;
use tests::database::Database;
use tests::scene::{START, Scene, boleto, contact};

use super::store_suite;

store_suite!(
    an_opt_out_by_an_address_and_a_word_by_phone_both_count,
    two_channels_barred_at_once_are_both_barred,
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

/// A tenant with three contacts that have a boleto each; the first two share an address.
async fn couple(database: &Database) -> Scene {
    let scene = Scene::set(&database.store).await;
    let mut chunk: Vec<_> = (0..3).map(|n| boleto(n, n)).collect();
    chunk[0].contact.email = shared();
    chunk[1].contact.email = shared();
    scene.import("file", chunk).await;
    let enrolled = [0, 1, 2].map(async |n| scene.enrolled(scene.boleto_id(n).await, START));
    let enrolled = futures::future::join_all(enrolled).await;
    scene.commit(enrolled).await.expect("a commit");
    scene
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
