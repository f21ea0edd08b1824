//! What the API can read: everything of one's own, page by page, and nothing of anybody else's.

use serde_json::{Value, json};
use tests::binary;
use tests::http::{Answer, Client};

use super::{Engine, LOOKS_MAX, campaign, ok, ready, today_plus};

/// Every list of a tenant.
const LISTS: [&str; 12] = [
    "/campaigns",
    "/campaigns/cam_1/versions",
    "/templates",
    "/templates/lembrete",
    "/senders",
    "/contacts",
    "/boletos",
    "/enrollments",
    "/reminders",
    "/attempts",
    "/upcoming",
    "/audit",
];

/// A tenant's paths, asked by somebody.
pub(super) struct Home {
    pub(super) client: Client,
    base: String,
}

impl Home {
    pub(super) fn of(client: &Client, tenant: &str) -> Self {
        Self {
            client: client.clone(),
            base: format!("/v1/tenants/{tenant}"),
        }
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.client.get(&self.at(path))
    }

    pub(super) fn get_with(&self, path: &str, header: (&str, &str)) -> Answer {
        self.client.ask("GET", &self.at(path), &[header], &[])
    }

    fn items(&self, path: &str) -> Vec<Value> {
        let page = ok(&self.get(path));
        page["items"].as_array().expect("items").clone()
    }

    fn upload(&self, key: &str, rows: &[String]) {
        let head = "reference;name;phone;due_on;amount\n".to_owned();
        let file = head + &rows.join("");
        let report = ok(&self.client.upload(&self.at("/boletos"), key, &file));
        assert_eq!(report["accepted"], rows.len(), "{report}");
    }
}

/// A row of a file of boletos; boleto and contact have the same number.
fn row(n: u32, due: &str) -> String {
    format!("NF-{n};Contato {n};119876512{n:02};{due};10,00\n")
}

pub(super) fn problem(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error())
}

pub(super) fn header(answer: &Answer, name: &str) -> Option<String> {
    let mut lines = answer.head.lines();
    let value = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
    value.map(str::to_owned)
}

/// Returns an engine with a tenant to which one reminder was sent, and of which another is to come.
fn sent() -> (Engine, Home, String) {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    let home = Home::of(&client, &tenant);
    home.upload("file", &[row(1, &today_plus(20)), row(2, &today_plus(25))]);
    ok(&client.launch(&home.at(&format!("/campaigns/{campaign}")), "go"));
    let sent = || engine.numbers("SELECT count(*) FROM outcomes WHERE kind = 'accepted'") == 1;
    assert!(binary::observe(LOOKS_MAX, sent), "nothing was sent");
    (engine, home, campaign)
}

#[test]
fn a_tenant_reads_what_it_has_and_what_became_of_it() {
    let (_engine, home, campaign) = sent();
    let campaigns = home.items("/campaigns");
    assert_eq!(campaigns[0]["state"], "running");
    let one = ok(&home.get(&format!("/campaigns/{campaign}")));
    assert_eq!(one["cadence"]["steps"][0]["template"], "lembrete");
    let boletos = home.items("/boletos");
    let references: Vec<_> = boletos.iter().map(|it| &it["reference"]).collect();
    assert_eq!(references, ["NF-1", "NF-2"]);
    let (boleto, contact) = (&boletos[0]["id"], &boletos[0]["contact"]);
    let of = format!("/enrollments?boleto={}", boleto.as_str().expect("an id"));
    let enrollments = home.items(&of);
    let [enrollment] = &enrollments[..] else {
        panic!("{enrollments:?}")
    };
    assert_eq!(
        (&enrollment["boleto"], &enrollment["contact"]),
        (boleto, contact)
    );
    let reminders = home.items("/reminders?state=sent");
    let [reminder] = &reminders[..] else {
        panic!("{reminders:?}")
    };
    assert_eq!(
        (&reminder["boleto"], &reminder["reference"]),
        (boleto, &json!("NF-1"))
    );
    assert_eq!(
        (&reminder["channel"], &reminder["outcome"]),
        (&json!("sms"), &json!("accepted"))
    );
    let id = reminder["id"].as_str().expect("an id");
    let whole = ok(&home.get(&format!("/reminders/{id}")));
    let why = whole["why"].to_string();
    assert!(why.contains("aceita pelo provedor"), "{why}");
    assert!(!why.contains("NF-2"), "{why}");
    let attempts = home.items("/attempts");
    assert_eq!(whole["attempts"], json!(attempts));
    let [attempt] = &attempts[..] else {
        panic!("{attempts:?}")
    };
    assert_eq!(attempt["outcome"]["kind"], "accepted");
    assert!(attempt["outcome"]["provider_ref"].is_string(), "{attempt}");
    // What there is no record of is not told.
    assert!(attempt.get("receipts").is_none(), "{attempt}");
    let coming = home.items("/upcoming");
    let [coming] = &coming[..] else {
        panic!("{coming:?}")
    };
    assert_eq!(
        (&coming["boleto"], &coming["step"]),
        (&boletos[1]["id"], &json!(0))
    );
    assert_eq!(home.items("/upcoming?days=1"), [] as [Value; 0]);
}

