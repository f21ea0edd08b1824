//! Requests that are made again under their key: answered the same, and done once (R056, R059).

use serde_json::{Value, json};
use tests::behind;
use tests::http::{Answer, Client};

use super::{Engine, campaign, no_rules, ok, ready};

/// Sends JSON under a key.
fn keyed(client: &Client, method: &str, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [
        ("Idempotency-Key", key),
        ("Content-Type", "application/json"),
    ];
    client.ask(method, path, &headers, body.to_string().as_bytes())
}

fn retry(tries: u16) -> Value {
    json!({ "first_ms": 1_000, "longest_ms": 2_000, "tries_max": tries })
}

/// Everything that a repeated request must leave alone.
const DONE: &str = "SELECT (SELECT count(*) FROM tenants) + (SELECT count(*) FROM campaigns)
    + (SELECT count(*) FROM campaign_versions) + (SELECT count(*) FROM templates)
    + (SELECT count(*) FROM inbox) + (SELECT coalesce(sum(balance), 0) FROM credits)";

/// Forgets the answers, as if the engine had died before it kept them; the claims hold until then.
fn forget_answers(engine: &Engine, claimed_until: i64) {
    let forget = format!(
        "UPDATE idempotency_keys SET status = NULL, content_type = NULL, body = NULL,
             claimed_until = {claimed_until}"
    );
    behind::tamper(&engine.database(), &forget);
}

#[test]
fn a_request_that_is_made_again_under_its_key_is_answered_the_same_and_done_once() {
    let engine = Engine::start();
    let (tenant, client, id) = ready(&engine);
    let admin = &engine.admin;
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let template = json!({
        "code": "outro", "channel": "sms", "version": 1, "body": "Vence logo.", "variables": [],
    });
    let requests = [
        (
            admin,
            "POST",
            "/v1/tenants".to_owned(),
            json!({ "name": "Padaria" }),
        ),
        (admin, "POST", at("/credits"), json!({ "bought": 5 })),
        (&client, "POST", at("/campaigns"), campaign()),
        (&client, "PUT", at(&format!("/campaigns/{id}")), campaign()),
        (&client, "PUT", at("/rules"), no_rules()),
        (&client, "PUT", at("/templates"), template),
        // What cannot be is answered the same, too.
        (&client, "PUT", at("/campaigns/cam_99"), campaign()),
    ];
    for (number, (client, method, path, body)) in requests.iter().enumerate() {
        let key = format!("key-{number}");
        let first = keyed(client, method, path, &key, body);
        let done = engine.numbers(DONE);
        let again = keyed(client, method, path, &key, body);
        assert_eq!(
            (again.status, &again.text),
            (first.status, &first.text),
            "{path}"
        );
        assert_eq!(again.header("content-type"), first.header("content-type"));
        // Also when the first answer was lost with the process, before it was kept.
        forget_answers(&engine, 1);
        let later = keyed(client, method, path, &key, body);
        assert_eq!(later.status, first.status, "{path}: {}", later.text);
        if later.json().get("changed").is_none() {
            assert_eq!(later.text, first.text);
        }
        assert_eq!(engine.numbers(DONE), done, "{path}");
        let other = keyed(client, method, path, &format!("other-{number}"), body);
        let news = engine.numbers(DONE) - done;
        assert_eq!(news > 0, other.status < 300, "{path}: {}", other.text);
    }
}

#[test]
fn a_key_that_was_used_for_something_else_is_refused_and_nothing_is_done() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let changed = |answer: &Answer| ok(answer)["changed"].clone();
    assert_eq!(
        changed(&keyed(&client, "PUT", &at("/retry"), "k", &retry(2))),
        true
    );
    let others = [
        ("PUT", "/retry", retry(3)),
        ("PUT", "/rules", no_rules()),
        ("POST", "/campaigns", campaign()),
    ];
    let before = engine.numbers(DONE);
    for (method, path, body) in &others {
        let refused = keyed(&client, method, &at(path), "k", body);
        let told = (refused.status, refused.error());
        assert_eq!(told, (422, "idempotency_key_reused".to_owned()), "{path}");
    }
    // Whose claim ended without an answer is still the only one who may ask under the key.
    forget_answers(&engine, 1);
    let refused = keyed(&client, "PUT", &at("/retry"), "k", &retry(3));
    assert_eq!(refused.error(), "idempotency_key_reused");
    assert_eq!(engine.numbers(DONE), before);
    assert_eq!(ok(&client.get(&at("")))["retry"]["tries_max"], 2);
    // Another token's key is another key, and so is one about another tenant.
    let colleague = engine.of(&tenant, "manage");
    assert_eq!(
        changed(&keyed(&colleague, "PUT", &at("/retry"), "k", &retry(3))),
        true
    );
    for tenant in [engine.tenant(), engine.tenant()] {
        let path = format!("/v1/tenants/{tenant}/retry");
        assert_eq!(
            changed(&keyed(&engine.admin, "PUT", &path, "k", &retry(4))),
            true
        );
    }
    // Nor does it keep the kill switch from working.
    let paused = client.post(&at("/pause"), &json!({ "id": "k" }));
    assert_eq!(ok(&paused)["outcome"], "stopped");
    for key in ["", &"k".repeat(256)] {
        let refused = keyed(&client, "PUT", &at("/retry"), key, &retry(5));
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (400, "malformed")
        );
    }
}

