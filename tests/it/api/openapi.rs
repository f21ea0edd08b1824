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

#[test]
fn the_document_names_the_key_exactly_where_it_is_taken() {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    let document = document(&client);
    let mut keyed = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let filled = path
            .replace("{tenant}", &tenant)
            .replace("{campaign}", &campaign)
            .replace("{prefix}", "aaaaaaaaaaaa")
            .replace("{channel}", "sms");
        for (verb, operation) in item.as_object().expect("operations") {
            if verb == "get" {
                continue;
            }
            let parameters = operation["parameters"].as_array();
            let mut parameters = parameters.into_iter().flatten();
            let is_stated = parameters.any(|it| it["name"] == "Idempotency-Key");
            let verb = verb.to_uppercase();
            let is_taken = minds_two_keys(&engine.admin, &verb, &filled);
            assert_eq!(is_taken, is_stated, "{verb} {path}");
            keyed += u32::from(is_stated);
        }
    }
    assert!(keyed > 10, "{keyed}");
}
