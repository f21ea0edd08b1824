//! Service tokens: who is let in, from when to when, and what is kept of a secret.

use engine::access::{
    InvalidToken, Issued, NewToken, Prefix, Principal, Scope, Scopes, Token, TokenRecord,
    TokenState, first_token,
};
use engine::store::{InvalidSetting, PostgresSettings, Store, StoreError};
use schedules::id::TenantId;
use schedules::time::{HOUR_MS, Timestamp};
use tests::database::{Database, Engine};
use tests::scene::{START, new_tenant};

use super::store_suite;

store_suite!(
    a_token_lets_its_holder_in_and_its_secret_is_kept_nowhere,
    an_unknown_prefix_and_another_secret_let_nobody_in,
    a_token_ends_at_its_instant,
    a_revocation_counts_at_once_on_every_node,
    a_rotated_token_ends_after_its_grace_and_the_new_one_goes_on,
    rotations_at_once_make_one_successor,
    what_has_ended_is_not_rotated,
    nodes_that_start_together_make_one_first_token,
    there_is_no_first_token_where_there_ever_was_one,
    another_tenants_tokens_are_not_listed,
    tokens_are_listed_page_by_page,
    what_happens_to_a_token_is_audited,
    a_token_that_cannot_be_leaves_nothing,
    a_row_that_was_edited_lets_nobody_in,
);

fn asked(tenant: Option<TenantId>) -> NewToken {
    let scopes = match tenant {
        Some(_) => Scopes::of([Scope::Read, Scope::Facts]),
        None => Scopes::of([Scope::Admin]),
    };
    NewToken {
        name: "shop".to_owned(),
        tenant,
        scopes,
        expires_at: None,
    }
}

async fn tenant(database: &Database) -> TenantId {
    let tenant = database.store.create_tenant(&new_tenant(), START).await;
    tenant.expect("a tenant")
}

async fn issue(database: &Database, new: NewToken) -> Issued {
    let issued = database.store.create_token(new, "test", START).await;
    issued.expect("a token")
}

async fn shown(store: &Store, token: &Token, at: Timestamp) -> Option<Principal> {
    let principal = store.authenticate(token, at).await;
    principal.expect("the database answers")
}

async fn listed(store: &Store, tenant: Option<TenantId>) -> Vec<TokenRecord> {
    let tokens = store.tokens(tenant, None, 1_000).await;
    tokens.expect("the database answers")
}

/// Opens the store as another node does; an embedded database has one.
async fn another_node(database: &Database) -> Store {
    match database.engine {
        Engine::Sqlite => database.store.clone(),
        Engine::Postgres => {
            let settings = PostgresSettings::within(database.url(), 5);
            Store::open_postgres(&settings).await.expect("a store")
        }
    }
}

/// Closes what [`another_node`] opened.
async fn leave(database: &Database, node: Store) {
    if database.engine == Engine::Postgres {
        node.close().await;
    }
}

fn secret_of(token: &Token) -> String {
    let text = token.expose();
    let (_, secret) = text.split_once(token.prefix().as_str()).expect("a prefix");
    secret[1..].to_owned()
}

async fn a_token_lets_its_holder_in_and_its_secret_is_kept_nowhere(database: Database) {
    let tenant = tenant(&database).await;
    let Issued { record, token } = issue(&database, asked(Some(tenant))).await;
    let principal = Principal {
        token: record.id,
        tenant: Some(tenant),
        scopes: record.scopes,
    };
    assert_eq!(shown(&database.store, &token, START).await, Some(principal));
    let found = database.store.token(token.prefix()).await;
    assert_eq!(found.expect("the database answers"), Some(record));
    let next = database
        .store
        .rotate_token(token.prefix(), 1, "test", START);
    let next = next.await.expect("a rotation").token;
    let columns = "SELECT prefix || ' ' || secret_hash || ' ' || name || ' ' || scopes
        FROM service_tokens";
    let mut kept = database.texts(columns).await;
    assert_eq!(kept.len(), 2);
    kept.extend(database.texts("SELECT subject || detail FROM audit").await);
    for token in [&token, &next] {
        let secret = secret_of(token);
        assert!(!kept.iter().any(|text| text.contains(&secret)), "{kept:?}");
    }
    if database.engine == Engine::Sqlite {
        for entry in std::fs::read_dir(database.folder()).expect("a folder") {
            let path = entry.expect("a file").path();
            let bytes = std::fs::read(&path).expect("a file");
            for token in [&token, &next] {
                let secret = secret_of(token).into_bytes();
                assert!(!bytes.windows(43).any(|here| here == secret), "{path:?}");
            }
        }
    }
}

