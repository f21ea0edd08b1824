//! A contact is corrected over the API: by the checks of an import, and what it said goes with it.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tests::binary;
use tests::database::{self, Database};
use tests::gateway::{Deed, Gateway};
use tests::http::Answer;

use super::reads::{Home, header, problem};
use super::{Engine, LOOKS_MAX, ok, ready, today_plus};

/// The gateway of the tenants' text messages.
struct Sms {
    gateway: Gateway,
    folder: TempDir,
}

impl Sms {
    fn new() -> Self {
        let (gateway, folder) = (Gateway::start(), TempDir::new().expect("a folder"));
        gateway.always(Deed::json(200, &json!({})));
        let settings = format!(
            "[providers.sms]\nkind = \"http_sms\"\nurl = \"{}\"\n\
             body = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n",
            gateway.url()
        );
        std::fs::write(folder.path().join("regua.toml"), settings).expect("a file");
        Self { gateway, folder }
    }

    fn config(&self) -> String {
        self.folder.path().join("regua.toml").display().to_string()
    }

    /// Returns to which numbers something was sent.
    fn sent_to(&self) -> Vec<Value> {
        let asked = self.gateway.asked();
        asked.iter().map(|one| one.json()["to"].clone()).collect()
    }
}

#[test]
fn a_contact_is_corrected_on_an_embedded_database() {
    let sms = Sms::new();
    let engine = Engine::start_with(&["--config", &sms.config()]);
    let path = story(&engine, &sms);
    its_id_tells_nothing_of_an_edit(&engine, &path);
}

