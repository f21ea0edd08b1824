//! What stands in a body: bombs, more than anybody needs, and texts that want to be something else.

use serde_json::{Value, json};

use super::{Engine, expect, stored};
use crate::api::{campaign, no_rules, ok, ready};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

// A23
#[test]
fn a_body_that_is_a_bomb_is_refused_and_costs_nothing() {
    let engine = Engine::with(&[]);
    let tenant = engine.tenant();
    let before = stored(&engine);
    let keys: Vec<String> = (0..20_000)
        .map(|number| format!("\"k{number}\":0"))
        .collect();
    let bombs: Vec<Vec<u8>> = vec![
        "[".repeat(100_000).into_bytes(),
        "{\"name\":".repeat(20_000).into_bytes(),
        format!("{{{}}}", keys.join(",")).into_bytes(),
        format!("[{}0]", "0,".repeat(100_000)).into_bytes(),
        format!("{{\"name\":{}}}", "9".repeat(200_000)).into_bytes(),
        br#"{"name":"\ud800"}"#.to_vec(),
        b"\xef\xbb\xbf{\"name\":\"a\"}".to_vec(),
        b"{\"name\":\"\x00\"}".to_vec(),
        b"{\"name\":\"\xc3\x28\"}".to_vec(),
        br#"{"name":"a","name":"b"}"#.to_vec(),
        br#"{"name":"a","credits":1e400}"#.to_vec(),
        br#"{"name":"a","credits":9223372036854775808}"#.to_vec(),
        br#"{"name":"a","credits":-9223372036854775809}"#.to_vec(),
        br#"{"name":"a","credits":1.5}"#.to_vec(),
        br#"{"name":"a","credits":-0}"#.to_vec(),
        br#"{"name":"a","credits":1e0}"#.to_vec(),
        br#"{"name":"a","credits":01}"#.to_vec(),
        br#"{"name":"a","credits":NaN}"#.to_vec(),
        br#"{"name":"a","credits":"1"}"#.to_vec(),
        format!(
            "{{\"name\":\"a\",\"credits\":1{}e-200000}}",
            "0".repeat(200_000)
        )
        .into_bytes(),
        format!("{{\"name\":\"a\",\"credits\":0.{}1}}", "0".repeat(200_000)).into_bytes(),
        br#"{"name":"\udc00\ud800"}"#.to_vec(),
        br#"{"name":"a"}"#.iter().flat_map(|byte| [*byte, 0]).collect(),
        br#"{"name":"a"}/* b */"#.to_vec(),
        br#"{'name':'a'}"#.to_vec(),
        br#"{"name":["a"]}"#.to_vec(),
        b"null".to_vec(),
        br#"{"name":"a"} {"name":"b"}"#.to_vec(),
        br#"{"name":"a",}"#.to_vec(),
    ];
    for bomb in &bombs {
        let answer = engine.admin.ask("POST", "/v1/tenants", &JSON, bomb);
        expect(&answer, 400, "malformed");
    }
    // Also where a part of the body may be anything.
    let events = format!("/v1/tenants/{tenant}/events");
    let deep = format!(
        "{{\"id\":\"a\",\"type\":\"b\",\"data\":{}",
        "[".repeat(50_000)
    );
    expect(
        &engine.admin.ask("POST", &events, &JSON, deep.as_bytes()),
        400,
        "malformed",
    );
    for body in [r#"{"name":"a","credits":-1}"#, r#"{"name":"\u0000"}"#] {
        let answer = engine
            .admin
            .ask("POST", "/v1/tenants", &JSON, body.as_bytes());
        expect(&answer, 422, "invalid");
    }
    assert_eq!(stored(&engine), before);
}

