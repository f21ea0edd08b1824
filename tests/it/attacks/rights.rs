//! Who may do what to whom, and which refusal comes first.

use serde_json::json;
use tests::http::Client;
use tests::paths;

use super::{Engine, expect, keyed, stored};
use crate::api::{campaign, no_rules, ok, ready, today_plus};

// A31
#[test]
fn nothing_of_another_tenant_is_found_by_its_ids_anywhere() {
    let engine = Engine::with(&[]);
    let (tenant, owner, id) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let csv = format!(
        "reference;name;phone;due_on;amount\nNF-1;Ana;11987651234;{};1,00\n",
        today_plus(5)
    );
    ok(&owner.upload(&at("/boletos"), "file", &csv));
    let (thief_home, thief, _) = ready(&engine);
    let home = |path: &str| format!("/v1/tenants/{thief_home}{path}");
    let before = stored(&engine);
    // By the tenant, on every path there is.
    let body = json!({ "id": "a", "type": "boleto.paid", "data": { "reference": "NF-1" } });
    for (route, path) in paths::of(&tenant) {
        let answer = thief.send_json(route.verb.as_str(), &path, &body);
        if route.path.contains("{tenant}") {
            expect(&answer, 404, "not_found");
        } else if route.for_anyone {
            ok(&answer);
        } else {
            expect(&answer, 403, "forbidden");
        }
    }
    // By ids below the thief's own tenant.
    let said = json!({ "id": "a" });
    let launch = home(&format!("/campaigns/{id}/launch"));
    let confirmed = json!({ "id": "a", "estimate": "0".repeat(64) });
    expect(&thief.post(&launch, &confirmed), 404, "not_found");
    for act in ["pause", "resume", "archive"] {
        let answer = thief.post(&home(&format!("/campaigns/{id}/{act}")), &said);
        expect(&answer, 404, "not_found");
    }
    let answer = thief.put(&home(&format!("/campaigns/{id}")), &campaign());
    expect(&answer, 404, "not_found");
    let version = format!("/campaigns/{id}/versions/1");
    expect(&thief.get(&home(&version)), 404, "not_found");
    for boleto in ["bol_1", "NF-1"] {
        expect(
            &thief.get(&home(&format!("/why/{boleto}"))),
            404,
            "not_found",
        );
    }
    assert_eq!(stored(&engine), before, "nothing was changed");
    // An event about what the thief does not have waits at the thief's, and stops nothing.
    for data in [json!({ "reference": "NF-1" }), json!({ "boleto": "bol_1" })] {
        let event = json!({ "id": data.to_string(), "type": "boleto.paid", "data": data });
        let answer = thief.post(&home("/events"), &event);
        assert!([202, 404, 422].contains(&answer.status), "{}", answer.text);
    }
    assert_ne!(ok(&owner.get(&at("/why/NF-1")))["status"], "paid");
    expect(
        &thief.get(&format!("/v1/tokens?tenant={tenant}")),
        403,
        "forbidden",
    );
}

/// Paths below one's own tenant that name what only another tenant has.
const ELSEWHERE: [&str; 12] = [
    "/boletos/bol_1",
    "/contacts/con_1",
    "/enrollments/enr_1",
    "/reminders/rem_1.0.0",
    "/campaigns/cam_1",
    "/campaigns/cam_1/versions",
    "/campaigns/cam_1/versions/1",
    "/imports/imp_1",
    "/imports/imp_1/refusals",
    "/why/bol_1",
    "/why/rem_1.0.0",
    "/why/att_1.0.0.0",
];