async fn an_unknown_prefix_and_another_secret_let_nobody_in(database: Database) {
    let Issued { token, .. } = issue(&database, asked(None)).await;
    let stranger = Token::draw().expect("random numbers");
    assert_eq!(shown(&database.store, &stranger, START).await, None);
    let mixed = |prefix: &Token, secret: &Token| {
        let text = format!("rg_{}_{}", prefix.prefix(), secret_of(secret));
        Token::parse(&text).expect("a token")
    };
    let other_secret = mixed(&token, &stranger);
    assert_eq!(shown(&database.store, &other_secret, START).await, None);
    let other_prefix = mixed(&stranger, &token);
    assert_eq!(shown(&database.store, &other_prefix, START).await, None);
    // Each alone is what let nobody in.
    let itself = mixed(&token, &token);
    assert!(shown(&database.store, &itself, START).await.is_some());
    let unknown = database.store.token(stranger.prefix()).await;
    assert_eq!(unknown, Ok(None));
}

async fn a_token_ends_at_its_instant(database: Database) {
    let end = START.plus_ms(HOUR_MS);
    let new = NewToken {
        expires_at: Some(end),
        ..asked(None)
    };
    let Issued { token, .. } = issue(&database, new).await;
    let (before, store) = (end.plus_ms(-1), &database.store);
    assert!(shown(store, &token, before).await.is_some());
    assert_eq!(shown(store, &token, end).await, None);
    assert_eq!(shown(store, &token, Timestamp::MAX).await, None);
}

async fn a_revocation_counts_at_once_on_every_node(database: Database) {
    let tenant = tenant(&database).await;
    let Issued { token, .. } = issue(&database, asked(Some(tenant))).await;
    let Issued { token: kept, .. } = issue(&database, asked(Some(tenant))).await;
    let other = another_node(&database).await;
    assert!(shown(&other, &token, START).await.is_some());
    // The clock of who revokes may be ahead of the others'.
    let late = START.plus_ms(HOUR_MS);
    let revoke = || database.store.revoke_token(token.prefix(), "test", late);
    assert_eq!(revoke().await, Ok(true));
    assert_eq!(shown(&other, &token, START).await, None);
    assert_eq!(shown(&database.store, &token, START).await, None);
    assert!(shown(&other, &kept, START).await.is_some());
    assert_eq!(revoke().await, Ok(false));
    let absent: Prefix = "nobody000000".parse().expect("a prefix");
    let absent = other.revoke_token(&absent, "test", START).await;
    assert_eq!(absent, Err(StoreError::Absent { what: "token" }));
    leave(&database, other).await;
}

async fn a_rotated_token_ends_after_its_grace_and_the_new_one_goes_on(database: Database) {
    let tenant = tenant(&database).await;
    let Issued { record, token } = issue(&database, asked(Some(tenant))).await;
    let at = START.plus_ms(HOUR_MS);
    let next = database
        .store
        .rotate_token(token.prefix(), 5_000, "test", at);
    let next = next.await.expect("a rotation");
    let same = |one: &TokenRecord| (one.tenant, one.scopes, one.name.clone());
    assert_eq!(same(&next.record), same(&record));
    let (last, end) = (at.plus_ms(4_999), at.plus_ms(5_000));
    for (instant, may) in [(at, true), (last, true), (end, false)] {
        let principal = shown(&database.store, &token, instant).await;
        assert_eq!(principal.is_some(), may, "{instant}");
    }
    let principal = shown(&database.store, &next.token, end).await;
    assert_eq!(principal.map(|it| it.token), Some(next.record.id));
    let all = listed(&database.store, Some(tenant)).await;
    let rotated = TokenRecord {
        expires_at: Some(end),
        replaced_by: Some(next.record.id),
        ..record
    };
    assert_eq!(all, [rotated, next.record]);
    assert_eq!(all[0].state(end), TokenState::Expired);
}

