//! `/v1/tenants/{tenant}/campaigns/{campaign}/preview`: what single boletos would get. Nothing is
//! written, and nothing is sent.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use schedules::id::{BoletoId, CampaignId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::doc::Doc;
use super::super::problem::Problem;
use super::super::route::Route;
use super::super::server::Api;
use super::launch::days_of;
use super::{Answer, Id, answer};
use crate::access::Scope;
use crate::store::Whom;
use crate::whatif::Patience;
use crate::whatif::load::{Asked, load};
use crate::whatif::preview::{self, Preview, Sight};

/// The most boletos that are shown.
const BOLETOS_MAX: usize = 20;
/// How many are shown when the caller names none.
const SAMPLE: usize = 5;
/// How many are looked at for each that is shown: some have nothing to come.
const LOOKED_AT: usize = 10;

pub(super) const ROUTES: &[Route] = &[Route::post(
    "/tenants/{tenant}/campaigns/{campaign}/preview",
    Scope::Read,
    || web::to(show),
)
.says(
    Doc::of(
        "preview_campaign",
        "Shows what single boletos would get of a campaign.",
    )
    .takes::<Wanted>()
    .answers::<Shown>(),
)];

/// What a preview is to show.
#[derive(Deserialize, ToSchema)]
#[schema(as = PreviewWanted)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The version of the campaign's content; the newest when left out.
    #[serde(default)]
    version: Option<u32>,
    /// How many days of the tenant, today included.
    #[serde(default)]
    days: Option<u32>,
    /// The boletos.
    #[serde(default)]
    boletos: Vec<Id<BoletoId>>,
    /// In their place, how many of those that the campaign would take.
    #[serde(default)]
    sample: Option<usize>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CampaignPreview)]
struct Shown {
    campaign: Id<CampaignId>,
    #[serde(flatten)]
    preview: Preview,
}

async fn show(
    caller: Caller,
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<CampaignId>)>,
    wanted: web::Json<Wanted>,
) -> Answer {
    let (Id(tenant), Id(campaign)) = *of;
    let wanted = wanted.into_inner();
    let (whom, sample) = wanted.whom()?;
    let sight = Sight {
        now: api.clock.now(),
        days: days_of(wanted.days)?,
        sample,
        personal: caller.may(Scope::Manage, Some(tenant)).is_ok(),
    };
    let Ok(turn) = Arc::clone(&api.rehearsals.previews).try_acquire_owned() else {
        return Err(Problem::busy("other previews are being made"));
    };
    let asked = Asked {
        tenant,
        campaign,
        version: wanted.version,
        whom,
    };
    let loaded = load(&api.store, &asked, sight.now).await?;
    let mut named = wanted.boletos.iter();
    if !named.all(|id| loaded.meant.contains_key(&id.0)) {
        return Err(Problem::not_found());
    }
    // Off this thread: stops are answered on it.
    let patience = Patience::of_a_request(&api.clock);
    let seen = web::block(move || {
        let _turn = turn;
        preview::preview(loaded, sight, &patience)
    });
    let shown = Shown {
        campaign: Id(campaign),
        preview: seen.await.map_err(|_| Problem::interrupted())?,
    };
    answer(HttpResponse::Ok(), &shown)
}

impl Wanted {
    /// Returns whose boletos are read, and how many of them are shown if not all.
    fn whom(&self) -> Result<(Whom, Option<usize>), Problem> {
        if self.boletos.len() > BOLETOS_MAX || self.sample.is_some_and(|it| it > BOLETOS_MAX) {
            return Err(Problem::invalid("at most 20 boletos are shown"));
        }
        if self.boletos.is_empty() {
            let sample = self.sample.unwrap_or(SAMPLE);
            return Ok((Whom::Newest(sample * LOOKED_AT), Some(sample)));
        }
        if self.sample.is_some() {
            return Err(Problem::invalid(
                "either boletos are named, or a sample is asked for",
            ));
        }
        let named = self.boletos.iter().map(|id| id.0);
        Ok((Whom::Of(named.collect()), None))
    }
}
