//! `regua serve` with a number of the Cloud API: from the upload to the wire and back.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::binary::{self, Running};
use tests::gateway::{Deed, Gateway};
use tests::http::{Answer, Client};
use tests::{behind, serving};

/// How long an observation may take, in looks of a millisecond.
const LOOKS_MAX: u64 = 20_000;
const TOKEN: &str = "EAAG-t0ken-of-meta";
const ACCEPTED: &str = "SELECT count(*) FROM outcomes WHERE kind = 'accepted'";

/// An engine with a number, and a trap in place of every proxy.
struct Engine {
    folder: TempDir,
    _running: Running,
    admin: Client,
    trap: Gateway,
}

impl Engine {
    fn start(gateway: &Gateway) -> Self {
        let (folder, trap) = (TempDir::new().expect("a folder"), Gateway::start());
        let file = folder.path().join("regua.toml");
        let settings = format!(
            "[providers.meta]\nkind = \"whatsapp\"\nurl = \"{}\"\nphone_number_id = \"42\"\n\
             token = \"{TOKEN}\"\n",
            gateway.url()
        );
        std::fs::write(&file, settings).expect("a file");
        let file = file.display().to_string();
        let names = [
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "all_proxy",
        ];
        let proxy = trap.url();
        let environment = names.map(|name| (name, proxy.as_str()));
        let more = ["--config", &file, "--set", "log.level=trace"];
        let (running, address) = serving::start_in(folder.path(), &more, &environment);
        let mut token = None;
        binary::observe(LOOKS_MAX, || {
            token = first_token(folder.path());
            token.is_some()
        });
        let admin = Client { address, token };
        Self {
            folder,
            _running: running,
            admin,
            trap,
        }
    }

    fn numbers(&self, sql: &str) -> i64 {
        behind::number(&self.folder.path().join("regua.db"), sql)
    }

    /// Makes a tenant whose reminder by WhatsApp is due now, and uploads its boleto; returns the
    /// path under which it is known.
    fn due(&self) -> String {
        let new = json!({ "name": "Escola Aurora" });
        let tenant = ok(self.admin.post("/v1/tenants", &new))["id"].clone();
        let path = format!("/v1/tenants/{}", tenant.as_str().expect("an id"));
        let at = |rest: &str| format!("{path}{rest}");
        let no_rules = json!({ "name": "nenhuma", "version": 2, "rules": [] });
        ok(self.admin.put(&at("/rules"), &no_rules));
        let sender = json!({
            "channel": "whatsapp", "provider": "meta", "pace": { "per_second": 80, "burst": 80 },
        });
        ok(self.admin.put(&at("/senders"), &sender));
        let template = json!({
            "code": "lembrete", "channel": "whatsapp", "version": 1, "ttl_ms": 3_600_000,
            "body": "{{contact_name}}, vence em {{due_on}}.",
            "variables": ["contact_name", "due_on"],
            "approved": { "name": "lembrete_2", "buttons": ["link"] },
        });
        ok(self.admin.put(&at("/templates"), &template));
        let campaign = ok(self.admin.post(&at("/campaigns"), &campaign()))["id"].clone();
        let csv = format!(
            "reference;name;phone;due_on;amount;payment_link\n\
             NF-1;Ana Lima;11987651234;{};10,00;https://pague.example/b/1\n",
            due_on()
        );
        let report = ok(self.admin.upload(&at("/boletos"), "file-1", &csv));
        assert_eq!(report["accepted"], 1, "{report}");
        let campaign = campaign.as_str().expect("an id");
        let campaign = at(&format!("/campaigns/{campaign}"));
        ok(self.admin.launch(&campaign, "launch-1"));
        path
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }
}

fn first_token(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("log.out")).ok()?;
    let line = text.lines().find(|line| line.contains("admin token"))?;
    line.split_whitespace().last().map(str::to_owned)
}

fn ok(answer: Answer) -> Value {
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    answer.json()
}

