//! `/v1/tenants/{tenant}/reminders`: what became of each touch, as JSON or as CSV, and why.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono_tz::Tz;
use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId};
use schedules::verdict::Ruling;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::doc::Doc;
use super::super::super::problem::Problem;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id, answer};
use super::attempts;
use super::csv::{self, Exports, File};
use super::list::{List, Paging};
use super::shown;
use crate::access::Scope;
use crate::reads::{Reminder, ReminderState, ReminderStory, RemindersOf, reminders};
use crate::store::DecisionRecord;
use crate::store::reads::{Ask, EnrollmentsOf};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/reminders", Scope::Read, || web::to(list)).says(
        Doc::of("list_reminders", "Lists what became of the reminders.")
            .asks::<Asked>()
            .lists::<Shown>()
            .or_csv(),
    ),
    Route::get(
        "/tenants/{tenant}/reminders/{reminder}",
        Scope::Read,
        || web::to(read),
    )
    .says(
        Doc::of("read_reminder", "Tells all of a reminder.")
            .asks::<Zone>()
            .answers::<Whole>(),
    ),
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
    state: Option<Id<ReminderState>>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl Asked {
    fn split(self) -> (RemindersOf, Paging) {
        let enrollments = EnrollmentsOf {
            boleto: self.boleto.map(|it| it.0),
            contact: self.contact.map(|it| it.0),
            campaign: self.campaign.map(|it| it.0),
            state: None,
        };
        let of = RemindersOf {
            enrollments,
            state: self.state.map(|it| it.0),
        };
        let (cursor, limit) = (self.cursor, self.limit);
        (of, Paging { cursor, limit })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Reminder)]
struct Shown {
    id: Id<ReminderId>,
    enrollment: Id<EnrollmentId>,
    boleto: Id<BoletoId>,
    reference: String,
    contact: Id<ContactId>,
    campaign: Id<CampaignId>,
    step: u8,
    occurrence: u32,
    state: &'static str,
    /// Since when; of one that is scheduled, when it is looked at.
    at: String,
    tries: usize,
    /// Of the last attempt, if there was one.
    channel: Option<Channel>,
    outcome: Option<&'static str>,
    /// Why it was held, skipped or cancelled last.
    reason: Option<&'static str>,
}

impl From<Reminder> for Shown {
    fn from(reminder: Reminder) -> Self {
        let outcome = reminder.last.as_ref().and_then(|(_, it)| it.as_ref());
        Self {
            id: Id(reminder.id),
            enrollment: Id(reminder.id.enrollment),
            boleto: Id(reminder.boleto),
            contact: Id(reminder.contact),
            campaign: Id(reminder.campaign),
            step: reminder.id.step_no,
            occurrence: reminder.id.occurrence,
            state: reminder.state.as_str(),
            at: shown(reminder.at),
            tries: reminder.tries,
            channel: reminder.last.as_ref().map(|(channel, _)| *channel),
            outcome: outcome.map(|outcome| outcome.as_str()),
            reason: reminder.reason.map(|reason| reason.code()),
            reference: reminder.reference,
        }
    }
}

impl Shown {
    const COLUMNS: [&'static str; 13] = [
        "id",
        "boleto",
        "reference",
        "contact",
        "campaign",
        "step",
        "occurrence",
        "state",
        "at",
        "tries",
        "channel",
        "outcome",
        "reason",
    ];

    fn cells(self) -> [String; 13] {
        let name = |name: Option<&'static str>| name.unwrap_or_default().to_owned();
        [
            self.id.0.to_string(),
            self.boleto.0.to_string(),
            self.reference,
            self.contact.0.to_string(),
            self.campaign.0.to_string(),
            self.step.to_string(),
            self.occurrence.to_string(),
            self.state.to_owned(),
            self.at,
            self.tries.to_string(),
            name(self.channel.map(|channel| channel.as_str())),
            name(self.outcome),
            name(self.reason),
        ]
    }
}

async fn list(
    api: web::Data<Api>,
    exports: web::Data<Exports>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    asked: web::Query<Asked>,
) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let list = List::at(&api, &request).await?;
    let (of, paging) = asked.into_inner().split();
    if csv::is_wanted(request.headers()) {
        let turn = exports.turn(tenant.0)?;
        let ask = list.ask(&csv::paging(paging))?;
        let (file, next) = file(&api, tenant.0, &of, ask).await?;
        let next = next.map(|key| list.signed(&key)).transpose()?;
        return file.answer(&request, "reminders", next, turn);
    }
    let ask = list.ask(&paging)?;
    let page = reminders(&api.store, tenant.0, &of, &ask).await?;
    list.answer(page.map(Shown::from))
}

async fn file(
    api: &Api,
    tenant: TenantId,
    of: &RemindersOf,
    mut ask: Ask<ReminderId>,
) -> Result<(File, Option<ReminderId>), Problem> {
    let mut file = File::new(&Shown::COLUMNS);
    for _ in 0..csv::READINGS_MAX {
        ask.limit = csv::CHUNK.min(file.room());
        if ask.limit == 0 {
            break;
        }
        let page = reminders(&api.store, tenant, of, &ask).await?;
        for reminder in page.items {
            file.row(Shown::from(reminder).cells());
        }
        ask.after = page.next;
        if ask.after.is_none() {
            break;
        }
    }
    Ok((file, ask.after))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Zone {
    /// The zone of the wall clocks; the tenant's when left out.
    #[param(value_type = Option<String>)]
    zone: Option<Tz>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReminderStory)]
struct Whole {
    #[serde(flatten)]
    reminder: Shown,
    attempts: Vec<attempts::Shown>,
    decisions: Vec<Decision>,
    /// The same in words, one line a record, in pt-BR, in the order of time.
    why: Vec<String>,
}

/// A decision that was no attempt.
#[derive(Serialize, ToSchema)]
struct Decision {
    ruling: &'static str,
    reason: &'static str,
    decided_at: String,
    slot_at: String,
    /// Of a hold, when it is looked at again.
    until: Option<String>,
    rule: Option<String>,
    rule_version: Option<i64>,
    campaign_version: i64,
    rules_version: i64,
}

impl From<DecisionRecord> for Decision {
    fn from(record: DecisionRecord) -> Self {
        let [campaign_version, rules_version] = record.versions;
        let until = record.hold_until().map(shown);
        let (rule, rule_version) = record.rule.unzip();
        Self {
            ruling: match record.ruling {
                Ruling::Send { .. } => "send",
                Ruling::Hold { .. } => "hold",
                Ruling::Skip => "skip",
                Ruling::Cancel => "cancel",
            },
            reason: record.reason.code(),
            decided_at: shown(record.decided_at),
            slot_at: shown(record.slot_at),
            until,
            rule,
            rule_version,
            campaign_version,
            rules_version,
        }
    }
}

async fn read(
    api: web::Data<Api>,
    of: web::Path<(Id<TenantId>, Id<ReminderId>)>,
    asked: web::Query<Zone>,
) -> Answer {
    let (Id(tenant), Id(id)) = *of;
    api.store.expect_tenant(tenant).await?;
    let zone = match asked.zone {
        Some(zone) => zone,
        None => api.store.tenant(tenant).await?.zone,
    };
    let found = ReminderStory::find(&api.store, tenant, id).await?;
    let why = found.told(zone);
    let ReminderStory { reminder, why: of } = found;
    let whole = Whole {
        reminder: reminder.into(),
        attempts: of.attempts.into_iter().map(Into::into).collect(),
        decisions: of.decisions.into_iter().map(Into::into).collect(),
        why,
    };
    answer(HttpResponse::Ok(), &whole)
}