#[test]
fn every_list_is_a_page_and_nobody_elses() {
    let (engine, home, _) = sent();
    let reader = engine.of(home.base.trim_start_matches("/v1/tenants/"), "read");
    let own = Home {
        client: reader,
        base: home.base.clone(),
    };
    let other = engine.tenant();
    let stranger = Home::of(&engine.of(&other, "read,manage"), &other);
    for list in LISTS {
        let page = ok(&own.get(list));
        assert!(page["items"].is_array(), "{list}: {page}");
        let members = page.as_object().expect("an object").keys();
        assert_eq!(members.collect::<Vec<_>>(), ["items", "next"], "{list}");
        let hidden = stranger.client.get(&home.at(list));
        assert_eq!(problem(&hidden), (404, "not_found".to_owned()), "{list}");
        let nobodys = engine.admin.get(&format!("/v1/tenants/ten_99{list}"));
        assert_eq!(problem(&nobodys), (404, "not_found".to_owned()), "{list}");
    }
    for one in [
        "/boletos/bol_1",
        "/contacts/con_1",
        "/enrollments/enr_1",
        "/campaigns/cam_1",
    ] {
        assert_eq!(own.get(one).status, 200, "{one}");
        // Under one's own tenant another's ids are not there.
        assert_eq!(problem(&stranger.get(one)), (404, "not_found".to_owned()));
    }
    let reminder = home.items("/reminders")[0]["id"].clone();
    let path = format!("/reminders/{}", reminder.as_str().expect("an id"));
    assert_eq!(
        (own.get(&path).status, stranger.get(&path).status),
        (200, 404)
    );
    for of in [
        "/boletos?contact=con_1",
        "/enrollments?boleto=bol_1",
        "/reminders?boleto=bol_1",
    ] {
        assert_eq!(stranger.items(of), [] as [Value; 0], "{of}");
    }
    assert_eq!(
        stranger.items("/attempts?enrollment=enr_1"),
        [] as [Value; 0]
    );
    let tenants = ok(&engine.admin.get("/v1/tenants?limit=1"));
    assert_eq!(tenants["items"].as_array().map(Vec::len), Some(1));
    let refused = own.client.get("/v1/tenants");
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    let teller = engine.of(&other, "facts,import");
    let refused = Home::of(&teller, &other).get("/boletos");
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
}

#[test]
fn a_contact_point_is_whole_for_who_manages_and_masked_for_who_reads() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let manager = Home::of(&client, &tenant);
    manager.upload("file", &[row(1, &today_plus(9))]);
    let reader = Home::of(&engine.of(&tenant, "read,facts,import"), &tenant);
    let whole = manager.items("/contacts").remove(0);
    assert_eq!(
        (&whole["phone"], &whole["masked"]),
        (&json!("+5511987651201"), &json!(false))
    );
    let id = whole["id"].as_str().expect("an id");
    let in_list = reader.items("/contacts").remove(0);
    let alone = ok(&reader.get(&format!("/contacts/{id}")));
    for masked in [in_list, alone] {
        assert_eq!(
            (&masked["phone"], &masked["masked"]),
            (&json!("+55******1201"), &json!(true))
        );
        assert_eq!(masked["name"], "Contato 1");
    }
    for path in [
        "/boletos",
        "/enrollments",
        "/reminders",
        "/audit",
        "/contacts",
    ] {
        let answer = reader.get(path);
        assert!(!answer.text.contains("8765"), "{path}: {}", answer.text);
    }
}

