//! What a provider says of an opt-out becomes a fact, also when the engine is about to end.

use std::sync::Arc;

use actors::clock::{Clock, JumpClock};
use engine::boot::{Engine, Pace};
use engine::providers::opt_outs::opt_outs;
use engine::providers::registry::Registry;
use schedules::channel::Channel;
use tests::database::Database;
use tests::scene::{START, Scene};
use tokio::sync::oneshot;

use super::desk::message;
use crate::store::store_suite;

store_suite!(what_was_said_before_the_end_is_told_and_what_is_said_twice_counts_once,);

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
