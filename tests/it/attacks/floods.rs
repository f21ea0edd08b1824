//! Too many requests: who is refused, what everybody is told, and that no stop is.

use serde_json::json;

use super::{Engine, expect};
use crate::api::{no_rules, ok};

// R125 R126
#[test]
fn a_token_that_asks_too_often_is_told_when_it_may_again() {
    let settings = ["limits.read_per_minute=3", "limits.write_per_minute=1"];
    let engine = Engine::with(&settings);
    let tenant = engine.tenant();
    let client = engine.of(&tenant, "read,manage");
    let path = format!("/v1/tenants/{tenant}");
    for left in ["2", "1", "0"] {
        let answer = client.get(&path);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"read\";q=3;w=60"));
        let rest = answer.header("ratelimit").unwrap_or_default();
        assert!(rest.starts_with(&format!("\"read\";r={left};t=")), "{rest}");
    }
    let refused = client.get(&path);
    expect(&refused, 429, "rate_limited");
    let wait = refused
        .header("retry-after")
        .and_then(|it| it.parse::<u32>().ok());
    assert!(
        wait.is_some_and(|seconds| (1..=20).contains(&seconds)),
        "{wait:?}"
    );
    // Each kind has its own number, and so has each token.
    let rules = format!("{path}/rules");
    ok(&client.put(&rules, &no_rules()));
    expect(&client.put(&rules, &no_rules()), 429, "rate_limited");
    assert_eq!(engine.of(&tenant, "read").get(&path).status, 200);
}

#[test]
fn a_stop_is_never_refused_however_many_came_before() {
    let engine = Engine::with(&["limits.facts_per_minute=1"]);
    let tenant = engine.tenant();
    let client = engine.of(&tenant, "facts");
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    for number in 0..20 {
        let event = json!({
            "id": format!("p-{number}"), "type": "boleto.paid",
            "data": { "reference": format!("NF-{number}") },
        });
        let answer = client.post(&at("/events"), &event);
        assert_eq!(answer.status, 202, "{}", answer.text);
        // It is told that it is more than it may, and that is all.
        let rest = answer.header("ratelimit").unwrap_or_default();
        assert!(rest.starts_with("\"facts\";r=0;t="), "{rest}");
    }
    let paused = client.post(&at("/pause"), &json!({ "id": "p" }));
    assert_eq!(ok(&paused)["outcome"], "stopped");
    let waiting = "SELECT count(*) FROM inbox WHERE parked IS NOT NULL";
    assert_eq!(engine.numbers(waiting), 20);
}
