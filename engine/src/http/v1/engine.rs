//! `/v1/engine`: the kill switch of the whole engine. Only whoever holds `admin` of the engine
//! turns it; every tenant is held by it as by its own switch, and goes on afterwards unless its own
//! is on.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::{Answer, answer};
use crate::access::Scope;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/engine", Scope::Admin, || web::to(read))
        .says(Doc::of("read_engine", "Tells whether the whole engine is held.").answers::<Shown>()),
    Route::post("/engine/{act:pause}", Scope::Admin, || web::to(turn))
        .stopping()
        .says(
            Doc::of("{act}_engine", "Holds the whole engine.")
                .answers::<Outcome>()
                .or_later()
                .or(&[409]),
        ),
    Route::post("/engine/{act:resume}", Scope::Admin, || web::to(turn)).says(
        Doc::of("{act}_engine", "Lets the whole engine go on.")
            .answers::<Outcome>()
            .or(&[409]),
    ),
];

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Pause,
    Resume,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EngineState)]
struct Shown {
    held: bool,
}

/// What became of the tenants together.
#[derive(Serialize, ToSchema)]
#[schema(as = EngineOutcome)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    Resumed {
        tenants: u64,
    },
    Stopped {
        tenants: u64,
    },
    Settling {
        tenants: u64,
        in_flight: u32,
        settled_by: String,
    },
}

async fn read(api: web::Data<Api>) -> Answer {
    let held = api.store.is_engine_held().await?;
    answer(HttpResponse::Ok(), &Shown { held })
}

async fn turn(caller: Caller, api: web::Data<Api>, act: web::Path<Act>) -> Answer {
    let (doors, source) = (api.doors.clone(), caller.source("acts"));
    let held = *act == Act::Pause;
    // To its end, also when the caller hangs up: a switch that is half turned helps nobody.
    let told = actix_web::rt::spawn(async move { doors.hold_engine(held, &source).await });
    let told = told.await.map_err(|_| Problem::interrupted())??;
    if told.overtaken {
        let detail = "the switch was turned again before all tenants were told: that turn counts";
        return Err(Problem::new(StatusCode::CONFLICT, "overtaken", detail));
    }
    let tenants = told.tenants;
    match (held, told.settled_by) {
        (false, _) => answer(HttpResponse::Ok(), &Outcome::Resumed { tenants }),
        (true, None) => answer(HttpResponse::Ok(), &Outcome::Stopped { tenants }),
        (true, Some(settled_by)) => {
            let settling = Outcome::Settling {
                tenants,
                in_flight: told.in_flight,
                settled_by: settled_by.to_string(),
            };
            answer(HttpResponse::Accepted(), &settling)
        }
    }
}
