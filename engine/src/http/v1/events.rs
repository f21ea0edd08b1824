//! `/v1/tenants/{tenant}/events`: what happened, as CloudEvents say it. A stop is answered `200`
//! when nothing of it is under way any more, and `202` with the instant by which nothing is.

use actix_web::{HttpResponse, web};
use actors::machine::effect::Subject;
use chrono::{DateTime, Utc};
use schedules::id::TenantId;
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::caller::Caller;
use super::super::problem::Problem;
use super::super::server::Api;
use super::{Answer, Id, answer, resource};
use crate::access::Scope;
use crate::bus::envelope::Envelope;
use crate::bus::payments::is_name;
use crate::doors::Told;
use crate::facts::{Fact, Saying};

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.service(resource("/tenants/{tenant}/events").post(take));
}

/// What every event says of itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// The event's id, unique for the caller: told again, it changes nothing.
    id: String,
    /// When it happened; now when left out.
    #[serde(default)]
    time: Option<DateTime<Utc>>,
}

/// An event, in the attributes of CloudEvents 1.0.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    id: String,
    /// Who says it, within the tenant; the token when left out.
    #[serde(default)]
    source: Option<String>,
    r#type: String,
    #[serde(default)]
    time: Option<DateTime<Utc>>,
    #[serde(default)]
    data: Value,
}

/// What became of an event.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    Duplicate,
    Parked,
    Unchanged,
    Taken,
    Stopped {
        subject: String,
    },
    Settling {
        subject: String,
        in_flight: u32,
        settled_by: String,
    },
}

async fn take(
    caller: Caller,
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    event: web::Json<Event>,
) -> Answer {
    caller.may(Scope::Facts, Some(tenant.0))?;
    let (now, event) = (api.clock.now(), event.into_inner());
    let envelope = Envelope {
        id: event.id,
        source: event.source.unwrap_or_else(|| caller.source()),
        kind: event.r#type,
        tenant: tenant.0,
        time: event.time.map_or(now, instant),
        data: event.data,
    };
    let fact = envelope
        .to_fact(now)
        .map_err(|why| Problem::invalid(why.to_string()))?;
    told(&api, fact).await
}

/// Tells the engine something that has no data of its own.
pub(super) async fn tell(
    caller: &Caller,
    api: &Api,
    tenant: TenantId,
    said: Said,
    saying: Saying,
) -> Answer {
    if !is_name(&said.id) {
        return Err(Problem::invalid("the id of the event cannot be used"));
    }
    let now = api.clock.now();
    let fact = Fact {
        tenant,
        event_id: said.id,
        source: caller.source(),
        occurred_at: said.time.map_or(now, instant),
        received_at: now,
        saying,
    };
    told(api, fact).await
}

async fn told(api: &Api, fact: Fact) -> Answer {
    let told = api.doors.tell(&[fact]).await?;
    let outcome = match told.first() {
        Some(Told::Duplicate) => Outcome::Duplicate,
        Some(Told::Parked) => Outcome::Parked,
        Some(Told::Unchanged) => Outcome::Unchanged,
        Some(Told::Taken) => Outcome::Taken,
        Some(Told::Stopped { subject }) => Outcome::Stopped {
            subject: name(*subject),
        },
        Some(Told::Settling {
            subject,
            in_flight,
            settled_by,
        }) => Outcome::Settling {
            subject: name(*subject),
            in_flight: *in_flight,
            settled_by: settled_by.to_string(),
        },
        Some(Told::Conflict) => {
            return Err(Problem::conflict("the id was used for another event"));
        }
        Some(Told::Unknown) | None => return Err(Problem::not_found()),
    };
    let response = match outcome {
        Outcome::Parked | Outcome::Settling { .. } => HttpResponse::Accepted(),
        _ => HttpResponse::Ok(),
    };
    answer(response, &outcome)
}

fn instant(time: DateTime<Utc>) -> Timestamp {
    Timestamp::from_unix_ms(time.timestamp_millis())
}

fn name(subject: Subject) -> String {
    match subject {
        Subject::Boleto(id) => id.to_string(),
        Subject::Contact(id) => id.to_string(),
        Subject::Campaign(id) => id.to_string(),
        Subject::Tenant => "tenant".to_owned(),
    }
}
