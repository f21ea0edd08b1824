//! Files and requests of boletos, as those who send them see it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};
use tests::http::{Answer, Client};
use tests::{behind, binary};

use super::{Engine, LOOKS_MAX, ok, ready, today_plus};

/// Returns a file of so many good lines.
fn file(lines: u32) -> String {
    let due = today_plus(20);
    let mut csv = "reference;name;phone;due_on;amount\n".to_owned();
    for n in 0..lines {
        let phone = 987_000_000 + n;
        writeln!(csv, "NF-{n};Ana Lima;11{phone};{due};10,00").expect("written");
    }
    csv
}

fn refused(answer: &Answer, status: u16, error: &str) {
    let told = (answer.status, answer.error());
    assert_eq!(told, (status, error.to_owned()), "{}", answer.text);
}

/// A tenant, and somebody who may bring its boletos and see them.
fn tenant(engine: &Engine) -> (String, Client) {
    let tenant = engine.tenant();
    let client = engine.of(&tenant, "import,read");
    (format!("/v1/tenants/{tenant}"), client)
}

/// Begins an upload and leaves it before its last bytes.
fn begin(client: &Client, path: &str, key: &str, csv: &str, sent: usize) -> TcpStream {
    let token = client.token.as_deref().expect("a token");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: text/csv\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n",
        client.address,
        csv.len()
    );
    let mut stream = TcpStream::connect(&client.address).expect("a connection");
    stream.write_all(head.as_bytes()).expect("a head");
    stream.write_all(&csv.as_bytes()[..sent]).expect("a part");
    stream
}

#[test]
fn a_file_is_imported_while_it_arrives_and_goes_on_where_it_broke_off() {
    let engine = Engine::start();
    let (home, client) = tenant(&engine);
    let csv = file(10_000).replace(";Ana Lima;11987001500;", ";Ana Lima;20987001500;");
    let sent = csv.len() * 9 / 10;
    let stream = begin(&client, &format!("{home}/boletos"), "k", &csv, sent);
    let newest = || ok(&client.get(&format!("{home}/imports?limit=1")))["imports"][0].clone();
    let mut seen = Value::Null;
    let is_under_way = binary::observe(LOOKS_MAX, || {
        seen = newest();
        seen["lines"].as_u64().is_some_and(|lines| lines >= 2_000)
    });
    assert!(is_under_way && seen["state"] == "running", "{seen}");
    assert_eq!(seen["refused"], 1);
    drop(stream);
    let broke_off = binary::observe(LOOKS_MAX, || {
        seen = newest();
        seen["state"] == "broke_off"
    });
    assert!(broke_off, "{seen}");
    assert_eq!(seen["broke_off"], "RG-IMPORT-001");
    let before = engine.numbers("SELECT count(*) FROM boletos");
    assert_eq!(seen["accepted"], before);
    let report = ok(&client.upload(&format!("{home}/boletos"), "k", &csv));
    assert_eq!(report["id"], seen["id"]);
    let counts = ["lines", "accepted", "unchanged", "refused"].map(|it| report[it].clone());
    assert_eq!(counts, [10_000, 9_999, 0, 1].map(Value::from));
    assert_eq!(report["state"], "done");
    let wrong = json!([{ "line": 1502, "column": "phone", "error": "phone_area_code" }]);
    assert_eq!(report["refusals"], wrong);
    assert_eq!(engine.numbers("SELECT count(*) FROM boletos"), 9_999);
    let shown = ok(&client.get(&format!("{home}/imports/{}", text(&report["id"]))));
    assert_eq!(shown["accepted"], 9_999);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn another_file_under_a_key_is_refused_and_changes_nothing() {
    let engine = Engine::start();
    let (home, client) = tenant(&engine);
    let path = format!("{home}/boletos");
    let csv = file(3);
    let report = ok(&client.upload(&path, "k", &csv));
    for other in [
        file(4),
        file(2),
        csv.replace("10,00", "11,00"),
        csv.replace("1198", "2098"),
    ] {
        refused(
            &client.upload(&path, "k", &other),
            422,
            "idempotency_key_reused",
        );
    }
    let items = json!({ "boletos": [] });
    let keyed = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "k"),
    ];
    let answer = client.ask("POST", &path, &keyed, items.to_string().as_bytes());
    refused(&answer, 422, "idempotency_key_reused");
    assert_eq!(ok(&client.upload(&path, "k", &csv)), report);
    // The key of another caller is another key.
    let tenant = home.rsplit('/').next().expect("a tenant");
    let another = engine.of(tenant, "import");
    let theirs = ok(&another.upload(&path, "k", &file(4)));
    assert_eq!(
        (&theirs["accepted"], &theirs["unchanged"]),
        (&json!(1), &json!(3))
    );
    // A file without a good header leaves nothing behind, and its key may be used again.
    refused(
        &client.upload(&path, "h", "name\nAna\n"),
        422,
        "RG-IMPORT-004",
    );
    assert_eq!(ok(&client.upload(&path, "h", &csv))["unchanged"], 3);
    assert_eq!(engine.numbers("SELECT count(*) FROM import_jobs"), 3);
}

