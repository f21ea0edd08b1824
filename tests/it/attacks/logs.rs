//! The log, at its most talkative: nothing that a caller sends stands in it or shapes it.

use serde_json::{Value, json};
use tests::http::Client;

use super::{Engine, head, keyed};
use crate::api::{ok, ready, today_plus};

/// What a name may be, and a log would follow.
const TEXTS: [&str; 6] = [
    "canario {} {0} {:?} {name} %s %n",
    "{\"level\":\"ERROR\",\"message\":\"canario\"}",
    "canario\\r\\n\\u001b[2J",
    "canario \u{2014} ｛｝",
    "canario ${7*7} `id`",
    "canario=1 level=error msg=\"forged\"",
];

/// What a name may not be.
const BROKEN: [&str; 5] = [
    "canario\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
    "canario\u{1b}[2J\u{1b}]0;a\u{7}",
    "canario\u{202e}oiranac",
    "canario\u{200b}\u{feff}",
    "canario\0",
];

/// Headers that programs like to write down.
const HEADERS: [&str; 10] = [
    "User-Agent",
    "Referer",
    "X-Request-Id",
    "X-Forwarded-For",
    "X-Correlation-Id",
    "traceparent",
    "tracestate",
    "Cookie",
    "Accept",
    "X-Canario",
];

/// Says a text wherever one can be said.
fn say(client: &Client, home: &str, n: usize, text: &str) {
    let at = |path: &str| format!("{home}{path}");
    let contact = json!({ "name": text, "phone": format!("119876543{n:02}") });
    let boleto = json!({
        "reference": text, "amount_centavos": 1, "due_on": today_plus(5), "contact": contact,
    });
    let bodies = [
        ("/boletos", json!({ "boletos": [boleto] })),
        ("/contacts", json!({ "contacts": [contact] })),
        (
            "/events",
            json!({ "id": text, "type": text, "source": text, "data": contact }),
        ),
        ("/pause", json!({ "id": text })),
    ];
    for (path, body) in bodies {
        let answer = keyed(client, "POST", &at(path), &format!("k-{n}"), &body);
        assert!(answer.status < 500, "{path} {}", answer.text);
    }
    client.put(&at("/profile"), &json!({ "name": text }));
    let csv =
        format!("reference;name;phone;due_on;amount\n\"{text}\";\"{text}\";canario;1;canario\n");
    client.upload(&at("/boletos"), &format!("k-{n}"), &csv);
    let escaped: String = text
        .bytes()
        .take(500)
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    client.get(&at(&format!(
        "/boletos?reference={escaped}&canario={escaped}"
    )));
    client.get(&at(&format!("/why/{escaped}")));
}

/// Says something in what stands around a body.
fn say_around(client: &Client, home: &str) {
    for name in HEADERS {
        let answer = client.ask("GET", home, &[(name, "canario {} \u{ff5b}")], &[]);
        ok(&answer);
        for value in ["canario\u{1b}[2J", "canario\0", "canario\rcanario: 1"] {
            let request = head(client, "GET", home, &format!("{name}: {value}\r\n\r\n"));
            assert_eq!(
                client.send(request.as_bytes()).status,
                400,
                "{name} {value:?}"
            );
        }
    }
    for line in [
        "CANARIO /canario HTTP/1.1",
        "GET canario HTTP/1.1",
        "canario",
    ] {
        let request = format!("{line}\r\nHost: canario\r\nContent-Length: canario\r\n\r\n");
        tests::http::raw(&client.address, request.as_bytes());
    }
}

// A39
#[test]
fn the_log_repeats_nothing_that_was_sent_however_much_it_says() {
    let engine = Engine::with(&["log.level=trace"]);
    let (tenant, client, _) = ready(&engine);
    let home = format!("/v1/tenants/{tenant}");
    let megabyte = "canario".repeat(150_000);
    let texts = TEXTS.iter().chain(&BROKEN).copied();
    for (n, text) in texts.chain([megabyte.as_str()]).enumerate() {
        say(&client, &home, n, text);
    }
    say_around(&client, &home);
    let log = engine.log();
    assert!(log.contains("\"TRACE\""), "it says much");
    let lines = log.lines().map(serde_json::from_str::<Value>);
    assert!(
        lines.into_iter().all(|line| line.is_ok()),
        "a line was forged"
    );
    let told = log
        .lines()
        .find(|it| it.to_lowercase().contains("canario") || it.contains("forged"));
    assert_eq!(told, None);
    assert!(!log.contains(['\u{1b}', '\u{202e}', '\0']));
}
