//! `regua demo` over a folder whose data was tampered with: its judge is no rubber stamp.

use serde_json::Value;
use tempfile::TempDir;
use tests::behind;
use tests::binary::{self, Running};

use super::{answer, code, demo_of, err, out};

const EVENTS: &str = "SELECT count(*) FROM inbox
    WHERE event_id LIKE 'boleto.%' OR event_id LIKE 'contact.%'";

#[test]
fn a_demo_is_judged_by_what_it_should_have_done() {
    let folder = TempDir::new().expect("a folder");
    let database = folder.path().join("regua.db");
    let output = demo_of("21", folder.path());
    assert_eq!(code(&output), 0, "{}", err(&output));
    let whole = answer(&output);
    events_add_up(&whole, behind::number(&database, EVENTS));

    behind::tamper(&database, "DELETE FROM mailbox");
    let accepted = whole["tenants"].as_array().expect("tenants").iter();
    let accepted: i64 = accepted
        .map(|tenant| count(&tenant["attempts"], "accepted"))
        .sum();
    let found = found_again(&folder);
    assert_eq!(
        count(&found, "accepted_without_letter"),
        accepted,
        "{found}"
    );

    let history = ["outcomes", "attempts", "decisions", "enrollments"];
    for table in history {
        behind::tamper(&database, &format!("DELETE FROM {table}"));
    }
    let found = found_again(&folder);
    assert!(count(&found, "without_verdict") > 500, "{found}");
}

#[test]
fn damage_that_shows_only_on_the_way_ends_the_demo_with_its_code() {
    for pages in ["outcomes", "enrollments_due", "mailbox_by_time"] {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().to_str().expect("utf-8");
        let notebook = folder.path().join("notebook.jsonl");
        let arguments = ["demo", "--seed", "31", "--data", path];
        let mut life = Running::start(&arguments, &folder.path().join("log"));
        let is_under_way = || std::fs::metadata(&notebook).is_ok_and(|file| file.len() > 60_000);
        assert!(binary::observe(20_000, || is_under_way() || life.has_ended()));
        drop(life);
        behind::damage(&folder.path().join("regua.db"), pages);
        let output = demo_of("31", folder.path());
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{pages}");
        let told = err(&output);
        assert!(told.ends_with(" [RG-STORE-004]\n"), "{pages}: {told}");
    }
}

/// Every event that is no repetition has its row in the inbox.
fn events_add_up(report: &Value, rows: i64) {
    let repeated = count(report, "repeated_events");
    assert!(repeated > 10, "{repeated}");
    assert_eq!(count(report, "events") - repeated, rows);
}

/// Lets the demo judge its folder again, which it must find at fault.
fn found_again(folder: &TempDir) -> Value {
    let output = demo_of("21", folder.path());
    assert_eq!(code(&output), 1, "{}", err(&output));
    answer(&output)["findings"].clone()
}

fn count(of: &Value, name: &str) -> i64 {
    of[name]
        .as_i64()
        .unwrap_or_else(|| panic!("no {name}: {of}"))
}
