//! The request and the reply of a template message.
//!
//! Source: Cloud API, "template messages" and "payment request buttons" (Brazil, May 2026).

use actors::machine::effect::HandOver;
use schedules::template::{PaymentButton, RenderedButton};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a reply says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The message was taken, under this id.
    Taken(String),
    /// It was refused, with this code.
    Refused(u32),
    /// Nothing that the API says.
    Nothing,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    messages: Vec<Message>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
}

#[derive(Deserialize)]
struct ApiError {
    code: u32,
}

/// Writes the body of the request. The attempt's key comes back with every status of the message:
/// it is the only evidence of one whose reply was lost.
pub(super) fn request(message: &HandOver) -> Value {
    let texts = message.rendered.parameters.iter();
    let parameters: Vec<Value> = texts
        .map(|text| json!({ "type": "text", "text": text }))
        .collect();
    let mut components = Vec::new();
    if !parameters.is_empty() {
        components.push(json!({ "type": "body", "parameters": parameters }));
    }
    components.extend(message.rendered.buttons.iter().enumerate().map(button));
    let mut template = json!({
        "name": message.template.approved_name(),
        "language": { "code": message.template.approved.language() },
    });
    if !components.is_empty() {
        template["components"] = components.into();
    }
    json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        // With its plus: without it the sender's own country would be put before it.
        "to": message.to,
        "type": "template",
        "template": template,
        "biz_opaque_callback_data": message.attempt.to_string(),
    })
}

fn button((index, button): (usize, &RenderedButton)) -> Value {
    let value = button.value.as_str();
    let setting = match button.button {
        PaymentButton::Boleto => json!({ "type": "boleto", "boleto": { "digitable_line": value } }),
        PaymentButton::Pix => {
            json!({ "type": "pix_dynamic_code", "pix_dynamic_code": { "code": value } })
        }
        PaymentButton::Link => json!({ "type": "payment_link", "payment_link": { "uri": value } }),
    };
    json!({
        "type": "button",
        "sub_type": "payment_request",
        "index": index,
        "parameters": [{
            "type": "action",
            "action": { "payment_request": { "payment_setting": setting } },
        }],
    })
}

/// Reads the body of a reply.
pub(super) fn said(body: &[u8]) -> Said {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return Said::Nothing;
    };
    match (body.error, body.messages.into_iter().next()) {
        (Some(error), _) => Said::Refused(error.code),
        (None, Some(message)) => Said::Taken(message.id),
        (None, None) => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_taken_message_a_refusal_or_nothing() {
        for (body, expected) in [
            (
                r#"{"messages":[{"id":"wamid.A","message_status":"accepted"}],"contacts":[]}"#,
                Said::Taken("wamid.A".to_owned()),
            ),
            (
                r#"{"error":{"message":"(#131026) ...","code":131026,"error_data":{}}}"#,
                Said::Refused(131_026),
            ),
            (r#"{"error":{"message":"no code"}}"#, Said::Nothing),
            (r#"{"messages":[]}"#, Said::Nothing),
            (r#"{"messages":[{"id":"wamid.A"#, Said::Nothing),
            ("<html>", Said::Nothing),
            ("", Said::Nothing),
        ] {
            assert_eq!(said(body.as_bytes()), expected, "{body}");
        }
    }
}
