//! The API over the real binary: what a tenant, an integrator and a stranger can do with it.

mod contacts;
mod edits;
mod imports;
mod introductions;
mod launch;
mod openapi;
mod reads;
mod repeats;
mod strangers;
mod switches;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::binary::{self, Running};
use tests::http::{Answer, Client};
use tests::{behind, serving};

const LOOKS_MAX: u64 = 10_000;

/// An engine with its first token.
pub(crate) struct Engine {
    pub(crate) folder: TempDir,
    running: Running,
    pub(crate) admin: Client,
}

impl Engine {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts an engine with these settings, each `key=value`.
    pub(crate) fn with(settings: &[&str]) -> Self {
        let set = settings.iter().flat_map(|it| ["--set", *it]);
        Self::start_with(&set.collect::<Vec<_>>())
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(arguments, &[])
    }

    /// Starts an engine with variables of the environment.
    pub(crate) fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::up(|folder| serving::start_in(folder, arguments, environment))
    }

    /// Starts an engine on a clustered database.
    fn on_cluster(url: &str, arguments: &[&str]) -> Self {
        Self::up(|folder| serving::start_on_cluster(folder, url, arguments))
    }

    fn up(start: impl FnOnce(&Path) -> (Running, String)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (running, address) = start(folder.path());
        let mut token = None;
        binary::observe(LOOKS_MAX, || {
            token = first_token(folder.path());
            token.is_some()
        });
        let admin = Client { address, token };
        Self {
            folder,
            running,
            admin,
        }
    }

    /// Kills the engine, and starts another one on what it left.
    fn killed_and_started(self) -> Self {
        drop(self.running);
        let (running, address) = serving::start(self.folder.path());
        let admin = Client {
            address,
            ..self.admin
        };
        Self {
            running,
            admin,
            ..self
        }
    }

    /// Returns the same caller at the engine's address of now.
    fn again(&self, client: &Client) -> Client {
        Client {
            address: self.admin.address.clone(),
            ..client.clone()
        }
    }

    pub(crate) fn numbers(&self, sql: &str) -> i64 {
        behind::number(&self.database(), sql)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("regua.db")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns what it logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }

    pub(crate) fn tenant(&self) -> String {
        let new = json!({ "name": "Escola Aurora", "document": "12.ABC.345/01DE-35" });
        let created = self.admin.post("/v1/tenants", &new);
        assert_eq!(created.status, 201, "{}", created.text);
        created.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Returns somebody with a token of the tenant.
    pub(crate) fn of(&self, tenant: &str, scopes: &str) -> Client {
        let new = json!({ "name": "integração", "tenant": tenant, "scopes": scopes });
        let made = self.admin.post("/v1/tokens", &new);
        assert_eq!(made.status, 201, "{}", made.text);
        let token = made.json()["token"].as_str().map(str::to_owned);
        Client {
            token,
            ..self.admin.clone()
        }
    }
}

fn first_token(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("log.out")).ok()?;
    let line = text.lines().find(|line| line.contains("admin token"))?;
    line.split_whitespace().last().map(str::to_owned)
}

pub(crate) fn ok(answer: &Answer) -> Value {
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    answer.json()
}

/// A campaign of one text message, due at any time of the day on which a boleto has 20 days left.
pub(crate) fn campaign() -> Value {
    let step = |no: u8, days: i32| {
        json!({
            "no": no,
            "when": { "kind": "offset", "days": days, "unit": "calendar", "at": "00:00:00" },
            "channels": ["sms"],
            "template": "lembrete",
            "expires_after_ms": 86_400_000,
        })
    };
    json!({
        "name": "Lembretes",
        "cadence": { "steps": [step(0, -20), step(1, -19)], "reminders_max": 1 },
    })
}

/// Rules that hold nothing: the story is not about the time of day at which the test runs.
pub(crate) fn no_rules() -> Value {
    json!({ "name": "nenhuma", "version": 2, "rules": [] })
}

pub(crate) fn today_plus(days: u64) -> String {
    let zone = chrono_tz::America::Sao_Paulo;
    let today = chrono::Utc::now().with_timezone(&zone).date_naive();
    (today + chrono::Days::new(days)).to_string()
}

/// Makes a tenant that may send, with a draft campaign; returns it, its token and the campaign.
pub(crate) fn ready(engine: &Engine) -> (String, Client, String) {
    let tenant = engine.tenant();
    let client = engine.of(&tenant, "read,facts,import,manage");
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    ok(&client.put(&at("/rules"), &no_rules()));
    let sender = json!({
        "channel": "sms", "provider": "mailbox", "pace": { "per_second": 100, "burst": 100 },
    });
    ok(&client.put(&at("/senders"), &sender));
    let template = json!({
        "code": "lembrete", "channel": "sms", "version": 1,
        "body": "Seu boleto {{reference}} vence logo.", "variables": ["reference"],
    });
    ok(&client.put(&at("/templates"), &template));
    let created = ok(&client.post(&at("/campaigns"), &campaign()));
    let campaign = created["id"].as_str().expect("an id").to_owned();
    (tenant, client, campaign)
}

