//! Events over a real broker: what is said comes in once, what is no fact is set aside, and a
//! broker that dies takes nothing with it.

use std::path::PathBuf;

use serde_json::{Value, json};
use tests::binary;
use tests::http::Client;
use tests::rabbit::Rabbit;

use crate::api::{Engine, ok, ready, today_plus};

/// How long an event may take that comes while nothing is wrong, in looks of a millisecond.
const LOOKS_MAX: u64 = 20_000;
/// How long the engine may take to find a broker that is back, in looks of a millisecond.
const RETURN_LOOKS: u64 = 60_000;

/// An engine at a broker, and a tenant that has two boletos and may speak on the bus.
struct Story {
    rabbit: Rabbit,
    engine: Engine,
    tenant: String,
    client: Client,
    key_id: String,
    key_file: PathBuf,
}

impl Story {
    fn begin() -> Self {
        let rabbit = Rabbit::start();
        declare(&rabbit);
        let url = rabbit.url();
        let engine = Engine::start_in(&[], &[("REGUA_BUS__URL", &url)]);
        let (tenant, client, _) = ready(&engine);
        let due = today_plus(20);
        let csv = format!(
            "reference;name;phone;due_on;amount\n\
             NF-1;Ana Lima;11987651234;{due};10,00\n\
             NF-2;Bruno Sá;11987651235;{due};20,00\n"
        );
        ok(&client.upload(&format!("/v1/tenants/{tenant}/boletos"), "file-1", &csv));
        let key = format!("/v1/tenants/{tenant}/publisher-keys");
        let key = ok(&client.post(&key, &json!({})));
        let key_file = engine.folder().join("publisher.key");
        let text = key["key"].as_str().expect("a key");
        std::fs::write(&key_file, text).expect("a file");
        let story = Self {
            rabbit,
            engine,
            tenant,
            client,
            key_id: key["id"].as_str().expect("an id").to_owned(),
            key_file,
        };
        let is_up = || story.bus() == "up";
        assert!(
            binary::observe(RETURN_LOOKS, is_up),
            "{}",
            story.engine.log()
        );
        story
    }

    /// Publishes an event; says whether the broker has it.
    fn publish(&self, tenant: &str, kind: &str, id: &str, data: &Value) -> bool {
        let (data, key_file) = (data.to_string(), self.key_file.display().to_string());
        let arguments = [
            "event",
            "publish",
            "--tenant",
            tenant,
            "--type",
            kind,
            "--id",
            id,
            "--data",
            &data,
            "--key-id",
            &self.key_id,
            "--key-file",
            &key_file,
        ];
        let mut command = binary::command(&arguments);
        command.env("REGUA_BUS__URL", self.rabbit.url());
        command.output().expect("the binary runs").status.success()
    }

    fn pay(&self, reference: &str, id: &str) -> bool {
        let data = json!({ "reference": reference });
        self.publish(&self.tenant, "boleto.paid", id, &data)
    }

    fn bus(&self) -> Value {
        self.engine.admin.get("/readyz").json()["bus"].clone()
    }

    fn is_paid(&self, reference: &str) -> bool {
        let why = format!("/v1/tenants/{}/why/{reference}", self.tenant);
        ok(&self.client.get(&why))["status"] == "paid"
    }

    fn dead(&self, code: &str) -> i64 {
        let sql = format!("SELECT coalesce(sum(times), 0) FROM dead_events WHERE code = '{code}'");
        self.engine.numbers(&sql)
    }

    /// Runs `regua dlq` and returns its exit code and the objects that it wrote.
    fn dlq(&self, arguments: &[&str]) -> (i32, Vec<Value>) {
        let url = format!("http://{}", self.engine.admin.address);
        let arguments = [&["dlq"], arguments, &["--url", &url]].concat();
        let mut command = binary::command(&arguments);
        command.env(
            "REGUA_TOKEN",
            self.engine.admin.token.as_deref().expect("a token"),
        );
        let output = command.output().expect("the binary runs");
        let lines = String::from_utf8(output.stdout).expect("utf-8");
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        (
            output.status.code().expect("it ended by itself"),
            lines.collect(),
        )
    }

