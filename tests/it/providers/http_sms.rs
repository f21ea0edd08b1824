//! A gateway for SMS as its settings draw it: what is asked, how it is signed, what is made of the
//! answer.

use actors::machine::input::Outcome;
use engine::providers::provider::Health;
use hmac::{Hmac, KeyInit, Mac};
use schedules::channel::Channel;
use schedules::time::DAY_MS;
use serde_json::{Value, json};
use sha2::Sha256;
use tests::gateway::{Deed, Gateway};

use super::desk::{Desk, accepted, message, rejected};

#[tokio::test]
async fn a_request_is_drawn_and_signed_as_the_settings_say() {
    let gateway = Gateway::start();
    gateway.always(Deed::json(202, &json!({ "messages": [{ "id": 77 }] })));
    let desk = Desk::of(&format!(
        r#"
        kind = "http_sms"
        url = "{}/v2/send"
        method = "PUT"
        accepted = [202]
        id_pointer = "/messages/0/id"
        credential = "s3cret"
        signing_key = "k3y"
        signature_header = "X-Signature"
        headers = {{ Authorization = "Bearer {{credential}}", Idempotency-Key = "{{attempt}}" }}
        [providers.it.body]
        from = "REGUA"
        contents = [{{ type = "text", text = "{{text}}", retries = 0 }}]
        to = "{{to_digits}}"
        "#,
        gateway.url()
    ));
    let message = message(Channel::Sms, 1);
    assert_eq!(desk.outcome(&message).await, accepted("77"));
    let asked = &gateway.asked()[0];
    assert_eq!(asked.line, "PUT /v2/send HTTP/1.1");
    assert_eq!(
        asked.json(),
        json!({
            "from": "REGUA",
            "contents": [{ "type": "text", "text": message.rendered.body, "retries": 0 }],
            "to": message.to.trim_start_matches('+'),
        })
    );
    for (name, value) in [
        ("authorization", "Bearer s3cret"),
        ("idempotency-key", &message.attempt.to_string()),
        ("content-type", "application/json"),
        ("host", &gateway.address.to_string()),
        ("accept-encoding", "identity"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    let timestamp = asked.header("x-regua-timestamp").expect("an instant");
    let seconds: u64 = timestamp.parse().expect("seconds");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    assert!(now.abs_diff(seconds) < 60, "{seconds}");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"k3y").expect("a key");
    mac.update(format!("{timestamp}.{}", asked.body).as_bytes());
    let expected: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    assert_eq!(
        asked.header("x-signature"),
        Some(format!("v1={expected}").as_str())
    );
}

#[tokio::test]
async fn a_form_is_sent_as_one_and_a_gateway_without_ids_gets_ours() {
    let gateway = Gateway::start();
    gateway.always(Deed::Answer(200, Vec::new(), "OK".to_owned()));
    let desk = Desk::of(&format!(
        "kind = \"http_sms\"\nurl = \"{}\"\nformat = \"form\"\n\
         body = {{ To = \"{{to}}\", Body = \"{{text}}\", n = 1 }}\n",
        gateway.url()
    ));
    let message = message(Channel::Sms, 1);
    assert_eq!(
        desk.outcome(&message).await,
        accepted(&message.attempt.to_string())
    );
    let asked = &gateway.asked()[0];
    assert_eq!(asked.line, "POST / HTTP/1.1");
    let form =
        "Body=Maria%3A%20R%24%20343%2C53%20at%C3%A9%2010%2F09%2F2026&To=%2B5511987654301&n=1";
    assert_eq!(asked.body, form);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(asked.header("content-type"), Some(form));
    assert_eq!(asked.header("x-regua-signature"), None);
}

#[tokio::test]
async fn each_status_has_its_outcome() {
    let retry = |value: &'static str| move |status| Deed::with_header(status, "Retry-After", value);
    let throttled = |retry_after_ms| Outcome::Throttled { retry_after_ms };
    let plain = |status| Deed::json(status, &Value::Null);
    let (seven, absurd) = (retry("7"), retry("99999999999"));
    let (far, past) = (
        retry("Fri, 15 Jan 2100 07:00:00 GMT"),
        retry("Sun, 06 Nov 1994 08:49:37 GMT"),
    );
    let well = Health::Well;
    for (deed, outcome, health) in [
        (plain(429), throttled(None), well),
        (seven(429), throttled(Some(7_000)), well),
        (absurd(429), throttled(Some(DAY_MS)), well),
        (far(429), throttled(Some(DAY_MS)), well),
        (past(429), throttled(Some(0)), well),
        (retry("soon")(429), throttled(None), well),
        // The whole request was written: a gateway says so also of what it passed on.
        (plain(503), Outcome::Unknown, Health::Failed),
        (seven(503), Outcome::Unknown, Health::Failed),
        (plain(408), Outcome::Unknown, Health::Failed),
        // This gateway is known to say so of what it never sent.
        (plain(520), Outcome::Unavailable, Health::Failed),
        (seven(520), throttled(Some(7_000)), well),
        (plain(500), Outcome::Unknown, Health::Failed),
        (plain(204), Outcome::Unknown, Health::Failed),
        (plain(400), rejected("http_400"), well),
        (plain(422), rejected("http_422"), well),
        (plain(301), Outcome::Unavailable, Health::Broken),
        (plain(308), Outcome::Unavailable, Health::Broken),
        // Where to look after the work is done, perhaps.
        (plain(302), Outcome::Unknown, Health::Broken),
        (plain(303), Outcome::Unknown, Health::Broken),
        (plain(401), Outcome::Unavailable, Health::Broken),
        (plain(403), Outcome::Unavailable, Health::Broken),
        (plain(404), Outcome::Unavailable, Health::Broken),
        (plain(405), Outcome::Unavailable, Health::Broken),
        (plain(415), Outcome::Unavailable, Health::Broken),
    ] {
        let gateway = Gateway::start();
        gateway.then(deed.clone());
        let desk = Desk::of(&format!(
            "kind = \"http_sms\"\nurl = \"{}\"\naccepted = [200]\nunavailable = [520]\n\
             body = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n",
            gateway.url()
        ));
        let answer = desk.send(&message(Channel::Sms, 1)).await;
        assert_eq!(
            (answer.outcome, answer.health),
            (outcome, health),
            "{deed:?}"
        );
        assert_eq!(gateway.asked().len(), 1);
    }
}

#[tokio::test]
async fn each_try_of_a_reminder_can_have_the_same_key_and_another_reminder_has_another() {
    let gateway = Gateway::start();
    gateway.always(Deed::json(200, &Value::Null));
    let desk = Desk::of(&format!(
        "kind = \"http_sms\"\nurl = \"{}\"\nheaders = {{ Idempotency-Key = \"{{reminder}}\" }}\n\
         body = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n",
        gateway.url()
    ));
    let (first, mut again, other) = (
        message(Channel::Sms, 1),
        message(Channel::Sms, 1),
        message(Channel::Sms, 2),
    );
    again.attempt.try_no += 1;
    for message in [&first, &again, &other] {
        desk.outcome(message).await;
    }
    let asked = gateway.asked();
    let keys: Vec<_> = asked
        .iter()
        .map(|one| one.header("idempotency-key"))
        .collect();
    assert_eq!(
        keys,
        [Some("rem_1.3.0"), Some("rem_1.3.0"), Some("rem_2.3.0")]
    );
}

#[tokio::test]
async fn an_evolution_api_gets_a_plain_text_with_its_key_in_the_header() {
    let gateway = Gateway::start();
    let desk = Desk::of(&format!(
        "kind = \"evolution\"\nurl = \"{}\"\ninstance = \"Loja Um\"\napikey = \"ch4ve\"\n",
        gateway.url()
    ));
    gateway.then(Deed::json(
        201,
        &json!({ "key": { "id": "3EB0" }, "status": "PENDING" }),
    ));
    let message_1 = message(Channel::Whatsapp, 1);
    assert_eq!(desk.outcome(&message_1).await, accepted("3EB0"));
    let asked = &gateway.asked()[0];
    assert_eq!(asked.line, "POST /message/sendText/Loja%20Um HTTP/1.1");
    assert_eq!(asked.header("apikey"), Some("ch4ve"));
    let body = json!({ "number": "5511987654301", "text": message_1.rendered.body });
    assert_eq!(asked.json(), body);
}

#[tokio::test]
async fn an_evolution_api_that_names_nobody_may_have_sent() {
    let gateway = Gateway::start();
    let desk = Desk::of(&format!(
        "kind = \"evolution\"\nurl = \"{}\"\ninstance = \"um\"\napikey = \"ch4ve\"\n",
        gateway.url()
    ));
    let plain = |status| Deed::json(status, &json!({ "status": status }));
    let bad = |message: Value| {
        let answer = json!({
            "status": 400, "error": "Bad Request", "response": { "message": message },
        });
        Deed::json(400, &answer)
    };
    let nobody = json!([{ "jid": "5511987654302@s.whatsapp.net", "exists": false }]);
    let somebody = json!([{ "jid": "5511987654302@s.whatsapp.net", "exists": true }]);
    for (deed, outcome, health) in [
        (plain(201), Outcome::Unknown, Health::Failed),
        (bad(nobody), rejected("evolution_400"), Health::Well),
        // Its database failed after the message was sent, or its phone was not there.
        (
            bad(json!(["PrismaClientKnownRequestError: no"])),
            Outcome::Unknown,
            Health::Failed,
        ),
        (
            bad(json!(["Error: Connection Closed"])),
            Outcome::Unknown,
            Health::Failed,
        ),
        (
            bad(json!(["{\"exists\": false}"])),
            Outcome::Unknown,
            Health::Failed,
        ),
        (bad(somebody), Outcome::Unknown, Health::Failed),
        (plain(400), Outcome::Unknown, Health::Failed),
        (plain(408), Outcome::Unknown, Health::Failed),
        (plain(302), Outcome::Unknown, Health::Broken),
        (plain(308), Outcome::Unavailable, Health::Broken),
        (plain(405), Outcome::Unavailable, Health::Broken),
        (plain(413), rejected("evolution_413"), Health::Well),
        (plain(401), Outcome::Unavailable, Health::Broken),
        (plain(404), Outcome::Unavailable, Health::Broken),
        (plain(500), Outcome::Unknown, Health::Failed),
        (
            plain(429),
            Outcome::Throttled {
                retry_after_ms: None,
            },
            Health::Well,
        ),
    ] {
        gateway.then(deed.clone());
        let answer = desk.send(&message(Channel::Whatsapp, 2)).await;
        assert_eq!(
            (answer.outcome, answer.health),
            (outcome, health),
            "{deed:?}"
        );
    }
}
