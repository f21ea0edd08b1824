//! One owner a shard, epochs that only grow, and the meeting of a take-over and a commit.

use actors::lease::{Leases, NodeId};
use actors::ports::{Journal, JournalError, ShardId};
use tests::database::Database;
use tests::scene::{START, Scene, claim};

use super::store_suite;

store_suite!(
    a_shard_has_one_owner_until_its_lease_ends,
    a_released_shard_is_free_at_once_under_a_new_epoch,
    a_taken_shard_fences_its_former_owner,
    many_nodes_at_once_give_one_owner,
);

const SHARD: ShardId = ShardId(5);

fn node(name: &str) -> NodeId {
    NodeId(name.to_owned())
}

async fn a_shard_has_one_owner_until_its_lease_ends(database: Database) {
    let store = &database.store;
    let take = async |name: &str, ttl_ms| {
        store
            .take_or_renew(&node(name), SHARD, ttl_ms)
            .await
            .expect("the database answers")
    };
    let first = take("a", 60_000).await.expect("a free shard");
    assert_eq!(take("b", 60_000).await, None);
    assert_eq!(take("a", 0).await, Some(first));
    let second = take("b", 60_000).await.expect("an expired lease");
    assert_eq!(second.epoch, first.epoch + 1);
    assert_eq!(take("a", 60_000).await, None);
}

async fn a_released_shard_is_free_at_once_under_a_new_epoch(database: Database) {
    let store = &database.store;
    let first = store.take_or_renew(&node("a"), SHARD, 60_000).await;
    let first = first.expect("the database answers").expect("a free shard");
    store
        .release(&node("b"), first)
        .await
        .expect("the database answers");
    let other = store.take_or_renew(&node("b"), SHARD, 60_000).await;
    assert_eq!(other, Ok(None));
    store
        .release(&node("a"), first)
        .await
        .expect("the database answers");
    let second = store.take_or_renew(&node("a"), SHARD, 60_000).await;
    let second = second.expect("the database answers").expect("a free shard");
    assert_eq!(second.epoch, first.epoch + 1);
}

async fn a_taken_shard_fences_its_former_owner(database: Database) {
    let mut scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let owner = node("node-of-1");
    database
        .store
        .release(&owner, scene.fence)
        .await
        .expect("the database answers");
    let taken = database
        .store
        .take_or_renew(&node("b"), scene.fence.shard, 60_000)
        .await;
    let taken = taken.expect("the database answers").expect("a free shard");
    let changes = vec![claim(&all[0], 0, START)];
    assert_eq!(
        scene.commit(changes.clone()).await,
        Err(JournalError::Fenced)
    );
    let sealed = database.store.seal_audit(scene.tenant, scene.fence).await;
    assert_eq!(sealed, Err(JournalError::Fenced));
    scene.fence = taken;
    assert!(scene.commit(changes).await.is_ok());
}

async fn many_nodes_at_once_give_one_owner(database: Database) {
    let takes = (0..50).map(|n| {
        let store = database.store.clone();
        async move {
            store
                .take_or_renew(&node(&format!("n{n}")), SHARD, 60_000)
                .await
        }
    });
    let taken = futures::future::join_all(takes).await;
    let owners = taken
        .iter()
        .filter(|taken| matches!(taken, Ok(Some(_))))
        .count();
    assert_eq!(owners, 1);
    assert!(taken.iter().all(Result::is_ok));
}