#[test]
fn a_cursor_is_good_for_its_own_list_and_filter_alone() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let (other, others, _) = ready(&engine);
    let (home, others) = (Home::of(&client, &tenant), Home::of(&others, &other));
    let rows: Vec<String> = (0..9).map(|n| row(n, &today_plus(9))).collect();
    home.upload("file", &rows);
    others.upload("file", &rows);
    let list = "/boletos?status=open&limit=2";
    let next = |home: &Home, list: &str| {
        let page = ok(&home.get(list));
        page["next"].as_str().map(str::to_owned)
    };
    let cursor = next(&home, list).expect("a cursor");
    let page = home.items(&format!("/boletos?limit=3&cursor={cursor}&status=open"));
    let references: Vec<_> = page.iter().map(|it| it["reference"].clone()).collect();
    assert_eq!(references, ["NF-2", "NF-3", "NF-4"]);
    let flipped = if cursor.starts_with('A') { "B" } else { "A" };
    let flipped = format!("{flipped}{}", &cursor[1..]);
    let bad = (400, "bad_cursor".to_owned());
    for (home, path) in [
        (&others, format!("/boletos?status=open&cursor={cursor}")),
        (&home, format!("/boletos?cursor={cursor}")),
        (&home, format!("/boletos?status=paid&cursor={cursor}")),
        (&home, format!("/contacts?cursor={cursor}")),
        (&home, format!("/enrollments?cursor={cursor}")),
        (&home, format!("/boletos?status=open&cursor={flipped}")),
        (
            &home,
            format!("/boletos?status=open&cursor={}", &cursor[..9]),
        ),
        (&home, format!("/boletos?status=open&cursor={cursor}AAAA")),
        (&home, "/boletos?status=open&cursor=".to_owned()),
        (&home, "/boletos?status=open&cursor=canario".to_owned()),
        (
            &home,
            format!("/boletos?status=open&cursor={}", "A".repeat(4_000)),
        ),
    ] {
        let refused = home.get(&path);
        assert_eq!(problem(&refused), bad, "{path}");
        assert!(!refused.text.contains("canario"));
    }
    // Another tenant's operator cannot use it elsewhere, either.
    let admin = Home::of(&engine.admin, &other);
    let refused = admin.get(&format!("/boletos?status=open&cursor={cursor}"));
    assert_eq!(problem(&refused), bad);
    let malformed = (400, "malformed".to_owned());
    for query in [
        "limit=0",
        "limit=201",
        "limit=1e9",
        "limit=-1",
        "limit=1000000000000",
        "offset=9",
        "status=' OR 1=1",
        "due_from=canario",
        "limit=1&limit=2",
    ] {
        let refused = home.get(&format!("/boletos?{}", query.replace(' ', "%20")));
        assert_eq!(problem(&refused), malformed, "{query}");
    }
    for query in ["/upcoming?days=32", "/upcoming?days=0", "/audit?from=ontem"] {
        assert_eq!(problem(&home.get(query)), malformed, "{query}");
    }
    let far = home.get("/boletos?due_from=1026-01-01&due_to=2026-01-01");
    assert_eq!(problem(&far), (422, "invalid".to_owned()));
}

