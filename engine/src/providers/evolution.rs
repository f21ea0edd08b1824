//! WhatsApp by an Evolution API that the operator runs: plain texts from one instance.
//!
//! Source: EvolutionAPI/evolution-api, `POST /message/sendText/{instance}`. It is no official way:
//! numbers can be banned, and whether an error of the server came before or after the message left
//! nobody knows: it answers 400 when the number has no WhatsApp, when its phone is not there, and
//! when its database failed after the message was sent.

use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use async_trait::async_trait;
use hyper::header::{HeaderName, HeaderValue};
use schedules::channel::Channel;
use serde::Deserialize;
use serde_json::{Value, json};

use super::egress::{Call, Egress, Reply, escaped};
use super::provider::{Answer, BROKEN, Health, Provider};
use super::settings::evolution::EvolutionSettings;

const APIKEY: HeaderName = HeaderName::from_static("apikey");

/// An instance of the Evolution API.
pub struct Evolution {
    name: String,
    egress: Egress,
    path: String,
    apikey: HeaderValue,
}

#[derive(Deserialize)]
struct Sent {
    key: Key,
}

#[derive(Deserialize)]
struct Key {
    id: String,
}

impl Evolution {
    /// Sends as `settings` say, under the name of its section.
    pub fn new(name: &str, settings: &EvolutionSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: name.to_owned(),
            egress: settings.egress.client(clock),
            path: format!("/message/sendText/{}", escaped(&settings.instance)),
            apikey: settings.apikey_header(),
        }
    }

    fn call(&self, message: &HandOver) -> Call {
        let body = json!({
            "number": message.to.trim_start_matches('+'),
            "text": message.rendered.body,
        });
        let headers = vec![(APIKEY, self.apikey.clone())];
        Call::json(self.path.clone(), headers, body.to_string())
    }

    fn judge(&self, message: &HandOver, reply: &Reply) -> Answer {
        match reply.status {
            200..=299 => match serde_json::from_slice::<Sent>(&reply.body) {
                Ok(sent) => Outcome::Accepted {
                    provider_ref: sent.key.id,
                }
                .into(),
                Err(_) => Outcome::Unknown.into(),
            },
            429 => Outcome::Throttled {
                retry_after_ms: reply.retry_after_ms,
            }
            .into(),
            400 if !is_nobody(&reply.body) => Outcome::Unknown.into(),
            408 => Outcome::Unknown.into(),
            status @ 300..=499 => match reply.refusal_of_us() {
                // 404: the instance is not there.
                Some(outcome) => self.broken(message, status, outcome),
                None => Outcome::Rejected {
                    code: format!("evolution_{status}"),
                }
                .into(),
            },
            _ => Outcome::Unknown.into(),
        }
    }

    fn broken(&self, message: &HandOver, status: u16, outcome: Outcome) -> Answer {
        let (provider, tenant) = (&self.name, message.tenant);
        tracing::error!(code = BROKEN, provider, %tenant, status, "instance or key is refused");
        Answer::broken(outcome)
    }
}

#[async_trait]
impl Provider for Evolution {
    async fn send(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Answer {
        if message.channel != Channel::Whatsapp {
            return Answer {
                outcome: Outcome::Rejected {
                    code: "wrong_channel".to_owned(),
                },
                health: Health::Unasked,
            };
        }
        match self
            .egress
            .send(self.call(message), message.deadline_at, begin)
            .await
        {
            Ok(reply) => self.judge(message, &reply),
            Err(failure) => failure.outcome().into(),
        }
    }
}

/// Says whether a refusal is of a number without WhatsApp: that was looked up before anything was
/// sent, and is the only one that was.
fn is_nobody(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let found = body["response"]["message"].as_array();
    found.is_some_and(|found| found.iter().any(|one| one["exists"] == Value::Bool(false)))
}
