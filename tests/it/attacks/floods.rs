//! Too many requests: who is refused, what everybody is told, and that no stop is.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;

use super::{Engine, expect, head};
use crate::api::{no_rules, ok, today_plus};

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

// A22
#[test]
fn files_that_nobody_reads_keep_nobody_else_from_theirs() {
    let engine = Engine::with(&[]);
    let files = [3_000, 3].map(|lines| {
        let tenant = engine.tenant();
        let client = engine.of(&tenant, "read,import,facts");
        let mut csv = "reference;name;phone;due_on;amount\n".to_owned();
        for n in 0..lines {
            let (long, phone) = ("x".repeat(100), 987_000_000 + n);
            let due = today_plus(5);
            writeln!(csv, "NF-{n}-{long};Ana;11{phone};{due};1,00").expect("written");
        }
        let path = format!("/v1/tenants/{tenant}/boletos");
        ok(&client.upload(&path, "file", &csv));
        (client, path)
    });
    let (greedy, path) = &files[0];
    let wanted = head(greedy, "GET", path, "Accept: text/csv\r\n\r\n");
    // 300, where an attacker has thousands; each asks twice, and reads nothing.
    let unread: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(&greedy.address).expect("a connection");
            stream
                .write_all(wanted.repeat(2).as_bytes())
                .expect("it is sent");
            stream
        })
        .collect();
    let (other, path) = &files[1];
    for n in 0..20 {
        let file = other.ask("GET", path, &[("Accept", "text/csv")], &[]);
        assert_eq!(
            (file.status, file.text.lines().count()),
            (200, 4),
            "{}",
            file.text
        );
        let reference = format!("NF-{n}");
        let event =
            json!({ "id": reference, "type": "boleto.paid", "data": { "reference": reference } });
        let told = other.post(&path.replace("/boletos", "/events"), &event);
        assert!([200, 202].contains(&told.status), "{}", told.text);
    }
    drop(unread);
}
