//! Sets the demo's stage: tenants, templates, imports, the campaign D-3, D0, D+1, D+7, D+15.

use actors::ports::{Journal, JournalError, Sender};
use chrono::NaiveTime;
use chrono_tz::Tz;
use schedules::cadence::{Cadence, Step};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{CampaignId, TenantId};
use schedules::pace::Pace;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::{Approved, Template, Variable};
use schedules::time::{DAY_MS, HOUR_MS, Timestamp};

use super::DemoError;
use super::data::{FIRST_DAY, TenantData};
use crate::boot::Engine;
use crate::doors::Doors;
use crate::facts::{Fact, Saying};
use crate::imports::csv::{BoletoCsv, ImportLine, ImportRow, Refusal};
use crate::store::{Edit, Import, NewCampaign, NewTenant, Setting, Store, StoreError};

/// The campaign's steps: days from the due date.
const STEPS: [i32; 5] = [-3, 0, 1, 7, 15];

/// A tenant on the stage.
pub(super) struct Staged {
    pub(super) id: TenantId,
    /// Where it is at home.
    pub(super) zone: Tz,
    pub(super) rows: Vec<ImportRow>,
    pub(super) refused: Vec<Refusal>,
}

/// Returns the demo's cadence, at nine in the contact's zone, WhatsApp first.
pub(super) fn cadence() -> Cadence {
    let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap_or_default();
    let channels = [Channel::Whatsapp, Channel::Email];
    let steps = STEPS.into_iter().zip(0..).map(|(days, no)| {
        let template = if days <= 0 { "lembrete" } else { "vencido" };
        Step {
            // A weekend and a holiday long.
            expires_after_ms: 4 * DAY_MS,
            ..Step::on_calendar_day(no, days, nine, &channels, template)
        }
    });
    Cadence::of(steps.collect(), 5)
}

/// Makes a tenant, imports its file and launches its campaign; in a folder where a former life was
/// killed, only what that one did not come to.
///
/// `place` counts the tenants of the demo from 1: its ids, and its campaign's, in its own database.
pub(super) async fn set(
    engine: &Engine,
    data: &TenantData,
    place: i64,
    now: Timestamp,
) -> Result<Staged, DemoError> {
    let (id, store) = (TenantId(place), &engine.store);
    settle(store, data, id, now).await?;
    let (rows, refused) = read(&data.csv)?;
    let import = Import {
        key: "demo.csv".to_owned(),
        source: "demo".to_owned(),
        at: now,
    };
    let boletos = rows.iter().map(|row| row.boleto(data.zone)).collect();
    engine.doors.import(id, import, boletos).await?;
    let campaign = campaign(store, id, CampaignId(place), now).await?;
    launch(&engine.doors, id, campaign, now).await?;
    Ok(Staged {
        id,
        zone: data.zone,
        rows,
        refused,
    })
}

/// Makes the tenant if it is not there, and its templates.
async fn settle(
    store: &Store,
    data: &TenantData,
    id: TenantId,
    now: Timestamp,
) -> Result<(), DemoError> {
    let is_new = matches!(store.settings(id).await, Err(JournalError::Absent));
    if is_new && store.create_tenant(&tenant(data), now).await? != id {
        return Err(DemoError::NoDemo);
    }
    for template in templates() {
        let name = format!("template:{}:{}", template.code, template.channel);
        let setting = Setting::Template(template);
        store.put_setting(id, edit(&name, now), setting).await?;
    }
    Ok(())
}

/// Finds the campaign, or adds it.
async fn campaign(
    store: &Store,
    tenant: TenantId,
    id: CampaignId,
    now: Timestamp,
) -> Result<CampaignId, DemoError> {
    match store.campaign_version(tenant, id, 1).await {
        Err(StoreError::Absent { .. }) => {}
        found => return Ok(found?.id),
    }
    let content = NewCampaign {
        name: "Régua de cobrança".to_owned(),
        cadence: cadence(),
    };
    let campaign = store.create_campaign(tenant, edit("campaign", now), content);
    Ok(campaign.await?)
}

async fn launch(
    doors: &Doors,
    tenant: TenantId,
    campaign: CampaignId,
    now: Timestamp,
) -> Result<(), DemoError> {
    let launched = Fact {
        tenant,
        event_id: format!("launch:{campaign}"),
        source: "demo".to_owned(),
        occurred_at: now,
        received_at: now,
        saying: Saying::CampaignLaunched { campaign },
    };
    doors.tell(&[launched]).await?;
    Ok(())
}

fn edit(event_id: &str, at: Timestamp) -> Edit {
    Edit {
        event_id: event_id.to_owned(),
        source: "demo".to_owned(),
        at,
    }
}

fn tenant(data: &TenantData) -> NewTenant {
    let sender = |channel| Sender {
        channel,
        provider: "mailbox".to_owned(),
        pace: Pace {
            per_second: 80,
            burst: 20,
        },
    };
    NewTenant {
        name: data.name.to_owned(),
        document: Some(data.document.to_owned()),
        address: Some(data.address.to_owned()),
        zone: data.zone,
        rules: RulePack::brazil(),
        calendar: Calendar::brazil(),
        charges: None,
        retry: RetryPolicy::default(),
        feed_silence_max_ms: None,
        credits: Some(10_000),
        senders: vec![sender(Channel::Whatsapp), sender(Channel::Email)],
    }
}

fn templates() -> Vec<Template> {
    let texts = [
        (
            "lembrete",
            "Seu boleto vence em {{due_on}}",
            "Olá, {{contact_name}}. O boleto {{reference}} de {{tenant_name}} \
             ({{tenant_document}}, {{tenant_address}}), no valor de {{amount}}, vence em \
             {{due_on}}. Se já pagou, desconsidere. Para não receber mais, responda PARAR.",
        ),
        (
            "vencido",
            "Boleto vencido em {{due_on}}",
            "Olá, {{contact_name}}. Não identificamos o pagamento do boleto {{reference}} de \
             {{tenant_name}} ({{tenant_document}}, {{tenant_address}}), no valor de {{amount}}, \
             vencido em {{due_on}}. Se já pagou, desconsidere. Para não receber mais, responda PARAR.",
        ),
    ];
    let on = |channel| texts.map(|(code, subject, body)| template(code, channel, subject, body));
    [on(Channel::Whatsapp), on(Channel::Email)].concat()
}

fn template(code: &str, channel: Channel, subject: &str, body: &str) -> Template {
    Template {
        code: code.to_owned(),
        channel,
        version: 1,
        subject: (channel == Channel::Email).then(|| subject.to_owned()),
        body: body.to_owned(),
        variables: vec![
            Variable::ContactName,
            Variable::Reference,
            Variable::TenantName,
            Variable::TenantDocument,
            Variable::TenantAddress,
            Variable::Amount,
            Variable::DueOn,
        ],
        // Whoever is out of reach for an hour gets none: it must not arrive in the evening.
        ttl_ms: if channel == Channel::Whatsapp {
            HOUR_MS
        } else {
            0
        },
        approved: Approved::default(),
    }
}

fn read(csv: &str) -> Result<(Vec<ImportRow>, Vec<Refusal>), DemoError> {
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for row in BoletoCsv::open(csv.as_bytes(), FIRST_DAY)? {
        match row? {
            ImportLine::Row(_, row) => rows.push(*row),
            ImportLine::Refused(refusal) => refused.push(refusal),
        }
    }
    Ok((rows, refused))
}
