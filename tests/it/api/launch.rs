//! What a launch would come to, the launch that confirms it, and what single boletos would get.

use serde_json::{Value, json};
use tests::http::{Answer, Client};

use super::{Engine, LOOKS_MAX, binary, campaign, ok, ready, today_plus};

/// Asks what a launch would come to.
pub fn estimated(client: &Client, tenant: &str, campaign: &str) -> Value {
    let path = format!("/v1/tenants/{tenant}/campaigns/{campaign}/estimate");
    ok(&client.post(&path, &json!({ "prices": { "sms": 8 } })))
}

/// Launches a campaign by an estimate.
pub fn launched(
    client: &Client,
    tenant: &str,
    campaign: &str,
    id: &str,
    estimate: &Value,
) -> Answer {
    let path = format!("/v1/tenants/{tenant}/campaigns/{campaign}/launch");
    client.post(
        &path,
        &json!({ "id": id, "estimate": estimate["estimate"] }),
    )
}

/// Imports boletos that are due in twenty days: as many as this, each of a contact of its own.
fn import(client: &Client, tenant: &str, key: &str, numbers: std::ops::Range<u32>) {
    let due = today_plus(20);
    let rows = numbers.map(|n| format!("{key}-{n};Ana Lima;119876512{n:02};{due};10,00\n"));
    let csv = format!(
        "reference;name;phone;due_on;amount\n{}",
        rows.collect::<String>()
    );
    let report = client.upload(&format!("/v1/tenants/{tenant}/boletos"), key, &csv);
    assert_eq!(ok(&report)["refused"], 0);
}

fn expect(answer: &Answer, status: u16, error: &str) {
    let told = (answer.status, answer.error());
    assert_eq!(told, (status, error.to_owned()), "{}", answer.text);
}

/// Asks the same on the command line, beside the engine.
fn asked_beside(engine: &Engine, tenant: &str, campaign: &str) -> Value {
    let path = engine.folder.path().join("regua.db");
    let setting = format!("store.path={}", path.to_str().expect("utf-8"));
    let command = ["whatif", campaign, "--tenant", tenant, "--price", "sms=8"];
    let told = binary::run(&[&command[..], &["--set", &setting]].concat());
    serde_json::from_slice(&told.stdout).expect("one JSON object")
}

#[test]
fn a_launch_confirms_what_it_comes_to_and_nothing_else() {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    import(&client, &tenant, "NF", 10..14);
    let bare = format!("/v1/tenants/{tenant}/campaigns/{campaign}/launch");
    let unconfirmed = client.post(&bare, &json!({ "id": "l-0" }));
    expect(&unconfirmed, 422, "estimate_needed");
    let made_up = json!({ "estimate": "0".repeat(64) });
    expect(
        &launched(&client, &tenant, &campaign, "l-1", &made_up),
        409,
        "estimate_changed",
    );
    let first = estimated(&client, &tenant, &campaign);
    assert_eq!(first["boletos"]["taken"], 4);
    assert_eq!(first["messages"]["by_channel"]["sms"], 4);
    assert_eq!(first["cost"]["centavos"], 32);
    assert_eq!(first["warnings"], json!([]));
    // More than was confirmed would go out: of an import, and of an edit.
    import(&client, &tenant, "NX", 20..21);
    let stale = launched(&client, &tenant, &campaign, "l-2", &first);
    expect(&stale, 409, "estimate_changed");
    let second = estimated(&client, &tenant, &campaign);
    assert_eq!(second["messages"]["total"], 5);
    assert_eq!(
        asked_beside(&engine, &tenant, &campaign)["messages"],
        second["messages"]
    );
    let path = format!("/v1/tenants/{tenant}/campaigns/{campaign}");
    ok(&client.put(&path, &super::campaign()));
    let stale = launched(&client, &tenant, &campaign, "l-3", &second);
    expect(&stale, 409, "estimate_changed");
    assert_eq!(engine.numbers("SELECT count(*) FROM enrollments"), 0);
    let running = "SELECT count(*) FROM campaigns WHERE status = 'running'";
    assert_eq!(engine.numbers(running), 0);
    let third = estimated(&client, &tenant, &campaign);
    let paid = json!({ "id": "p", "type": "boleto.paid", "data": { "reference": "NF-10" } });
    ok(&client.post(&format!("/v1/tenants/{tenant}/events"), &paid));
    let taken = launched(&client, &tenant, &campaign, "l-4", &third);
    assert_eq!(ok(&taken)["outcome"], "taken", "a payment takes away only");
    let again = launched(&client, &tenant, &campaign, "l-4", &third);
    assert_eq!(ok(&again)["outcome"], "duplicate");
    let sent = || engine.numbers("SELECT count(*) FROM outcomes WHERE kind = 'accepted'") == 4;
    assert!(binary::observe(LOOKS_MAX, sent), "all but the paid one");
}