    /// Lists, shows, drops and takes in again what was set aside.
    fn deals_with_what_is_dead(&self) {
        let (code, listed) = self.dlq(&["list"]);
        let codes: Vec<_> = listed.iter().map(|it| it["code"].as_str()).collect();
        let expected = ["RG-EVENT-004", "RG-EVENT-009", "RG-EVENT-005"].map(Some);
        assert_eq!((code, codes.as_slice()), (0, &expected[..]));
        let ids: Vec<String> = listed.iter().map(|it| it["id"].to_string()).collect();
        let (_, shown) = self.dlq(&["show", &ids[1]]);
        let named = &shown[0]["message"]["headers"]["cloudEvents:id"];
        assert_eq!((named, &shown[0]["times"]), (&json!("p-1"), &json!(1)));
        let (code, refused) = self.dlq(&["redrive", &ids[1]]);
        assert_eq!((code, &refused[0]["code"]), (2, &json!("RG-EVENT-009")));
        // Once the other one is gone, the id is free.
        let forget = "DELETE FROM inbox WHERE event_id = 'p-1'";
        tests::behind::tamper(&self.engine.database(), forget);
        let (code, taken) = self.dlq(&["redrive", &ids[1]]);
        assert_eq!((code, &taken[0]["outcome"]), (0, &json!("taken")));
        assert!(self.is_paid("NF-2"));
        assert_eq!(self.dlq(&["drop", &ids[0]]), (0, Vec::new()));
        assert_eq!(self.dlq(&["drop", &ids[0]]).0, 1);
        let (_, left) = self.dlq(&["list"]);
        assert_eq!(left.len(), 1);
        let others = self.client.get("/v1/dead-events");
        assert_eq!(others.status, 403);
    }

    fn dies(&mut self) {
        self.rabbit.kill();
        let is_down = || self.bus() == "down";
        assert!(
            binary::observe(RETURN_LOOKS, is_down),
            "{}",
            self.engine.log()
        );
    }

    fn comes_back(&mut self) {
        self.rabbit.start_again();
        let is_up = || self.bus() == "up";
        assert!(
            binary::observe(RETURN_LOOKS, is_up),
            "{}",
            self.engine.log()
        );
    }
}

