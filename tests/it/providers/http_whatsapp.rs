//! The Cloud API: what is asked, what its codes ask of us, and whom it must leave alone.

use std::sync::Arc;

use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use engine::providers::opt_outs::OptOut;
use engine::providers::provider::Health;
use schedules::channel::Channel;
use schedules::template::{PaymentButton, RenderedButton, Template};
use schedules::time::DAY_MS;
use serde_json::{Value, json};
use tests::gateway::{Deed, Gateway};

use super::desk::{Desk, accepted, message, rejected};

const PAYLOADS: &str = include_str!("../../fixtures/whatsapp_send_payloads.json");
const CODES: &str = include_str!("../../fixtures/whatsapp_error_codes.json");

fn desk(gateway: &Gateway, more: &str) -> Desk {
    Desk::of(&format!(
        "kind = \"whatsapp\"\nurl = \"{}\"\nphone_number_id = \"106540352242922\"\n\
         token = \"EAAG-t0ken\"\n{more}\n",
        gateway.url()
    ))
}

fn taken() -> Deed {
    let answer = json!({
        "messaging_product": "whatsapp",
        "contacts": [{ "input": "+5511987654321", "wa_id": "551187654321" }],
        "messages": [{ "id": "wamid.HBgM", "message_status": "accepted" }],
    });
    Deed::json(200, &answer)
}

/// An error as the Graph API tells it, with words that change.
fn refused(status: u16, code: u64) -> Deed {
    let error = json!({
        "message": format!("(#{code}) +5511987654321 said no"),
        "type": "OAuthException",
        "code": code,
        "error_data": { "messaging_product": "whatsapp", "details": "..." },
        "fbtrace_id": "Az8or2yhqkZfEZ",
    });
    Deed::json(status, &json!({ "error": error }))
}

fn whatsapp(n: i64) -> HandOver {
    message(Channel::Whatsapp, n)
}

/// Returns the message with another template.
fn with_template(mut message: HandOver, change: impl FnOnce(&mut Template)) -> HandOver {
    let mut template = (*message.template).clone();
    change(&mut template);
    message.template = Arc::new(template);
    message
}

/// Returns a published payload with this message's own key and address.
fn published(index: usize, message: &HandOver) -> Value {
    let payloads: Value = serde_json::from_str(PAYLOADS).expect("a fixture");
    let mut body = payloads["items"][index]["body"].clone();
    body["biz_opaque_callback_data"] = json!(message.attempt.to_string());
    body["to"] = json!(message.to);
    body
}

#[tokio::test]
async fn a_template_message_is_asked_for_as_published_and_taken_by_its_id() {
    let gateway = Gateway::start();
    gateway.always(taken());
    let desk = desk(&gateway, "");
    let message = whatsapp(1);
    let answer = desk.send(&message).await;
    assert_eq!(answer.outcome, accepted("wamid.HBgM"));
    assert_eq!(answer.health, Health::Well);
    let asked = &gateway.asked()[0];
    assert_eq!(asked.line, "POST /v25.0/106540352242922/messages HTTP/1.1");
    assert_eq!(asked.header("authorization"), Some("Bearer EAAG-t0ken"));
    assert_eq!(asked.json(), published(0, &message));
}

#[tokio::test]
async fn payment_buttons_are_asked_for_as_published() {
    let gateway = Gateway::start();
    gateway.always(taken());
    let desk = desk(&gateway, "");
    let mut message = with_template(whatsapp(1), |template| {
        template.approved.name = Some("lembrete_com_pagamento".to_owned());
    });
    message.rendered.parameters.clear();
    let line = "03399534655410007231078760701017115650000034353";
    message.rendered.buttons = [
        (PaymentButton::Boleto, line),
        (PaymentButton::Pix, "<BR Code>"),
        (PaymentButton::Link, "https://example.com/p/1"),
    ]
    .map(|(button, value)| RenderedButton {
        button,
        value: value.to_owned(),
    })
    .to_vec();
    assert_eq!(desk.outcome(&message).await, accepted("wamid.HBgM"));
    assert_eq!(gateway.asked()[0].json(), published(1, &message));
    let bare = with_template(whatsapp(2), |template| {
        template.approved.language = Some("es".to_owned());
    });
    let mut bare = bare;
    bare.rendered.parameters.clear();
    assert_eq!(desk.outcome(&bare).await, accepted("wamid.HBgM"));
    let template = json!({ "name": "lembrete_vencimento", "language": { "code": "es" } });
    assert_eq!(gateway.asked()[1].json()["template"], template);
}

/// What a published action asks of the outcome and of the provider's health.
fn expected(action: &str, code: u64, status: u16) -> (&'static str, Health) {
    match action {
        // They name no cause, and with such a status the end is not known.
        _ if [1, 131_000].contains(&code) && status >= 500 => ("unknown", Health::Failed),
        "retry_backoff" if [4, 80_007, 130_429, 133_016].contains(&code) => {
            ("throttled", Health::Well)
        }
        "retry_backoff" => ("unavailable", Health::Failed),
        "retry_pair_backoff" => ("throttled", Health::Well),
        "hold_24h" => ("held", Health::Well),
        _ if action.starts_with("circuit_break") => ("unavailable", Health::Broken),
        _ => ("rejected", Health::Well),
    }
}