/// A campaign of one message, due at any time of the day on which a boleto has 20 days left.
fn campaign() -> Value {
    let step = |no: u8, days: i32| {
        json!({
            "no": no,
            "when": { "kind": "offset", "days": days, "unit": "calendar", "at": "00:00:00" },
            "channels": ["whatsapp"],
            "template": "lembrete",
            "expires_after_ms": 86_400_000,
        })
    };
    json!({
        "name": "Lembretes",
        "cadence": { "steps": [step(0, -20), step(1, -19)], "reminders_max": 1 },
    })
}

fn due_on() -> String {
    let zone = chrono_tz::America::Sao_Paulo;
    let today = chrono::Utc::now().with_timezone(&zone).date_naive();
    (today + chrono::Days::new(20)).to_string()
}

#[test]
fn a_reminder_goes_out_as_a_template_of_whatsapp_and_nothing_personal_or_secret_is_logged() {
    let gateway = Gateway::start();
    let answer = json!({ "messages": [{ "id": "wamid.1", "message_status": "accepted" }] });
    gateway.always(Deed::json(200, &answer));
    let engine = Engine::start(&gateway);
    engine.due();
    let asked = &gateway.wait_asked(1)[0];
    assert!(binary::observe(LOOKS_MAX, || engine.numbers(ACCEPTED) == 1));
    assert_eq!(asked.line, "POST /v25.0/42/messages HTTP/1.1");
    assert_eq!(
        asked.header("authorization"),
        Some(format!("Bearer {TOKEN}").as_str())
    );
    let (body, due) = (asked.json(), due_on());
    let due = due.split('-').rev().collect::<Vec<_>>().join("/");
    let expected = json!([
        {
            "type": "body",
            "parameters": [
                { "type": "text", "text": "Ana Lima" },
                { "type": "text", "text": due },
            ],
        },
        {
            "type": "button",
            "sub_type": "payment_request",
            "index": 0,
            "parameters": [{ "type": "action", "action": { "payment_request": {
                "payment_setting": {
                    "type": "payment_link",
                    "payment_link": { "uri": "https://pague.example/b/1" },
                },
            } } }],
        },
    ]);
    assert_eq!(body["template"]["components"], expected);
    assert_eq!(body["template"]["name"], "lembrete_2");
    assert_eq!(body["to"], "+5511987651234");
    let key = body["biz_opaque_callback_data"].as_str().expect("a key");
    assert!(key.parse::<schedules::id::AttemptId>().is_ok(), "{key}");
    assert_eq!(gateway.asked().len(), 1);
    assert_eq!(engine.trap.connections(), 0, "a proxy was asked");
    let log = engine.log();
    for hidden in [TOKEN, "Ana Lima", "11987651234", "pague.example"] {
        assert!(!log.contains(hidden), "{hidden}");
    }
}

#[test]
fn a_contact_that_blocked_the_number_has_opted_out_of_the_channel() {
    let gateway = Gateway::start();
    let error = json!({ "error": { "code": 130_403, "message": "+5511987651234 blocked you" } });
    gateway.always(Deed::json(400, &error));
    let engine = Engine::start(&gateway);
    engine.due();
    let told = "SELECT count(*) FROM inbox WHERE source = 'provider' AND applied_at IS NOT NULL";
    assert!(binary::observe(LOOKS_MAX, || engine.numbers(told) == 1));
    let barred = "SELECT count(*) FROM suppressions WHERE channel = 'whatsapp'";
    assert_eq!(engine.numbers(barred), 1);
    assert_eq!(gateway.asked().len(), 1);
    assert!(!engine.log().contains("11987651234"));
}

#[test]
fn an_account_that_is_refused_is_left_alone_and_told_by_its_code() {
    let gateway = Gateway::start();
    let error = json!({ "error": { "code": 190, "message": "token EAAG... has expired" } });
    gateway.always(Deed::json(401, &error));
    let engine = Engine::start(&gateway);
    engine.due();
    gateway.wait_asked(1);
    let refused = "SELECT count(*) FROM outcomes WHERE kind = 'unavailable'";
    assert!(binary::observe(LOOKS_MAX, || engine.numbers(refused) == 1));
    let told = |code: &str| engine.log().contains(code);
    assert!(binary::observe(LOOKS_MAX, || told("RG-PROVIDER-010")
        && told("RG-PROVIDER-001")));
    assert!(!told(TOKEN) && !told("has expired"));
}
