//! `/v1/tenants/{tenant}/upcoming`: the reminders of the next days, as the planner has them.

use actix_web::{HttpRequest, web};
use schedules::id::{BoletoId, CampaignId, ContactId, ReminderId, TenantId};
use schedules::time::DAY_MS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::doc::Doc;
use super::super::super::problem::Problem;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::list::{List, Paging};
use super::shown;
use crate::access::Scope;
use crate::reads::{Upcoming, upcoming};

/// How many days are looked ahead when nothing else is asked for, and the most.
const DAYS: i64 = 7;
const DAYS_MAX: i64 = 31;

pub(super) const ROUTES: &[Route] =
    &[
        Route::get("/tenants/{tenant}/upcoming", Scope::Read, || web::to(list)).says(
            Doc::of("list_upcoming", "Lists the reminders of the next days.")
                .asks::<Asked>()
                .lists::<Shown>(),
        ),
    ];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Days of 24 hours, from now on.
    days: Option<i64>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UpcomingReminder)]
struct Shown {
    reminder: Id<ReminderId>,
    boleto: Id<BoletoId>,
    contact: Id<ContactId>,
    campaign: Id<CampaignId>,
    step: u8,
    occurrence: u32,
    /// When the engine looks at it: rules may hold or skip it then.
    at: String,
    slot_at: String,
    expires_at: String,
}

impl From<Upcoming> for Shown {
    fn from(coming: Upcoming) -> Self {
        Self {
            reminder: Id(coming.reminder),
            boleto: Id(coming.boleto),
            contact: Id(coming.contact),
            campaign: Id(coming.campaign),
            step: coming.reminder.step_no,
            occurrence: coming.reminder.occurrence,
            at: shown(coming.at),
            slot_at: shown(coming.slot_at),
            expires_at: shown(coming.expires_at),
        }
    }
}

async fn list(
    api: web::Data<Api>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    asked: web::Query<Asked>,
) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let Asked {
        days,
        cursor,
        limit,
    } = asked.into_inner();
    let days = days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        let detail = format!("the days are not between 1 and {DAYS_MAX}");
        return Err(Problem::malformed(detail));
    }
    let until = api.clock.now().plus_ms(days * DAY_MS);
    let list = List::at(&api, &request).await?;
    let ask = list.ask(&Paging { cursor, limit })?;
    let page = upcoming(&api.store, tenant.0, until, &ask).await?;
    list.answer(page.map(Shown::from))
}