#[tokio::test]
async fn each_published_code_has_its_outcome_and_none_is_sent_twice() {
    let published: Value = serde_json::from_str(CODES).expect("a fixture");
    let items = published["items"].as_array().expect("codes");
    assert_eq!(items.len(), 49);
    for item in items {
        let code = item["code"].as_u64().expect("a code");
        let action = item["acao"].as_str().expect("an action");
        for status in [400, 401, 429, 500, 503] {
            let gateway = Gateway::start();
            gateway.then(refused(status, code));
            let answer = desk(&gateway, "").send(&whatsapp(1)).await;
            let found = (answer.outcome.as_str(), answer.health);
            assert_eq!(found, expected(action, code, status), "{code} {status}");
            if let Outcome::Rejected { code: named } = answer.outcome {
                assert_eq!(named, format!("whatsapp_{code}"));
            }
            assert_eq!(gateway.asked().len(), 1, "{code}");
        }
    }
}

#[tokio::test]
async fn a_contact_that_meta_protects_is_left_alone_for_more_than_a_day() {
    let gateway = Gateway::start();
    gateway.then(refused(400, 131_049));
    let outcome = desk(&gateway, "").outcome(&whatsapp(1)).await;
    let Outcome::Held { for_ms, code } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(for_ms > DAY_MS);
    assert_eq!(code, "whatsapp_131049");
}

