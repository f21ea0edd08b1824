//! `regua demo` over a folder whose data was tampered with: its judge is no rubber stamp.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::{answer, code, demo_of as demo, err};

/// Runs statements on the demo's database behind its back.
fn tamper(folder: &Path, statements: &[&'static str]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(folder.join("regua.db"));
        let mut conn = SqliteConnection::connect_with(&options)
            .await
            .expect("a database");
        for statement in statements {
            let done = sqlx::query(*statement).execute(&mut conn).await;
            done.expect("the statement runs");
        }
    });
}

#[test]
fn a_demo_without_its_history_is_not_called_right() {
    let folder = TempDir::new().expect("a folder");
    let whole = demo("21", folder.path());
    assert_eq!(code(&whole), 0, "{}", err(&whole));
    tamper(folder.path(), &["DELETE FROM mailbox"]);
    let findings = |output: &_| answer(output)["findings"].clone();
    let without_letters = demo("21", folder.path());
    assert_eq!(code(&without_letters), 1);
    let found = findings(&without_letters);
    let accepted = answer(&whole)["tenants"]
        .as_array()
        .expect("tenants")
        .iter()
        .map(|tenant| tenant["attempts"]["accepted"].as_u64().expect("a count"))
        .sum::<u64>();
    assert_eq!(found["accepted_without_letter"], accepted, "{found}");
    let statements = [
        "DELETE FROM outcomes",
        "DELETE FROM attempts",
        "DELETE FROM decisions",
        "DELETE FROM enrollments",
    ];
    tamper(folder.path(), &statements);
    let without_history = demo("21", folder.path());
    assert_eq!(code(&without_history), 1);
    let found = findings(&without_history);
    let owed = found["without_verdict"].as_u64().expect("a count");
    assert!(owed > 500, "{found}");
}