#[test]
fn another_tenants_campaign_has_no_estimate_and_no_preview() {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    import(&client, &tenant, "NF", 10..11);
    let estimate = estimated(&client, &tenant, &campaign);
    let other = engine.tenant();
    let stranger = engine.of(&other, "read,facts,import,manage");
    for owner in [&tenant, &other] {
        for act in ["estimate", "preview", "launch"] {
            let path = format!("/v1/tenants/{owner}/campaigns/{campaign}/{act}");
            let body = match act {
                "launch" => json!({ "id": "l", "estimate": estimate["estimate"] }),
                _ => json!({}),
            };
            expect(&stranger.post(&path, &body), 404, "not_found");
        }
    }
    // Its own campaign shows nobody else's boletos.
    let own = format!("/v1/tenants/{other}/campaigns");
    let own = ok(&stranger.post(&own, &super::campaign()));
    let path = format!(
        "/v1/tenants/{other}/campaigns/{}/preview",
        own["id"].as_str().expect("an id")
    );
    let named = stranger.post(&path, &json!({ "boletos": ["bol_1"] }));
    expect(&named, 404, "not_found");
    let reader = engine.of(&tenant, "read");
    let path = format!("/v1/tenants/{tenant}/campaigns/{campaign}/estimate");
    expect(&reader.post(&path, &json!({})), 403, "forbidden");
}

#[test]
fn a_preview_shows_what_boletos_would_get_and_writes_nothing() {
    let engine = Engine::start();
    let (tenant, client, campaign) = ready(&engine);
    import(&client, &tenant, "NF", 10..13);
    let paid = json!({ "id": "p", "type": "boleto.paid", "data": { "reference": "NF-12" } });
    ok(&client.post(&format!("/v1/tenants/{tenant}/events"), &paid));
    let path = format!("/v1/tenants/{tenant}/campaigns/{campaign}/preview");
    let rows = || {
        engine.numbers(
            "SELECT (SELECT count(*) FROM enrollments) + (SELECT count(*) FROM decisions)
                 + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM mailbox)
                 + (SELECT count(*) FROM estimates)",
        )
    };
    assert_eq!(rows(), 0);
    let sample = ok(&client.post(&path, &json!({ "sample": 1 })));
    let seen = sample["boletos"].as_array().expect("boletos");
    assert_eq!((seen.len(), &seen[0]["reference"]), (1, &json!("NF-11")));
    let named = json!({ "boletos": ["bol_1", "bol_3"], "days": 5 });
    let shown = ok(&client.post(&path, &named));
    let (paid, open) = (&shown["boletos"][0], &shown["boletos"][1]);
    assert_eq!(
        (&paid["taken"], &paid["why_not"]),
        (&json!(false), &json!("paid"))
    );
    let happens = &open["happenings"][0];
    assert_eq!(
        (&happens["ruling"], &happens["channel"]),
        (&json!("send"), &json!("sms"))
    );
    assert_eq!(happens["zone"], "America/Sao_Paulo");
    assert_eq!(happens["message"]["body"], "Seu boleto NF-10 vence logo.");
    // Who may only read sees the template.
    let reader = engine.of(&tenant, "read");
    let masked = reader.post(&path, &named);
    let message = &ok(&masked)["boletos"][1]["happenings"][0]["message"];
    assert_eq!(message["body"], "Seu boleto {{reference}} vence logo.");
    assert!(!masked.text.contains("NF-10"), "{}", masked.text);
    assert_eq!(rows(), 0);
    for wrong in [
        json!({ "days": 61 }),
        json!({ "sample": 21 }),
        json!({ "sample": 1, "boletos": ["bol_1"] }),
    ] {
        expect(&client.post(&path, &wrong), 422, "invalid");
    }
}

#[test]
fn a_preview_says_what_holds_a_reminder_back_and_why_one_never_goes_out() {
    let engine = Engine::start();
    let (tenant, client, _) = ready(&engine);
    import(&client, &tenant, "NF", 10..11);
    let mut content = campaign();
    let steps = content["cadence"]["steps"].as_array_mut().expect("steps");
    steps[0]["channels"] = json!(["email"]);
    steps[0]["when"]["days"] = json!(-15);
    steps[1]["when"]["days"] = json!(-14);
    let campaigns = format!("/v1/tenants/{tenant}/campaigns");
    let created = ok(&client.post(&campaigns, &content));
    let window = json!({
        "code": "window.morning", "version": 3, "body": {
            "kind": "send_window", "holidays": [],
            "weekdays": vec![json!([{ "from": 540, "until": 720 }]); 7],
        },
    });
    let rules = json!({ "name": "manhã", "version": 9, "rules": [window] });
    ok(&client.put(&format!("/v1/tenants/{tenant}/rules"), &rules));
    let id = created["id"].as_str().expect("an id");
    let shown = ok(&client.post(&format!("{campaigns}/{id}/preview"), &json!({})));
    let happens = shown["boletos"][0]["happenings"].as_array().expect("some");
    let told: Vec<_> = happens
        .iter()
        .map(|one| {
            let said = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            (said("ruling"), said("reason"), said("local"))
        })
        .collect();
    let at = |days: u64, clock: &str| {
        let on = today_plus(days);
        let (year, rest) = on.split_once('-').expect("a date");
        let (month, day) = rest.split_once('-').expect("a date");
        format!("{day}/{month}/{year} {clock}")
    };
    let line =
        |ruling: &str, reason: &str, local: String| (ruling.to_owned(), reason.to_owned(), local);
    let expected = [
        line("skip", "no_contact_point", at(5, "00:00")),
        line("hold", "outside_send_window", at(6, "00:00")),
        line("send", "due", at(6, "09:00")),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        happens[1]["rule"],
        json!({ "code": "window.morning", "version": 3 })
    );
    let why = happens[1]["explanation"].as_str().expect("words");
    assert!(
        why.starts_with("Aguarda até") && why.contains("regra window.morning"),
        "{why}"
    );
}