#[tokio::test]
async fn an_answer_that_the_api_does_not_give_is_judged_by_its_status() {
    let plain = |status| Deed::Answer(status, Vec::new(), "<html>".to_owned());
    for (deed, outcome, health) in [
        (plain(200), Outcome::Unknown, Health::Failed),
        (plain(500), Outcome::Unknown, Health::Failed),
        (plain(401), Outcome::Unavailable, Health::Broken),
        (plain(301), Outcome::Unavailable, Health::Broken),
        (plain(303), Outcome::Unknown, Health::Broken),
        (plain(404), Outcome::Unavailable, Health::Broken),
        (plain(405), Outcome::Unavailable, Health::Broken),
        (plain(408), Outcome::Unknown, Health::Failed),
        (plain(422), rejected("whatsapp_422"), Health::Well),
        // A code that is not known says no more than the status it came with.
        (
            refused(400, 999_999),
            rejected("whatsapp_999999"),
            Health::Well,
        ),
        (refused(200, 999_999), Outcome::Unknown, Health::Failed),
        (refused(401, 999_999), Outcome::Unavailable, Health::Broken),
        (refused(403, 999_999), Outcome::Unavailable, Health::Broken),
        (refused(404, 999_999), Outcome::Unavailable, Health::Broken),
        (
            refused(429, 999_999),
            Outcome::Throttled {
                retry_after_ms: None,
            },
            Health::Well,
        ),
        (refused(500, 999_999), Outcome::Unknown, Health::Failed),
        (
            Deed::with_header(429, "Retry-After", "9"),
            Outcome::Throttled {
                retry_after_ms: Some(9_000),
            },
            Health::Well,
        ),
    ] {
        let gateway = Gateway::start();
        gateway.then(deed.clone());
        let answer = desk(&gateway, "").send(&whatsapp(1)).await;
        assert_eq!(
            (answer.outcome, answer.health),
            (outcome, health),
            "{deed:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_template_is_not_sent_again_before_its_next_version_by_this_tenant() {
    let gateway = Gateway::start();
    gateway.then(refused(400, 132_001));
    gateway.always(taken());
    let desk = desk(&gateway, "");
    assert_eq!(
        desk.outcome(&whatsapp(1)).await,
        rejected("whatsapp_132001")
    );
    let again = desk.send(&whatsapp(2)).await;
    assert_eq!(again.outcome, rejected("whatsapp_132001"));
    assert_eq!(again.health, Health::Unasked);
    assert_eq!((desk.begins(), gateway.asked().len()), (1, 1));
    let other = with_template(whatsapp(3), |template| template.code = "outro".to_owned());
    assert_eq!(desk.outcome(&other).await, accepted("wamid.HBgM"));
    let mut neighbour = whatsapp(4);
    neighbour.tenant = schedules::id::TenantId(2);
    assert_eq!(desk.outcome(&neighbour).await, accepted("wamid.HBgM"));
    let mended = with_template(whatsapp(5), |template| template.version = 2);
    assert_eq!(desk.outcome(&mended).await, accepted("wamid.HBgM"));
    assert_eq!(gateway.asked().len(), 4);
}

#[tokio::test]
async fn a_contact_gets_no_second_message_within_six_seconds_and_no_other_waits_for_it() {
    let gateway = Gateway::start();
    gateway.always(taken());
    let desk = desk(&gateway, "");
    assert_eq!(desk.outcome(&whatsapp(1)).await, accepted("wamid.HBgM"));
    let second = desk.send(&whatsapp(1)).await;
    let Outcome::Held { for_ms, .. } = second.outcome else {
        panic!("{:?}", second.outcome);
    };
    assert!((1..=6_000).contains(&for_ms));
    assert_eq!(second.health, Health::Unasked);
    assert_eq!(desk.outcome(&whatsapp(2)).await, accepted("wamid.HBgM"));
    assert_eq!((desk.begins(), gateway.asked().len()), (2, 2));
}

#[tokio::test]
async fn a_portfolio_that_is_used_up_holds_further_contacts_and_what_did_not_begin_uses_none() {
    let gateway = Gateway::start();
    gateway.always(taken());
    let desk = desk(&gateway, "contacts_max = 2");
    let stopped = desk.send_if(&whatsapp(1), &|| false).await;
    assert_eq!(stopped.health, Health::Unasked);
    assert_eq!(desk.outcome(&whatsapp(2)).await, accepted("wamid.HBgM"));
    assert_eq!(desk.outcome(&whatsapp(3)).await, accepted("wamid.HBgM"));
    let outcome = desk.outcome(&whatsapp(4)).await;
    let Outcome::Held { for_ms, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(for_ms > DAY_MS - 60_000 && for_ms <= DAY_MS);
    assert_eq!(gateway.asked().len(), 2);
}

#[tokio::test]
async fn what_was_certainly_not_taken_uses_no_place_of_the_portfolio() {
    let gateway = Gateway::start();
    for deed in [
        refused(400, 131_026),
        refused(400, 130_429),
        refused(400, 131_049),
        refused(401, 190),
        Deed::Answer(404, Vec::new(), "<html>".to_owned()),
    ] {
        gateway.then(deed);
    }
    // Of these, Meta may have taken one, and waits for the other.
    gateway.then(refused(500, 131_000));
    gateway.then(refused(400, 131_056));
    let desk = desk(&gateway, "contacts_max = 2");
    for n in 1..=7 {
        desk.outcome(&whatsapp(n)).await;
    }
    assert_eq!(gateway.asked().len(), 7);
    let outcome = desk.outcome(&whatsapp(8)).await;
    assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
    assert_eq!(gateway.asked().len(), 7);
}

#[tokio::test]
async fn a_contact_that_meta_protects_gets_no_other_message_that_day_and_others_do() {
    let gateway = Gateway::start();
    gateway.then(refused(400, 131_049));
    gateway.always(taken());
    let desk = desk(&gateway, "");
    desk.outcome(&whatsapp(1)).await;
    let mut another = whatsapp(1);
    another.attempt.reminder.step_no += 1;
    let Outcome::Held { for_ms, .. } = desk.outcome(&another).await else {
        panic!("it was not held");
    };
    assert!(for_ms > DAY_MS);
    assert_eq!(desk.outcome(&whatsapp(2)).await, accepted("wamid.HBgM"));
    assert_eq!((desk.begins(), gateway.asked().len()), (2, 2));
}

#[tokio::test]
async fn values_that_do_not_fit_refuse_their_message_and_only_many_in_a_row_the_template() {
    for code in [131_063, 132_005, 132_007, 132_008, 132_012] {
        let gateway = Gateway::start();
        let desk = desk(&gateway, "");
        let refusal = rejected(&format!("whatsapp_{code}"));
        for n in [1, 2] {
            gateway.then(refused(400, code));
            assert_eq!(desk.outcome(&whatsapp(n)).await, refusal);
        }
        gateway.then(taken());
        assert_eq!(desk.outcome(&whatsapp(3)).await, accepted("wamid.HBgM"));
        for n in [4, 5, 6] {
            gateway.then(refused(400, code));
            assert_eq!(desk.outcome(&whatsapp(n)).await, refusal);
        }
        assert_eq!((desk.begins(), gateway.asked().len()), (6, 6));
        let stopped = desk.send(&whatsapp(7)).await;
        assert_eq!(
            (stopped.outcome, stopped.health),
            (refusal, Health::Unasked)
        );
        assert_eq!(gateway.asked().len(), 6);
    }
}

#[tokio::test]
async fn who_blocks_the_sender_or_stops_its_messages_is_said_to_have_opted_out() {
    for code in [130_403, 131_050] {
        let gateway = Gateway::start();
        gateway.then(taken());
        gateway.then(refused(400, 131_026));
        gateway.then(refused(400, code));
        let mut desk = desk(&gateway, "");
        for n in 1..=3 {
            desk.outcome(&whatsapp(n)).await;
        }
        let message = whatsapp(3);
        let expected = OptOut {
            tenant: message.tenant,
            contact: message.contact,
            channel: Channel::Whatsapp,
            attempt: message.attempt,
        };
        assert_eq!(desk.said.next().await, Some(expected), "{code}");
        // Nobody else is said to have: the provider goes, and with it who could say it.
        let mut said = desk.said;
        drop(desk.provider);
        assert_eq!(said.next().await, None);
    }
}
