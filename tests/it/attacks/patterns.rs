//! Texts that want to be patterns or statements, in everything that searches, filters or reads a
//! small language. Nothing here is matched by backtracking: an answer comes, and meanwhile others
//! have theirs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::http::{Answer, Client};

use super::{Engine, expect, keyed, stored};
use crate::api::{campaign, ok, ready, today_plus};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// Patterns over which engines that backtrack never come to an end, texts for them, and wildcards.
fn patterns() -> Vec<String> {
    vec![
        "(a+)+$".to_owned(),
        "^(([a-z])+.)+[A-Z]([a-z])+$".to_owned(),
        "(.*a){25}".to_owned(),
        "(?=(a+))a*b\\1".to_owned(),
        "((a*)*)*b".repeat(100),
        "[[:alpha:]".to_owned(),
        "a{1,1000000000}".to_owned(),
        ".*".to_owned(),
        "%".to_owned(),
        "_".repeat(6),
        "%_%_%_%_".repeat(100),
        "*?*?*".repeat(200),
        format!("{}!", "a".repeat(2_000)),
    ]
}

const STATEMENTS: [&str; 7] = [
    "'; DROP TABLE tenants; --",
    "a' OR '1'='1",
    "\"; DELETE FROM campaigns; --",
    "a\\'; SELECT pg_sleep(10); --",
    "1) UNION SELECT secret_hash FROM service_tokens --",
    "%' OR 1=1 --",
    "a\0b",
];

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Returns every parameter of a query that the document of the API names, with its path.
fn parameters(client: &Client, tenant: &str, campaign: &str) -> Vec<(String, String)> {
    let document = ok(&client.get("/v1/openapi.json"));
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let filled = path
            .replace("{tenant}", tenant)
            .replace("{campaign}", campaign)
            .replace("{version}", "1")
            .replace("{code}", "lembrete")
            .replace("{job}", "imp_1")
            .replace("{reminder}", "rem_1.0.0")
            .replace("{subject}", "NF-1");
        let asked = item["get"]["parameters"].as_array().into_iter().flatten();
        for parameter in asked.filter(|it| it["in"] == "query") {
            let name = parameter["name"].as_str().expect("a name");
            all.push((filled.clone(), name.to_owned()));
        }
    }
    all
}

/// Asks for every list by every parameter with a text in it: it names nothing, or is no value.
fn ask_everywhere(engine: &Engine, client: &Client, tenant: &str, campaign: &str, text: &str) {
    let mut asked = 0;
    for (path, name) in parameters(client, tenant, campaign) {
        let admins = !path.contains(tenant);
        let client = if admins { &engine.admin } else { client };
        let answer = client.get(&format!("{path}?{name}={}", escaped(text)));
        if answer.status == 200 {
            // A filter that takes any text finds nothing by it.
            let items = answer.json()["items"].as_array().map(Vec::len);
            assert_eq!(items, Some(0), "{path}?{name}={text}: {}", answer.text);
        } else {
            assert!(
                [400, 404].contains(&answer.status),
                "{path}?{name}: {}",
                answer.text
            );
        }
        assert!(
            !answer.text.contains(text) || text.len() < 7,
            "{}",
            answer.text
        );
        asked += 1;
    }
    assert!(asked > 30, "{asked}");
}

/// An engine with a boleto that only its own name finds.
fn furnished() -> (Engine, String, Client, String) {
    let engine = Engine::with(&["limits.admin_per_minute=100000"]);
    let (tenant, client, campaign) = ready(&engine);
    let csv = format!(
        "reference;name;phone;due_on;amount\nNF-1;Ana;11987651234;{};1,00\n",
        today_plus(5)
    );
    let path = format!("/v1/tenants/{tenant}/boletos");
    ok(&client.upload(&path, "file", &csv));
    (engine, tenant, client, campaign)
}

// A35 A37 A50
#[test]
fn no_filter_takes_a_text_for_a_pattern_or_a_statement() {
    let (engine, tenant, client, campaign) = furnished();
    let before = stored(&engine);
    let statements = STATEMENTS.map(str::to_owned);
    for text in patterns().iter().chain(&statements) {
        ask_everywhere(&engine, &client, &tenant, &campaign, text);
        let why = format!("/v1/tenants/{tenant}/why/{}", escaped(text));
        expect(&client.get(&why), 404, "not_found");
    }
    let found = |reference: &str| {
        let path = format!("/v1/tenants/{tenant}/boletos?reference={reference}");
        ok(&client.get(&path))["items"].as_array().map(Vec::len)
    };
    assert_eq!(
        (found("NF-1"), found("NF-_"), found("NF.1")),
        (Some(1), Some(0), Some(0))
    );
    assert_eq!(stored(&engine), before);
}

