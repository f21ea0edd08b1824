//! SMS by any gateway that takes a signed HTTP request: what it looks like is in the settings.

mod pattern;
mod shape;
mod signature;

use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use async_trait::async_trait;
use hyper::header::{HeaderName, HeaderValue};
use schedules::channel::Channel;
use serde_json::Value;

use super::egress::{Call, Egress, Reply};
use super::provider::{Answer, BROKEN, Health, Provider};
use super::settings::header::secret_header;
use super::settings::http_sms::{BodyFormat, HttpSmsSettings};

pub use pattern::{NoPattern, Pattern, Place};
pub use shape::Shape;

use signature::signed;

/// A gateway for SMS.
pub struct HttpSms {
    name: String,
    egress: Egress,
    settings: HttpSmsSettings,
    clock: Arc<dyn Clock>,
}

impl HttpSms {
    /// Sends as `settings` say, under the name of its section.
    pub fn new(name: &str, settings: &HttpSmsSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: name.to_owned(),
            egress: settings.egress.client(Arc::clone(&clock)),
            settings: settings.clone(),
            clock,
        }
    }

    fn call(&self, message: &HandOver) -> Option<Call> {
        let settings = &self.settings;
        let credential = settings.credential();
        let (content_type, body) = match settings.format {
            BodyFormat::Json => (
                "application/json",
                settings.body.json(message, credential).to_string(),
            ),
            BodyFormat::Form => (
                "application/x-www-form-urlencoded",
                settings.body.form(message, credential),
            ),
        };
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (name, pattern) in &settings.headers {
            let value = secret_header(&pattern.fill(message, credential));
            headers.push((name.parse().ok()?, value));
        }
        if let Some(signing) = &settings.signing {
            let key = signing.key.expose().as_bytes();
            let signed = signed(key, body.as_bytes(), self.clock.now())?;
            for (name, value) in [
                (&signing.timestamp_header, signed.timestamp),
                (&signing.signature_header, signed.signature),
            ] {
                headers.push((name.parse().ok()?, secret_header(&value)));
            }
        }
        Some(Call {
            method: settings.method.into(),
            path: String::new(),
            headers,
            content_type: HeaderValue::from_static(content_type),
            body: body.into_bytes(),
        })
    }

    fn judge(&self, message: &HandOver, reply: &Reply) -> Answer {
        let (settings, status) = (&self.settings, reply.status);
        let is_taken = match &settings.accepted {
            Some(accepted) => accepted.contains(&status),
            None => reply.is_success(),
        };
        if is_taken {
            return match self.provider_ref(message, reply) {
                Some(provider_ref) => Outcome::Accepted { provider_ref }.into(),
                // Its status says that it was taken; its body does not.
                None => Outcome::Unknown.into(),
            };
        }
        if settings.unavailable.contains(&status) {
            return patience(reply).into();
        }
        match status {
            429 => Outcome::Throttled {
                retry_after_ms: reply.retry_after_ms,
            }
            .into(),
            // All of the request was written: who did not wait for what is behind it says so, too.
            408 => Outcome::Unknown.into(),
            300..=499 => match reply.refusal_of_us() {
                Some(outcome) => self.broken(message, status, outcome),
                None => Outcome::Rejected {
                    code: format!("http_{status}"),
                }
                .into(),
            },
            _ => Outcome::Unknown.into(),
        }
    }

    fn broken(&self, message: &HandOver, status: u16, outcome: Outcome) -> Answer {
        let (provider, tenant) = (&self.name, message.tenant);
        tracing::error!(code = BROKEN, provider, %tenant, status, "gateway refuses us");
        Answer::broken(outcome)
    }

    /// Returns the gateway's id of the message, or the attempt's key where it gives none.
    fn provider_ref(&self, message: &HandOver, reply: &Reply) -> Option<String> {
        let Some(pointer) = &self.settings.id_pointer else {
            return Some(message.attempt.to_string());
        };
        let body: Value = serde_json::from_slice(&reply.body).ok()?;
        match body.pointer(pointer)? {
            Value::String(id) if !id.is_empty() => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }
}

#[async_trait]
impl Provider for HttpSms {
    async fn send(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Answer {
        let call = self
            .call(message)
            .filter(|_| message.channel == Channel::Sms);
        let Some(call) = call else {
            return Answer {
                outcome: Outcome::Rejected {
                    code: "unfit_for_gateway".to_owned(),
                },
                health: Health::Unasked,
            };
        };
        match self.egress.send(call, message.deadline_at, begin).await {
            Ok(reply) => self.judge(message, &reply),
            Err(failure) => failure.outcome().into(),
        }
    }
}

/// Returns what a gateway makes of a message that it certainly did not take.
fn patience(reply: &Reply) -> Outcome {
    match reply.retry_after_ms {
        None => Outcome::Unavailable,
        retry_after_ms => Outcome::Throttled { retry_after_ms },
    }
}
