//! The document of the API: who gets it, and whether it says what the engine does.

use serde_json::Value;
use tests::binary;
use tests::http::Client;

use super::{Engine, ok, ready};

fn document(client: &Client) -> Value {
    let answer = client.get("/v1/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    ok(&answer)
}

#[test]
fn whoever_has_a_good_token_reads_what_the_command_prints() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let read = document(&engine.admin);
    assert_eq!(read["openapi"].as_str().map(|it| &it[..4]), Some("3.1."));
    assert_eq!(read["info"]["version"], env!("CARGO_PKG_VERSION"));
    for scopes in ["read", "facts", "import", "manage"] {
        assert_eq!(document(&engine.of(&tenant, scopes)), read, "{scopes}");
    }
    let printed = binary::run(&["openapi"]).stdout;
    let printed: Value = serde_json::from_slice(&printed).expect("JSON");
    assert_eq!(printed, read);
    let nobody = Client {
        token: None,
        ..engine.admin.clone()
    };
    let refused = nobody.get("/v1/openapi.json");
    assert_eq!(
        (refused.status, refused.error()),
        (401, "unauthorized".to_owned())
    );
}

/// Asks under two keys at once, which no path takes that knows of keys.
fn minds_two_keys(client: &Client, verb: &str, path: &str) -> bool {
    let headers = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "a"),
        ("Idempotency-Key", "b"),
    ];
    let answer = client.ask(verb, path, &headers, b"{}");
    answer.status == 400 && answer.text.contains("Idempotency-Key")
}

/// Returns the operations of the document: verb, path, the path with something in place of its
/// parts, and the parameters by name.
fn operations(
    document: &Value,
    tenant: &str,
    campaign: &str,
) -> Vec<(String, String, String, Vec<String>)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let filled = path
            .replace("{tenant}", tenant)
            .replace("{campaign}", campaign)
            .replace("{version}", "1")
            .replace("{code}", "lembrete")
            .replace("{prefix}", "aaaaaaaaaaaa")
            .replace("{channel}", "sms");
        for (verb, operation) in item.as_object().expect("operations") {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names = parameters.filter_map(|it| it["name"].as_str().map(str::to_owned));
            let names = names.collect();
            all.push((verb.to_uppercase(), path.clone(), filled.clone(), names));
        }
    }
    all
}

#[test]
fn the_document_names_the_key_exactly_where_it_is_taken() {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    let mut keyed = 0;
    for (verb, path, filled, names) in operations(&document(&client), &tenant, &campaign) {
        if verb == "GET" {
            continue;
        }
        let is_stated = names.iter().any(|it| it == "Idempotency-Key");
        let is_taken = minds_two_keys(&engine.admin, &verb, &filled);
        assert_eq!(is_taken, is_stated, "{verb} {path}");
        keyed += u32::from(is_stated);
    }
    assert!(keyed > 10, "{keyed}");
}

#[test]
fn the_document_names_the_tag_exactly_where_there_is_one() {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    let mut tagged = 0;
    for (verb, path, filled, names) in operations(&document(&client), &tenant, &campaign) {
        if verb != "GET" {
            continue;
        }
        let answer = engine.admin.get(&filled);
        // What there is none of here has no tag to show.
        if answer.status != 200 {
            continue;
        }
        let is_stated = names.iter().any(|it| it == "If-None-Match");
        assert_eq!(answer.header("etag").is_some(), is_stated, "{path}");
        tagged += u32::from(is_stated);
    }
    assert!(tagged > 5, "{tagged}");
}