/// A request: method, path and body.
type Request = (&'static str, String, String);

/// Bodies in which something small is read as a language of its own, each with a long text of it.
fn languages(tenant: &str) -> Vec<Request> {
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let mut all = Vec::new();
    for cron in [
        "0-59/1,".repeat(28) + "* * * * *",
        "*/15 * * * ".to_owned() + &"MON,".repeat(45),
        "0 0 29 2 *".to_owned(),
        "0 0 31 2,4,6,9,11 *".to_owned(),
        "*".repeat(100_000),
        "0 9 * * 1-5 ".repeat(10_000),
        "(a+)+ (a+)+ * * *".to_owned(),
        "0/0 */0 -1 99 *".to_owned(),
    ] {
        let mut content = self::campaign();
        content["cadence"]["steps"][0]["when"] = json!({
            "kind": "recurrence", "cron": cron, "from_days": -5, "occurrences_max": 1_000,
        });
        all.push(("POST", at("/campaigns"), content.to_string()));
    }
    for body in ["{", "}}", "{{a", "{{reference}}", "{{ ", "{%", "{{}}"] {
        let body = body.repeat(200_000 / body.len());
        let template = json!({
            "code": "a", "channel": "email", "version": 1, "subject": body, "body": body,
            "variables": ["reference"],
        });
        all.push(("PUT", at("/templates"), template.to_string()));
    }
    all
}

/// Bodies whose every text is long, and looks as if it would be searched for in something.
fn searches(tenant: &str, campaign: &str) -> Vec<Request> {
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let mut all = Vec::new();
    let mut texts = patterns();
    texts.extend(
        [
            "a.", "@", "+", ".-(", "0", "1/", "xn--", "é", "\u{200b}", "9 ",
        ]
        .map(|it| it.repeat(100_000 / it.len())),
    );
    for text in texts {
        for field in [
            "reference",
            "due_on",
            "digitable_line",
            "pix_code",
            "payment_link",
        ] {
            let mut boleto = json!({
                "reference": "NF-2", "amount_centavos": 1, "due_on": today_plus(5),
                "contact": { "name": "Ana", "phone": "11987654321" },
            });
            boleto[field] = json!(text);
            all.push((
                "POST",
                at("/boletos"),
                json!({ "boletos": [boleto] }).to_string(),
            ));
        }
        for field in ["name", "phone", "email"] {
            let mut contact = json!({ "name": "Ana", "phone": "11987654321" });
            contact[field] = json!(text);
            all.push((
                "POST",
                at("/contacts"),
                json!({ "contacts": [contact] }).to_string(),
            ));
            let event = json!({ "id": "e", "type": "contact.opted_out", "data": { field: text } });
            all.push(("POST", at("/events"), event.to_string()));
        }
        let zone = json!({ "name": "Ana", "phone": "11987654321", "zones": [text, text] });
        all.push((
            "POST",
            at("/contacts"),
            json!({ "contacts": [zone] }).to_string(),
        ));
        let tenant = json!({ "name": "a", "document": text, "zone": text });
        all.push(("POST", "/v1/tenants".to_owned(), tenant.to_string()));
        let event = json!({ "id": "e", "type": text, "time": text, "data": { "reference": text } });
        all.push(("POST", at("/events"), event.to_string()));
        let launch = json!({ "id": "l", "estimate": text });
        all.push((
            "POST",
            at(&format!("/campaigns/{campaign}/launch")),
            launch.to_string(),
        ));
    }
    all
}

// A50
#[test]
fn whatever_is_read_is_read_to_its_end_while_others_are_answered() {
    let (engine, tenant, client, campaign) = furnished();
    let readings = [languages(&tenant), searches(&tenant, &campaign)].concat();
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let neighbour = engine.of(&engine.tenant(), "read,facts");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // An answer that does not come ends the test by the client's patience.
            while !is_over.load(Ordering::SeqCst) {
                assert_eq!(neighbour.get("/healthz").status, 200);
                assert_eq!(neighbour.get("/v1/openapi.json").status, 200);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        for (n, (method, path, body)) in readings.iter().enumerate() {
            let client = if path == "/v1/tenants" {
                &engine.admin
            } else {
                &client
            };
            let key = format!("k-{n}");
            let mut headers = JSON.to_vec();
            if path.ends_with("/boletos") {
                headers.push(("Idempotency-Key", &key));
            }
            let answer = client.ask(method, path, &headers, body.as_bytes());
            let start = body.chars().take(200).collect::<String>();
            assert!(answer.status < 500, "{path} {start}: {}", answer.text);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(
        answered.load(Ordering::SeqCst) > 0,
        "nobody else was answered"
    );
    assert!(!engine.log().contains("RG-PANIC"), "{}", engine.log());
}

/// Says what came of a boleto whose every text is this one.
fn stated(client: &Client, path: &str, key: &str, text: &str) -> Answer {
    let contact = json!({ "name": text, "email": "ana'or'1'='1@escola.example" });
    let boleto = json!({
        "reference": text, "amount_centavos": 1, "due_on": today_plus(5), "contact": contact,
    });
    keyed(client, "POST", path, key, &json!({ "boletos": [boleto] }))
}

// A37
#[test]
fn a_statement_in_a_key_a_cron_or_a_boleto_stays_what_it_is() {
    let (engine, tenant, client, campaign) = furnished();
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    for (n, text) in STATEMENTS
        .into_iter()
        .filter(|text| !text.contains('\0'))
        .enumerate()
    {
        let report = ok(&stated(&client, &at("/boletos"), &format!("k-{n}"), text));
        assert_eq!(report["accepted"], 1, "{text} {report}");
        let path = at(&format!("/boletos?reference={}", escaped(text)));
        assert_eq!(ok(&client.get(&path))["items"][0]["reference"], text);
        let before = stored(&engine);
        let mut content = self::campaign();
        content["cadence"]["steps"][0]["when"] = json!({
            "kind": "recurrence", "cron": text, "from_days": 0, "occurrences_max": 3,
        });
        let answer = client.post(&at("/campaigns"), &content);
        assert!([400, 422].contains(&answer.status), "{}", answer.text);
        // The names of members are no columns.
        let calendar =
            json!({ "name": "a", "version": 2, "national": true, "closed": { text: "a" } });
        expect(&client.put(&at("/calendar"), &calendar), 400, "malformed");
        let prices = json!({ "prices": { text: 1 } });
        let estimate = at(&format!("/campaigns/{campaign}/estimate"));
        expect(&client.post(&estimate, &prices), 400, "malformed");
        expect(
            &client.post(&estimate, &json!({ text: 1 })),
            400,
            "malformed",
        );
        expect(
            &client.put(&at("/retry"), &json!({ text: 1 })),
            400,
            "malformed",
        );
        let zones =
            json!({ "contacts": [{ "name": "a", "phone": "11987654321", "zones": [text] }] });
        let refused = ok(&client.post(&at("/contacts"), &zones));
        assert_eq!(refused["refusals"][0]["error"], "zone_unknown");
        let token = json!({ "name": "a", "tenant": text, "scopes": "read" });
        expect(&engine.admin.post("/v1/tokens", &token), 400, "malformed");
        let scopes = json!({ "name": "a", "tenant": tenant, "scopes": text });
        assert!([400, 422].contains(&engine.admin.post("/v1/tokens", &scopes).status));
        for path in ["/tokens/", "/tenants/", "/engine/"] {
            let path = format!("/v1{path}{}", escaped(text));
            assert!(
                [404, 405].contains(&engine.admin.get(&path).status),
                "{path}"
            );
        }
        assert_eq!(stored(&engine), before, "{text}");
    }
    let nul: Value = ok(&stated(&client, &at("/boletos"), "nul", "a\0b"));
    assert_eq!(nul["accepted"], 0, "{nul}");
    // Who has a quote in the address is found by it, and nobody else is.
    let told = json!({
        "id": "o", "type": "contact.opted_out", "data": { "email": "ana'or'1'='1@escola.example" },
    });
    assert_eq!(client.post(&at("/events"), &told).status, 200);
    let barred = "SELECT count(*) FROM contacts WHERE opted_out_at IS NOT NULL";
    assert_eq!(engine.numbers(barred), 1);
}
