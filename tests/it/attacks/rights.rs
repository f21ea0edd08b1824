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