// A31
#[test]
fn no_id_in_a_filter_or_a_body_reaches_another_tenant() {
    let engine = Engine::with(&[]);
    let (tenant, owner, id) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let csv = format!(
        "reference;name;phone;due_on;amount\nNF-1;Ana;11987651234;{};1,00\n",
        today_plus(20)
    );
    ok(&owner.upload(&at("/boletos"), "file", &csv));
    ok(&owner.launch(&at(&format!("/campaigns/{id}")), "go"));
    let sent = || engine.numbers("SELECT count(*) FROM outcomes") == 1;
    assert!(tests::binary::observe(10_000, sent), "nothing was sent");
    assert_eq!(ELSEWHERE.map(|path| owner.get(&at(path)).status), [200; 12]);
    let (thief_home, thief, own) = ready(&engine);
    let home = |path: &str| format!("/v1/tenants/{thief_home}{path}");
    for path in ELSEWHERE {
        expect(&thief.get(&home(path)), 404, "not_found");
    }
    for filter in [
        "/boletos?contact=con_1",
        "/boletos?reference=NF-1",
        "/enrollments?boleto=bol_1",
        "/enrollments?contact=con_1",
        "/enrollments?campaign=cam_1",
        "/reminders?boleto=bol_1",
        "/reminders?contact=con_1",
        "/reminders?campaign=cam_1",
        "/attempts?enrollment=enr_1",
        "/attempts?contact=con_1",
    ] {
        let mine = ok(&owner.get(&at(filter)));
        assert_eq!(mine["items"].as_array().map(Vec::len), Some(1), "{filter}");
        let theirs = thief.get(&home(filter));
        let found = theirs.json()["items"].as_array().map(Vec::len);
        assert!(
            found == Some(0) || theirs.status == 404,
            "{filter} {}",
            theirs.text
        );
    }
    let before = stored(&engine);
    // In a body and among several: what is not there is not shown beside what is.
    let preview = thief.post(
        &home(&format!("/campaigns/{own}/preview")),
        &json!({ "boletos": ["bol_1", "bol_2"] }),
    );
    let shown = preview.status == 200 && preview.text.contains("NF-1");
    assert!(!shown, "{}", preview.text);
    let estimate = ok(&owner.post(&at(&format!("/campaigns/{id}/estimate")), &json!({})));
    let confirmed = json!({ "id": "a", "estimate": estimate["estimate"] });
    let launch = thief.post(&home(&format!("/campaigns/{own}/launch")), &confirmed);
    assert_eq!(launch.status, 409, "{}", launch.text);
    assert_eq!(stored(&engine), before);
    // A key of the other tenant's is a key of one's own, and answers nothing of the other's.
    let again = thief.upload(&home("/boletos"), "file", &csv);
    assert_eq!(ok(&again)["accepted"], 1, "{}", again.text);
    assert_ne!(again.json()["id"], "imp_1");
    for table in ["boletos", "contacts"] {
        for tenant in 1..=2 {
            let sql = format!("SELECT count(*) FROM {table} WHERE tenant_id = {tenant}");
            assert_eq!(engine.numbers(&sql), 1, "{table} of {tenant}");
        }
    }
    // What is said of a phone that both have stops at who said it.
    let event =
        json!({ "id": "o", "type": "contact.opted_out", "data": { "phone": "11987651234" } });
    ok(&thief.post(&home("/events"), &event));
    let out = "SELECT coalesce(sum(tenant_id), 0) FROM contacts WHERE opted_out_at IS NOT NULL";
    assert_eq!(engine.numbers(out), 2);
}

