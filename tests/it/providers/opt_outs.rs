//! What a provider says of an opt-out becomes a fact, also when the engine is about to end.

use std::sync::Arc;
use std::time::Duration;

use actors::clock::{Clock, JumpClock};
use async_trait::async_trait;
use engine::boot::{Engine, Pace};
use engine::providers::opt_outs::opt_outs;
use engine::providers::registry::Registry;
use schedules::channel::Channel;
use schedules::time::Timestamp;
use tests::database::Database;
use tests::scene::{START, Scene};
use tokio::sync::oneshot;

use super::desk::message;
use crate::store::store_suite;

store_suite!(
    what_was_said_before_the_end_is_told_and_what_is_said_twice_counts_once,
    the_end_does_not_wait_for_a_store_that_takes_nothing,
);

/// A clock on which the pause after a failure is never over, and the wait of the end at once.
struct Stuck(JumpClock);

#[async_trait]
impl Clock for Stuck {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic_ms(&self) -> i64 {
        self.0.monotonic_ms()
    }

    async fn wait_until(&self, at: Timestamp) {
        self.0.wait_until(at).await;
    }

    async fn elapse(&self, ms: i64) {
        if ms < 5_000 {
            std::future::pending().await
        }
    }
}

async fn the_end_does_not_wait_for_a_store_that_takes_nothing(database: Database) {
    let clock: Arc<dyn Clock> = Arc::new(JumpClock::starting_at(START));
    let gateway = Arc::new(Registry::default());
    let engine = Engine::start(database.store.clone(), gateway, clock, Pace::default());
    let engine = engine.expect("the engine starts");
    let doors = engine.doors.clone();
    // It closes the store.
    engine.stop().await;
    let (said_by, said) = opt_outs();
    for n in [1, 2] {
        said_by.say(&message(Channel::Whatsapp, n));
    }
    let (stop, until) = oneshot::channel();
    drop(stop);
    let stuck = Arc::new(Stuck(JumpClock::starting_at(START)));
    let telling = said.tell(doors, stuck, until);
    let ended = tokio::time::timeout(Duration::from_secs(10), telling).await;
    assert_eq!(ended, Ok(()), "it waits for the store");
    let facts = "SELECT count(*) FROM inbox WHERE source = 'provider'";
    assert_eq!(database.numbers(facts).await, [0]);
    drop(said_by);
}

async fn what_was_said_before_the_end_is_told_and_what_is_said_twice_counts_once(
    database: Database,
) {
    let scene = Scene::set(&database.store).await;
    let enrolled = scene.enroll(2, START.plus_ms(3_600_000)).await;
    let clock: Arc<dyn Clock> = Arc::new(JumpClock::starting_at(START));
    let gateway = Arc::new(Registry::default());
    let store = database.store.clone();
    let engine = Engine::start(store, gateway, Arc::clone(&clock), Pace::default());
    let engine = engine.expect("the engine starts");
    let (said_by, said) = opt_outs();
    for (n, record) in (1..).zip(&enrolled) {
        let mut refused = message(Channel::Whatsapp, n);
        refused.tenant = scene.tenant;
        refused.contact = record.enrollment.contact;
        said_by.say(&refused);
        said_by.say(&refused);
    }
    let (stop, until) = oneshot::channel();
    drop(stop);
    // Whoever could say more is still there: the end alone ends it.
    said.tell(engine.doors.clone(), clock, until).await;
    let barred = "SELECT count(*) FROM suppressions WHERE channel = 'whatsapp'";
    assert_eq!(database.numbers(barred).await, [2]);
    let facts = "SELECT count(*) FROM inbox WHERE source = 'provider'";
    assert_eq!(database.numbers(facts).await, [2]);
    drop(said_by);
    engine.stop().await;
}
