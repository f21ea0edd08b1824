//! A tenant made up for measuring: the Brazilian rules, five steps, two channels.

use chrono::{Days, NaiveDate, NaiveTime};
use chrono_tz::America::Sao_Paulo;
use schedules::cadence::{Cadence, Campaign, Step};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, EnrollmentId, TenantId};
use schedules::pace::Pace;
use schedules::plan::{PlanInput, Progress, next_touch};
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::{Approved, Template, Variable};
use schedules::time::{DAY_MS, HOUR_MS, Timestamp, resolve_local};
use schedules::verdict::{ContactEvents, Feed};

use actors::ports::{
    Boleto, CampaignState, Contact, Credits, Cursor, DuePage, DueRow, Enrollment, Mark, Sender,
    Settings, Tenant,
};

/// A Tuesday on which everything is due at nine.
pub const DUE_ON: NaiveDate = match NaiveDate::from_ymd_opt(2026, 11, 10) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// Returns nine o'clock on [`DUE_ON`] in São Paulo.
pub fn due_at() -> Timestamp {
    resolve_local(Sao_Paulo, DUE_ON.and_time(NINE))
}

const NINE: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// D-3, D0, D+1, D+7 and D+15 at nine, over WhatsApp, then e-mail.
pub fn cadence() -> Cadence {
    let channels = [Channel::Whatsapp, Channel::Email];
    let steps = [-3, 0, 1, 7, 15].into_iter().zip(0..);
    let steps = steps.map(|(days, no)| Step {
        expires_after_ms: 3 * DAY_MS,
        ..Step::on_calendar_day(no, days, NINE, &channels, "lembrete")
    });
    Cadence::of(steps.collect(), 10)
}

/// One text, for a channel.
pub fn template(channel: Channel) -> Template {
    Template {
        code: "lembrete".to_owned(),
        channel,
        version: 1,
        subject: (channel == Channel::Email).then(|| "Seu boleto vence em {{due_on}}".to_owned()),
        body: "Olá, {{contact_name}}. O boleto de {{amount}} vence em {{due_on}}. \
               {{tenant_name}}, {{tenant_document}}, {{tenant_address}}"
            .to_owned(),
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

/// A sender that no pace keeps back.
pub fn sender(channel: Channel, provider: &str) -> Sender {
    Sender {
        channel,
        provider: provider.to_owned(),
        pace: Pace {
            per_second: 1_000_000,
            burst: 1_000_000,
        },
    }
}

/// The settings of a tenant with full rules, credits and one running campaign.
pub fn settings(id: TenantId) -> Settings {
    let sender = |channel| sender(channel, "null");
    let campaign = Campaign {
        id: CampaignId(1),
        version: 1,
        name: "medição".to_owned(),
        cadence: cadence(),
    };
    Settings {
        tenant: Tenant {
            id,
            name: "Medição".to_owned(),
            document: Some("11.222.333/0001-81".to_owned()),
            address: Some("Rua das Acácias 120, São Paulo, SP".to_owned()),
            zone: Sao_Paulo,
            running: true,
            paused_channels: Vec::new(),
            rules: RulePack::brazil(),
            calendar: Calendar::brazil(),
            charges: None,
            feed: Feed {
                silence_max_ms: None,
                heard_at: due_at(),
            },
            credits: Some(Credits {
                balance: 1_000_000_000,
                held: 0,
            }),
            senders: vec![sender(Channel::Whatsapp), sender(Channel::Email)],
            retry: RetryPolicy::default(),
        },
        campaigns: vec![CampaignState {
            campaign,
            running: true,
        }],
        templates: vec![template(Channel::Whatsapp), template(Channel::Email)],
    }
}

/// Returns the cursor of an enrollment whose due-day step is due at [`due_at`].
pub fn cursor(settings: &Settings) -> Cursor {
    let before = due_at().plus_ms(-DAY_MS);
    let input = PlanInput {
        cadence: &settings.campaigns[0].campaign.cadence,
        calendar: &settings.tenant.calendar,
        zone: Sao_Paulo,
        due_on: DUE_ON,
        amount_centavos: 12_345,
        progress: Progress::beginning_at(before),
    };
    let touch = next_touch(&input);
    Cursor {
        progress: input.progress,
        touch,
        next_at: touch.map(|touch| touch.slot_at),
        ..Cursor::default()
    }
}

/// Returns a page of `count` enrollments, each of its own contact, all due at [`due_at`].
pub fn due_page(settings: &Settings, count: i64) -> DuePage {
    let cursor = cursor(settings);
    let row = |id| DueRow {
        enrollment: Enrollment {
            id: EnrollmentId(id),
            campaign: CampaignId(1),
            boleto: BoletoId(id),
            contact: ContactId(id),
            cursor,
        },
        boleto: Boleto {
            id: BoletoId(id),
            reference: format!("B{id}"),
            amount_centavos: 12_345,
            due_on: DUE_ON + Days::new(0),
            digitable_line: None,
            pix_code: None,
            payment_link: None,
        },
    };
    let contact = |id| Contact {
        id: ContactId(id),
        version: 1,
        name: "Maria da Silva".to_owned(),
        phone: Some(format!("+55119{:08}", 80_000_000 + id)),
        email: None,
        zones: vec![Sao_Paulo],
        suppressed: Vec::new(),
        events: ContactEvents::default(),
        confirmed: false,
        sends: Vec::new(),
    };
    DuePage {
        rows: (1..=count).map(row).collect(),
        contacts: (1..=count).map(contact).collect(),
        read_to: Mark {
            next_at: due_at(),
            enrollment: EnrollmentId(i64::MAX),
        },
        ..DuePage::default()
    }
}