#[test]
fn refusals_are_listed_page_by_page_and_repeat_nothing() {
    let engine = Engine::start();
    let (home, client) = tenant(&engine);
    let csv = file(1_200)
        .replace(";1198", ";2098")
        .replace("Ana Lima", "Canario");
    let answer = client.upload(&format!("{home}/boletos"), "k", &csv);
    let report = ok(&answer);
    assert_eq!(
        (&report["refused"], &report["accepted"]),
        (&json!(1_200), &json!(0))
    );
    assert_eq!(report["refusals"].as_array().map(Vec::len), Some(1_000));
    assert!(!answer.text.contains("Canario") && !answer.text.contains("9870"));
    let at = |path: &str| format!("{home}/imports/{}{path}", text(&report["id"]));
    let (mut lines, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        let page = ok(&client.get(&at(&format!("/refusals?limit=500&after={after}"))));
        let refusals = page["refusals"].as_array().expect("a page").clone();
        lines.extend(refusals.iter().filter_map(|one| one["line"].as_u64()));
        after = page["next"].clone();
    }
    assert!(lines.iter().copied().eq(2..=1_201), "{lines:?}");
    for query in ["limit=0", "limit=1001", "limit=x", "after=-1", "canario=1"] {
        let answer = client.get(&at(&format!("/refusals?{query}")));
        refused(&answer, 400, "malformed");
    }
    let (other, stranger) = tenant(&engine);
    for path in ["", "/refusals"] {
        refused(&stranger.get(&at(path)), 404, "not_found");
        let theirs = at(path).replace(&home, &other);
        refused(&stranger.get(&theirs), 404, "not_found");
    }
    assert_eq!(
        ok(&stranger.get(&format!("{other}/imports")))["imports"],
        json!([])
    );
    let tenant = home.rsplit('/').next().expect("a tenant");
    assert_eq!(engine.of(tenant, "facts").get(&at("")).status, 403);
    assert_eq!(engine.of(tenant, "import").get(&at("")).status, 200);
}

#[test]
fn a_body_that_is_said_to_be_too_large_is_refused_before_it_comes() {
    let engine = Engine::start();
    let (home, client) = tenant(&engine);
    let token = client.token.as_deref().expect("a token");
    for (kind, length) in [
        ("text/csv", (256 << 20) + 1),
        ("application/json", (2 << 20) + 1),
    ] {
        let head = format!(
            "POST {home}/boletos HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: {kind}\r\nContent-Length: {length}\
             \r\n\r\n"
        );
        refused(&client.send(head.as_bytes()), 413, "too_large");
    }
}

#[test]
fn boletos_come_in_json_as_they_do_in_a_file() {
    let engine = Engine::start();
    let (home, client) = tenant(&engine);
    let path = format!("{home}/boletos");
    let item = |reference: &str, phone: &str| {
        json!({
            "reference": reference, "amount_centavos": 1000, "due_on": today_plus(20),
            "contact": { "name": "Ana Lima", "phone": phone },
        })
    };
    let keyed = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "j"),
    ];
    let send = |items: &Value| client.ask("POST", &path, &keyed, items.to_string().as_bytes());
    let boletos = json!({ "boletos": [
        item("A", "11987651234"), item("B", "20987651234"), item("A", "11987651235"),
    ] });
    let report = ok(&send(&boletos));
    assert_eq!(report["accepted"], 1);
    let wrong = json!([
        { "index": 1, "field": "contact.phone", "error": "phone_area_code" },
        { "index": 2, "field": "reference", "error": "reference_repeated" },
    ]);
    assert_eq!(report["refusals"], wrong);
    assert_eq!(
        ok(&send(&boletos)),
        report,
        "the same request answers the same"
    );
    let other = json!({ "boletos": [item("C", "11987651234")] });
    refused(&send(&other), 422, "idempotency_key_reused");
    // The same boleto in a file is the same boleto.
    let csv = format!(
        "reference;name;phone;due_on;amount\nA;Ana Lima;(11) 98765-1234;{};10,00\n",
        today_plus(20)
    );
    assert_eq!(ok(&client.upload(&path, "f", &csv))["unchanged"], 1);
    let many: Vec<Value> = (0..1_001)
        .map(|n| item(&n.to_string(), "11987651234"))
        .collect();
    refused(
        &client.post(&path, &json!({ "boletos": many })),
        422,
        "invalid",
    );
    let all = ok(&client.post(&path, &json!({ "boletos": many[..1_000] })));
    assert_eq!(all["accepted"], 1_000);
    let unknown = json!({ "boletos": [{ "canario": 1 }] });
    let answer = client.post(&path, &unknown);
    refused(&answer, 400, "malformed");
    assert!(!answer.text.contains("canario"));
    let elsewhere = [("Content-Type", "text/plain")];
    let answer = client.ask("POST", &path, &elsewhere, b"a");
    refused(&answer, 400, "malformed");
    assert_eq!(engine.numbers("SELECT count(*) FROM boletos"), 1_001);
}

