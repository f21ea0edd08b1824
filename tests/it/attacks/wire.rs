//! What is no request, or two of them, or one that lies about where it comes from.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::http::{Client, raw, to_the_end};

use super::{Engine, expect, head, stored};

/// Longer than a connection that is being closed may take.
const CUT_OFF_MAX: Duration = Duration::from_secs(20);

/// Returns the statuses of all answers; one may follow another's body at once.
fn statuses(text: &str) -> Vec<&str> {
    let answers = text.split("HTTP/1.1 ").skip(1);
    answers.filter_map(|answer| answer.get(..3)).collect()
}

/// What follows the first headers of a request, each with an end that can be read in two ways.
const ENDS: [&str; 41] = [
    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "Content-Length: 12\r\nContent-Length: 13\r\n\r\n{}",
    "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "Content-Length: 2, 2\r\n\r\n{}",
    "Content-Length: +2\r\n\r\n{}",
    "Content-Length: 0x2\r\n\r\n{}",
    "Content-Length: -2\r\n\r\n{}",
    "Content-Length : 2\r\n\r\n{}",
    "Transfer-Encoding: identity\r\n\r\n{}",
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
    "X-A: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "X-A: a\rb\r\nContent-Length: 2\r\n\r\n{}",
    "X-A: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "Host: b\r\nContent-Length: 2\r\n\r\n{}",
    "Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "tRANSFER-eNCODING: CHUNKED\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\r{}\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
    "Content-Length:\r\n\r\n{}",
    "Content-Length: 2 2\r\n\r\n{}",
    "Content-Length: 2;\r\n\r\n{}",
    "Content-Length: 2e0\r\n\r\n{}",
    "Content-Length: 18446744073709551618\r\n\r\n{}",
    // A line feed alone is the end of a line, and hides nothing behind it.
    "X-A: a\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "X-A: a\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n{}",
    "X-A: a\nHost: b\r\nContent-Length: 2\r\n\r\n{}",
];

// A24
#[test]
fn a_request_whose_end_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read() {
    let engine = Engine::with(&[]);
    let before = stored(&engine);
    let body = r#"{"name":"a"}"#;
    let hidden = head(
        &engine.admin,
        "POST",
        "/v1/tenants",
        "Content-Length: 12\r\n\r\n",
    ) + body;
    for end in ENDS {
        let request = head(&engine.admin, "POST", "/v1/tenants", end) + &hidden;
        let answer = raw(&engine.admin.address, request.as_bytes());
        // Who closes at once may take the answer with him.
        let told = statuses(&answer);
        assert!(matches!(told[..], ["400"] | []), "{end:?}: {answer}");
    }
    let lines = [
        "GET /v1/tokens\r\n\r\n",
        "GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",
        "POST /v1/tenants HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1 x\r\nHost: a\r\n\r\n",
        "GET /healthz\rHTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/01.1\r\nHost: a\r\n\r\n",
    ];
    for line in lines {
        let answer = raw(&engine.admin.address, line.as_bytes());
        assert_eq!(statuses(&answer), ["400"], "{line:?}: {answer}");
    }
    assert_eq!(stored(&engine), before);
    // Two requests that are two are answered both, and one that names two hosts is not.
    let two = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n\
               GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answers = raw(&engine.admin.address, two.as_bytes());
    assert_eq!(statuses(&answers), ["200", "200"]);
    for (target, status) in [("http://b/healthz", 400), ("http://a/healthz", 200)] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(
            engine.admin.send(request.as_bytes()).status,
            status,
            "{target}"
        );
    }
}

// A21
#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_there() {
    let engine = Engine::with(&[]);
    let at = "/v1/tenants";
    for length in [256 * 1024 + 1, 10 * 1024 * 1024 * 1024_u64] {
        let rest = format!("Content-Length: {length}\r\n\r\n{{");
        let answer = engine
            .admin
            .send(head(&engine.admin, "POST", at, &rest).as_bytes());
        expect(&answer, 413, "too_large");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let within = format!("{{\"name\":\"{}\"}}", "x".repeat(256 * 1024 - 11));
    assert_eq!(within.len(), 256 * 1024);
    let json = [("Content-Type", "application/json")];
    expect(
        &engine.admin.ask("POST", at, &json, within.as_bytes()),
        422,
        "invalid",
    );
}

