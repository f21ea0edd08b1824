//! Who a tenant is, and the kill switches of a channel and of the whole engine, over HTTP.

use serde_json::json;

use super::{Engine, ok, ready};

#[test]
fn a_channel_is_held_and_freed_by_whoever_may_say_so() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let (facts, manage) = (
        engine.of(&tenant, "facts"),
        engine.of(&tenant, "manage,read"),
    );
    let at = |act: &str| format!("/v1/tenants/{tenant}/channels/{act}");
    let said = |id: &str| json!({ "id": id });
    let paused = facts.post(&at("sms/pause"), &said("p"));
    let paused = ok(&paused);
    assert_eq!(
        (&paused["outcome"], &paused["subject"]),
        (&json!("stopped"), &json!("sms"))
    );
    let shown = ok(&manage.get(&format!("/v1/tenants/{tenant}")));
    assert_eq!(shown["paused_channels"], json!(["sms"]));
    assert_eq!(shown["running"], true);
    assert_eq!(facts.post(&at("sms/resume"), &said("r")).status, 403);
    assert_eq!(
        ok(&manage.post(&at("sms/resume"), &said("r")))["outcome"],
        "taken"
    );
    assert_eq!(facts.post(&at("fax/pause"), &said("f")).status, 404);
    // A pause that is told again after it was taken back stops nothing, and does not say so.
    assert_eq!(
        ok(&facts.post(&at("sms/pause"), &said("p")))["outcome"],
        "duplicate"
    );
}

#[test]
fn a_tenant_says_who_it_is_and_its_contacts_read_it_whole() {
    let engine = Engine::start();
    let tenant = engine.tenant();
    let client = engine.of(&tenant, "manage,read");
    let at = format!("/v1/tenants/{tenant}");
    assert_eq!(ok(&client.get(&at))["document"], "12.ABC.345/01DE-35");
    let who = json!({
        "name": "Escola Boreal", "document": "11222333000181", "address": "Rua A 1, Recife, PE",
    });
    let put = client.put(&format!("{at}/profile"), &who);
    assert_eq!(ok(&put)["changed"], true);
    let shown = ok(&client.get(&at));
    assert_eq!(shown["name"], "Escola Boreal");
    assert_eq!(shown["document"], "11.222.333/0001-81");
    assert_eq!(shown["address"], "Rua A 1, Recife, PE");
    let two_lines = json!({ "name": "Escola", "address": "Rua A\nRecife" });
    let refused = client.put(&format!("{at}/profile"), &two_lines);
    assert_eq!(refused.status, 422, "{}", refused.text);
}

#[test]
fn the_engine_is_held_with_everybody_in_it_and_with_who_comes() {
    let engine = Engine::start();
    let early = engine.tenant();
    let of_tenant = engine.of(&early, "read,facts,manage,import");
    let all = |act: &str| format!("/v1/engine/{act}");
    assert_eq!(of_tenant.post(&all("pause"), &json!({})).status, 403);
    assert_eq!(of_tenant.get("/v1/engine").status, 403);
    let paused = ok(&engine.admin.post(&all("pause"), &json!({})));
    assert_eq!(paused, json!({ "outcome": "stopped", "tenants": 1 }));
    assert_eq!(ok(&engine.admin.get("/v1/engine")), json!({ "held": true }));
    let late = engine.tenant();
    let runs = |tenant: &str| {
        let path = format!("/v1/tenants/{tenant}");
        ok(&engine.admin.get(&path))["running"] == true
    };
    assert!(!runs(&early) && !runs(&late));
    let listed = || {
        let tenants = ok(&engine.admin.get("/v1/tenants"));
        let tenants = tenants["items"].as_array().cloned().unwrap_or_default();
        let run = tenants.iter().map(|it| it["running"] == true);
        run.collect::<Vec<_>>()
    };
    assert_eq!(listed(), [false, false]);
    // Pulled twice it holds, too.
    let again = ok(&engine.admin.post(&all("pause"), &json!({})));
    assert_eq!(again, json!({ "outcome": "stopped", "tenants": 2 }));
    let resumed = ok(&engine.admin.post(&all("resume"), &json!({})));
    assert_eq!(resumed, json!({ "outcome": "resumed", "tenants": 2 }));
    assert!(runs(&early) && runs(&late));
    assert_eq!(listed(), [true, true]);
    // Each turn is told once of the engine, besides what every tenant is told.
    let turns = "SELECT count(*) FROM audit WHERE tenant_id = 0 AND subject = 'engine'
        AND action IN ('engine.paused', 'engine.resumed')";
    assert_eq!(engine.numbers(turns), 3);
    assert!(engine.log().contains("engine.resumed"), "{}", engine.log());
}

#[test]
fn no_pause_and_no_end_of_a_campaign_is_refused_however_many_requests_came_before() {
    let settings = ["limits.admin_per_minute=3", "limits.write_per_minute=5"];
    let engine = Engine::with(&settings);
    let (tenant, client, campaign) = ready(&engine);
    let path = format!("/v1/tenants/{tenant}/campaigns/{campaign}");
    for (client, method, path) in [
        (&engine.admin, "GET", "/v1/engine"),
        (&client, "PUT", path.as_str()),
    ] {
        let refused = (0..9).any(|_| client.send_json(method, path, &json!({})).status == 429);
        assert!(refused, "{path}");
    }
    for _ in 0..3 {
        let paused = engine.admin.post("/v1/engine/pause", &json!({}));
        assert_eq!(ok(&paused)["outcome"], "stopped");
        let rest = paused.header("ratelimit").unwrap_or_default();
        assert!(rest.starts_with("\"admin\";r=0;t="), "{rest}");
    }
    let archived = client.post(&format!("{path}/archive"), &json!({ "id": "end" }));
    assert_eq!(ok(&archived)["outcome"], "stopped");
    // What lets messages go on can wait.
    let resumed = engine.admin.post("/v1/engine/resume", &json!({}));
    assert_eq!(resumed.status, 429);
    let resumed = client.post(&format!("{path}/resume"), &json!({ "id": "on" }));
    assert_eq!(resumed.status, 429);
}