#[test]
fn an_answer_under_a_key_outlives_a_kill_and_a_claim_that_was_left_ends() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let path = format!("/v1/tenants/{tenant}/campaigns");
    let first = keyed(&client, "POST", &path, "k", &campaign());
    assert_eq!(first.status, 201);
    let before = engine.numbers(DONE);
    let engine = engine.killed_and_started();
    let client = engine.again(&client);
    let again = keyed(&client, "POST", &path, "k", &campaign());
    assert_eq!((again.status, &again.text), (201, &first.text));
    // Killed in the middle: nobody knows whether it is still being done, until the claim ends.
    forget_answers(&engine, i64::MAX);
    let refused = keyed(&client, "POST", &path, "k", &campaign());
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (409, "in_flight")
    );
    assert!(refused.header("retry-after").is_some());
    forget_answers(&engine, 1);
    let later = keyed(&client, "POST", &path, "k", &campaign());
    assert_eq!((later.status, &later.text), (201, &first.text));
    assert_eq!(engine.numbers(DONE), before, "done once");
}

#[test]
fn the_refusal_of_an_outdated_edit_is_told_to_that_edit_alone() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let path = format!("/v1/tenants/{tenant}/retry");
    let put = |key: &str, tag: &str| {
        let headers = [
            ("Idempotency-Key", key),
            ("Content-Type", "application/json"),
            ("If-Match", tag),
        ];
        let body = retry(3).to_string();
        let answer = client.ask("PUT", &path, &headers, body.as_bytes());
        (
            answer.status,
            (answer.status >= 400).then(|| answer.error()),
        )
    };
    let told = |status: u16, error: &str| (status, Some(error.to_owned()));
    assert_eq!(put("k", "\"00\""), told(412, "precondition_failed"));
    assert_eq!(put("k", "\"00\""), told(412, "precondition_failed"));
    // With the tag that was read since it is another request, and no answer to it is known.
    assert_eq!(put("k", "*"), told(422, "idempotency_key_reused"));
    assert_eq!(put("l", "*"), (200, None));
}

#[test]
fn of_requests_under_one_key_at_once_one_is_done() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let path = format!("/v1/tenants/{tenant}/campaigns");
    let before = engine.numbers("SELECT count(*) FROM campaigns");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = || keyed(&client, "POST", &path, "k", &campaign());
        let asked: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        let answers = asked.into_iter().map(|it| it.join().expect("an answer"));
        answers.collect()
    });
    let (done, rest): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 201);
    assert!(!done.is_empty());
    assert!(done.iter().all(|it| it.text == done[0].text));
    let waits = |it: &&Answer| (it.status, it.error()) == (409, "in_flight".to_owned());
    assert!(rest.iter().all(waits), "{rest:?}");
    assert_eq!(engine.numbers("SELECT count(*) FROM campaigns"), before + 1);
}

#[test]
fn a_secret_is_told_once_and_kept_nowhere() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let admin = &engine.admin;
    let new = json!({ "name": "loja", "tenant": tenant, "scopes": "read" });
    let made = ok(&keyed(admin, "POST", "/v1/tokens", "k", &new));
    let prefix = made["prefix"].as_str().expect("a prefix");
    let rotate = format!("/v1/tokens/{prefix}/rotate");
    let rotated = ok(&keyed(admin, "POST", &rotate, "r", &json!({})));
    let next = rotated["prefix"].as_str().expect("a prefix");
    let tokens = engine.numbers("SELECT count(*) FROM service_tokens");
    for crashed in [false, true] {
        if crashed {
            forget_answers(&engine, 1);
        }
        for (path, key, body, prefix) in [
            ("/v1/tokens", "k", &new, prefix),
            (rotate.as_str(), "r", &json!({}), next),
        ] {
            let again = keyed(admin, "POST", path, key, body);
            assert_eq!(
                (again.status, again.error().as_str()),
                (409, "already_done")
            );
            assert!(again.text.contains(prefix), "{}", again.text);
        }
    }
    assert_eq!(
        engine.numbers("SELECT count(*) FROM service_tokens"),
        tokens
    );
    let secrets = "SELECT count(*) FROM idempotency_keys WHERE body LIKE '%rg\\_%' ESCAPE '\\'";
    assert_eq!(engine.numbers(secrets), 0);
    assert_eq!(engine.numbers("SELECT count(*) FROM idempotency_keys"), 2);
}

#[test]
fn an_answer_is_kept_for_as_long_as_it_was_promised_and_then_removed() {
    let engine = Engine::with(&["http.idempotency_days=8"]);
    let tenant = engine.tenant();
    let path = format!("/v1/tenants/{tenant}/credits");
    let buy = |key: &str| keyed(&engine.admin, "POST", &path, key, &json!({ "bought": 5 }));
    let kept = || engine.numbers("SELECT count(*) FROM idempotency_keys");
    let older = |days: i64| {
        let by = days * 86_400_000 - 60_000;
        let age = format!("UPDATE idempotency_keys SET created_at = created_at - {by}");
        behind::tamper(&engine.database(), &age);
    };
    assert_eq!(ok(&buy("a"))["changed"], true);
    older(8);
    assert_eq!(ok(&buy("b"))["changed"], true);
    assert_eq!(kept(), 2, "a week and a day is not over");
    older(1);
    assert_eq!(ok(&buy("c"))["changed"], true);
    assert_eq!(kept(), 2, "the oldest is gone");
    assert_eq!(ok(&buy("b"))["changed"], true, "as it was answered");
    // The edit itself is known for ever: nothing is bought twice.
    assert_eq!(ok(&buy("a"))["changed"], false);
    assert_eq!(engine.numbers("SELECT balance FROM credits"), 15);
}