#[test]
fn a_file_of_boletos_holds_no_formula() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let home = Home::of(&client, &tenant);
    let due = today_plus(9);
    let nasty = |reference: &str, n: u32| {
        let quoted = reference.replace('"', "\"\"");
        format!("\"{quoted}\";Contato {n};119876512{n:02};{due};10,00\n")
    };
    let references = [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\u{ff1d}1", "'\u{ff1d}1"),
        ("a;=1", "a;'=1"),
        ("diz \"a\", b", "diz \"\"a\"\", b"),
        ("NF-1", "NF-1"),
    ];
    let rows: Vec<_> = (0..)
        .zip(references)
        .map(|(n, (it, _))| nasty(it, n))
        .collect();
    home.upload("file", &rows);
    let csv = ("Accept", "text/csv");
    let file = home.get_with("/boletos?status=open", csv);
    assert_eq!(file.status, 200, "{}", file.text);
    for (name, value) in [
        ("content-type", "text/csv; charset=utf-8"),
        (
            "content-disposition",
            "attachment; filename=\"boletos.csv\"",
        ),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(header(&file, name).as_deref(), Some(value));
    }
    assert_eq!(header(&file, "link"), None, "it is whole");
    let lines: Vec<&str> = file.text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + references.len());
    for (line, (_, written)) in lines[1..].iter().zip(references) {
        assert!(
            line.contains(&format!(",\"{written}\",\"1000\",")),
            "{line}"
        );
    }
    let reminders = home.get_with("/reminders", csv);
    assert_eq!(reminders.status, 200);
    assert!(
        reminders
            .text
            .starts_with("\"id\",\"boleto\",\"reference\",")
    );
    let json = home.get_with("/boletos", ("Accept", "application/json"));
    assert_eq!(json.json()["items"][0]["reference"], references[0].0);
    let refused = home.get_with("/boletos?cursor=x", csv);
    assert_eq!(problem(&refused), (400, "bad_cursor".to_owned()));
}

#[test]
fn what_a_token_may_do_is_in_the_audit_of_who_manages_alone() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let details = |scopes: &str| -> Vec<Value> {
        let home = Home::of(&engine.of(&tenant, scopes), &tenant);
        let rows = home.items("/audit").into_iter();
        let made = rows.filter(|row| row["kind"] == "token.created");
        made.map(|row| row["detail"].clone()).collect()
    };
    assert_eq!(details("read"), [Value::Null]);
    let shown = details("read,manage");
    assert_eq!(shown.len(), 2);
    let scopes = |it: &Value| {
        it.as_str()
            .is_some_and(|it| it.contains("\"scopes\":\"read\""))
    };
    assert!(scopes(&shown[0]), "{shown:?}");
    // What happened to the tenant itself is there for both.
    let home = Home::of(&engine.of(&tenant, "read"), &tenant);
    let rows = home.items("/audit?kind=tenant.created");
    assert!(rows[0]["detail"].is_string(), "{rows:?}");
}

#[test]
fn the_audit_can_be_read_and_not_changed() {
    let (engine, home, _) = sent();
    let paid = json!({ "id": "p", "type": "boleto.paid", "data": { "reference": "NF-2" } });
    ok(&home.client.post(&home.at("/events"), &paid));
    let rows = home.items("/audit?kind=boleto.paid");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (&row["kind"], &row["subject"]),
        (&json!("boleto.paid"), &json!("bol_2"))
    );
    let at = row["at"].as_str().expect("an instant");
    assert_eq!(
        home.items(&format!("/audit?from={at}&kind=boleto.paid")),
        rows
    );
    assert_eq!(
        home.items(&format!("/audit?to={at}&kind=boleto.paid")),
        [] as [Value; 0]
    );
    let before = engine.numbers("SELECT count(*) FROM audit");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let refused = home
            .client
            .send_json(method, &home.at("/audit"), &json!({}));
        assert_eq!(
            problem(&refused),
            (405, "method_not_allowed".to_owned()),
            "{method}"
        );
    }
    // Neither are lists that others write to taken for theirs.
    for (path, method) in [("/enrollments", "POST"), ("/boletos/bol_1", "DELETE")] {
        let refused = home.client.send_json(method, &home.at(path), &json!({}));
        assert_eq!(refused.status, 405, "{path}");
    }
    assert_eq!(engine.numbers("SELECT count(*) FROM audit"), before);
    let drafts = home.client.post(&home.at("/campaigns"), &campaign());
    assert_eq!(drafts.status, 201);
}
