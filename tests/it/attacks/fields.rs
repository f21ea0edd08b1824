//! Fields that nobody gave leave to: what a body may say is a closed list.

use serde_json::{Value, json};

use super::{Engine, expect, stored};
use crate::api::{campaign, ready};

/// A request with one field too many: method, path, body, and where in it the field stands.
type Overreach = (&'static str, String, Value);

/// Returns a request whose body has one more field somewhere in it.
fn with(method: &'static str, path: &str, body: &Value, at: &str, field: &str) -> Overreach {
    let mut body = body.clone();
    let place = body.pointer_mut(at).expect("a place");
    place[field] = json!("canario");
    (method, path.to_owned(), body)
}

/// Requests of the operator, and about campaigns.
fn of_the_operator(tenant: &str, campaign_id: &str) -> Vec<Overreach> {
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let (tenants, tokens) = ("/v1/tenants", "/v1/tokens");
    let rotate = format!("{tokens}/aaaaaaaaaaaa/rotate");
    let (all, edit) = (at("/campaigns"), at(&format!("/campaigns/{campaign_id}")));
    let (named, said, content) = (json!({ "name": "a" }), json!({ "id": "a" }), campaign());
    let token = json!({ "name": "a", "tenant": tenant, "scopes": "read" });
    let bought = json!({ "bought": 1 });
    vec![
        with("POST", tenants, &named, "", "id"),
        with("POST", tenants, &named, "", "status"),
        with("POST", tenants, &named, "", "shard"),
        with("POST", tokens, &token, "", "admin"),
        with("POST", tokens, &token, "", "role"),
        with("POST", tokens, &token, "", "secret"),
        with("POST", &rotate, &json!({}), "", "scopes"),
        with("POST", &at("/credits"), &bought, "", "balance"),
        with("POST", &all, &content, "", "status"),
        with("POST", &all, &content, "/cadence", "version"),
        with("PUT", &edit, &content, "/cadence/steps/0", "tenant_id"),
        with("PUT", &edit, &content, "/cadence/steps/0/when", "zone"),
        with("POST", &format!("{edit}/launch"), &said, "", "tenant_id"),
        with(
            "POST",
            &format!("{edit}/estimate"),
            &json!({}),
            "",
            "credits",
        ),
        with(
            "POST",
            &format!("{edit}/preview"),
            &json!({}),
            "",
            "tenant_id",
        ),
    ]
}

/// Requests about a tenant's settings.
fn of_settings(tenant: &str) -> Vec<Overreach> {
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let sender = json!({
        "channel": "sms", "provider": "mailbox", "pace": { "per_second": 1, "burst": 1 },
    });
    let template = json!({
        "code": "a", "channel": "sms", "version": 1, "body": "a", "variables": [],
    });
    let rules = json!({ "name": "a", "version": 1, "rules": [{
        "code": "a", "version": 1, "channels": ["sms"],
        "body": { "kind": "suppression", "why": "a" },
    }] });
    let retry = json!({ "first_ms": 1_000, "longest_ms": 2_000, "tries_max": 1 });
    let calendar = json!({ "name": "a", "version": 2, "national": true });
    let charges = json!({
        "version": 1, "contract": "business", "penalty_bp": 1, "monthly_interest_bp": 1,
        "grace_days": 0,
    });
    let named = json!({ "name": "a" });
    vec![
        with("PUT", &at("/senders"), &sender, "", "url"),
        with("PUT", &at("/senders"), &sender, "/pace", "unlimited"),
        with("PUT", &at("/templates"), &template, "", "html"),
        with("PUT", &at("/rules"), &rules, "", "off"),
        with("PUT", &at("/rules"), &rules, "/rules/0", "off"),
        with("PUT", &at("/rules"), &rules, "/rules/0/body", "off"),
        with("PUT", &at("/retry"), &retry, "", "tenant_id"),
        with("PUT", &at("/calendar"), &calendar, "", "tenant_id"),
        with("PUT", &at("/charges"), &charges, "", "tenant_id"),
        with("PUT", &at("/profile"), &named, "", "id"),
        with("PUT", &at("/profile"), &named, "", "credits"),
        with("PUT", &at("/profile"), &named, "", "running"),
    ]
}

/// Requests of whoever brings boletos and says what happens.
fn of_facts(tenant: &str) -> Vec<Overreach> {
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let contact = json!({ "name": "Ana", "phone": "11987651234" });
    let boletos = json!({ "boletos": [{
        "reference": "NF-1", "amount_centavos": 1, "due_on": "2026-12-01", "contact": contact,
    }] });
    let contacts = json!({ "contacts": [contact] });
    let said = json!({ "id": "a" });
    vec![
        with("POST", &at("/boletos"), &boletos, "", "tenant_id"),
        with("POST", &at("/boletos"), &boletos, "/boletos/0", "status"),
        with("POST", &at("/boletos"), &boletos, "/boletos/0", "id"),
        with(
            "POST",
            &at("/boletos"),
            &boletos,
            "/boletos/0/contact",
            "id",
        ),
        with(
            "POST",
            &at("/contacts"),
            &contacts,
            "/contacts/0",
            "tenant_id",
        ),
        with(
            "POST",
            &at("/contacts"),
            &contacts,
            "/contacts/0",
            "opted_in",
        ),
        with("POST", &at("/pause"), &said, "", "status"),
        with("POST", &at("/channels/sms/pause"), &said, "", "tenant_id"),
    ]
}

// A32
#[test]
fn a_field_that_is_not_the_callers_to_set_is_refused() {
    let engine = Engine::with(&[]);
    let (tenant, _, id) = ready(&engine);
    let before = stored(&engine);
    let all = [
        of_the_operator(&tenant, &id),
        of_settings(&tenant),
        of_facts(&tenant),
    ];
    for (method, path, body) in all.concat() {
        let answer = engine.admin.send_json(method, &path, &body);
        assert_eq!(answer.error(), "malformed", "{path} {body}");
        expect(&answer, 400, "malformed");
    }
    assert_eq!(stored(&engine), before);
}

// A32
#[test]
fn what_an_event_says_of_its_tenant_or_state_counts_for_nothing() {
    let engine = Engine::with(&[]);
    let (tenant, client, _) = ready(&engine);
    let (other, ..) = ready(&engine);
    // CloudEvents have attributes of whoever sends them; none of them is ours to follow.
    let event = json!({
        "id": "a", "type": "boleto.paid", "tenant": other, "tenant_id": other, "role": "admin",
        "scopes": "admin", "status": "paid", "credits": 5, "data": { "reference": "NF-1" },
    });
    let answer = client.post(&format!("/v1/tenants/{tenant}/events"), &event);
    assert_eq!(answer.status, 202, "{}", answer.text);
    let waiting = "SELECT tenant_id FROM inbox WHERE parked IS NOT NULL";
    assert_eq!(Some(engine.numbers(waiting)), tenant[4..].parse().ok());
    // What it is about is a closed list again.
    for field in ["tenant", "status", "tenant_id"] {
        let mut more = event.clone();
        (more["id"], more["data"][field]) = (json!(field), json!("canario"));
        let answer = client.post(&format!("/v1/tenants/{tenant}/events"), &more);
        expect(&answer, 422, "invalid");
    }
    assert_eq!(
        engine.numbers("SELECT count(*) FROM inbox WHERE parked IS NOT NULL"),
        1
    );
}
