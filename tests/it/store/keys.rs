//! Keys of requests, and the answers that are kept under them; and what an edit made before.

use engine::access::{NewToken, Scope, Scopes, TokenId};
use engine::store::{CLAIM_MS, Claimed, Edit, Remembered, Repeatable, StoreError, TokenMade};
use schedules::id::TenantId;
use schedules::time::{DAY_MS, Timestamp};
use tests::database::Database;
use tests::scene::{START, new_tenant};

use super::store_suite;

store_suite!(
    a_key_is_claimed_once_and_answers_what_was_kept,
    a_claim_that_was_left_ends_and_its_holder_keeps_nothing,
    a_key_is_its_tokens_and_its_tenants,
    old_answers_count_no_more_and_are_removed,
    claims_at_once_have_one_holder,
    an_edit_makes_one_tenant_and_one_token,
);

const KEEP_MS: i64 = 7 * DAY_MS;

fn request(claim: &str) -> Repeatable {
    Repeatable {
        tenant: Some(TenantId(1)),
        token: TokenId(2),
        key: "key".to_owned(),
        fingerprint: "print".to_owned(),
        claim: claim.to_owned(),
    }
}

fn answer(body: &str) -> Remembered {
    Remembered {
        status: 201,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    }
}

async fn claim(database: &Database, request: &Repeatable, at: Timestamp) -> Claimed {
    let claimed = database.store.claim_key(request, at, KEEP_MS).await;
    claimed.expect("the database answers")
}

async fn keep(database: &Database, request: &Repeatable, body: &str) -> bool {
    let kept = database.store.keep_answer(request, answer(body)).await;
    kept.expect("the database answers")
}

async fn a_key_is_claimed_once_and_answers_what_was_kept(database: Database) {
    let (first, second) = (request("a"), request("b"));
    assert_eq!(claim(&database, &first, START).await, Claimed::Now);
    assert_eq!(claim(&database, &second, START).await, Claimed::InFlight);
    assert!(!keep(&database, &second, "not mine").await);
    assert!(keep(&database, &first, "made").await);
    assert!(!keep(&database, &first, "once more").await);
    let before = Claimed::Before(answer("made"));
    assert_eq!(claim(&database, &second, START).await, before);
    let other = Repeatable {
        fingerprint: "another".to_owned(),
        ..request("c")
    };
    assert_eq!(claim(&database, &other, START).await, Claimed::Reused);
    // What was answered is not let go of.
    database.store.free_key(&first).await.expect("answers");
    assert_eq!(claim(&database, &second, START).await, before);
}

async fn a_claim_that_was_left_ends_and_its_holder_keeps_nothing(database: Database) {
    let (slow, next) = (request("a"), request("b"));
    assert_eq!(claim(&database, &slow, START).await, Claimed::Now);
    let just_before = START.plus_ms(CLAIM_MS - 1);
    assert_eq!(
        claim(&database, &next, just_before).await,
        Claimed::InFlight
    );
    let after = START.plus_ms(CLAIM_MS);
    let other = Repeatable {
        fingerprint: "another".to_owned(),
        ..request("c")
    };
    assert_eq!(claim(&database, &other, after).await, Claimed::Reused);
    assert_eq!(claim(&database, &next, after).await, Claimed::Now);
    assert!(!keep(&database, &slow, "too late").await);
    database.store.free_key(&slow).await.expect("answers");
    assert!(keep(&database, &next, "made").await);
    // A claim that is let go of is free at once, for anything.
    let freed = Repeatable {
        key: "freed".to_owned(),
        ..request("d")
    };
    assert_eq!(claim(&database, &freed, START).await, Claimed::Now);
    database.store.free_key(&freed).await.expect("answers");
    let other = Repeatable {
        fingerprint: "another".to_owned(),
        ..freed
    };
    assert_eq!(claim(&database, &other, START).await, Claimed::Now);
}

async fn a_key_is_its_tokens_and_its_tenants(database: Database) {
    let of = |tenant: Option<i64>, token: i64| Repeatable {
        tenant: tenant.map(TenantId),
        token: TokenId(token),
        ..request("a")
    };
    for request in [of(Some(1), 2), of(Some(1), 3), of(Some(2), 2), of(None, 2)] {
        assert_eq!(claim(&database, &request, START).await, Claimed::Now);
    }
}

async fn old_answers_count_no_more_and_are_removed(database: Database) {
    for number in 0..40 {
        let request = Repeatable {
            key: number.to_string(),
            ..request("a")
        };
        assert_eq!(claim(&database, &request, START).await, Claimed::Now);
        assert!(keep(&database, &request, "made").await);
    }
    let count = "SELECT CAST(count(*) AS TEXT) FROM idempotency_keys";
    let old = START.plus_ms(KEEP_MS);
    let other = Repeatable {
        key: "0".to_owned(),
        fingerprint: "another".to_owned(),
        ..request("b")
    };
    let just_before = old.plus_ms(-1);
    assert_eq!(claim(&database, &other, just_before).await, Claimed::Reused);
    assert_eq!(database.texts(count).await, ["40"]);
    assert_eq!(claim(&database, &other, old).await, Claimed::Now);
    // So many at once; the rest by whoever comes next.
    assert_eq!(database.texts(count).await, ["8"]);
    assert_eq!(claim(&database, &request("c"), old).await, Claimed::Now);
    assert_eq!(database.texts(count).await, ["2"]);
}

async fn claims_at_once_have_one_holder(database: Database) {
    let claims = (0..8).map(|number| {
        let (store, request) = (database.store.clone(), request(&number.to_string()));
        tokio::spawn(async move { store.claim_key(&request, START, KEEP_MS).await })
    });
    let claims = futures::future::join_all(claims.collect::<Vec<_>>()).await;
    let claims = claims.into_iter().map(|it| it.expect("no panic"));
    let claims: Result<Vec<Claimed>, StoreError> = claims.collect();
    let claims = claims.expect("the database answers");
    let holders = claims.iter().filter(|it| **it == Claimed::Now).count();
    assert_eq!(holders, 1, "{claims:?}");
    let rest = claims.iter().filter(|it| **it == Claimed::InFlight);
    assert_eq!(rest.count(), 7);
}

async fn an_edit_makes_one_tenant_and_one_token(database: Database) {
    let edit = |id: &str| Edit {
        event_id: id.to_owned(),
        source: "test".to_owned(),
        at: START,
    };
    let store = &database.store;
    let make = async |id| store.create_tenant_once(&new_tenant(), edit(id)).await;
    let tenant = make("one").await.expect("a tenant");
    assert_eq!(make("one").await, Ok(tenant));
    assert_ne!(make("two").await, Ok(tenant));
    let new = NewToken {
        name: "shop".to_owned(),
        tenant: Some(tenant),
        scopes: Scopes::of([Scope::Read]),
        expires_at: None,
    };
    let make = async |id| store.create_token_once(new.clone(), &edit(id)).await;
    let Ok(TokenMade::Now(issued)) = make("one").await else {
        panic!("no token");
    };
    let prefix = issued.record.prefix;
    assert!(matches!(make("one").await, Ok(TokenMade::Before(it)) if it == prefix));
    assert!(matches!(make("two").await, Ok(TokenMade::Now(_))));
    let rotate = async |id| store.rotate_token_once(&prefix, 0, &edit(id)).await;
    let Ok(TokenMade::Now(next)) = rotate("three").await else {
        panic!("no successor");
    };
    let again = rotate("three").await;
    assert!(matches!(again, Ok(TokenMade::Before(it)) if it == next.record.prefix));
    assert!(matches!(rotate("four").await, Err(StoreError::Invalid(_))));
}
