//! Published cases: every item of every fixture of the domain.

mod boleto;
mod brcode;
mod calendar;
mod charges;
mod codes;
mod contact;
mod document;
mod nasty;
mod phone;

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
