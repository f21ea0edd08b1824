//! WhatsApp by Meta's Cloud API: template messages from one number.
//!
//! Source: Cloud API, "send messages" (v25.0). There is no idempotency key: a reply that is lost is
//! of unknown outcome, and only a later status with the attempt's key tells.

mod body;
mod codes;
mod limits;
mod templates;

use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use async_trait::async_trait;
use hyper::header::{AUTHORIZATION, HeaderValue};
use schedules::channel::Channel;
use schedules::time::{DAY_MS, HOUR_MS};

use super::egress::{Call, Egress, Reply};
use super::opt_outs::OptOuts;
use super::provider::{Answer, BROKEN, Health, Provider};
use super::settings::whatsapp::WhatsappSettings;

pub use codes::{Action, action_of};

use body::Said;
use limits::{Limits, Place};
use templates::Templates;

/// The code under which the runbook explains that a template is not taken.
const TEMPLATE_STOPPED: &str = "RG-PROVIDER-011";
/// The code for a request that Meta cannot follow, or a refusal that is not known.
const REFUSED: &str = "RG-PROVIDER-012";

/// How long a paused template is not used, in milliseconds: Meta's first pause. After it, a message
/// tells whether the second, of six hours, has begun.
const PAUSE_MS: i64 = 3 * HOUR_MS;
/// How long a contact is left alone that Meta protects, in milliseconds: the day that it asks for,
/// and an hour, because its clock is not ours.
const HOLD_MS: i64 = DAY_MS + HOUR_MS;

/// A number of the Cloud API.
pub struct Whatsapp {
    name: String,
    egress: Egress,
    path: String,
    authorization: HeaderValue,
    limits: Limits,
    templates: Templates,
    opt_outs: OptOuts,
    clock: Arc<dyn Clock>,
}

impl Whatsapp {
    /// Sends as `settings` say, under the name of its section.
    pub fn new(
        name: &str,
        settings: &WhatsappSettings,
        opt_outs: OptOuts,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let WhatsappSettings {
            version,
            phone_number_id,
            ..
        } = settings;
        Self {
            name: name.to_owned(),
            egress: settings.egress.client(Arc::clone(&clock)),
            path: format!("/{version}/{phone_number_id}/messages"),
            authorization: settings.authorization(),
            limits: Limits::new(settings.contacts_max),
            templates: Templates::default(),
            opt_outs,
            clock,
        }
    }

    /// Says why a message is not even tried, or takes its place under the limits.
    fn admit<'a>(&'a self, message: &'a HandOver) -> Result<Place<'a>, Outcome> {
        if message.channel != Channel::Whatsapp {
            return Err(rejected("wrong_channel"));
        }
        let now_ms = self.clock.monotonic_ms();
        if let Some(code) = self.templates.refusal(message, now_ms) {
            return Err(rejected_with(code));
        }
        let place = self.limits.take(&message.to, now_ms);
        place.map_err(|for_ms| Outcome::Held {
            for_ms,
            code: "whatsapp_limit".to_owned(),
        })
    }

    fn call(&self, message: &HandOver) -> Call {
        let headers = vec![(AUTHORIZATION, self.authorization.clone())];
        let body = body::request(message).to_string();
        Call::json(self.path.clone(), headers, body)
    }

    fn judge(&self, message: &HandOver, reply: &Reply) -> Answer {
        match body::said(&reply.body) {
            Said::Taken(provider_ref) if reply.is_success() => {
                self.limits.taken(&message.to);
                self.templates.taken(message);
                Outcome::Accepted { provider_ref }.into()
            }
            Said::Refused(code) => self.refused(message, reply, code),
            Said::Taken(_) | Said::Nothing => self.by_status(message, reply, reply.status.into()),
        }
    }