async fn rotations_at_once_make_one_successor(database: Database) {
    let Issued { token, .. } = issue(&database, asked(None)).await;
    let other = another_node(&database).await;
    let rotate = |store: Store| {
        let prefix = token.prefix().clone();
        async move { store.rotate_token(&prefix, 1, "test", START).await }
    };
    let stores = [&database.store, &other].into_iter().cycle().take(8);
    let rotated = futures::future::join_all(stores.cloned().map(rotate)).await;
    let (made, refused): (Vec<_>, Vec<_>) = rotated.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 7));
    let is_replaced = InvalidSetting::Token(InvalidToken::IsReplaced);
    for one in refused {
        let fault = one.map(|issued| issued.record).expect_err("an error");
        assert_eq!(fault, StoreError::Invalid(is_replaced.clone()));
    }
    assert_eq!(listed(&other, None).await.len(), 2);
    leave(&database, other).await;
}

async fn what_has_ended_is_not_rotated(database: Database) {
    let store = &database.store;
    let ending = NewToken {
        expires_at: Some(START.plus_ms(1)),
        ..asked(None)
    };
    let expired = issue(&database, ending).await.token;
    let revoked = issue(&database, asked(None)).await.token;
    let done = store.revoke_token(revoked.prefix(), "test", START).await;
    assert_eq!(done, Ok(true));
    let at = START.plus_ms(1);
    for token in [&expired, &revoked] {
        let rotated = store.rotate_token(token.prefix(), 1, "test", at).await;
        let fault = InvalidSetting::Token(InvalidToken::HasEnded);
        assert_eq!(rotated.err(), Some(StoreError::Invalid(fault)));
    }
    let stranger = Token::draw().expect("random numbers");
    let rotated = store.rotate_token(stranger.prefix(), 1, "test", at).await;
    assert_eq!(rotated.err(), Some(StoreError::Absent { what: "token" }));
    assert_eq!(listed(store, None).await.len(), 2);
}

async fn nodes_that_start_together_make_one_first_token(database: Database) {
    // A tenant's token is none of the whole engine.
    let tenant = tenant(&database).await;
    issue(&database, asked(Some(tenant))).await;
    let other = another_node(&database).await;
    let stores = [&database.store, &other].into_iter().cycle().take(8);
    let made = stores.map(|store| first_token(store, START));
    let made = futures::future::join_all(made).await;
    let made: Vec<Token> = made
        .into_iter()
        .filter_map(|one| one.expect("the database answers"))
        .collect();
    let [first] = made.as_slice() else {
        panic!("{} first tokens", made.len())
    };
    let principal = shown(&other, first, START).await.expect("a principal");
    assert_eq!(principal.tenant, None);
    assert_eq!(principal.scopes, Scopes::of([Scope::Admin]));
    let all = listed(&database.store, None).await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].id, all[0].name.as_str()),
        (principal.token, "first")
    );
    leave(&database, other).await;
}

async fn there_is_no_first_token_where_there_ever_was_one(database: Database) {
    let store = &database.store;
    let Issued { token, .. } = issue(&database, asked(None)).await;
    assert!(
        first_token(store, START)
            .await
            .expect("an answer")
            .is_none()
    );
    let revoked = store.revoke_token(token.prefix(), "test", START).await;
    assert_eq!(revoked, Ok(true));
    assert!(
        first_token(store, START)
            .await
            .expect("an answer")
            .is_none()
    );
}

async fn another_tenants_tokens_are_not_listed(database: Database) {
    let tenants = [tenant(&database).await, tenant(&database).await];
    let mut made = Vec::new();
    for tenant in [Some(tenants[0]), None, Some(tenants[1]), Some(tenants[0])] {
        made.push(issue(&database, asked(tenant)).await.record);
    }
    let store = &database.store;
    let [first, engines, others, second] = made.try_into().expect("four tokens");
    assert_eq!(listed(store, Some(tenants[0])).await, [first, second]);
    assert_eq!(listed(store, Some(tenants[1])).await, [others]);
    assert_eq!(listed(store, None).await, [engines]);
    assert_eq!(listed(store, Some(TenantId(99))).await, []);
}