// A35
#[test]
fn more_than_anybody_needs_is_refused() {
    let engine = Engine::with(&[]);
    let (tenant, client, _) = ready(&engine);
    let before = stored(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    for query in [
        "limit=1000000000",
        "offset=1000000000",
        "after=tok_99999999999999999999",
    ] {
        expect(
            &engine.admin.get(&format!("/v1/tokens?{query}")),
            400,
            "malformed",
        );
    }
    let template = |body: &str| {
        let template = json!({
            "code": "a", "channel": "sms", "version": 1, "body": body, "variables": [],
        });
        client.put(&at("/templates"), &template)
    };
    expect(&template(&"a".repeat(200_000)), 422, "invalid");
    expect(&template(&"a".repeat(300_000)), 413, "too_large");
    let steps = |when: &Value, count: usize| {
        let mut content = campaign();
        let step = content["cadence"]["steps"][0].clone();
        let step = json!({ "when": when, "no": 0, "channels": step["channels"],
            "template": step["template"], "expires_after_ms": step["expires_after_ms"] });
        content["cadence"]["steps"] = json!(vec![step; count]);
        client.post(&at("/campaigns"), &content)
    };
    let offset = |days: i64| {
        json!({
            "kind": "offset", "days": days, "unit": "calendar", "at": "00:00:00",
        })
    };
    expect(&steps(&offset(-20), 1_000), 422, "invalid");
    expect(&steps(&offset(365_000), 1), 422, "invalid");
    let every_second = json!({
        "kind": "recurrence", "cron": "* * * * * *", "from_days": 0,
        "occurrences_max": 1_000_000,
    });
    assert!([400, 422].contains(&steps(&every_second, 1).status));
    let rule =
        json!({ "code": "a", "version": 1, "body": { "kind": "mandatory_text", "text": "a" } });
    let rules = json!({ "name": "a", "version": 1, "rules": vec![rule; 2_000] });
    expect(&client.put(&at("/rules"), &rules), 422, "invalid");
    let days = (0..4_000).map(|day| {
        let day =
            chrono::NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day") + chrono::Days::new(day);
        (day.to_string(), json!("a"))
    });
    let closed: serde_json::Map<String, Value> = days.collect();
    let calendar = json!({ "name": "a", "version": 1, "national": true, "closed": closed });
    expect(&client.put(&at("/calendar"), &calendar), 422, "invalid");
    let event = json!({ "id": "a".repeat(10_000), "type": "feed.heartbeat" });
    expect(&client.post(&at("/events"), &event), 422, "invalid");
    assert_eq!(stored(&engine), before);
}

// A35
#[test]
fn more_than_a_request_may_hold_or_ask_is_refused() {
    let engine = Engine::with(&[]);
    let (tenant, client, id) = ready(&engine);
    let before = stored(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let contact = json!({ "name": "Ana", "phone": "11987651234" });
    let contacts = json!({ "contacts": vec![contact.clone(); 1_001] });
    expect(&client.post(&at("/contacts"), &contacts), 422, "invalid");
    let boleto = json!({ "reference": "a", "contact": contact });
    let boletos = json!({ "boletos": vec![boleto; 1_001] });
    let many = super::keyed(&client, "POST", &at("/boletos"), "many", &boletos);
    expect(&many, 422, "invalid");
    for asked in [
        json!({ "days": 0 }),
        json!({ "days": 61 }),
        json!({ "days": 4_294_967_296_u64 }),
        json!({ "days": 365_000 }),
    ] {
        for question in ["estimate", "preview"] {
            let answer = client.post(&at(&format!("/campaigns/{id}/{question}")), &asked);
            assert!(
                [400, 422].contains(&answer.status),
                "{asked} {}",
                answer.text
            );
        }
    }
    for asked in [
        json!({ "boletos": vec!["bol_1"; 21] }),
        json!({ "sample": 1_000_000 }),
    ] {
        let answer = client.post(&at(&format!("/campaigns/{id}/preview")), &asked);
        expect(&answer, 422, "invalid");
    }
    assert_eq!(stored(&engine), before);
}

// A37
#[test]
fn a_text_that_wants_to_be_a_statement_stays_a_text() {
    let engine = Engine::with(&[]);
    let (tenant, client, _) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let texts = [
        "'; DROP TABLE tenants; --",
        "a' OR '1'='1",
        "\"; DELETE FROM campaigns; --",
        "a\\'; SELECT pg_sleep(10); --",
        "$1 || (SELECT secret_hash FROM service_tokens)",
        "%' UNION SELECT 1, 2 --",
    ];
    for text in texts {
        let created = ok(&engine.admin.post("/v1/tenants", &json!({ "name": text })));
        let id = created["id"].as_str().expect("an id");
        let shown = ok(&engine.admin.get(&format!("/v1/tenants/{id}")));
        assert_eq!(shown["name"], text);
        let mut content = campaign();
        content["name"] = json!(text);
        assert_eq!(client.post(&at("/campaigns"), &content).status, 201);
        let key = text.replace('\\', "");
        let keyed = super::keyed(&client, "PUT", &at("/rules"), &key, &no_rules());
        assert_eq!(ok(&keyed)["changed"], true);
        let zone = json!({ "name": "a", "zone": text });
        expect(&engine.admin.post("/v1/tenants", &zone), 400, "malformed");
        let code = json!({
            "code": text, "channel": "sms", "version": 1, "body": "a", "variables": [],
        });
        expect(&client.put(&at("/templates"), &code), 422, "invalid");
        let sender = json!({
            "channel": "sms", "provider": text, "pace": { "per_second": 1, "burst": 1 },
        });
        expect(&client.put(&at("/senders"), &sender), 422, "invalid");
        let event = json!({ "id": text, "type": "boleto.paid", "data": { "reference": text } });
        assert_eq!(client.post(&at("/events"), &event).status, 202);
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        expect(
            &client.get(&at(&format!("/why/{escaped}"))),
            404,
            "not_found",
        );
        let query = format!("/v1/tokens?after={escaped}");
        expect(&engine.admin.get(&query), 400, "malformed");
        let zone = format!("/why/NF-1?zone={escaped}");
        expect(&client.get(&at(&zone)), 400, "malformed");
    }
    let campaigns = engine.numbers("SELECT count(*) FROM campaigns");
    assert_eq!(campaigns, 1 + i64::try_from(texts.len()).expect("a few"));
}

// A39
#[test]
fn nothing_that_is_sent_commands_the_log_or_a_terminal() {
    let engine = Engine::with(&[]);
    let (tenant, client, _) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let long = "canario".repeat(200);
    let texts = [
        "canario\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
        "canario\u{1b}[2J\u{1b}]0;a\u{7}",
        "canario\u{202e}oiranac",
        "canario\u{200b}\u{feff}",
        "canario\0",
        long.as_str(),
    ];
    for text in texts {
        let mut content = campaign();
        content["name"] = json!(text);
        let answers = [
            engine.admin.post("/v1/tenants", &json!({ "name": text })),
            client.post(&at("/campaigns"), &content),
            client.put(
                &at("/rules"),
                &json!({ "name": text, "version": 1, "rules": [] }),
            ),
            client.put(
                &at("/calendar"),
                &json!({ "name": text, "version": 1, "national": true }),
            ),
        ];
        for answer in &answers {
            expect(answer, 422, "invalid");
        }
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        expect(
            &client.get(&at(&format!("/why/{escaped}"))),
            404,
            "not_found",
        );
        expect(&client.get(&format!("/v1/{escaped}")), 404, "not_found");
    }
    let token = |name: &str| json!({ "name": name, "tenant": tenant, "scopes": "read" });
    for text in &texts[..2] {
        expect(
            &engine.admin.post("/v1/tokens", &token(text)),
            422,
            "invalid",
        );
    }
    let log = engine.log();
    let lines = log.lines().map(serde_json::from_str::<Value>);
    assert!(lines.into_iter().all(|line| line.is_ok()), "{log}");
    assert!(!log.contains("canario") && !log.contains("forged"), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{202e}', '\0']));
}
