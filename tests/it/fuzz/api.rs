//! The API over the real binary: nothing that is sent is answered as a fault of the engine.

use serde_json::json;
use tests::chance::Chance;
use tests::http::Client;

use super::FIRST_SEED;
use super::spoil::{spoiled, spoiled_bytes};
use crate::api::{Engine, today_plus};

/// How many requests there are of each of the callers at once.
const REQUESTS: u64 = 1_500;

/// Paths below the tenant's, and bodies that each takes.
fn requests() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let json = "application/json";
    let due = today_plus(20);
    let boletos = json!({ "boletos": [{
        "reference": "NF-1", "amount_centavos": 1000, "due_on": due,
        "contact": { "name": "Ana", "phone": "11987651234" },
    }] });
    let contacts = json!({ "contacts": [{ "name": "Ana", "email": "ana@x.example" }] });
    let event = json!({
        "specversion": "1.0", "id": "e-1", "type": "boleto.paid", "time": "2026-03-02T12:00:00Z",
        "data": { "reference": "NF-1" },
    });
    let campaign = json!({ "name": "c", "cadence": { "reminders_max": 1, "steps": [{
        "no": 0, "when": { "kind": "offset", "days": -3, "unit": "calendar", "at": "09:00:00" },
        "channels": ["sms"], "template": "lembrete", "expires_after_ms": 86_400_000,
    }] } });
    let sender = json!({
        "channel": "sms", "provider": "mailbox", "pace": { "per_second": 1, "burst": 1 },
    });
    let template = json!({
        "code": "lembrete", "channel": "sms", "version": 1,
        "body": "Seu boleto {{reference}} vence.", "variables": ["reference"],
    });
    let retry = json!({ "first_ms": 1_000, "longest_ms": 2_000, "tries_max": 2 });
    let csv = format!("reference;name;phone;due_on;amount\nA;Ana;11987651234;{due};10,00\n");
    vec![
        ("POST", "/boletos", "text/csv", csv),
        ("POST", "/boletos", json, boletos.to_string()),
        ("POST", "/contacts", json, contacts.to_string()),
        ("POST", "/events", json, event.to_string()),
        ("POST", "/campaigns", json, campaign.to_string()),
        ("PUT", "/campaigns/cam_1", json, campaign.to_string()),
        (
            "POST",
            "/campaigns/cam_1/launch",
            json,
            r#"{"id":"l"}"#.to_owned(),
        ),
        ("PUT", "/senders", json, sender.to_string()),
        ("PUT", "/templates", json, template.to_string()),
        ("PUT", "/retry", json, retry.to_string()),
        (
            "PUT",
            "/rules",
            json,
            r#"{"name":"n","version":2,"rules":[]}"#.to_owned(),
        ),
        (
            "PUT",
            "/calendar",
            json,
            r#"{"name":"n","version":2,"national":true}"#.to_owned(),
        ),
        ("POST", "/credits", json, r#"{"bought":5}"#.to_owned()),
        ("POST", "/pause", json, r#"{"id":"p"}"#.to_owned()),
        ("GET", "/imports?limit=5&after=imp_3", json, String::new()),
        (
            "GET",
            "/imports/imp_1/refusals?after=0",
            json,
            String::new(),
        ),
        ("GET", "/campaigns/cam_1/versions/1", json, String::new()),
        ("GET", "/why/NF-1", json, String::new()),
    ]
}

/// Makes a request of a path that may be one; what would break the request's own line is left out.
fn request(chance: &mut Chance, client: &Client, tenant: &str) -> u16 {
    let requests = requests();
    let (method, path, content, body) = chance.pick(&requests);
    let path = match chance.percent(30) {
        true => spoiled(chance, &[path]),
        false => (*path).to_owned(),
    };
    let path: String = path
        .chars()
        .filter(|c| !c.is_control() && *c != ' ')
        .take(2_000)
        .collect();
    let key = spoiled(chance, &["key-1", "file"]);
    let key: String = key.chars().filter(|c| !c.is_control()).collect();
    let mut headers = vec![("Content-Type", *content)];
    if chance.percent(50) {
        headers.push(("Idempotency-Key", &key));
    }
    let body = match chance.percent(80) {
        true => spoiled_bytes(chance, &[body]),
        false => body.clone().into_bytes(),
    };
    client
        .ask(
            method,
            &format!("/v1/tenants/{tenant}{path}"),
            &headers,
            &body,
        )
        .status
}

fn storm(first: u64, client: &Client, tenant: &str) {
    let mut taken = 0;
    for seed in first..first + REQUESTS {
        let status = request(&mut Chance::new(seed), client, tenant);
        assert!(status < 500, "REGUA_FUZZ_SEED={seed} is answered {status}");
        taken += u64::from(status < 300);
    }
    assert!(taken > REQUESTS / 50, "{taken} were taken");
}

#[test]
fn nothing_that_is_sent_is_answered_as_a_fault_of_the_engine() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    if let Some(seed) = std::env::var("REGUA_FUZZ_SEED")
        .ok()
        .and_then(|it| it.parse().ok())
    {
        assert!(request(&mut Chance::new(seed), &engine.admin, &tenant) < 500);
        return;
    }
    std::thread::scope(|scope| {
        for caller in 0..2 {
            let (client, tenant) = (&engine.admin, &tenant);
            let first = FIRST_SEED + caller * REQUESTS;
            scope.spawn(move || storm(first, client, tenant));
        }
    });
    assert_eq!(engine.admin.get("/healthz").status, 200);
    assert!(!engine.log().contains("RG-PANIC"), "{}", engine.log());
}
