//! Tenants made up for measuring, put in through the doors that real ones come in by.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::America::Sao_Paulo;
use schedules::cadence::{Cadence, When};
use schedules::channel::Channel;
use schedules::id::{CampaignId, TenantId};
use schedules::time::{HOUR_MS, Timestamp};

use super::synthetic;
use crate::doors::Doors;
use crate::facts::{Fact, Saying};
use crate::store::{
    Edit, Import, NewBoleto, NewCampaign, NewContact, NewTenant, Point, Setting, Store, StoreError,
};

/// The name in the audit.
const SOURCE: &str = "bench";

/// Boletos whose first step, three days before, falls on [`synthetic::DUE_ON`].
pub(super) fn due_on() -> NaiveDate {
    synthetic::DUE_ON + Days::new(3)
}

/// Returns when the measured tenants come in: the day before, so that nothing is late.
pub(super) fn begins_at() -> Timestamp {
    synthetic::due_at().plus_ms(-21 * HOUR_MS)
}

/// By which channels and which provider reminders go out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// In order of preference.
    pub(super) channels: &'static [Channel],
    /// The provider's name.
    pub(super) provider: &'static str,
}

impl Way {
    /// A provider in the process that accepts at once.
    pub(super) const IN_PROCESS: Self = Self {
        channels: &[Channel::Whatsapp, Channel::Email],
        provider: "null",
    };
}

/// A tenant with a draft campaign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) tenant: TenantId,
    pub(super) campaign: CampaignId,
    /// When its first reminders are due.
    pub(super) due_at: Timestamp,
}

/// Makes a tenant with full rules, credits, texts, and a campaign whose steps come `later_ms` after
/// nine.
pub(super) async fn join(store: &Store, way: Way, later_ms: i64) -> Result<Member, StoreError> {
    let tenant = settle(store, way).await?;
    let at = begins_at();
    for channel in way.channels {
        let text = Setting::Template(synthetic::template(*channel));
        let edit = edit(format!("template:{channel}"), at);
        store.put_setting(tenant, edit, text).await?;
    }
    let content = NewCampaign {
        name: "medição".to_owned(),
        cadence: cadence(way, later_ms),
    };
    let edit = edit("campaign".to_owned(), at);
    let campaign = store.create_campaign(tenant, edit, content).await?;
    Ok(Member {
        tenant,
        campaign,
        due_at: synthetic::due_at().plus_ms(later_ms),
    })
}

/// Makes a tenant without anything to do.
pub(super) async fn idle(store: &Store) -> Result<TenantId, StoreError> {
    settle(store, Way::IN_PROCESS).await
}

async fn settle(store: &Store, way: Way) -> Result<TenantId, StoreError> {
    let senders = way.channels.iter();
    let senders = senders.map(|channel| synthetic::sender(*channel, way.provider));
    let tenant = synthetic::settings(TenantId(0)).tenant;
    let new = NewTenant {
        name: tenant.name,
        document: tenant.document,
        address: tenant.address,
        zone: tenant.zone,
        rules: tenant.rules,
        calendar: tenant.calendar,
        charges: None,
        retry: tenant.retry,
        feed_silence_max_ms: None,
        credits: tenant.credits.map(|credits| credits.balance),
        senders: senders.collect(),
    };
    store.create_tenant(&new, begins_at()).await
}

fn cadence(way: Way, later_ms: i64) -> Cadence {
    let mut cadence = synthetic::cadence();
    let later = TimeDelta::milliseconds(later_ms);
    for step in &mut cadence.steps {
        step.channels = way.channels.to_vec();
        if let When::Offset { at, .. } = &mut step.when {
            *at = NaiveTime::overflowing_add_signed(at, later).0;
        }
    }
    cadence
}

/// Imports a chunk of boletos, each of its own contact.
pub(super) async fn import(
    doors: &Doors,
    tenant: TenantId,
    numbers: std::ops::Range<usize>,
    due_on: NaiveDate,
) -> Result<u32, StoreError> {
    let import = Import {
        key: format!("{}", numbers.start),
        source: SOURCE.to_owned(),
        at: begins_at(),
    };
    let boletos = boletos(numbers, due_on).collect();
    let outcome = doors.import(tenant, import, boletos).await?;
    Ok(outcome.accepted)
}

/// Returns boletos, each of its own contact.
pub(super) fn boletos(
    numbers: std::ops::Range<usize>,
    due_on: NaiveDate,
) -> impl Iterator<Item = NewBoleto> {
    numbers.map(move |number| boleto(number, due_on))
}

fn boleto(number: usize, due_on: NaiveDate) -> NewBoleto {
    let phone = format!("+55119{:08}", 60_000_000 + number);
    NewBoleto {
        reference: format!("B{number}"),
        amount_centavos: 12_345,
        due_on,
        digitable_line: Some("34191101213456788005871234570001616670000012345".to_owned()),
        pix_code: None,
        payment_link: None,
        contact: NewContact {
            name: "Maria da Silva".to_owned(),
            phone: Some(Point {
                address: phone.clone(),
                canonical: phone,
            }),
            email: None,
            zones: vec![Sao_Paulo],
        },
    }
}

/// Says that a member's campaign begins.
pub(super) fn launch(member: &Member) -> Fact {
    Fact {
        tenant: member.tenant,
        event_id: format!("launch:{}", member.campaign),
        source: SOURCE.to_owned(),
        occurred_at: begins_at(),
        received_at: begins_at(),
        saying: Saying::CampaignLaunched {
            campaign: member.campaign,
        },
    }
}

fn edit(event_id: String, at: Timestamp) -> Edit {
    Edit {
        event_id,
        source: SOURCE.to_owned(),
        at,
    }
}