// A21
#[test]
fn chunks_without_an_end_are_cut_off_whoever_sends_them() {
    let engine = Engine::with(&[]);
    let stranger = Client {
        token: Some("none".to_owned()),
        ..engine.admin.clone()
    };
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    for (client, path) in [
        (&engine.admin, "/v1/tenants"),
        (&stranger, "/v1/tenants"),
        (&stranger, "/healthz"),
        (&stranger, "/nowhere"),
    ] {
        let mut stream = TcpStream::connect(&client.address).expect("a connection");
        let start = head(client, "POST", path, "Transfer-Encoding: chunked\r\n\r\n");
        stream
            .write_all(start.as_bytes())
            .expect("the head is sent");
        let began = Instant::now();
        while stream.write_all(chunk.as_bytes()).is_ok() {
            assert!(
                began.elapsed() < CUT_OFF_MAX,
                "{path}: it is read on and on"
            );
        }
        assert_eq!(engine.admin.get("/healthz").status, 200);
    }
}

// A22
#[test]
fn whoever_sends_slowly_is_cut_off_and_keeps_nobody_waiting() {
    let engine = Engine::with(&["http.head_ms_max=1000", "http.body_ms_max=1000"]);
    let open = |bytes: &str| {
        let mut stream = TcpStream::connect(&engine.admin.address).expect("a connection");
        stream.write_all(bytes.as_bytes()).expect("it is sent");
        stream
    };
    // 200 of each, where an attacker has 5,000.
    let heads: Vec<_> = (0..200)
        .map(|_| open("GET /healthz HTTP/1.1\r\nHo"))
        .collect();
    let body = head(
        &engine.admin,
        "POST",
        "/v1/tenants",
        "Content-Length: 9\r\n\r\n{",
    );
    let bodies: Vec<_> = (0..200).map(|_| open(&body)).collect();
    for _ in 0..20 {
        assert_eq!(
            engine.admin.get("/v1/tokens").status,
            200,
            "others are answered"
        );
    }
    for mut stream in heads {
        assert_eq!(statuses(&to_the_end(&mut stream)), ["408"]);
    }
    for mut stream in bodies {
        let answer = to_the_end(&mut stream);
        assert_eq!(statuses(&answer), ["408"]);
        assert!(answer.contains(r#""error":"timeout""#), "{answer}");
    }
    assert_eq!(engine.admin.get("/v1/tokens").status, 200);
}

// A25
#[test]
fn what_a_header_says_of_the_caller_or_the_method_is_not_believed() {
    let engine = Engine::with(&["limits.failures_per_minute=3"]);
    let stranger = Client {
        token: Some(format!("rg_{}", "a".repeat(60))),
        ..engine.admin.clone()
    };
    let tenant = engine.tenant();
    let path = format!("/v1/tenants/{tenant}/credits");
    let overrides = [
        ("X-HTTP-Method-Override", "PUT"),
        ("X-Method-Override", "PUT"),
        ("X-User-ID", "1"),
        ("X-Tenant-ID", "ten_1"),
    ];
    let answer = engine.admin.ask("GET", &path, &overrides, &[]);
    expect(&answer, 405, "method_not_allowed");
    let reader = engine.of(&tenant, "read");
    let other = engine.tenant();
    let hidden = reader.ask("GET", &format!("/v1/tenants/{other}"), &overrides, &[]);
    expect(&hidden, 404, "not_found");
    // However it calls itself, it is one peer. A token that cannot be one is not looked up.
    for _ in 0..5 {
        assert_eq!(stranger.get("/v1/tokens").status, 401);
    }
    let guess = |number: u32| {
        let mut token = engine.admin.token.clone().expect("a token");
        token.replace_range(3..5, &format!("{number:02}"));
        let origin = format!("192.0.2.{number}");
        let proxies = [
            ("X-Forwarded-For", origin.as_str()),
            ("X-Real-IP", &origin),
            ("Forwarded", "for=192.0.2.9"),
        ];
        let guesser = Client {
            token: Some(token),
            ..engine.admin.clone()
        };
        guesser.ask("GET", "/v1/tokens", &proxies, &[])
    };
    let guesses: Vec<u16> = (0..6).map(|number| guess(number).status).collect();
    assert!(guesses.contains(&429), "{guesses:?}");
    assert!(guess(7).header("retry-after").is_some());
    // Nobody is locked out by that who has a good token, not even one that is new here.
    assert_eq!(engine.admin.get("/v1/tokens").status, 200);
    let late = engine.of(&tenant, "facts");
    let paused = late.post(
        &format!("/v1/tenants/{tenant}/pause"),
        &json!({ "id": "p" }),
    );
    assert_eq!(paused.status, 200, "{}", paused.text);
}

// A26
#[test]
fn a_method_that_nothing_takes_is_refused() {
    let engine = Engine::with(&[]);
    for method in [
        "TRACE", "CONNECT", "QUERY", "OPTIONS", "HEAD", "PATCH", "JUNK!", "get",
    ] {
        for path in ["/healthz", "/v1/tokens"] {
            let answer = engine.admin.ask(method, path, &[], &[]);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.header("allow").is_some());
        }
    }
}

// A27
#[test]
fn a_path_that_is_spelt_to_lead_elsewhere_leads_nowhere() {
    let engine = Engine::with(&[]);
    let tenant = engine.tenant();
    let paths = [
        format!("/v1/tenants/{tenant}/..%2f..%2ftokens"),
        format!("/v1/tenants/{tenant}/../../tokens"),
        "/v1/%2e%2e/healthz".to_owned(),
        "/v1/tokens;canario=1".to_owned(),
        "/v1/tokens.".to_owned(),
        "/v1/tokens/".to_owned(),
        "//v1/tokens".to_owned(),
        "/v1//tokens".to_owned(),
        "/v1/tokens%00".to_owned(),
        "/v1/tokens%0d%0aX-Canario:%201".to_owned(),
        "/v1/%2574okens".to_owned(),
        "/V1/tokens".to_owned(),
        "/v1\\tokens".to_owned(),
        "/%c0%af".to_owned(),
        format!("/v1/tenants/{tenant}/why/%c0%ae%c0%ae"),
        format!("/v1/tenants/{tenant}%00"),
    ];
    for path in &paths {
        let answer = engine.admin.get(path);
        expect(&answer, 404, "not_found");
        assert!(!answer.head.contains("x-canario"), "{path}");
    }
    let long = format!("/v1/{}", "a".repeat(9_000));
    expect(&engine.admin.get(&long), 414, "uri_too_long");
    let names: Vec<String> = (0..70).map(|number| format!("X-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "a")).collect();
    let long = "a".repeat(20_000);
    for headers in [&many[..], &[("X-A", long.as_str())]] {
        let answer = engine.admin.ask("GET", "/v1/tokens", headers, &[]);
        expect(&answer, 431, "headers_too_large");
    }
}

// A29
#[test]
fn no_answer_allows_another_origin_anything_and_every_answer_is_told_to_stay_private() {
    let engine = Engine::with(&[]);
    let preflight = ("Access-Control-Request-Method", "DELETE");
    let stranger = Client {
        token: None,
        ..engine.admin.clone()
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1"] {
        let headers = [("Origin", origin), preflight, ("Cookie", "a=b")];
        for (client, method, path) in [
            (&engine.admin, "OPTIONS", "/v1/tokens"),
            (&engine.admin, "GET", "/v1/tokens"),
            (&engine.admin, "GET", "/v1/nowhere"),
            (&stranger, "OPTIONS", "/v1/tokens"),
            (&stranger, "GET", "/healthz"),
            (&stranger, "GET", "/readyz"),
            (&stranger, "PUT", "/healthz"),
            (&stranger, "GET", "/nowhere"),
        ] {
            let answer = client.ask(method, path, &headers, &[]);
            assert!(!answer.head.contains("access-control"), "{}", answer.head);
            assert_eq!(
                answer.header("x-content-type-options"),
                Some("nosniff"),
                "{path}"
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            assert_eq!(answer.header("x-frame-options"), Some("deny"), "{path}");
            assert_eq!(
                answer.header("referrer-policy"),
                Some("no-referrer"),
                "{path}"
            );
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
}