    fn refused(&self, message: &HandOver, reply: &Reply, code: u32) -> Answer {
        let Some(action) = action_of(code) else {
            return self.by_status(message, reply, code);
        };
        match action {
            Action::Patience => Outcome::Throttled {
                retry_after_ms: reply.retry_after_ms,
            }
            .into(),
            Action::Unexplained if reply.status >= 500 => Outcome::Unknown.into(),
            Action::Unavailable | Action::Unexplained => Outcome::Unavailable.into(),
            Action::PatiencePair => Outcome::Throttled {
                retry_after_ms: Some(self.limits.pair_refused(&message.to)),
            }
            .into(),
            Action::HoldDay => {
                let now_ms = self.clock.monotonic_ms();
                self.limits.hold(&message.to, HOLD_MS, now_ms);
                Outcome::Held {
                    for_ms: HOLD_MS,
                    code: named(code),
                }
                .into()
            }
            Action::Break => self.broken(message, code, Outcome::Unavailable),
            Action::StopTemplate => self.stop_template(message, code, None),
            Action::DoubtTemplate if self.templates.doubt(message) => {
                self.stop_template(message, code, None)
            }
            Action::DoubtTemplate => self.odd(message, code),
            Action::PauseTemplate => self.stop_template(message, code, Some(PAUSE_MS)),
            Action::NextChannel => rejected_with(code).into(),
            Action::OptOut => {
                self.opt_outs.say(message);
                rejected_with(code).into()
            }
            Action::OurFault => self.odd(message, code),
        }
    }

    /// Judges a reply that says nothing which is known: by its status alone.
    fn by_status(&self, message: &HandOver, reply: &Reply, said: u32) -> Answer {
        if let Some(outcome) = reply.refusal_of_us() {
            return self.broken(message, said, outcome);
        }
        match reply.status {
            429 => Outcome::Throttled {
                retry_after_ms: reply.retry_after_ms,
            }
            .into(),
            400..=407 | 409..=499 => self.odd(message, said),
            // Taken, by its status, or perhaps: without an id nobody knows.
            _ => Outcome::Unknown.into(),
        }
    }

    fn broken(&self, message: &HandOver, said: u32, outcome: Outcome) -> Answer {
        let (provider, tenant) = (&self.name, message.tenant);
        tracing::error!(
            code = BROKEN, provider, %tenant, said, "number, account or token is refused"
        );
        Answer::broken(outcome)
    }

    fn stop_template(&self, message: &HandOver, said: u32, for_ms: Option<i64>) -> Answer {
        let now_ms = self.clock.monotonic_ms();
        self.templates.stop(message, said, for_ms, now_ms);
        let (provider, tenant, template) = (&self.name, message.tenant, &message.template);
        tracing::error!(
            code = TEMPLATE_STOPPED, provider, %tenant, said, template = template.code,
            version = template.version, "template is refused and not used for now"
        );
        rejected_with(said).into()
    }

    fn odd(&self, message: &HandOver, said: u32) -> Answer {
        let (provider, attempt) = (&self.name, message.attempt);
        tracing::error!(code = REFUSED, provider, %attempt, said, "request is refused");
        rejected_with(said).into()
    }
}

#[async_trait]
impl Provider for Whatsapp {
    async fn send(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Answer {
        let place = match self.admit(message) {
            Ok(place) => place,
            Err(outcome) => {
                return Answer {
                    outcome,
                    health: Health::Unasked,
                };
            }
        };
        let begin = || {
            let begins = begin();
            // The message may be on its way now, whatever becomes of this task.
            if begins {
                place.keep();
            }
            begins
        };
        let (answer, is_pair) = match self
            .egress
            .send(self.call(message), message.deadline_at, &begin)
            .await
        {
            Ok(reply) => (self.judge(message, &reply), is_pair_refused(&reply)),
            Err(failure) => (failure.outcome().into(), false),
        };
        // With its place the wait of a refused pair would go.
        let counts = matches!(answer.outcome, Outcome::Accepted { .. } | Outcome::Unknown);
        if !counts && !is_pair {
            place.give_back();
        }
        answer
    }
}

fn is_pair_refused(reply: &Reply) -> bool {
    let Said::Refused(code) = body::said(&reply.body) else {
        return false;
    };
    action_of(code) == Some(Action::PatiencePair)
}

fn rejected(code: &str) -> Outcome {
    Outcome::Rejected {
        code: code.to_owned(),
    }
}

fn rejected_with(code: u32) -> Outcome {
    rejected(&named(code))
}

/// Names a code in `why` records.
fn named(code: u32) -> String {
    format!("whatsapp_{code}")
}
