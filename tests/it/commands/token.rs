//! `regua token` as its own process, beside an engine on a clustered database.

use std::process::Output;

use actors::clock::{Clock as _, SystemClock};
use engine::access::{Principal, Token};
use tempfile::TempDir;
use tests::binary;
use tests::database::{Database, Engine, on};
use tests::scene::{START, new_tenant};

use super::{code, err, on_store, out};

/// Runs a command on a clustered database, whose address comes from the environment.
async fn on_cluster(database: &Database, arguments: &[&str]) -> Output {
    let mut command = binary::command(&[&["token"], arguments].concat());
    command
        .env("REGUA_STORE__KIND", "postgres")
        .env("REGUA_STORE__URL", database.url());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("a thread").expect("the binary runs")
}

async fn principal(database: &Database, token: &Token) -> Option<Principal> {
    let now = SystemClock::start().now();
    let principal = database.store.authenticate(token, now).await;
    principal.expect("the database answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_made_and_ended_beside_an_engine_on_a_clustered_database() {
    on(Engine::Postgres, beside).await;
}

async fn beside(database: Database) {
    let tenant = database.store.create_tenant(&new_tenant(), START).await;
    let tenant = tenant.expect("a tenant");
    let of = tenant.to_string();
    let create = ["create", "--name", "shop", "--tenant", &of];
    let create = [&create[..], &["--scopes", "read,facts"]].concat();
    let made = on_cluster(&database, &create).await;
    assert_eq!(code(&made), 0, "{}", err(&made));
    let token = Token::parse(out(&made).trim_end()).expect("a token");
    let found = principal(&database, &token).await.expect("a principal");
    assert_eq!(found.tenant, Some(tenant));
    let prefix = token.prefix().as_str();
    let list = on_cluster(&database, &["list", "--tenant", &of]).await;
    assert!(out(&list).starts_with(prefix), "{}", err(&list));
    let revoked = on_cluster(&database, &["revoke", prefix]).await;
    assert_eq!(code(&revoked), 0, "{}", err(&revoked));
    assert_eq!(principal(&database, &token).await, None);
}

#[test]
fn a_token_that_cannot_be_printed_can_be_revoked() {
    let folder = TempDir::new().expect("a folder");
    let full = std::fs::File::options().write(true).open("/dev/full");
    let setting = format!("store.path={}", folder.path().join("regua.db").display());
    let create = ["token", "create", "--name", "ops", "--scopes", "admin"];
    let mut command = binary::command(&[&create[..], &["--set", &setting]].concat());
    command.stdout(full.expect("a device that is always full"));
    let output = command.output().expect("the binary runs");
    let told = err(&output);
    assert_eq!(code(&output), 1, "{told}");
    assert!(told.contains("No space left"), "{told}");
    let prefix = told.split([' ', ':']).nth(1).expect("a prefix");
    let revoked = on_store(folder.path(), "regua.db", &["token", "revoke", prefix]);
    assert_eq!(code(&revoked), 0, "{}", err(&revoked));
}
