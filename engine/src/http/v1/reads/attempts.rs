//! `/v1/tenants/{tenant}/attempts`: what was handed over or nearly so, and what became of it.

use actix_web::{HttpRequest, web};
use actors::machine::input::Outcome;
use chrono::{DateTime, Utc};
use schedules::channel::Channel;
use schedules::id::{
    AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId,
};
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::doc::Doc;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id};
use super::list::{List, Paging};
use super::{shown, span};
use crate::access::Scope;
use crate::store::AttemptRecord;
use crate::store::reads::AttemptsOf;

pub(super) const ROUTES: &[Route] =
    &[
        Route::get("/tenants/{tenant}/attempts", Scope::Read, || web::to(list)).says(
            Doc::of("list_attempts", "Lists what was handed over, or nearly so.")
                .asks::<Asked>()
                .lists::<Shown>(),
        ),
    ];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[param(inline)]
    enrollment: Option<Id<EnrollmentId>>,
    #[param(inline)]
    contact: Option<Id<ContactId>>,
    /// Claimed from this instant on.
    from: Option<DateTime<Utc>>,
    /// Claimed before this instant.
    to: Option<DateTime<Utc>>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl Asked {
    fn split(self) -> (AttemptsOf, Paging) {
        let of = AttemptsOf {
            enrollment: self.enrollment.map(|it| it.0),
            contact: self.contact.map(|it| it.0),
            claimed: span(self.from, self.to),
        };
        let (cursor, limit) = (self.cursor, self.limit);
        (of, Paging { cursor, limit })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(super) struct Shown {
    id: Id<AttemptId>,
    reminder: Id<ReminderId>,
    boleto: Id<BoletoId>,
    contact: Id<ContactId>,
    campaign: Id<CampaignId>,
    campaign_version: i64,
    rules_version: i64,
    template: String,
    template_version: i64,
    channel: Channel,
    claimed_at: String,
    /// No hand-over began at or after this instant.
    deadline_at: String,
    /// Null while it is under way.
    outcome: Option<Became>,
}

/// What became of an attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = AttemptOutcome)]
struct Became {
    kind: &'static str,
    known_at: String,
    /// The provider's own id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_ref: Option<String>,
    /// The provider's or the engine's code of why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl Became {
    fn of((known_at, outcome): (Timestamp, Outcome)) -> Self {
        let kind = outcome.as_str();
        let (provider_ref, code) = match outcome {
            Outcome::Accepted { provider_ref } => (Some(provider_ref), None),
            Outcome::Rejected { code } | Outcome::Held { code, .. } => (None, Some(code)),
            Outcome::Abandoned { why } => (None, Some(why.as_str().to_owned())),
            Outcome::Throttled { .. } | Outcome::Unavailable | Outcome::Unknown => (None, None),
        };
        Self {
            kind,
            known_at: shown(known_at),
            provider_ref,
            code,
        }
    }
}

impl From<AttemptRecord> for Shown {
    fn from(record: AttemptRecord) -> Self {
        let [campaign_version, rules_version, template_version] = record.versions;
        Self {
            id: Id(record.attempt),
            reminder: Id(record.attempt.reminder),
            boleto: Id(record.boleto),
            contact: Id(record.contact),
            campaign: Id(record.campaign),
            campaign_version,
            rules_version,
            template: record.template,
            template_version,
            channel: record.channel,
            claimed_at: shown(record.claimed_at),
            deadline_at: shown(record.deadline_at),
            outcome: record.outcome.map(Became::of),
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
    let page = api.store.list_attempts(tenant.0, &of, &ask).await?;
    list.answer(page.map(Shown::from))
}
