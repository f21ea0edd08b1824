//! `/v1/tenants/{tenant}/campaigns/{campaign}/estimate` and `/launch`: what a launch would come to,
//! and the launch that confirms it.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use schedules::channel::Channel;
use schedules::id::{CampaignId, TenantId};
use schedules::time::{DAY_MS, Timestamp, day_start};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::events::{self, Said};
use super::{Answer, Id, answer};
use crate::access::Scope;
use crate::facts::Saying;
use crate::store::{Kept, Whom};
use crate::whatif::confirm::{self, Footing};
use crate::whatif::estimate::{self, Estimate, Question};
use crate::whatif::load::{Asked, Loaded, load};
use crate::whatif::{BOLETOS_MAX, Patience};

/// How many days are looked at when the caller does not say.
pub(super) const DAYS: u32 = 30;
/// The most days that are looked at.
pub(super) const DAYS_MAX: u32 = 60;
/// The highest price of a message, in centavos.
const PRICE_MAX: i64 = 100_000;

pub(super) const ROUTES: &[Route] = &[
    Route::post(
        "/tenants/{tenant}/campaigns/{campaign}/estimate",
        Scope::Manage,
        || web::to(make),
    )
    .says(
        Doc::of("estimate_campaign", "Tells what a launch would come to.")
            .takes::<Wanted>()
            .answers::<Made>()
            .or(&[409]),
    ),
    Route::post(
        "/tenants/{tenant}/campaigns/{campaign}/launch",
        Scope::Manage,
        || web::to(launch),
    )
    .says(
        Doc::of("launch_campaign", "Launches a campaign by its estimate.")
            .takes::<Launch>()
            .answers::<events::Outcome>()
            .or_later()
            .or(&[409]),
    ),
];

/// What an estimate is to count.
#[derive(Deserialize, ToSchema)]
#[schema(as = EstimateWanted)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// How many days of the tenant, today included.
    #[serde(default)]
    days: Option<u32>,
    /// What a message costs on a channel, in centavos of BRL.
    #[serde(default)]
    prices: BTreeMap<Channel, i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CampaignEstimate)]
struct Made {
    campaign: Id<CampaignId>,
    #[serde(flatten)]
    comes_to: Estimate,
    /// What a launch confirms.
    estimate: String,
    /// Until when, in UTC.
    good_until: String,
}

/// A launch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Launch {
    id: String,
    #[serde(default)]
    time: Option<DateTime<Utc>>,
    /// The hash of the estimate that is confirmed.
    #[serde(default)]
    estimate: Option<String>,
}

async fn make(
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<CampaignId>)>,
    wanted: web::Json<Wanted>,
) -> Answer {
    let (Id(tenant), Id(campaign)) = *of;
    let Wanted { days, prices } = wanted.into_inner();
    let days = days_of(days)?;
    if prices
        .values()
        .any(|price| !(0..=PRICE_MAX).contains(price))
    {
        return Err(Problem::invalid("a price is between 0 and 100000 centavos"));
    }
    // Before anything is read: the boletos are held in memory.
    let Ok(turn) = Arc::clone(&api.rehearsals.estimates).try_acquire_owned() else {
        return Err(Problem::busy("another estimate is being made"));
    };
    let now = api.clock.now();
    let asked = Asked {
        tenant,
        campaign,
        version: None,
        whom: Whom::All(BOLETOS_MAX),
    };
    let loaded = load(&api.store, &asked, now).await?;
    let question = Question {
        now,
        days,
        prices,
        left_out: api.store.left_out(tenant).await?,
    };
    let kept = Kept {
        tenant,
        campaign,
        version: loaded.version,
        hash: String::new(),
        seen: loaded.seen,
        made_at: now,
        good_until: good_until(&loaded, now),
    };
    // Off this thread: stops are answered on it.
    let patience = Patience::of_a_request(&api.clock);
    let counted = web::block(move || count(loaded, &question, &patience, turn));
    let (comes_to, hash) = counted.await.map_err(|_| Problem::interrupted())??;
    let kept = Kept { hash, ..kept };
    api.doors.keep_estimate(kept.clone()).await?;
    let made = Made {
        campaign: Id(campaign),
        comes_to,
        estimate: kept.hash,
        good_until: kept.good_until.to_string(),
    };
    answer(HttpResponse::Ok(), &made)
}

/// Counts, in a turn that lasts as long as that, also when the caller hangs up.
fn count(
    loaded: Loaded,
    question: &Question,
    patience: &Patience,
    _turn: OwnedSemaphorePermit,
) -> Result<(Estimate, String), Problem> {
    let unhashed = |_| Problem::interrupted();
    let footing = Footing::of(&loaded, question.now).map_err(unhashed)?;
    let comes_to = estimate::estimate(loaded, question, patience);
    let hash = confirm::hash(&footing, question, &comes_to).map_err(unhashed)?;
    Ok((comes_to, hash))
}

/// Returns the end of the tenant's day: what goes out today is part of what was counted.
fn good_until(loaded: &Loaded, now: Timestamp) -> Timestamp {
    let zone = loaded.settings.tenant.zone;
    let tomorrow = now.local_date(zone).succ_opt();
    tomorrow.map_or(now.plus_ms(DAY_MS), |on| day_start(zone, on))
}

/// Reads how many days are looked at.
pub(super) fn days_of(days: Option<u32>) -> Result<u32, Problem> {
    let days = days.unwrap_or(DAYS);
    match (1..=DAYS_MAX).contains(&days) {
        true => Ok(days),
        false => Err(Problem::invalid("days are between 1 and 60")),
    }
}

async fn launch(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<CampaignId>)>,
    launch: web::Json<Launch>,
) -> Answer {
    let (Id(tenant), Id(campaign)) = *of;
    let Launch { id, time, estimate } = launch.into_inner();
    let Some(estimate) = estimate else {
        let detail = "a launch confirms an estimate: POST .../estimate first, then send its hash";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "estimate_needed", detail));
    };
    let saying = Saying::CampaignLaunched { campaign };
    let fact = events::fact(&caller, &api, tenant, Said { id, time }, saying)?;
    let doors = api.doors.clone();
    // To its end, also when the caller hangs up: what is durable takes its effect.
    let told = actix_web::rt::spawn(async move { doors.launch(&fact, &estimate).await });
    let told = told.await.map_err(|_| Problem::interrupted())??;
    let Some(told) = told else {
        let detail = "there is no such estimate, or something came in since that it did not count";
        let status = StatusCode::CONFLICT;
        return Err(Problem::new(status, "estimate_changed", detail));
    };
    events::outcome(Some(&told))
}