/// Declares the topology, so that it outlasts a crash.
fn declare(rabbit: &Rabbit) {
    let rabbitmqctl = rabbit.rabbitmqctl().display().to_string();
    let mut command = binary::command(&["topology", "apply", "--rabbitmqctl", &rabbitmqctl]);
    command.env("REGUA_BUS__URL", rabbit.url());
    let output = command.output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[test]
fn an_event_of_a_tenant_comes_in_once_and_what_is_forged_is_set_aside() {
    let story = Story::begin();
    for _ in 0..3 {
        assert!(story.pay("NF-1", "p-1"));
    }
    let paid = || story.is_paid("NF-1");
    assert!(binary::observe(LOOKS_MAX, paid), "{}", story.engine.log());
    // A tenant's key speaks for its tenant alone.
    let other = story.engine.tenant();
    let data = json!({ "reference": "NF-2" });
    assert!(story.publish(&other, "boleto.paid", "p-2", &data));
    let refused = || story.dead("RG-EVENT-004") == 1;
    assert!(
        binary::observe(LOOKS_MAX, refused),
        "{}",
        story.engine.log()
    );
    // An id says one thing.
    assert!(story.pay("NF-2", "p-1"));
    let refused = || story.dead("RG-EVENT-009") == 1;
    assert!(
        binary::observe(LOOKS_MAX, refused),
        "{}",
        story.engine.log()
    );
    // Another key under the same id.
    std::fs::write(&story.key_file, "A".repeat(43)).expect("a file");
    assert!(story.pay("NF-2", "p-3"));
    let refused = || story.dead("RG-EVENT-005") == 1;
    assert!(
        binary::observe(LOOKS_MAX, refused),
        "{}",
        story.engine.log()
    );
    assert!(!story.is_paid("NF-2"));
    let told = "SELECT count(*) FROM inbox WHERE event_id = 'p-1'";
    assert_eq!(story.engine.numbers(told), 1);
    story.deals_with_what_is_dead();
    let log = story.engine.log();
    assert!(!log.contains("NF-1") && !log.contains("NF-2"), "{log}");
    // What speaks with the broker would quote whole messages.
    assert!(!log.contains("lapin"), "{log}");
}

#[test]
fn a_key_that_is_ended_ends_at_once_and_nobody_but_its_tenant_sees_it() {
    let story = Story::begin();
    let at = format!("/v1/tenants/{}/publisher-keys", story.tenant);
    let listed = ok(&story.client.get(&at));
    assert_eq!(listed["keys"][0]["id"], story.key_id);
    assert_eq!(listed["keys"][0]["key"], Value::Null);
    let stranger = story.engine.tenant();
    let stranger = story.engine.of(&stranger, "manage,read");
    assert_eq!(stranger.get(&at).status, 404);
    let this = format!("{at}/{}", story.key_id);
    assert_eq!(stranger.send_json("DELETE", &this, &json!({})).status, 404);
    assert_eq!(
        story.client.send_json("DELETE", &this, &json!({})).status,
        204
    );
    assert_eq!(
        story.client.send_json("DELETE", &this, &json!({})).status,
        404
    );
    assert!(story.pay("NF-1", "p-1"));
    let refused = || story.dead("RG-EVENT-004") == 1;
    assert!(
        binary::observe(LOOKS_MAX, refused),
        "{}",
        story.engine.log()
    );
    assert!(!story.is_paid("NF-1"));
}

#[test]
fn a_broker_that_is_killed_takes_nothing_with_it_and_stops_come_in_without_it() {
    let mut story = Story::begin();
    story.dies();
    // The engine's own door needs no broker.
    let events = format!("/v1/tenants/{}/events", story.tenant);
    let paid = json!({ "id": "h-1", "type": "boleto.paid", "data": { "reference": "NF-1" } });
    assert_eq!(ok(&story.client.post(&events, &paid))["outcome"], "stopped");
    assert!(!story.pay("NF-2", "p-2"), "nobody has it");
    assert!(
        !story.engine.log().contains("lapin"),
        "{}",
        story.engine.log()
    );
    story.comes_back();
    assert!(story.pay("NF-2", "p-2"));
    let paid = || story.is_paid("NF-2");
    assert!(binary::observe(LOOKS_MAX, paid), "{}", story.engine.log());
}

#[test]
fn what_a_broker_confirmed_right_after_its_topology_was_declared_outlasts_its_crash() {
    let mut rabbit = Rabbit::start();
    declare(&rabbit);
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), "A".repeat(43)).expect("a file");
    let key = key.path().display().to_string();
    for n in 0..20 {
        let id = format!("e-{n}");
        let arguments = [
            "event",
            "publish",
            "--tenant",
            "ten_1",
            "--type",
            "feed.heartbeat",
            "--id",
            &id,
            "--key-id",
            "pk_1",
            "--key-file",
            &key,
        ];
        let mut command = binary::command(&arguments);
        command.env("REGUA_BUS__URL", rabbit.url());
        let output = command.output().expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
    }
    rabbit.kill();
    rabbit.start_again();
    let url = rabbit.url();
    let engine = Engine::start_in(&[], &[("REGUA_BUS__URL", &url)]);
    // Nobody knows their key: each is set aside.
    let kept = || engine.numbers("SELECT count(*) FROM dead_events") == 20;
    assert!(binary::observe(RETURN_LOOKS, kept), "{}", engine.log());
}
