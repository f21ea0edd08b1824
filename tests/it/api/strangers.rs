//! Those who have no token, or send what is none of the API's: every answer is one that is
//! documented, and nothing of theirs is repeated.

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;

use serde_json::json;
use tests::http::{Answer, Client, raw};
use tests::{binary, paths};

use super::{Engine, LOOKS_MAX, campaign};

#[test]
fn without_a_good_token_every_path_answers_401() {
    let engine = Engine::with(&["limits.failures_per_minute=10000"]);
    let good = engine.admin.token.clone().expect("a token");
    let mut flipped = good.clone();
    let last = if flipped.ends_with('A') { "B" } else { "A" };
    flipped.replace_range(flipped.len() - 1.., last);
    let tokens = [
        None,
        Some("rg_x".to_owned()),
        Some(flipped),
        Some(format!("{good}A")),
    ];
    for token in tokens {
        let stranger = Client {
            token,
            ..engine.admin.clone()
        };
        for (route, path) in paths::of("ten_1") {
            let refused = stranger.send_json(route.verb.as_str(), &path, &json!({}));
            assert_eq!(refused.status, 401, "{route:?}");
            assert!(refused.head.contains("www-authenticate: bearer"));
            assert!(refused.head.contains("application/problem+json"));
        }
        let upload = stranger.upload("/v1/tenants/ten_1/boletos", "k", "a");
        assert_eq!(stranger.get("/v1/nowhere").status, 401);
        assert_eq!(upload.status, 401);
        // Health is for everybody.
        assert_eq!(stranger.get("/healthz").status, 200);
    }
    let twice = [("Authorization", "Bearer x")];
    assert_eq!(
        engine.admin.ask("GET", "/v1/tokens", &twice, &[]).status,
        401
    );
}

#[test]
fn nothing_of_a_request_about_another_tenant_is_looked_at() {
    let engine = Engine::start();
    let (tenant, other) = (engine.tenant(), engine.tenant());
    let client = engine.of(&tenant, "read,facts,import,manage");
    let paths = paths::of(&other).into_iter();
    for (route, path) in paths.filter(|(_, path)| path.contains(&other)) {
        let bodies = [("text/plain", "{"), ("application/json", "{")];
        for (content, body) in bodies {
            let headers = [("Content-Type", content)];
            let hidden = client.ask(route.verb.as_str(), &path, &headers, body.as_bytes());
            expect(&hidden, 404, "not_found");
        }
    }
    let large = "x".repeat(300 * 1024);
    let hidden = client.upload(&format!("/v1/tenants/{other}/boletos"), "k", &large);
    expect(&hidden, 404, "not_found");
    for path in ["ten_%31", "ten_01", "TEN_1", "%74en_1"] {
        expect(
            &client.get(&format!("/v1/tenants/{path}")),
            404,
            "not_found",
        );
    }
}

/// The answer is a problem of this kind, and repeats nothing that the request said.
fn expect(answer: &Answer, status: u16, error: &str) {
    let told = (answer.status, answer.error());
    assert_eq!(told, (status, error.to_owned()), "{}", answer.text);
    assert!(!answer.text.contains("canario"), "{}", answer.text);
}

#[test]
fn what_a_token_does_not_allow_is_refused_before_its_body_is_read() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    for scopes in ["read", "facts", "import", "manage"] {
        let client = engine.of(&tenant, scopes);
        for (route, path) in paths::of(&tenant) {
            let wanted = [Some(route.wanted), route.or_wanted];
            let may = wanted.iter().flatten().any(|it| it.as_str() == scopes);
            if may || route.for_anyone {
                continue;
            }
            // A body without its end: whoever waited for it would not answer.
            let head = format!(
                "{} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nAuthorization: Bearer {}\r\n\r\n{{",
                route.verb.as_str(),
                client.token.as_deref().expect("a token"),
            );
            expect(&client.send(head.as_bytes()), 403, "forbidden");
        }
    }
}

#[test]
fn another_method_is_told_which_ones_the_path_takes() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let paths = paths::of(&tenant);
    for (_, path) in &paths {
        let taken = paths.iter().filter(|(_, other)| other == path);
        let taken: Vec<&str> = taken.map(|(route, _)| route.verb.as_str()).collect();
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CANARIO"] {
            if taken.contains(&method) {
                continue;
            }
            let answer = engine.admin.ask(method, path, &[], &[]);
            expect(&answer, 405, "method_not_allowed");
            let allow = taken.join(", ").to_lowercase();
            assert_eq!(answer.header("allow"), Some(allow.as_str()), "{path}");
        }
    }
}