#[test]
fn contacts_are_registered_ahead_of_their_boletos_and_once() {
    let engine = Engine::start();
    let (home, client) = tenant(&engine);
    let path = format!("{home}/contacts");
    let tenant = home.rsplit('/').next().expect("a tenant");
    let teller = engine.of(tenant, "facts");
    let phone = json!({ "phone": "11987651234" });
    let event = json!({ "id": "o", "type": "contact.opted_out", "data": phone });
    assert_eq!(
        ok(&teller.post(&format!("{home}/events"), &event))["outcome"],
        "parked"
    );
    let contacts = json!({ "contacts": [
        { "name": "Ana Lima", "phone": "(11) 98765-1234" },
        { "name": "Bia" },
        { "name": "Ana L.", "phone": "+5511987651234", "email": "ana@x.example" },
        { "name": "Caio", "email": "caio@x.example", "zones": ["America/Recife"] },
    ] });
    let told = ok(&client.post(&path, &contacts));
    let found = told["contacts"].as_array().expect("contacts");
    let places: Vec<_> = found.iter().map(|one| one["index"].clone()).collect();
    assert_eq!(places, [0, 2, 3].map(Value::from));
    assert_eq!(found[0]["id"], found[1]["id"], "one person");
    assert_ne!(found[0]["id"], found[2]["id"]);
    let wrong = json!([{ "index": 1, "error": "contact_point_missing" }]);
    assert_eq!(told["refusals"], wrong);
    assert_eq!(
        ok(&client.post(&path, &contacts)),
        told,
        "they are found again"
    );
    assert_eq!(engine.numbers("SELECT count(*) FROM contacts"), 2);
    // Whoever opted out before is opted out from the first.
    let out = "SELECT count(*) FROM contacts WHERE opted_out_at IS NOT NULL";
    assert_eq!(engine.numbers(out), 1);
    // Their boletos find them.
    let csv = format!(
        "reference;name;phone;due_on;amount\nA;Ana Lima;11987651234;{};10,00\n",
        today_plus(20)
    );
    assert_eq!(
        ok(&client.upload(&format!("{home}/boletos"), "f", &csv))["accepted"],
        1
    );
    assert_eq!(engine.numbers("SELECT count(*) FROM contacts"), 2);
    let many = json!({ "contacts": vec![json!({ "name": "x" }); 1_001] });
    refused(&client.post(&path, &many), 422, "invalid");
    assert_eq!(teller.post(&path, &contacts).status, 403);
}

#[test]
fn what_became_of_an_import_is_kept_for_as_long_as_it_was_promised_and_then_removed() {
    let engine = Engine::with(&["http.import_days=8"]);
    let (tenant, client, _) = ready(&engine);
    let path = format!("/v1/tenants/{tenant}/boletos");
    let upload = |key: &str| {
        let due = today_plus(20);
        let csv = format!(
            "reference;name;phone;due_on;amount\n\
             {key};Ana Lima;11987651234;{due};10,00\n{key}x;Ana;1;{due};10,00\n"
        );
        ok(&client.upload(&path, key, &csv))["id"].clone()
    };
    let older = |days: i64| {
        let by = days * 86_400_000 - 60_000;
        let age = format!("UPDATE import_jobs SET changed_at = changed_at - {by}");
        behind::tamper(&engine.database(), &age);
    };
    let kept = || engine.numbers("SELECT count(*) FROM import_jobs");
    let first = upload("a");
    older(8);
    upload("b");
    assert_eq!(kept(), 2, "a week and a day is not over");
    older(1);
    upload("c");
    assert_eq!(kept(), 2, "the oldest is gone");
    assert_eq!(engine.numbers("SELECT count(*) FROM import_refusals"), 2);
    assert_eq!(engine.numbers("SELECT count(*) FROM boletos"), 3);
    let id = first.as_str().expect("an id");
    let gone = client.get(&format!("/v1/tenants/{tenant}/imports/{id}"));
    assert_eq!(gone.status, 404, "{}", gone.text);
}
