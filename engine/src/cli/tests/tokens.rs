//! `regua token`: what goes where, what is never shown, and what happens beside an engine.

use std::path::Path;

use tempfile::TempDir;

use super::{Answer, FAILED, MISUSED, run, runtime};
use crate::access::{Scope, Token};
use crate::store::{SqliteSettings, Store};

/// Runs a command on the store of a folder.
fn on(folder: &Path, arguments: &[&str]) -> Answer {
    let setting = format!("store.path={}", folder.join("regua.db").display());
    run(&[&["token"], arguments, &["--set", &setting]].concat())
}

const ADMIN: [&str; 5] = ["create", "--name", "ops", "--scopes", "admin"];

/// The token on standard output, which has nothing else.
fn handed_out(answer: &Answer) -> Token {
    assert_eq!(answer.code, 0, "{}", answer.err);
    let line = answer.out.strip_suffix('\n').expect("a line");
    let token = Token::parse(line).expect("a token, alone");
    let secret = &line[16..];
    assert!(!answer.err.contains(secret), "{}", answer.err);
    assert!(answer.err.contains(token.prefix().as_str()));
    token
}

/// Asks a store of the folder, which nobody has open.
fn principal(folder: &Path, token: &Token) -> Option<crate::access::Principal> {
    use actors::clock::{Clock as _, SystemClock};
    let now = SystemClock::start().now();
    runtime().expect("a runtime").block_on(async {
        let store = Store::open_sqlite(&SqliteSettings::at(folder)).await;
        let store = store.expect("a store");
        let principal = store.authenticate(token, now).await;
        store.close().await;
        principal.expect("the database answers")
    })
}

#[test]
fn a_token_is_printed_once_and_lists_know_it_by_its_prefix() {
    let folder = TempDir::new().expect("a folder");
    let token = handed_out(&on(folder.path(), &ADMIN));
    let found = principal(folder.path(), &token).expect("a principal");
    assert!(found.tenant.is_none() && found.scopes.contains(Scope::Admin));
    let secret = token.expose()[16..].to_owned();
    let lines = on(folder.path(), &["list"]);
    assert_eq!((lines.code, lines.err.as_str()), (0, ""));
    assert!(lines.out.contains(token.prefix().as_str()) && !lines.out.contains(&secret));
    assert!(lines.out.ends_with("  ops\n"), "{}", lines.out);
    let list = on(folder.path(), &["list", "--json"]).json();
    assert_eq!(list["tokens"][0]["prefix"], token.prefix().as_str());
    assert_eq!(list["tokens"][0]["scopes"], serde_json::json!(["admin"]));
    assert_eq!(list["tokens"][0]["state"], "active");
    assert!(!list.to_string().contains(&secret));
    let other = on(folder.path(), &["list", "--tenant", "ten_1", "--json"]);
    assert_eq!(other.json()["tokens"], serde_json::json!([]));
}

#[test]
fn a_token_is_rotated_with_a_grace_and_revoked_at_once() {
    let folder = TempDir::new().expect("a folder");
    let first = handed_out(&on(folder.path(), &ADMIN));
    let prefix = first.prefix().as_str();
    let second = handed_out(&on(folder.path(), &["rotate", prefix]));
    let may = |token: &Token| principal(folder.path(), token).is_some();
    assert!(may(&first) && may(&second));
    let again = on(folder.path(), &["rotate", prefix]);
    assert_eq!((again.code, again.out.as_str()), (FAILED, ""));
    assert!(again.err.contains("[RG-STORE-019]"), "{}", again.err);
    for said in ["is revoked", "was revoked before"] {
        let revoked = on(folder.path(), &["revoke", prefix]);
        assert_eq!((revoked.code, revoked.out.as_str()), (0, ""));
        assert_eq!(revoked.err, format!("{prefix} {said}\n"));
    }
    assert!(!may(&first) && may(&second));
    let arguments = ["rotate", second.prefix().as_str(), "--grace", "0s"];
    let third = handed_out(&on(folder.path(), &arguments));
    assert!(!may(&second) && may(&third));
}

#[test]
fn what_is_typed_for_a_prefix_is_not_repeated() {
    let folder = TempDir::new().expect("a folder");
    let token = Token::draw().expect("random numbers").expose();
    for verb in ["revoke", "rotate"] {
        let whole = on(folder.path(), &[verb, &token]);
        assert_eq!((whole.code, whole.out.as_str()), (FAILED, ""));
        assert!(whole.err.contains("12 characters"), "{}", whole.err);
        assert!(!whole.err.contains(&token[16..]), "{}", whole.err);
        let unknown = on(folder.path(), &[verb, "abcdefghij09"]);
        assert_eq!(unknown.code, FAILED);
        assert!(unknown.err.contains("[RG-STORE-011]"), "{}", unknown.err);
    }
}

#[test]
fn a_token_that_cannot_be_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let create = ["create", "--name", "shop", "--scopes"];
    let refused = |more: &[&str]| on(folder.path(), &[&create, more].concat());
    for (more, code) in [
        (&["read"][..], "RG-STORE-019"),
        (&["admin", "--tenant", "ten_1"], "RG-STORE-019"),
        (&["admin", "--expires-in", "0s"], "RG-STORE-019"),
        (&["read", "--tenant", "ten_1"], "RG-STORE-011"),
    ] {
        let answer = refused(more);
        assert_eq!((answer.code, answer.out.as_str()), (FAILED, ""), "{more:?}");
        assert!(answer.err.contains(code), "{}", answer.err);
    }
    for more in [&["everything"][..], &["admin", "--expires-in", "soon"]] {
        assert_eq!(refused(more).code, MISUSED, "{more:?}");
    }
}

#[test]
fn beside_an_engine_tokens_are_listed_and_nothing_is_written() {
    let folder = TempDir::new().expect("a folder");
    let token = handed_out(&on(folder.path(), &ADMIN));
    let prefix = token.prefix().as_str();
    let runtime = runtime().expect("a runtime");
    let settings = SqliteSettings::at(folder.path());
    let held = runtime.block_on(Store::open_sqlite(&settings));
    let held = held.expect("a store");
    let list = on(folder.path(), &["list"]);
    assert!(list.out.contains(prefix), "{}", list.err);
    for arguments in [&ADMIN[..], &["revoke", prefix], &["rotate", prefix]] {
        let answer = on(folder.path(), arguments);
        assert_eq!((answer.code, answer.out.as_str()), (FAILED, ""));
        assert!(answer.err.contains("its API, or stop it first"));
        assert!(answer.err.ends_with("[RG-STORE-006]\n"), "{}", answer.err);
    }
    runtime.block_on(held.close());
}
