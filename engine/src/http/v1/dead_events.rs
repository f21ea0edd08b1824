//! `/v1/dead-events`: messages of the bus that are no fact, and what is done with them. Only
//! whoever holds `admin` sees them: nobody knows whose they are.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, answer};
use crate::access::Scope;
use crate::bus::message::Message;
use crate::bus::reception::Became;
use crate::store::DeadEventRecord;

/// How many a page has.
const PAGE: u32 = 100;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/dead-events", Scope::Admin, || web::to(list)).says(
        Doc::of(
            "list_dead_events",
            "Lists messages of the bus that are no fact.",
        )
        .asks::<Asked>()
        .answers::<Page>(),
    ),
    Route::get("/dead-events/{id}", Scope::Admin, || web::to(show)).says(
        Doc::of(
            "read_dead_event",
            "Shows a message of the bus that is no fact.",
        )
        .answers::<Whole>(),
    ),
    Route::post("/dead-events/{id}/redrive", Scope::Admin, || {
        web::to(redrive)
    })
    .says(
        Doc::of(
            "redrive_dead_event",
            "Takes a message in again, whenever it was signed.",
        )
        .answers::<Redriven>()
        .or(&[409]),
    ),
    Route::delete("/dead-events/{id}", Scope::Admin, || web::to(drop_it))
        .says(Doc::of("drop_dead_event", "Drops a message that is no fact.").with(204)),
];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Where the page begins: after this one.
    #[serde(default)]
    after: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeadEvent)]
struct Shown {
    id: i64,
    /// The code of the reason, which the runbook explains.
    code: String,
    first_seen_at: String,
    last_seen_at: String,
    /// How often it came.
    times: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeadEventPage)]
struct Page {
    dead_events: Vec<Shown>,
    /// Where the next page begins, if there may be one.
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WholeDeadEvent)]
struct Whole {
    #[serde(flatten)]
    of: Shown,
    /// What came; none when it was too long to be kept.
    message: Option<Content>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeadEventMessage)]
struct Content {
    content_type: Option<String>,
    headers: BTreeMap<String, String>,
    /// In base64.
    body: String,
}

/// What became of a message that was taken in again.
#[derive(Serialize, ToSchema)]
#[schema(as = RedrivenEvent)]
struct Redriven {
    /// `taken`: it is a fact now. `refused`: it stays where it is.
    outcome: &'static str,
    /// The code of the reason why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl Shown {
    fn of(record: &DeadEventRecord) -> Self {
        Self {
            id: record.id,
            code: record.code.clone(),
            first_seen_at: record.first_seen_at.to_string(),
            last_seen_at: record.last_seen_at.to_string(),
            times: record.times,
        }
    }
}

async fn list(api: web::Data<Api>, asked: web::Query<Asked>) -> Answer {
    let found = api
        .store
        .dead_events(asked.after.unwrap_or(0), PAGE)
        .await?;
    let full = found.len() >= PAGE as usize;
    let next = found.last().filter(|_| full).map(|last| last.id);
    let dead_events = found.iter().map(Shown::of).collect();
    answer(HttpResponse::Ok(), &Page { dead_events, next })
}

async fn show(api: web::Data<Api>, id: web::Path<i64>) -> Answer {
    let record = found(&api, *id).await?;
    let message = Message::kept(&record.content).map(|message| Content {
        content_type: message.content_type,
        headers: message.headers,
        body: STANDARD.encode(message.body),
    });
    let of = Shown::of(&record);
    answer(HttpResponse::Ok(), &Whole { of, message })
}

async fn redrive(caller: Caller, api: web::Data<Api>, id: web::Path<i64>) -> Answer {
    let record = found(&api, *id).await?;
    let reception = api.reception.clone().ok_or_else(Problem::no_root_key)?;
    let message = Message::kept(&record.content);
    let message = message.ok_or_else(|| Problem::conflict("the message was not kept"))?;
    // To its end, also when the caller hangs up: what is durable takes its effect.
    let taken = async move { reception.take_again(&message).await };
    let taken = actix_web::rt::spawn(taken).await;
    let redriven = match taken.map_err(|_| Problem::interrupted())?? {
        Became::Kept(Ok(_)) => {
            remove(&caller, &api, *id, "dead_event.redriven").await?;
            Redriven {
                outcome: "taken",
                code: None,
            }
        }
        Became::Kept(Err(why)) => Redriven {
            outcome: "refused",
            code: Some(why.code()),
        },
        Became::NotKept(error) => return Err(error.into()),
    };
    answer(HttpResponse::Ok(), &redriven)
}

async fn drop_it(caller: Caller, api: web::Data<Api>, id: web::Path<i64>) -> Answer {
    if !remove(&caller, &api, *id, "dead_event.dropped").await? {
        return Err(Problem::not_found());
    }
    Ok(HttpResponse::NoContent().finish())
}

async fn remove(
    caller: &Caller,
    api: &Api,
    id: i64,
    action: &'static str,
) -> Result<bool, Problem> {
    let (by, now) = (caller.source("dead-events"), api.clock.now());
    let removed = api.store.remove_dead_event(id, action, &by, now).await?;
    if removed {
        tracing::info!(id, action, by, "dead event was removed");
    }
    Ok(removed)
}

async fn found(api: &Api, id: i64) -> Result<DeadEventRecord, Problem> {
    let record = api.store.dead_event(id).await?;
    record.ok_or_else(Problem::not_found)
}
