//! Edits of what was read, over the API: made only while it holds.

use serde_json::{Value, json};
use tests::http::Answer;

use super::reads::{Home, header, problem};
use super::{Engine, campaign, ok, ready};

/// Puts JSON at a path, if it is as a tag says.
fn put_if(home: &Home, path: &str, tag: &str, body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json"), ("If-Match", tag)];
    let body = body.to_string();
    home.client
        .ask("PUT", &home.at(path), &headers, body.as_bytes())
}

#[test]
fn an_edit_of_what_was_read_is_made_only_while_it_holds() {
    let engine = Engine::start();
    let (tenant, client, id) = ready(&engine);
    let home = Home::of(&client, &tenant);
    let template = |body: &str| {
        json!({
            "code": "lembrete", "channel": "sms", "version": 1, "body": body, "variables": [],
        })
    };
    let pace = json!({ "per_second": 1, "burst": 1 });
    let sender = json!({ "channel": "sms", "provider": "mailbox", "pace": pace });
    let retry = json!({ "first_ms": 1_000, "longest_ms": 2_000, "tries_max": 2 });
    let charges = json!({
        "version": 2, "contract": "consumer", "penalty_bp": 200, "monthly_interest_bp": 100,
        "grace_days": 0,
    });
    let calendar = json!({ "name": "brasil", "version": 9, "national": true });
    let rules = json!({ "name": "nenhuma", "version": 3, "rules": [] });
    let path = format!("/campaigns/{id}");
    let renamed = {
        let mut content = campaign();
        content["name"] = json!("Outros");
        content
    };
    for (read, put, body) in [
        ("/rules", "/rules", rules),
        ("/calendar", "/calendar", calendar),
        ("/charges", "/charges", charges),
        ("/retry", "/retry", retry),
        ("/senders", "/senders", sender),
        ("/templates/lembrete", "/templates", template("Vence logo.")),
        (path.as_str(), path.as_str(), renamed),
    ] {
        let found = home.get(read);
        let tag = header(&found, "etag").expect("a tag");
        assert!(tag.starts_with('"'), "{tag} is strong");
        let known = home.get_with(read, ("If-None-Match", tag.as_str()));
        assert_eq!((known.status, known.text.as_str()), (304, ""), "{read}");
        let outdated = (412, "precondition_failed".to_owned());
        let weak = format!("W/{tag}");
        for wrong in ["\"00\"", "", weak.as_str()] {
            assert_eq!(
                problem(&put_if(&home, put, wrong, &body)),
                outdated,
                "{read}"
            );
        }
        assert_eq!(home.get(read).text, found.text, "{read}");
        ok(&put_if(&home, put, &tag, &body));
        assert_eq!(
            problem(&put_if(&home, put, &tag, &body)),
            outdated,
            "{read}"
        );
        let fresh = home.get_with(read, ("If-None-Match", tag.as_str()));
        assert_eq!(fresh.status, 200, "{read}");
        let fresh = header(&fresh, "etag").expect("a tag");
        assert_ne!(fresh, tag, "{read}");
        ok(&put_if(&home, put, &format!("\"00\", {fresh}"), &body));
        // Without a condition, or for whatever stands, as ever.
        ok(&put_if(&home, put, "*", &body));
        ok(&home.client.put(&home.at(put), &body));
    }
    assert_eq!(ok(&home.get("/rules"))["version"], 3);
}

/// What has no tag is never as somebody expects it to be.
#[test]
fn a_profile_is_not_edited_against_a_tag() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    let home = Home::of(&client, &tenant);
    let body = json!({ "name": "Escola Boreal" });
    let outdated = (412, "precondition_failed".to_owned());
    let put = put_if(&home, "/profile", "\"00\"", &body);
    assert_eq!(problem(&put), outdated);
    assert_eq!(ok(&home.get(""))["name"], "Escola Aurora");
    ok(&put_if(&home, "/profile", "*", &body));
    assert_eq!(ok(&home.get(""))["name"], "Escola Boreal");
}
