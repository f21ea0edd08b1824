//! What the bus keeps: publishers' keys, messages that are no fact, and up to when it was heard.

use engine::store::{DeadEvent, StoreError};
use schedules::id::TenantId;
use schedules::time::HOUR_MS;
use tests::database::Database;
use tests::scene::{START, Scene, edit};

use super::store_suite;

store_suite!(
    a_key_is_made_once_by_an_edit_and_ends_once,
    a_message_stands_once_with_how_often_it_came,
    what_was_heard_only_grows,
    an_installation_has_one_root_key,
);

async fn a_key_is_made_once_by_an_edit_and_ends_once(database: Database) {
    let store = &database.store;
    let scene = Scene::set(store).await;
    let ends = Some(START.plus_ms(HOUR_MS));
    let make = async |id: &str| {
        let edit = edit(id);
        let made = store.create_publisher_key(scene.tenant, ends, &edit);
        made.await.expect("a key")
    };
    let key = make("k").await;
    assert_eq!(make("k").await, key);
    assert_ne!(make("other").await.id, key.id);
    assert!(key.counts(START) && !key.counts(START.plus_ms(HOUR_MS)));
    let edit = edit("k");
    let absent = store.create_publisher_key(TenantId(99), None, &edit);
    assert!(matches!(absent.await, Err(StoreError::Absent { .. })));
    let named = async || {
        let named = store.named_publisher_keys([key.id.as_str(), "pk_no"]);
        named.await.expect("keys")
    };
    let found: Vec<_> = named().await.into_values().collect();
    assert_eq!(found, std::slice::from_ref(&key));
    let revoke = async |tenant| {
        let revoked = store.revoke_publisher_key(tenant, &key.id, "test", START);
        revoked.await.expect("an answer")
    };
    assert!(!revoke(TenantId(99)).await, "another tenant's");
    assert!(revoke(scene.tenant).await);
    assert!(!revoke(scene.tenant).await, "twice");
    assert!(!named().await[&key.id].counts(START));
    let told = "SELECT count(*) FROM audit WHERE action LIKE 'publisher_key.%'";
    assert_eq!(database.numbers(told).await, [3]);
}

fn dead(name: &str, code: &'static str) -> DeadEvent {
    DeadEvent {
        digest: name.to_owned(),
        code,
        content: "{}".to_owned(),
        signed: false,
    }
}

async fn a_message_stands_once_with_how_often_it_came(database: Database) {
    let store = &database.store;
    let bury = async |dead: Vec<DeadEvent>, hours: i64| {
        let buried = store.bury_events(dead, START.plus_ms(hours * HOUR_MS));
        buried.await.expect("room")
    };
    let twice = vec![dead("b", "RG-EVENT-004"), dead("a", "RG-EVENT-005")];
    assert_eq!(bury([twice.clone(), twice].concat(), 0).await, 4);
    assert_eq!(bury(vec![dead("a", "RG-EVENT-006")], 1).await, 1);
    let listed = store.dead_events(0, 10).await.expect("a page");
    let of_a = &listed[0];
    let seen = (of_a.first_seen_at, of_a.last_seen_at);
    assert_eq!((of_a.code.as_str(), of_a.times), ("RG-EVENT-006", 2));
    assert_eq!(seen, (START, START.plus_ms(HOUR_MS)));
    assert_eq!(
        store.dead_events(of_a.id, 10).await.expect("a page").len(),
        1
    );
    store.forget_dead_event("b").await.expect("it goes");
    let remove = async || {
        let removed = store.remove_dead_event(of_a.id, "dead_event.dropped", "test", START);
        removed.await.expect("an answer")
    };
    assert!(remove().await);
    assert!(!remove().await);
    assert_eq!(store.dead_event(of_a.id).await.expect("an answer"), None);
    let told = "SELECT count(*) FROM audit WHERE action = 'dead_event.dropped'";
    assert_eq!(database.numbers(told).await, [1]);
}

async fn what_was_heard_only_grows(database: Database) {
    let store = &database.store;
    assert_eq!(store.bus_heard_at().await.expect("an answer"), None);
    for hours in [2, 1] {
        let at = START.plus_ms(hours * HOUR_MS);
        store.hear_bus(at).await.expect("it is noted");
    }
    let heard = store.bus_heard_at().await.expect("an answer");
    assert_eq!(heard, Some(START.plus_ms(2 * HOUR_MS)));
}

async fn an_installation_has_one_root_key(database: Database) {
    let first = database.store.first_root_check("one").await;
    let second = database.store.first_root_check("two").await;
    let both = (first.expect("a check"), second.expect("a check"));
    assert_eq!(both, ("one".to_owned(), "one".to_owned()));
}