// A30
#[test]
fn a_token_in_a_cookie_a_query_or_another_scheme_lets_nobody_in() {
    let engine = Engine::with(&["limits.failures_per_minute=10000"]);
    let token = engine.admin.token.clone().expect("a token");
    let stranger = Client {
        token: None,
        ..engine.admin.clone()
    };
    let before = stored(&engine);
    let cookies = ["token", "Authorization", "session", "__Host-token"];
    let cookies = cookies.map(|name| ("Cookie".to_owned(), format!("{name}={token}")));
    let schemes = ["Basic", "Token", "", "Bearer,", "Bearer:"];
    let schemes = schemes.map(|it| ("Authorization".to_owned(), format!("{it} {token}")));
    let others = [
        "X-Api-Key",
        "X-Token",
        "Proxy-Authorization",
        "X-Authorization",
    ];
    let others = others.map(|it| (it.to_owned(), format!("Bearer {token}")));
    let form = format!("name=a&token={token}");
    for (name, value) in cookies.iter().chain(&schemes).chain(&others) {
        for (method, content) in [
            ("GET", "application/json"),
            ("POST", "application/json"),
            // What a form of a foreign page can send without being asked first.
            ("POST", "application/x-www-form-urlencoded"),
            ("POST", "text/plain"),
        ] {
            let headers = [(name.as_str(), value.as_str()), ("Content-Type", content)];
            let body = if content.contains("form") {
                &form
            } else {
                r#"{"name":"a"}"#
            };
            let path = format!("/v1/tenants?token={token}&access_token={token}");
            let answer = stranger.ask(method, &path, &headers, body.as_bytes());
            expect(&answer, 401, "unauthorized");
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
    assert_eq!(stored(&engine), before);
    assert!(!engine.log().contains(&token), "it was logged");
}

// A33
#[test]
fn no_token_of_a_tenant_does_what_is_the_operators() {
    let engine = Engine::with(&[]);
    let tenant = engine.tenant();
    let manager = engine.of(&tenant, "read,facts,import,manage");
    let before = stored(&engine);
    let admins = paths::of(&tenant).into_iter();
    let admins = admins.filter(|(route, _)| route.wanted.as_str() == "admin");
    let mut asked = 0;
    for (route, path) in admins {
        let answer = manager.send_json(route.verb.as_str(), &path, &json!({ "bought": 5 }));
        expect(&answer, 403, "forbidden");
        asked += 1;
    }
    assert!(asked >= 6, "{asked}");
    assert_eq!(stored(&engine), before);
}

// R061
#[test]
fn of_all_that_is_wrong_with_a_request_the_outermost_layer_answers() {
    let settings = ["limits.write_per_minute=5", "limits.failures_per_minute=5"];
    let engine = Engine::with(&settings);
    let (own, other) = (engine.tenant(), engine.tenant());
    let manager = engine.of(&own, "manage");
    let reader = engine.of(&own, "read");
    let mut token = engine.admin.token.clone().expect("a token");
    token.replace_range(token.len() - 2.., "AA");
    let stranger = Client {
        token: Some(token),
        ..engine.admin.clone()
    };
    let rules = |tenant: &str| format!("/v1/tenants/{tenant}/rules");
    // Of five writes a minute the first uses the key.
    ok(&keyed(&manager, "PUT", &rules(&own), "used", &no_rules()));
    let (malformed, impossible) = (
        json!({}),
        json!({ "name": "\0", "version": 1, "rules": [] }),
    );
    let tries = [
        (&stranger, &other, "used", &malformed, (401, "unauthorized")),
        (&manager, &other, "used", &malformed, (404, "not_found")),
        (&reader, &own, "used", &malformed, (403, "forbidden")),
        (&manager, &own, "used", &malformed, (400, "malformed")),
        (
            &manager,
            &own,
            "used",
            &impossible,
            (422, "idempotency_key_reused"),
        ),
        (&manager, &own, "new", &impossible, (422, "invalid")),
        // The fifth was the last.
        (&manager, &other, "used", &malformed, (429, "rate_limited")),
    ];
    for (client, tenant, key, body, (status, error)) in tries {
        let answer = keyed(client, "PUT", &rules(tenant), key, body);
        let told = (answer.status, answer.error());
        assert_eq!(told, (status, error.to_owned()), "{tenant} {key} {body}");
    }
    // Who guessed too often is told so before it is told that it guessed wrong.
    let guesses: Vec<u16> = (0..4).map(|_| stranger.get("/v1/tokens").status).collect();
    assert_eq!(guesses.last(), Some(&429), "{guesses:?}");
}
