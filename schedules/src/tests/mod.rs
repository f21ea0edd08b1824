//! Published cases of every fixture, and the rules against brute force.

mod boleto;
mod brcode;
mod cadence_checks;
mod cadences;
mod calendar;
mod cap_brute;
mod charges;
mod codes;
mod contact;
mod document;
mod instants;
mod nasty;
mod phone;
mod plan_properties;
mod plan_snapshots;
mod recurrence_brute;
mod rules;
mod template_approved;
mod template_attacks;
mod template_lists;
mod verdict_cases;
mod verdict_gates;
mod verdict_properties;
mod verdict_rules;
mod window_brute;

/// Reads a fixture that is a part of the test binary.
fn fixture(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("a fixture is JSON")
}

/// Reads a civil date of a fixture.
fn date(value: &serde_json::Value) -> chrono::NaiveDate {
    text(value).parse().expect("a date")
}

/// Reads a string of a fixture.
fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("a string")
}

/// Reads a list of a fixture; an empty one would test nothing.
fn list(value: &serde_json::Value) -> &[serde_json::Value] {
    let items = value.as_array().expect("a list");
    assert!(!items.is_empty());
    items
}