#[test]
fn a_path_that_is_none_is_told_so_and_never_repeated() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let admin = &engine.admin;
    for path in [
        "/canario",
        "/v1/canario",
        "/v1/tenants/canario",
        "/v1/tenants/ten_99",
        "/v1/tenants/ten_99999999999999999999",
        &format!("/v1/tenants/{tenant}/why/%00%0d%0acanario"),
    ] {
        expect(&admin.get(path), 404, "not_found");
    }
    let tenants = admin.send_json("DELETE", "/v1/tenants", &json!({}));
    expect(&tenants, 405, "method_not_allowed");
    let query = format!("/v1/tenants/{tenant}/why/bol_7?canario=1");
    expect(&admin.get(&query), 400, "malformed");
}

#[test]
fn a_body_that_is_none_is_told_so_and_never_repeated() {
    let engine = Engine::start();
    let admin = &engine.admin;
    let json = [("Content-Type", "application/json")];
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 7] = [
        b"",
        b"{",
        br#"{"name":"canario","more":1}"#,
        br#"{"name":1e400}"#,
        br#"{"name":"a","name":"canario"}"#,
        b"\xff\xfe",
        deep.as_bytes(),
    ];
    for body in bodies {
        let answer = admin.ask("POST", "/v1/tenants", &json, body);
        expect(&answer, 400, "malformed");
    }
    let text = [("Content-Type", "text/plain")];
    let answer = admin.ask("POST", "/v1/tenants", &text, b"{}");
    expect(&answer, 400, "malformed");
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(300 * 1024));
    let answer = admin.ask("POST", "/v1/tenants", &json, large.as_bytes());
    expect(&answer, 413, "too_large");
    assert_eq!(admin.get("/healthz").status, 200, "it lives");
}

#[test]
fn what_cannot_be_is_refused_with_its_reason_and_changes_nothing() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let admin = &engine.admin;
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let nameless = json!({ "name": " " });
    expect(&admin.post("/v1/tenants", &nameless), 422, "invalid");
    let document = json!({ "name": "a", "document": "canario" });
    expect(&admin.post("/v1/tenants", &document), 422, "invalid");
    let empty = json!({ "name": "a", "cadence": { "steps": [], "reminders_max": 1 } });
    expect(&admin.post(&at("/campaigns"), &empty), 422, "invalid");
    let event = |id: &str, kind: &str, reference: &str| {
        let event = json!({ "id": id, "type": kind, "data": { "reference": reference } });
        admin.post(&at("/events"), &event)
    };
    expect(&event("e", "canario", "N"), 422, "invalid");
    expect(&event("\u{0}canario", "boleto.paid", "N"), 422, "invalid");
    expect(&event("e", "boleto.paid", "\u{0}canario"), 422, "invalid");
    assert_eq!(event("one", "boleto.paid", "N").status, 202, "it waits");
    expect(&event("one", "boleto.cancelled", "N"), 409, "conflict");
    let said = json!({ "id": "l" });
    let confirmed = json!({ "id": "l", "estimate": "canario" });
    for (path, body) in [
        ("/campaigns/cam_99/launch", &confirmed),
        ("/campaigns/cam_99/estimate", &json!({})),
        ("/campaigns/cam_99/preview", &json!({})),
        ("/campaigns/cam_99/canario", &said),
    ] {
        expect(&admin.post(&at(path), body), 404, "not_found");
    }
    expect(
        &admin.put(&at("/campaigns/cam_99"), &campaign()),
        404,
        "not_found",
    );
    expect(
        &admin.upload(&at("/boletos"), "k", "canario"),
        422,
        "RG-IMPORT-004",
    );
    expect(
        &admin.upload(&at("/boletos"), "k", ""),
        422,
        "RG-IMPORT-002",
    );
    let json = [("Content-Type", "application/json")];
    let answer = admin.ask("POST", &at("/boletos"), &json, b"a");
    expect(&answer, 400, "malformed");
    assert_eq!(
        engine.numbers("SELECT count(*) FROM inbox WHERE parked IS NULL"),
        0
    );
}

#[test]
fn whoever_takes_nothing_of_an_answer_is_let_go_of() {
    let engine = Engine::with(&["http.write_ms_max=1000"]);
    let token = engine.admin.token.as_deref().expect("a token");
    let address = &engine.admin.address;
    // More than the system holds for somebody who does not read.
    let ask = format!(
        "GET /v1/openapi.json HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nonblocking(true).expect("no waiting");
    let all = ask.repeat(400);
    let mut left = all.as_bytes();
    let is_gone = || match stream.write(left.get(..1_000).unwrap_or(left)) {
        Ok(written) => {
            left = &left[written..];
            if left.is_empty() {
                left = all.as_bytes();
            }
            false
        }
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    assert!(binary::observe(LOOKS_MAX, is_gone), "it is waited for");
    assert_eq!(engine.admin.get("/healthz").status, 200);
}

#[test]
fn what_is_no_request_is_no_error_of_the_engine() {
    let engine = Engine::start();
    for nonsense in [
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    ] {
        let answer = raw(&engine.admin.address, nonsense.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let log = engine.log();
    assert!(!log.contains("ERROR"), "{log}");
}