#[test]
fn a_tenant_uploads_boletos_launches_a_campaign_and_a_payment_stops_it() {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let due = today_plus(20);
    let csv = format!(
        "reference;name;phone;due_on;amount\n\
         NF-1;Ana Lima;11987651234;{due};10,00\n\
         NF-2;Bruno Sá;11987651235;{due};20,00\n\
         NF-3;Célia Rocha;00987651236;{due};30,00\n"
    );
    let report = ok(&client.upload(&at("/boletos"), "file-1", &csv));
    assert_eq!(
        (&report["accepted"], &report["refused"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(report["refusals"][0]["line"], 4);
    assert_eq!(report["refusals"][0]["column"], "phone");
    // Sent again, it changes nothing.
    let again = ok(&client.upload(&at("/boletos"), "file-1", &csv));
    assert_eq!(again["refusals"], report["refusals"]);
    assert_eq!(engine.numbers("SELECT count(*) FROM boletos"), 2);
    let paid = json!({ "id": "p-1", "type": "boleto.paid", "data": { "reference": "NF-1" } });
    let stopped = client.post(&at("/events"), &paid);
    assert_eq!(
        (stopped.status, &stopped.json()["outcome"]),
        (200, &json!("stopped"))
    );
    assert_eq!(
        ok(&client.post(&at("/events"), &paid))["outcome"],
        "stopped",
        "told again"
    );
    let estimate = launch::estimated(&client, &tenant, &campaign);
    assert_eq!(estimate["messages"]["total"], 1);
    let launched = launch::launched(&client, &tenant, &campaign, "launch-1", &estimate);
    assert_eq!(ok(&launched)["outcome"], "taken");
    let sent = || engine.numbers("SELECT count(*) FROM outcomes WHERE kind = 'accepted'") == 1;
    assert!(binary::observe(LOOKS_MAX, sent), "nothing was sent");
    assert_eq!(engine.numbers("SELECT count(*) FROM mailbox"), 1);
    let why = ok(&client.get(&at("/why/NF-2")));
    let story = why["story"].to_string();
    assert!(story.contains("etapa 0 de “Lembretes”"), "{story}");
    assert_eq!(ok(&client.get(&at("/why/NF-1")))["status"], "paid");
}

#[test]
fn a_token_does_what_its_scopes_say_and_nothing_to_anybody_else() {
    let engine = Engine::start();
    let (tenant, other) = (engine.tenant(), engine.tenant());
    let reader = engine.of(&tenant, "read");
    let at = |tenant: &str, path: &str| format!("/v1/tenants/{tenant}{path}");
    assert_eq!(ok(&reader.get(&at(&tenant, "")))["name"], "Escola Aurora");
    let paid = json!({ "id": "p", "type": "boleto.paid", "data": { "reference": "NF-1" } });
    let requests = [
        ("POST", at(&tenant, "/events"), paid.clone()),
        ("PUT", at(&tenant, "/rules"), no_rules()),
        ("POST", at(&tenant, "/pause"), json!({ "id": "p" })),
        ("POST", at(&tenant, "/campaigns"), campaign()),
        ("POST", at(&tenant, "/credits"), json!({ "bought": 5 })),
    ];
    for (method, path, body) in &requests {
        let refused = reader.send_json(method, path, body);
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (403, "forbidden"),
            "{path}"
        );
    }
    assert_eq!(
        reader
            .upload(&at(&tenant, "/boletos"), "k", "reference\n")
            .status,
        403
    );
    assert_eq!(
        reader.post("/v1/tenants", &json!({ "name": "x" })).status,
        403
    );
    // Another tenant's paths are not there, whatever the scopes.
    let manager = engine.of(&tenant, "read,facts,import,manage");
    let before = engine.numbers("SELECT count(*) FROM inbox");
    for (method, path, body) in &requests {
        let path = path.replace(&tenant, &other);
        let hidden = manager.send_json(method, &path, body);
        assert_eq!(
            (hidden.status, hidden.error().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    for path in ["", "/why/NF-1", "/campaigns/cam_1/versions/1"] {
        assert_eq!(manager.get(&at(&other, path)).status, 404, "{path}");
    }
    assert_eq!(engine.numbers("SELECT count(*) FROM inbox"), before);
    assert_eq!(manager.get("/v1/tokens").status, 403);
}

#[test]
fn a_token_that_was_revoked_opens_nothing_at_once() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let reader = engine.of(&tenant, "read");
    let path = format!("/v1/tenants/{tenant}");
    assert_eq!(reader.get(&path).status, 200);
    let listed = ok(&engine.admin.get(&format!("/v1/tokens?tenant={tenant}")));
    let prefix = listed["tokens"][0]["prefix"]
        .as_str()
        .expect("a prefix")
        .to_owned();
    assert!(
        listed["tokens"][0].get("token").is_none(),
        "shown once only"
    );
    let rotated = engine
        .admin
        .post(&format!("/v1/tokens/{prefix}/rotate"), &json!({}));
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    let successor = Client {
        token: rotated.json()["token"].as_str().map(str::to_owned),
        ..reader.clone()
    };
    assert_eq!(
        (reader.get(&path).status, successor.get(&path).status),
        (200, 200)
    );
    let gone = engine
        .admin
        .ask("DELETE", &format!("/v1/tokens/{prefix}"), &[], &[]);
    assert_eq!(gone.status, 204);
    assert_eq!(
        (reader.get(&path).status, successor.get(&path).status),
        (401, 200)
    );
    let elsewhere = engine
        .admin
        .ask("DELETE", "/v1/tokens/aaaaaaaaaaaa", &[], &[]);
    assert_eq!(elsewhere.status, 404);
}

#[test]
fn a_stop_that_was_taken_back_is_not_told_as_holding_when_it_is_told_again() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let say = |path: &str, id: &str| ok(&engine.admin.post(&at(path), &json!({ "id": id })));
    assert_eq!(say("/pause", "p")["outcome"], "stopped");
    assert_eq!(say("/pause", "p")["outcome"], "stopped", "it still holds");
    assert_eq!(say("/resume", "r")["outcome"], "taken");
    assert_eq!(say("/pause", "p")["outcome"], "duplicate");
    assert_eq!(ok(&engine.admin.get(&at("")))["running"], true);
    assert_eq!(say("/pause", "p2")["outcome"], "stopped");
    assert_eq!(ok(&engine.admin.get(&at("")))["running"], false);
}

#[test]
fn nobody_speaks_in_another_callers_name() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let csv = format!(
        "reference;name;phone;due_on;amount\nNF-1;Ana;11987651234;{};1,00\n",
        today_plus(5)
    );
    ok(&client.upload(&at("/boletos"), "file", &csv));
    let forger = engine.of(&tenant, "facts");
    let heartbeat = json!({ "id": "p-1", "source": "api:tok_2/events", "type": "feed.heartbeat" });
    ok(&forger.post(&at("/events"), &heartbeat));
    let paid = json!({
        "specversion": "1.0", "id": "p-1", "type": "boleto.paid", "subject": "NF-1",
        "data": { "reference": "NF-1" },
    });
    assert_eq!(
        ok(&client.post(&at("/events"), &paid))["outcome"],
        "stopped"
    );
    let sources = "SELECT count(DISTINCT source) FROM inbox WHERE event_id = 'p-1'";
    assert_eq!(engine.numbers(sources), 2);
    let forged = "SELECT count(*) FROM inbox WHERE source = 'api:tok_2/events'
        AND body LIKE '%feed_heard%'";
    assert_eq!(engine.numbers(forged), 0);
}

#[test]
fn what_lets_reminders_go_on_says_when_it_happened() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let say = |time: Option<&str>, kind: &str, data: Value| {
        let mut event = json!({ "id": format!("{kind}{time:?}"), "type": kind, "data": data });
        if let Some(time) = time {
            event["time"] = json!(time);
        }
        engine
            .admin
            .post(&format!("/v1/tenants/{tenant}/events"), &event)
    };
    let phone = || json!({ "phone": "11987651234" });
    for time in [None, Some("2999-01-01T00:00:00Z")] {
        let refused = say(time, "contact.opted_in", phone());
        assert_eq!((refused.status, refused.error().as_str()), (422, "invalid"));
        // A stop is taken whatever it says of its time.
        assert_eq!(say(time, "contact.opted_out", phone()).status, 202);
    }
    let then = Some("2026-01-01T00:00:00Z");
    assert_eq!(say(then, "contact.opted_in", phone()).status, 202);
}

#[test]
fn a_sender_names_a_provider_that_its_tenant_may_use() {
    let trial = ["kind=mailbox", "tenants=ten_2"].map(|it| format!("providers.trial.{it}"));
    let engine = Engine::start_with(&["--set", &trial[0], "--set", &trial[1]]);
    let put = |tenant: &str, provider: &str| {
        let pace = json!({ "per_second": 100, "burst": 100 });
        let sender = json!({ "channel": "sms", "provider": provider, "pace": pace });
        let path = format!("/v1/tenants/{tenant}/senders");
        let answer = engine.admin.put(&path, &sender);
        (answer.status, answer.text)
    };
    let tenants = [engine.tenant(), engine.tenant()];
    assert_eq!(tenants, ["ten_1", "ten_2"]);
    let refused = put("ten_1", "trial");
    assert_eq!(refused.0, 422, "{}", refused.1);
    assert!(
        refused.1.contains("there is no such provider"),
        "{}",
        refused.1
    );
    // Whether it is another tenant's or nobody's is not told.
    assert_eq!(put("ten_1", "nobodys"), refused);
    let senders = || engine.numbers("SELECT count(*) FROM senders");
    assert_eq!(senders(), 0);
    assert_eq!(put("ten_2", "trial").0, 200);
    assert_eq!(put("ten_1", "mailbox").0, 200);
    assert_eq!(senders(), 2);
}