async fn tokens_are_listed_page_by_page(database: Database) {
    let store = &database.store;
    // Its number is the least there is.
    assert!(
        first_token(store, START)
            .await
            .expect("an answer")
            .is_some()
    );
    for _ in 0..4 {
        issue(&database, asked(None)).await;
    }
    let mut seen: Vec<TokenRecord> = Vec::new();
    for expected in [2, 2, 1, 0] {
        let after = seen.last().map(|last| last.id);
        let page = store.tokens(None, after, 2).await.expect("a page");
        assert_eq!(page.len(), expected);
        seen.extend(page);
    }
    assert_eq!(seen, listed(store, None).await);
}

async fn what_happens_to_a_token_is_audited(database: Database) {
    let tenant = tenant(&database).await;
    let before = database.store.verify_audit(tenant).await.expect("a check");
    for owner in [Some(tenant), None] {
        let Issued { record, token } = issue(&database, asked(owner)).await;
        let next = database.store.rotate_token(token.prefix(), 1, "ops", START);
        let next = next.await.expect("a rotation").record;
        for _ in 0..2 {
            let revoked = database
                .store
                .revoke_token(&next.prefix, "ops", START)
                .await;
            revoked.expect("an answer");
        }
        // The engine's own stand under no tenant.
        let of = owner.map_or(0, |tenant| tenant.0);
        let rows = format!(
            "SELECT actor || ' ' || action || ' ' || subject FROM audit
             WHERE tenant_id = {of} AND action LIKE 'token.%' ORDER BY id"
        );
        let expected = [
            format!("test token.created {}", record.id),
            format!("ops token.rotated {}", record.id),
            format!("ops token.created {}", next.id),
            format!("ops token.revoked {}", next.id),
        ];
        assert_eq!(database.texts(&rows).await, expected);
    }
    let after = database.store.verify_audit(tenant).await.expect("a check");
    assert_eq!(after.unsealed, before.unsealed + 4);
}

async fn a_token_that_cannot_be_leaves_nothing(database: Database) {
    let store = &database.store;
    let of_nobody = store.create_token(asked(Some(TenantId(99))), "test", START);
    let absent = StoreError::Absent { what: "tenant" };
    assert_eq!(of_nobody.await.err(), Some(absent));
    let tenant = tenant(&database).await;
    let admin = NewToken {
        scopes: Scopes::of([Scope::Admin]),
        ..asked(Some(tenant))
    };
    let refused = store.create_token(admin, "test", START).await.err();
    let fault = InvalidSetting::Token(InvalidToken::AdminOfTenant);
    assert_eq!(refused, Some(StoreError::Invalid(fault)));
    let none = database.numbers("SELECT id FROM service_tokens").await;
    assert_eq!(none, [0; 0]);
    let audited = "SELECT action FROM audit WHERE action LIKE 'token.%'";
    assert_eq!(database.texts(audited).await, [""; 0]);
}

async fn a_row_that_was_edited_lets_nobody_in(database: Database) {
    let Issued { token, .. } = issue(&database, asked(None)).await;
    for edit in ["secret_hash = 'x'", "secret_hash = ''", "scopes = 'all'"] {
        let kept = "SELECT secret_hash || ' ' || scopes FROM service_tokens";
        let kept = database.texts(kept).await;
        let (hash, scopes) = kept[0].split_once(' ').expect("two columns");
        let set = |edit: &str| format!("UPDATE service_tokens SET {edit}");
        assert_eq!(database.tamper(&set(edit)).await, 1);
        let answer = database.store.authenticate(&token, START).await;
        let is_unreadable = matches!(answer, Err(StoreError::Unreadable { .. }));
        assert!(is_unreadable, "{edit}: {answer:?}");
        let back = format!("secret_hash = '{hash}', scopes = '{scopes}'");
        assert_eq!(database.tamper(&set(&back)).await, 1);
    }
    assert!(shown(&database.store, &token, START).await.is_some());
}