/// Whoever tries addresses finds none by the id of the edit that said it.
fn its_id_tells_nothing_of_an_edit(engine: &Engine, path: &str) {
    let body = r#"{"name":"Ana Souza","email":"Ana@Example.com"}"#;
    let hash = Sha256::digest(format!("{path}\0{body}"));
    let hash: String = hash.iter().take(8).map(|it| format!("{it:02x}")).collect();
    let ids = |like: &str| {
        let sql = format!("SELECT count(*) FROM inbox WHERE event_id LIKE '{like}'");
        engine.numbers(&sql)
    };
    assert_eq!((ids("fix#%"), ids(&format!("%{hash}%"))), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_is_corrected_on_a_clustered_database() {
    database::on(database::Engine::Postgres, clustered).await;
}

async fn clustered(database: Database) {
    let told = tokio::task::spawn_blocking(move || {
        let sms = Sms::new();
        let engine = Engine::on_cluster(database.url(), &["--config", &sms.config()]);
        story(&engine, &sms)
    });
    told.await.expect("the story ends well");
}

/// Returns the path of the contact that was corrected.
fn story(engine: &Engine, sms: &Sms) -> String {
    let (tenant, client, campaign) = ready(engine);
    let home = Home::of(&client, &tenant);
    let file = |name: &str, phone: &str, reference: &str| {
        format!(
            "reference;name;phone;due_on;amount\n{reference};{name};{phone};{};10,00\n",
            today_plus(20)
        )
    };
    let upload = |key: &str, csv: &str| {
        let report = ok(&client.upload(&home.at("/boletos"), key, csv));
        assert_eq!(report["accepted"], 1, "{report}");
    };
    upload("ana", &file("Ana Lima", "11987651234", "NF-1"));
    upload("bia", &file("Bia Reis", "11987651235", "NF-2"));
    let listed = ok(&home.get("/contacts"));
    let ana = &listed["items"][0];
    let path = format!("/contacts/{}", ana["id"].as_str().expect("an id"));
    what_an_import_would_refuse_is_refused(&home, &path);
    who_is_not_the_tenants_finds_nothing(engine, &home, &tenant, &path);
    the_later_of_two_edits_is_told_so(&home, &path);
    the_owner_writes_to_the_new_number(sms, &home, &path, &campaign);
    what_the_contact_said_stays(&home, &path, |key, phone| {
        upload(key, &file("Outra Pessoa", phone, key));
    });
    nothing_personal_is_told(engine, &home);
    home.at(&path)
}

fn patch(home: &Home, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    let (path, body) = (home.at(path), body.to_string());
    home.client.ask("PATCH", &path, &headers, body.as_bytes())
}

fn what_an_import_would_refuse_is_refused(home: &Home, path: &str) {
    let before = home.get(path).text;
    for (body, told) in [
        (json!({ "phone": "11 2345" }), (422, "phone_length")),
        (json!({ "email": "ana@" }), (422, "email_domain")),
        (json!({ "name": "Ana www.mau.example" }), (422, "text_link")),
        (json!({ "name": " " }), (422, "value_missing")),
        // Only null says that there is none any more.
        (json!({ "email": " " }), (422, "value_missing")),
        (json!({ "phone": "" }), (422, "value_missing")),
        (json!({ "zones": ["America/Marte"] }), (422, "zone_unknown")),
        (json!({ "zones": [] }), (422, "zone_unknown")),
        (json!({}), (422, "value_missing")),
        (json!({ "phone": null }), (422, "invalid")),
        (json!({ "name": null }), (400, "malformed")),
        (json!({ "document": "1" }), (400, "malformed")),
        // Another contact's, however it is spelt.
        (json!({ "phone": "11987651235" }), (409, "conflict")),
        (json!({ "phone": "+55 (11) 8765-1235" }), (409, "conflict")),
        (
            json!({ "phone": "１１９８７６５１２３５" }),
            (409, "conflict"),
        ),
        (
            json!({ "phone": "0055 11 98765\u{200d}-1235" }),
            (409, "conflict"),
        ),
    ] {
        let refused = patch(home, path, &[], &body);
        assert_eq!(problem(&refused), (told.0, told.1.to_owned()), "{body}");
        assert!(!refused.text.contains("1235"), "{}", refused.text);
    }
    assert_eq!(home.get(path).text, before);
}

fn who_is_not_the_tenants_finds_nothing(engine: &Engine, home: &Home, of: &str, path: &str) {
    let before = home.get(path).text;
    let (other, thief, _) = ready(engine);
    let theirs = Home::of(&thief, &other);
    let body = json!({ "phone": "11987650000" });
    let hidden = (404, "not_found".to_owned());
    assert_eq!(problem(&patch(&theirs, path, &[], &body)), hidden);
    let through = Home::of(&thief, of);
    assert_eq!(problem(&patch(&through, path, &[], &body)), hidden);
    let reader = Home::of(&engine.of(of, "read"), of);
    let refused = patch(&reader, path, &[], &body);
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(home.get(path).text, before);
}

fn the_later_of_two_edits_is_told_so(home: &Home, path: &str) {
    let found = home.get(path);
    let tag = header(&found, "etag").expect("a tag");
    let known = home.get_with(path, ("If-None-Match", tag.as_str()));
    assert_eq!(known.status, 304);
    let body = json!({ "name": "Ana Souza", "email": "Ana@Example.com" });
    let headers = [("If-Match", tag.as_str()), ("Idempotency-Key", "fix")];
    let first = ok(&patch(home, path, &headers, &body));
    assert_eq!(first["changed"], true);
    // The same request is the same edit, and another one comes too late.
    assert_eq!(ok(&patch(home, path, &headers, &body)), first);
    let late = patch(home, path, &headers[..1], &json!({ "name": "Eva" }));
    assert_eq!(problem(&late), (412, "precondition_failed".to_owned()));
    let shown = ok(&home.get(path));
    assert_eq!(shown["name"], "Ana Souza");
    let email = shown["email"].as_str().expect("an address");
    assert_eq!(email.to_lowercase(), "ana@example.com");
    assert_eq!(shown["phone"], "+5511987651234");
}

fn the_owner_writes_to_the_new_number(sms: &Sms, home: &Home, path: &str, campaign: &str) {
    let pace = json!({ "per_second": 100, "burst": 100 });
    let sender = json!({ "channel": "sms", "provider": "sms", "pace": pace });
    ok(&home.client.put(&home.at("/senders"), &sender));
    // Held in the owner's memory, with what it knows of the contact.
    let said = |id: &str| json!({ "id": id });
    ok(&home
        .client
        .post(&home.at("/channels/sms/pause"), &said("p")));
    let campaign = home.at(&format!("/campaigns/{campaign}"));
    ok(&home.client.launch(&campaign, "go"));
    let is_held = || home.get("/why/NF-1").text.contains("estão pausados");
    assert!(
        binary::observe(LOOKS_MAX, is_held),
        "{}",
        home.get("/why/NF-1").text
    );
    let body = json!({ "phone": "(92) 98888-7777" });
    assert_eq!(ok(&patch(home, path, &[], &body))["changed"], true);
    let shown = ok(&home.get(path));
    assert_eq!(shown["phone"], "+5592988887777");
    assert_eq!(shown["zones"], json!(["America/Manaus"]));
    ok(&home
        .client
        .post(&home.at("/channels/sms/resume"), &said("r")));
    let both = || sms.sent_to().len() == 2;
    assert!(binary::observe(LOOKS_MAX, both), "{:?}", sms.sent_to());
    let mut to = sms.sent_to();
    to.sort_by_key(Value::to_string);
    assert_eq!(to, [json!("+5511987651235"), json!("+5592988887777")]);
}

fn what_the_contact_said_stays(home: &Home, path: &str, upload: impl Fn(&str, &str)) {
    let out = json!({
        "id": "out", "type": "contact.opted_out", "data": { "phone": "92988887777" },
    });
    ok(&home.client.post(&home.at("/events"), &out));
    let since = ok(&home.get(path))["opted_out_at"].clone();
    assert!(since.is_string(), "{since}");
    ok(&patch(home, path, &[], &json!({ "phone": "11976543210" })));
    assert_eq!(ok(&home.get(path))["opted_out_at"], since);
    // Whoever is imported by the former number has asked for silence there.
    upload("NF-3", "(92) 98888-7777");
    let listed = ok(&home.get("/contacts"));
    let items = listed["items"].as_array().expect("items");
    let heir = items.iter().find(|it| it["phone"] == "+5592988887777");
    assert_eq!(heir.expect("a contact")["opted_out_at"], since);
}

fn nothing_personal_is_told(engine: &Engine, home: &Home) {
    let audit = home.get("/audit").text;
    assert!(audit.contains("contact.changed"), "{audit}");
    for personal in ["Souza", "xample", "88887777", "76543210"] {
        assert!(!audit.contains(personal), "{audit}");
        assert!(!engine.log().contains(personal), "{personal}");
    }
}
