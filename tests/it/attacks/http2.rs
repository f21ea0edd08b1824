//! HTTP/2 is not spoken: neither who begins with it nor who asks for it gets it.

use tests::http::raw;

use super::{Engine, head, stored};

/// What a client of HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `POST /v1/tenants` as HTTP/2 says it, in the fields of its static table (RFC 7541, appendix A).
const FIELDS: &[u8] = b"\x83\x86\x04\x0b/v1/tenants";

/// Frames of HTTP/2 (RFC 9113, section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

/// Writes a frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short frame")
        .to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Streams that are opened and reset at once.
fn rapid_resets() -> Vec<u8> {
    let each = (0..10_000).map(|n| {
        let stream = 2 * n + 1;
        [
            frame(HEADERS, 0x5, stream, FIELDS),
            frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]),
        ]
        .concat()
    });
    each.collect::<Vec<_>>().concat()
}

/// Headers without an end.
fn continuations() -> Vec<u8> {
    let more = frame(CONTINUATION, 0, 1, &[0x82; 16_384]);
    [frame(HEADERS, 0, 1, FIELDS), more.repeat(100)].concat()
}

/// Returns the statuses of the answers, whatever version they are of.
fn statuses(text: &str) -> Vec<&str> {
    let answers = text.split("HTTP/").skip(1);
    answers.filter_map(|it| it.split(' ').nth(1)).collect()
}

// A28
#[test]
fn who_begins_in_http_2_is_refused_and_hung_up_on() {
    let engine = Engine::with(&[]);
    let before = stored(&engine);
    let settings = frame(SETTINGS, 0, 0, &[]);
    let bodies = [
        Vec::new(),
        settings.clone(),
        [settings.clone(), frame(HEADERS, 0x5, 1, FIELDS)].concat(),
        [settings.clone(), rapid_resets()].concat(),
        [settings.clone(), continuations()].concat(),
        settings.repeat(50_000),
        frame(PING, 0, 0, &[0; 8]).repeat(50_000),
    ];
    for body in bodies {
        let answer = raw(&engine.admin.address, &[PREFACE, &body].concat());
        // Who closes at once may take the answer with him.
        assert!(matches!(statuses(&answer)[..], ["400"] | []), "{answer}");
        assert_eq!(engine.admin.get("/healthz").status, 200);
    }
    // Frames without what has to come before them are no request, either.
    let answer = raw(&engine.admin.address, &settings.repeat(1_000));
    assert!(matches!(statuses(&answer)[..], ["400"] | []), "{answer}");
    assert_eq!(stored(&engine), before);
}

// A24 A28
#[test]
fn who_asks_for_another_protocol_stays_in_http_1_and_hides_no_request_behind_it() {
    let engine = Engine::with(&["http.body_ms_max=1000"]);
    let before = stored(&engine);
    let body = r#"{"name":"a"}"#;
    let rest = "Content-Length: 12\r\nConnection: close\r\n\r\n";
    let hidden = head(&engine.admin, "POST", "/v1/tenants", rest) + body;
    // What follows is the next request, or belongs to this one; it is never both.
    let upgrades = [
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
            true,
        ),
        ("Connection: Upgrade\r\nUpgrade: h2", true),
        ("Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1", true),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
            false,
        ),
        ("Upgrade: websocket", false),
    ];
    let frames = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let mut made = 0;
    for (upgrade, goes_on) in upgrades {
        let asked = head(
            &engine.admin,
            "GET",
            "/v1/tokens",
            &format!("{upgrade}\r\n\r\n"),
        );
        let answer = raw(&engine.admin.address, &[asked.as_bytes(), &frames].concat());
        let expected = if goes_on {
            &["200", "400"][..]
        } else {
            &["200"]
        };
        assert_eq!(statuses(&answer), expected, "{upgrade} {answer}");
        assert!(!answer.to_lowercase().contains("\nupgrade:"), "{answer}");
        let asked = head(
            &engine.admin,
            "GET",
            "/healthz",
            &format!("{upgrade}\r\n\r\n"),
        );
        let answer = raw(&engine.admin.address, (asked + &hidden).as_bytes());
        let expected = if goes_on {
            &["200", "201"][..]
        } else {
            &["200"]
        };
        assert_eq!(statuses(&answer), expected, "{upgrade} {answer}");
        made += i64::from(goes_on);
        assert_eq!(stored(&engine), before + made);
        // A body that has a length ends there, or is no body at all.
        let rest = format!("{upgrade}\r\nContent-Length: 2\r\n\r\n{{}}");
        let asked = head(&engine.admin, "POST", "/v1/tenants", &rest);
        let answer = raw(&engine.admin.address, (asked + "{}" + &hidden).as_bytes());
        let told = statuses(&answer);
        assert!(
            !told.contains(&"101") && !told.contains(&"201"),
            "{upgrade} {answer}"
        );
        assert_eq!(stored(&engine), before + made);
    }
}
