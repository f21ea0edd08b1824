//! What is sent to whoever has not confirmed yet that it is who is meant.

use serde_json::json;
use tests::binary;

use super::{Engine, LOOKS_MAX, campaign, launch, ok, ready, today_plus};

#[test]
fn who_never_replied_is_not_told_of_a_debt_and_who_did_is() {
    let engine = Engine::start();
    let (tenant, client, id) = ready(&engine);
    let at = |path: &str| format!("/v1/tenants/{tenant}{path}");
    let template = json!({
        "code": "apresentacao", "channel": "sms", "version": 1,
        "body": "Olá, aqui é {{tenant_name}}. Falamos com {{contact_name}}?",
        "variables": ["tenant_name", "contact_name"],
    });
    ok(&client.put(&at("/templates"), &template));
    let mut content = campaign();
    content["cadence"]["steps"][0]["introduction"] = json!("apresentacao");
    ok(&client.put(&at(&format!("/campaigns/{id}")), &content));
    let due = today_plus(20);
    let csv = format!(
        "reference;name;phone;due_on;amount\n\
         NF-1;Ana Lima;11987651234;{due};10,00\n\
         NF-2;Bruno Sá;11987651235;{due};20,00\n"
    );
    ok(&client.upload(&at("/boletos"), "file-1", &csv));
    let replied = json!({
        "id": "r-1", "type": "contact.replied", "data": { "phone": "11987651235" },
    });
    ok(&client.post(&at("/events"), &replied));
    let estimate = launch::estimated(&client, &tenant, &id);
    ok(&launch::launched(
        &client, &tenant, &id, "launch-1", &estimate,
    ));
    let sent = || engine.numbers("SELECT count(*) FROM mailbox") == 2;
    assert!(binary::observe(LOOKS_MAX, sent), "{}", engine.log());
    let of = |body: &str| {
        let sql = format!("SELECT count(*) FROM mailbox WHERE body = '{body}'");
        engine.numbers(&sql)
    };
    assert_eq!(of("Olá, aqui é Escola Aurora. Falamos com Ana Lima?"), 1);
    assert_eq!(of("Seu boleto NF-2 vence logo."), 1);
    let attempts = ok(&client.get(&at("/attempts")));
    let attempts = attempts["items"].as_array().expect("attempts").iter();
    let mut templates: Vec<_> = attempts.map(|it| it["template"].as_str()).collect();
    templates.sort_unstable();
    assert_eq!(templates, [Some("apresentacao"), Some("lembrete")]);
    let contacts = ok(&client.get(&at("/contacts")));
    let contacts = contacts["items"].as_array().expect("contacts").iter();
    let confirmed = contacts.map(|it| it["confirmed_at"].is_string());
    assert_eq!(confirmed.collect::<Vec<_>>(), [false, true]);
}
