//! `/v1/tenants/{tenant}/events`: what happened, as CloudEvents say it. A stop is answered `200`
//! when nothing of it is under way any more, and `202` with the instant by which nothing is.

use actix_web::{HttpResponse, web};
use actors::machine::effect::Subject;
use chrono::{DateTime, Utc};
use schedules::id::TenantId;
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, Id, answer};
use crate::access::Scope;
use crate::bus::envelope::Envelope;
use crate::bus::payments::is_name;
use crate::doors::Told;
use crate::facts::{Fact, Saying};

pub(super) const ROUTES: &[Route] =
    &[
        Route::post("/tenants/{tenant}/events", Scope::Facts, || web::to(take)).says(
            Doc::of("tell_event", "Takes what happened, as a CloudEvent.")
                .takes::<Event>()
                .answers::<Outcome>()
                .or_later()
                .or(&[409]),
        ),
    ];

/// What every event says of itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// The event's id, unique for the caller: told again, it changes nothing.
    pub(super) id: String,
    /// When it happened; now when left out.
    #[serde(default)]
    pub(super) time: Option<DateTime<Utc>>,
}

/// An event, in the attributes of CloudEvents 1.0; those that say nothing here are passed over.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "id": "evt-1", "type": "boleto.paid", "data": { "reference": "NF-1" },
}))]
struct Event {
    id: String,
    /// Who says it, among those who speak with this token.
    #[serde(default)]
    source: Option<String>,
    r#type: String,
    #[serde(default)]
    time: Option<DateTime<Utc>>,
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    data: Value,
}

/// What became of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = EventOutcome)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
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
    let (now, event) = (api.clock.now(), event.into_inner());
    let envelope = Envelope {
        id: event.id,
        // Nobody speaks in another's name: ids are known by their source.
        source: match event.source {
            Some(stated) => caller.source(&format!("events/{stated}")),
            None => caller.source("events"),
        },
        kind: event.r#type,
        tenant: tenant.0,
        time: event.time.map_or(now, instant),
        data: event.data,
    };
    let fact = envelope
        .to_fact(now)
        .map_err(|why| Problem::invalid(why.to_string()))?;
    told(&api, at_its_time(fact, event.time.is_some())?).await
}

/// Tells the engine something that has no data of its own.
pub(super) async fn tell(
    caller: &Caller,
    api: &Api,
    tenant: TenantId,
    said: Said,
    saying: Saying,
) -> Answer {
    told(api, fact(caller, api, tenant, said, saying)?).await
}

/// Writes down what a caller says that has no data of its own.
pub(super) fn fact(
    caller: &Caller,
    api: &Api,
    tenant: TenantId,
    said: Said,
    saying: Saying,
) -> Result<Fact, Problem> {
    if !is_name(&said.id) {
        return Err(Problem::invalid("the id of the event cannot be used"));
    }
    let now = api.clock.now();
    let fact = Fact {
        tenant,
        event_id: said.id,
        source: caller.source("acts"),
        occurred_at: said.time.map_or(now, instant),
        received_at: now,
        saying,
    };
    at_its_time(fact, said.time.is_some())
}

/// Checks when it happened. A stop is taken whatever it says of its time; what lets reminders go on
/// must say when, or a request that is made again would undo a stop that came in between.
fn at_its_time(fact: Fact, stated: bool) -> Result<Fact, Problem> {
    let needed = || Problem::invalid("the event needs the time at which it happened");
    if fact.saying.lets_go_on() && !stated {
        return Err(needed());
    }
    fact.at_its_time().map_err(|_| needed())
}

async fn told(api: &Api, fact: Fact) -> Answer {
    let doors = api.doors.clone();
    // To its end, also when the caller hangs up: what is durable takes its effect.
    let told = actix_web::rt::spawn(async move { doors.tell(&[fact]).await });
    let told = told.await.map_err(|_| Problem::interrupted())??;
    outcome(told.first())
}

/// Answers what became of an event.
pub(super) fn outcome(told: Option<&Told>) -> Answer {
    let outcome = match told {
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
        Subject::Channel(channel) => channel.to_string(),
        Subject::Tenant => "tenant".to_owned(),
    }
}
