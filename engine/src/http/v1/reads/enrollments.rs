//! `/v1/tenants/{tenant}/enrollments`: which boleto is in which campaign, and where it stands.

use actix_web::{HttpRequest, HttpResponse, web};
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::doc::Doc;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id, answer};
use super::list::{List, Paging};
use super::shown;
use crate::access::Scope;
use crate::store::EnrollmentRecord;
use crate::store::reads::EnrollmentsOf;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/enrollments", Scope::Read, || {
        web::to(list)
    })
    .says(
        Doc::of(
            "list_enrollments",
            "Lists which boleto is in which campaign.",
        )
        .asks::<Asked>()
        .lists::<Shown>(),
    ),
    Route::get(
        "/tenants/{tenant}/enrollments/{enrollment}",
        Scope::Read,
        || web::to(read),
    )
    .says(Doc::of("read_enrollment", "Shows an enrollment.").answers::<Shown>()),
];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[param(inline)]
    boleto: Option<Id<BoletoId>>,
    #[param(inline)]
    contact: Option<Id<ContactId>>,
    #[param(inline)]
    campaign: Option<Id<CampaignId>>,
    #[param(inline)]
    state: Option<State>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(as = EnrollmentState)]
#[serde(rename_all = "snake_case")]
enum State {
    Active,
    Stopped,
    Finished,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }
}

impl Asked {
    fn split(self) -> (EnrollmentsOf, Paging) {
        let of = EnrollmentsOf {
            boleto: self.boleto.map(|it| it.0),
            contact: self.contact.map(|it| it.0),
            campaign: self.campaign.map(|it| it.0),
            state: self.state.map(|state| state.as_str().to_owned()),
        };
        let (cursor, limit) = (self.cursor, self.limit);
        (of, Paging { cursor, limit })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Enrollment)]
struct Shown {
    id: Id<EnrollmentId>,
    campaign: Id<CampaignId>,
    boleto: Id<BoletoId>,
    contact: Id<ContactId>,
    state: String,
    /// Why it is stopped, if it is.
    stop_reason: Option<&'static str>,
    /// How many reminders it has got.
    reminders: u16,
    /// The touch it stands at, by step and occurrence.
    next: Option<Next>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NextTouch)]
struct Next {
    step: u8,
    occurrence: u32,
    /// When the step falls.
    slot_at: String,
    /// When the engine looks at it; nothing while it is not to.
    at: Option<String>,
}

impl From<EnrollmentRecord> for Shown {
    fn from(record: EnrollmentRecord) -> Self {
        let enrollment = record.enrollment;
        let (cursor, is_active) = (enrollment.cursor, record.state == "active");
        Self {
            id: Id(enrollment.id),
            campaign: Id(enrollment.campaign),
            boleto: Id(enrollment.boleto),
            contact: Id(enrollment.contact),
            state: record.state,
            stop_reason: record.stopped.map(|reason| reason.as_str()),
            reminders: cursor.progress.reminders,
            next: cursor.touch.map(|touch| Next {
                step: touch.step_no,
                occurrence: touch.occurrence,
                slot_at: shown(touch.slot_at),
                at: cursor.next_at.filter(|_| is_active).map(shown),
            }),
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
    let list = List::at(&api, &request).await?;
    let (of, paging) = asked.into_inner().split();
    let ask = list.ask(&paging)?;
    let page = api.store.list_enrollments(tenant.0, &of, &ask).await?;
    list.answer(page.map(Shown::from))
}

async fn read(api: web::Data<Api>, of: web::Path<(Id<TenantId>, Id<EnrollmentId>)>) -> Answer {
    let (Id(tenant), Id(enrollment)) = *of;
    api.store.expect_tenant(tenant).await?;
    let record = api.store.enrollment(tenant, enrollment).await?;
    answer(HttpResponse::Ok(), &Shown::from(record))
}
