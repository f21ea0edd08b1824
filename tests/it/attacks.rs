//! Attacks on the HTTP door of the running binary. Their numbers are modest, so that they run with
//! every build: hundreds where an attacker has thousands.

mod bodies;
mod endpoints;
mod fields;
mod floods;
mod http2;
mod logs;
mod mails;
mod numbers;
mod patterns;
mod rights;
mod sheets;
mod texts;
mod ways;
mod wire;

use serde_json::Value;
use tests::http::{Answer, Client};

use crate::api::Engine;

/// Asserts what an answer is, and that it repeats nothing of the request.
fn expect(answer: &Answer, status: u16, error: &str) {
    let told = (answer.status, answer.error());
    assert_eq!(told, (status, error.to_owned()), "{}", answer.text);
    assert!(!answer.text.contains("canario"), "{}", answer.text);
}

/// Everything that a request which is refused must leave alone.
fn stored(engine: &Engine) -> i64 {
    const TABLES: [&str; 11] = [
        "tenants",
        "campaigns",
        "campaign_versions",
        "templates",
        "senders",
        "credits",
        "service_tokens",
        "inbox",
        "boletos",
        "contacts",
        "suppressions",
    ];
    let counts = TABLES.map(|table| format!("(SELECT count(*) FROM {table})"));
    engine.numbers(&format!("SELECT {}", counts.join(" + ")))
}

/// Sends JSON under a key.
fn keyed(client: &Client, method: &str, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [
        ("Idempotency-Key", key),
        ("Content-Type", "application/json"),
    ];
    client.ask(method, path, &headers, body.to_string().as_bytes())
}

/// Returns the head of a request with JSON that nothing follows yet.
fn head(client: &Client, method: &str, path: &str, rest: &str) -> String {
    let token = client.token.as_deref().expect("a token");
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{rest}"
    )
}
