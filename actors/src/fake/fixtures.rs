//! A tenant, a contact and a boleto for the tests of this crate.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::America::Sao_Paulo;
use schedules::cadence::{Cadence, Campaign, Step};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, TenantId};
use schedules::pace::Pace;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::{Approved, Template, Variable};
use schedules::time::{HOUR_MS, Timestamp};
use schedules::verdict::{ContactEvents, Feed};

use crate::ports::{Boleto, CampaignState, Contact, Sender, Settings, Tenant};

pub(crate) const CAMPAIGN: CampaignId = CampaignId(1);
/// A Tuesday.
pub(crate) const DUE_ON: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 10).unwrap();

/// Returns a step at nine.
pub(crate) fn step(no: u8, days: i32, channels: &[Channel]) -> Step {
    let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap();
    Step::on_calendar_day(no, days, nine, channels, "lembrete")
}

/// Returns a tenant without rules or credits, and its one campaign.
pub(crate) fn settings(
    id: TenantId,
    heard_at: Timestamp,
    steps: Vec<Step>,
    channels: &[Channel],
) -> Settings {
    let sender = |channel: &Channel| Sender {
        channel: *channel,
        provider: "mailbox".into(),
        pace: Pace {
            per_second: 100_000,
            burst: 100_000,
        },
    };
    let campaign = Campaign {
        id: CAMPAIGN,
        version: 1,
        name: "régua".into(),
        cadence: Cadence::of(steps, 10),
    };
    Settings {
        tenant: Tenant {
            id,
            name: "Escola".into(),
            document: Some("11.222.333/0001-81".into()),
            address: Some("Rua das Acácias 120, São Paulo, SP".into()),
            zone: Sao_Paulo,
            running: true,
            paused_channels: Vec::new(),
            rules: RulePack {
                name: "nenhuma".into(),
                version: 1,
                rules: Vec::new(),
            },
            calendar: Calendar::brazil(),
            charges: None,
            feed: Feed {
                silence_max_ms: None,
                heard_at,
            },
            credits: None,
            senders: channels.iter().map(sender).collect(),
            retry: RetryPolicy::default(),
        },
        campaigns: vec![CampaignState {
            campaign,
            running: true,
        }],
        templates: channels.iter().map(|channel| template(*channel)).collect(),
    }
}

fn template(channel: Channel) -> Template {
    Template {
        code: "lembrete".into(),
        channel,
        version: 1,
        subject: None,
        body: "Olá {{contact_name}}, {{amount}} vence em {{due_on}}. \
               {{tenant_name}}, {{tenant_document}}, {{tenant_address}}"
            .into(),
        variables: vec![
            Variable::ContactName,
            Variable::Amount,
            Variable::DueOn,
            Variable::TenantName,
            Variable::TenantDocument,
            Variable::TenantAddress,
        ],
        ttl_ms: if channel == Channel::Whatsapp {
            HOUR_MS
        } else {
            0
        },
        approved: Approved::default(),
    }
}

pub(crate) fn contact(id: ContactId) -> Contact {
    Contact {
        id,
        version: 1,
        name: "Maria".into(),
        phone: Some("+5511987654321".into()),
        email: Some("maria@example.com".into()),
        zones: vec![Sao_Paulo],
        suppressed: Vec::new(),
        events: ContactEvents::default(),
        confirmed: false,
        sends: Vec::new(),
    }
}

pub(crate) fn boleto(id: BoletoId) -> Boleto {
    Boleto {
        id,
        reference: format!("B{}", id.0),
        amount_centavos: 12_345,
        due_on: DUE_ON,
        digitable_line: None,
        pix_code: None,
        payment_link: None,
    }
}
