//! Where messages go is the operator's to say: no token of a tenant and no field of the API moves
//! them to another address.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tests::gateway::{Deed, Gateway};
use tests::paths;

use super::ways::{Company, Ways};
use super::{expect, stored};
use crate::api::{campaign, no_rules, ok};

/// What other products call the address of a provider, its credentials, or the way there.
const FIELDS: [&str; 22] = [
    "url",
    "base_url",
    "baseUrl",
    "endpoint",
    "api_url",
    "host",
    "hostname",
    "port",
    "address",
    "server",
    "proxy",
    "callback",
    "callback_url",
    "webhook_url",
    "redirect_uri",
    "ca_file",
    "insecure",
    "token",
    "credential",
    "headers",
    "kind",
    "providers",
];

fn sender(provider: &str) -> Value {
    let pace = json!({ "per_second": 100, "burst": 100 });
    json!({ "channel": "sms", "provider": provider, "pace": pace })
}

/// Everything that a tenant may put, and where in it a field could stand.
fn bodies() -> Vec<(&'static str, &'static str, Value, &'static [&'static str])> {
    let template = json!({
        "code": "lembrete", "channel": "whatsapp", "version": 1, "body": "a", "variables": [],
        "ttl_ms": 3_600_000, "approved": { "name": "a" },
    });
    let calendar = json!({ "name": "a", "version": 2, "national": true });
    let retry = json!({ "first_ms": 1_000, "longest_ms": 2_000, "tries_max": 2 });
    let contact = json!({ "name": "Ana", "phone": "11987654321" });
    let boletos = json!({ "boletos": [{
        "reference": "NF-9", "amount_centavos": 1, "due_on": "2026-12-01", "contact": contact,
    }] });
    let contacts = json!({ "contacts": [contact] });
    vec![
        ("PUT", "/senders", sender("sms"), &["", "/pace"]),
        ("PUT", "/templates", template, &["", "/approved"]),
        ("PUT", "/rules", no_rules(), &[""]),
        ("PUT", "/calendar", calendar, &[""]),
        ("PUT", "/retry", retry, &[""]),
        ("PUT", "/profile", json!({ "name": "Escola Aurora" }), &[""]),
        (
            "POST",
            "/campaigns",
            campaign(),
            &["", "/cadence", "/cadence/steps/0"],
        ),
        (
            "POST",
            "/boletos",
            boletos,
            &["", "/boletos/0", "/boletos/0/contact"],
        ),
        ("POST", "/contacts", contacts, &["", "/contacts/0"]),
        ("POST", "/pause", json!({ "id": "a" }), &[""]),
    ]
}

/// Sends every body with every field in every place; none of them may be taken.
fn fields_are_refused(company: &Company<'_>, value: &Value) {
    for (method, path, body, places) in bodies() {
        for place in places {
            for field in FIELDS {
                // Here it is the postal one.
                if (path, field) == ("/profile", "address") {
                    continue;
                }
                let mut more = body.clone();
                more.pointer_mut(place).expect("a place")[field] = value.clone();
                let answer = company.client.send_json(method, &company.at(path), &more);
                assert_eq!(answer.error(), "malformed", "{path} {place} {field}");
                expect(&answer, 400, "malformed");
            }
        }
    }
}

// A45
#[test]
fn no_field_of_the_api_moves_a_message_to_another_address() {
    let ways = Ways::start();
    let canary = Gateway::start();
    canary.always(Deed::json(200, &json!({})));
    let company = ways.company("Escola Aurora");
    ok(&company.template("sms", "Boleto {{reference}}", &["reference"]));
    let before = stored(&ways.engine);
    fields_are_refused(&company, &json!(canary.url()));
    for provider in [
        canary.url(),
        format!("sms@{}", canary.address),
        format!("sms#{}", canary.url()),
        format!("sms?url={}", canary.url()),
        format!("sms\r\nurl = \"{}\"", canary.url()),
        "../sms".to_owned(),
        "providers.sms".to_owned(),
        "SMS".to_owned(),
        "sms ".to_owned(),
        String::new(),
        // It is there, but carries another channel.
        "mail".to_owned(),
    ] {
        let answer = company.put("/senders", &sender(&provider));
        expect(&answer, 422, "invalid");
        let shown = answer.text.contains(&canary.address.to_string());
        assert!(!shown, "{}", answer.text);
    }
    assert_eq!(stored(&ways.engine), before);
    // What no field says is not said beside the fields, either.
    let url = canary.url();
    let said = [
        ("X-Provider-Url", url.as_str()),
        ("Content-Type", "application/json"),
    ];
    let path = company.at(&format!("/senders?url={url}"));
    let body = sender("sms").to_string();
    company.client.ask("PUT", &path, &said, body.as_bytes());
    let event = json!({
        "id": "e", "type": "feed.heartbeat", "source": url, "dataschema": url, "url": url,
        "data": { "url": url },
    });
    ok(&company.post("/events", &event));
    let contact = json!({ "name": "Ana", "phone": "11987654321" });
    company.bring(&[("NF-1".to_owned(), contact)]);
    company.launch("sms");
    assert_eq!(company.decided(1), []);
    let expected = ("+5511987654321".to_owned(), "Boleto NF-1".to_owned());
    assert_eq!(ways.texts(), [expected]);
    assert_eq!(canary.connections(), 0, "it was asked");
}

/// Collects the names of all fields of a schema, and of those that it points to.
fn fields(
    document: &Value,
    schema: &Value,
    seen: &mut BTreeSet<String>,
    into: &mut Map<String, Value>,
) {
    match schema {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            if let Some(name) = target.filter(|name| seen.insert((*name).to_owned())) {
                let target = document.pointer(name.trim_start_matches('#'));
                fields(document, target.expect("a schema"), seen, into);
            }
            let properties = members.get("properties").and_then(Value::as_object);
            into.extend(
                properties
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), v.clone())),
            );
            for (key, value) in members.iter().filter(|(key, _)| *key != "example") {
                if key != "$ref" {
                    fields(document, value, seen, into);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                fields(document, value, seen, into);
            }
        }
        _ => {}
    }
}

// A45
#[test]
fn no_path_takes_the_address_of_a_provider() {
    let ways = Ways::start();
    let document = ok(&ways.engine.admin.get("/v1/openapi.json"));
    let mut taken = Map::new();
    let mut bodies = 0;
    for item in document["paths"].as_object().expect("paths").values() {
        for operation in item.as_object().expect("operations").values() {
            bodies += u32::from(operation["requestBody"].is_object());
            fields(
                &document,
                &operation["requestBody"],
                &mut BTreeSet::new(),
                &mut taken,
            );
        }
    }
    assert!(
        bodies > 15 && taken.contains_key("provider"),
        "{bodies} {taken:?}"
    );
    let suspicious = |name: &&String| {
        let parts: Vec<&str> = name.split('_').collect();
        let is_way = [
            "url", "uri", "host", "port", "endpoint", "proxy", "webhook", "callback",
        ];
        is_way.iter().any(|it| parts.contains(it))
    };
    let found: Vec<&String> = taken.keys().filter(suspicious).collect();
    assert_eq!(found, [] as [&String; 0]);
    // And no path is about providers: they are settings of the process.
    let about = paths::of("ten_1").into_iter();
    let about = about.filter(|(route, _)| route.path.contains("provider"));
    assert_eq!(about.count(), 0);
}
