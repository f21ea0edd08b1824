//! `regua demo` over a folder whose data was tampered with: its judge is no rubber stamp.

use serde_json::Value;
use tempfile::TempDir;
use tests::behind;

use super::{answer, code, demo_of, err};

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
