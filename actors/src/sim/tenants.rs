//! Tenants of a run: rules, campaigns, contacts that share boletos.

use chrono::NaiveTime;
use chrono_tz::Tz;
use schedules::cadence::{Cadence, Campaign, Condition, DayUnit, Merge, Step, When};
use schedules::calendar::Calendar;
use schedules::cap::{Cap, CapScope, CapWindow};
use schedules::channel::Channel;
use schedules::cooldown::{Cooldown, CooldownAfter};
use schedules::id::{BoletoId, CampaignId, ContactId, TenantId};
use schedules::pace::Pace;
use schedules::recurrence::Recurrence;
use schedules::retry::RetryPolicy;
use schedules::rule::{Rule, RuleBody, RulePack};
use schedules::send_window::{SendWindow, Stretch};
use schedules::template::{Approved, Template, Variable};
use schedules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use schedules::verdict::{ContactEvents, Feed};

use super::draw::{Draw, day};
use super::journal::{ContactRow, NewBoleto};
use super::rng::Rng;
use crate::ports::{Boleto, Contact, Credits, Sender, Settings, Tenant};

/// The zones of the tenants and their contacts.
const ZONES: [Tz; 4] = [
    Tz::America__Sao_Paulo,
    Tz::America__Manaus,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
];

/// Times at which steps fall; those in the small hours meet folds and gaps.
const TIMES: [(u32, u32); 12] = [
    (0, 0),
    (0, 30),
    (1, 0),
    (1, 30),
    (1, 45),
    (2, 0),
    (2, 15),
    (2, 30),
    (9, 0),
    (9, 0),
    (9, 5),
    (23, 30),
];

const CRONS: [&str; 7] = [
    "0,30 1-2 * * *",
    "30 1 * * *",
    "*/15 * * * *",
    "*/30 * * * *",
    "0 */2 * * *",
    "45 1 * * *",
    "15 2 * * *",
];

/// Draws the settings of a tenant without campaigns.
pub(super) fn settings(rng: &mut Rng, draw: &Draw, id: TenantId) -> Settings {
    let zone = if rng.per_mille(500) {
        draw.zone
    } else {
        rng.pick(&ZONES)
    };
    let silence_max_ms = rng.per_mille(150).then(|| rng.range(2, 8) * HOUR_MS);
    let balance = rng.range(2, 12);
    let tenant = Tenant {
        id,
        name: format!("Empresa {}", id.0),
        document: None,
        address: None,
        zone,
        running: true,
        paused_channels: Vec::new(),
        rules: rules(rng, draw.dense, 1),
        calendar: Calendar::brazil(),
        charges: None,
        feed: Feed {
            silence_max_ms,
            heard_at: draw.start,
        },
        credits: rng.per_mille(400).then_some(Credits { balance, held: 0 }),
        senders: Channel::ALL
            .into_iter()
            .map(|channel| sender(rng, channel))
            .collect(),
        retry: RetryPolicy {
            first_ms: rng.pick(&[1, 10, 30]) * SECOND_MS,
            longest_ms: 5 * MINUTE_MS,
            tries_max: 4,
        },
    };
    Settings {
        tenant,
        campaigns: Vec::new(),
        templates: Channel::ALL.into_iter().flat_map(templates).collect(),
    }
}

fn sender(rng: &mut Rng, channel: Channel) -> Sender {
    Sender {
        channel,
        provider: "sim".to_owned(),
        pace: Pace {
            per_second: rng.pick(&[1, 5, 100]) as u32,
            burst: rng.pick(&[1, 3, 20]) as u32,
        },
    }
}

fn template(channel: Channel) -> Template {
    Template {
        code: "lembrete".to_owned(),
        channel,
        version: 1,
        subject: (channel == Channel::Email).then(|| "Lembrete".to_owned()),
        body: "Seu boleto vence em breve".to_owned(),
        variables: Vec::new(),
        ttl_ms: match channel {
            Channel::Sms => 10 * MINUTE_MS,
            Channel::Whatsapp => MINUTE_MS,
            Channel::Email => 0,
        },
        approved: Approved::default(),
    }
}

/// The step's own template, and the one for several boletos.
fn templates(channel: Channel) -> [Template; 2] {
    let one = template(channel);
    let several = Template {
        code: "varios".to_owned(),
        body: "{{boletos_count}} boletos, {{amount_total}}: {{boletos}}".to_owned(),
        variables: vec![
            Variable::BoletosCount,
            Variable::AmountTotal,
            Variable::Boletos,
        ],
        ..one.clone()
    };
    [one, several]
}

/// Draws a pack of rules.
pub(super) fn rules(rng: &mut Rng, dense: bool, version: u32) -> RulePack {
    let unit_ms = if dense { HOUR_MS } else { DAY_MS };
    let mut bodies = Vec::new();
    if rng.per_mille(400) {
        bodies.push(RuleBody::SendWindow(window(rng, dense)));
    }
    for scope in [
        CapScope::Contact,
        CapScope::Boleto,
        CapScope::Channel,
        CapScope::Campaign,
        CapScope::Tenant,
    ] {
        let tallied = scope.is_tallied();
        if rng.per_mille(if scope == CapScope::Contact { 500 } else { 200 }) {
            let rolling = CapWindow::RollingMs(rng.pick(&[unit_ms / 2, unit_ms, 2 * unit_ms]));
            let by_day = if dense { 100 } else { 300 };
            let window = if rng.per_mille(by_day) {
                CapWindow::TenantDay
            } else {
                rolling
            };
            let most = if tallied {
                rng.range(3, 9)
            } else {
                rng.range(1, 3)
            };
            bodies.push(RuleBody::Cap(Cap {
                scope,
                window,
                max: most as u32,
            }));
        }
    }
    if rng.per_mille(400) {
        let lasts_ms = rng.pick(&[6 * SECOND_MS, 10 * MINUTE_MS, unit_ms / 2]);
        bodies.push(cooldown(CooldownAfter::Send, lasts_ms));
    }
    if rng.per_mille(300) {
        bodies.push(cooldown(CooldownAfter::Reply, unit_ms / 2));
    }
    let rule = |(index, body): (usize, RuleBody)| Rule {
        code: format!("rule.{index}"),
        version,
        channels: Vec::new(),
        body,
    };
    RulePack {
        name: "sim".to_owned(),
        version,
        rules: bodies.into_iter().enumerate().map(rule).collect(),
    }
}

fn cooldown(after: CooldownAfter, lasts_ms: i64) -> RuleBody {
    RuleBody::Cooldown(Cooldown { after, lasts_ms })
}

fn window(rng: &mut Rng, dense: bool) -> SendWindow {
    let stretch = |from: u16, until: u16| Stretch {
        from: from * 60,
        until: until * 60,
    };
    // Dense runs play at night: windows of the day would leave nothing to see.
    let night = if dense { 4 } else { 0 };
    let stretches = match night + rng.range(0, 3) {
        4 => vec![stretch(0, 2), stretch(3, 24)],
        5 => vec![stretch(1, 4), stretch(5, 10), stretch(18, 23)],
        6 => vec![stretch(0, 3), stretch(8, 24)],
        0 => vec![stretch(8, 20)],
        1 => vec![stretch(0, 3), stretch(8, 22)],
        2 => vec![stretch(1, 2), stretch(9, 10)],
        _ => vec![stretch(0, 24)],
    };
    let mut window = SendWindow::daily(stretches);
    if rng.per_mille(300) {
        window.weekdays[6] = Vec::new();
        window.holidays = Vec::new();
    }
    window
}

/// Draws a campaign; a later version keeps its id.
pub(super) fn campaign(rng: &mut Rng, draw: &Draw, id: CampaignId, version: u32) -> Campaign {
    let steps = rng.range(1, 4);
    let mut cadence = Cadence {
        steps: (1..=steps)
            .map(|no| offset_step(rng, draw.dense, no as u8))
            .collect(),
        grace_business_days: if rng.per_mille(150) { 1 } else { 0 },
        reminders_max: rng.range(1, 8) as u16,
        condition: Condition::default(),
    };
    if rng.per_mille(650) {
        cadence.steps.push(recurring_step(rng, draw.dense));
    }
    // A version may bring a step of its own; numbers are never used again.
    if version > 1 && rng.per_mille(700) {
        cadence
            .steps
            .push(offset_step(rng, draw.dense, 20 + version as u8));
    }
    for step in &mut cadence.steps {
        step.merge = merge(id, version, step.no);
    }
    Campaign {
        id,
        version,
        name: "Cobranca".to_owned(),
        cadence,
    }
}

/// Lets two steps of three merge. The numbers say which, and no draw: seeds keep their course.
fn merge(id: CampaignId, version: u32, step_no: u8) -> Option<Merge> {
    let number = id.0 / 1_000 + id.0 + i64::from(version) + i64::from(step_no);
    let within_ms = match number.rem_euclid(6) {
        0 => 0,
        1 => 4 * MINUTE_MS,
        2 => 2 * HOUR_MS,
        3 => DAY_MS,
        _ => return None,
    };
    Some(Merge {
        within_ms,
        template: "varios".to_owned(),
    })
}

fn offset_step(rng: &mut Rng, dense: bool, no: u8) -> Step {
    let (hour, minute) = if dense {
        rng.pick(&TIMES[..8])
    } else {
        rng.pick(&TIMES)
    };
    let unit = rng.pick(&[DayUnit::Calendar, DayUnit::Calendar, DayUnit::Business]);
    let when = When::Offset {
        days: if dense {
            rng.range(-1, 1)
        } else {
            rng.range(-2, 2)
        } as i32,
        unit,
        at: NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default(),
    };
    step(rng, no, when)
}

fn recurring_step(rng: &mut Rng, dense: bool) -> Step {
    let cron = rng.pick(&CRONS);
    let fallback = || Recurrence::parse("0 12 * * *");
    let when = match Recurrence::parse(cron).or_else(|_| fallback()) {
        Ok(cron) => When::Recurrence {
            cron,
            from_days: rng.range(-3, 0) as i32,
            occurrences_max: if dense { 24 } else { 12 },
        },
        Err(_) => When::Offset {
            days: 0,
            unit: DayUnit::Calendar,
            at: NaiveTime::MIN,
        },
    };
    step(rng, 10, when)
}

fn step(rng: &mut Rng, no: u8, when: When) -> Step {
    let channels: &[Channel] = match rng.range(0, 3) {
        0 => &[Channel::Whatsapp],
        1 => &[Channel::Whatsapp, Channel::Sms],
        2 => &[Channel::Sms, Channel::Email],
        _ => &[Channel::Whatsapp, Channel::Sms, Channel::Email],
    };
    Step {
        no,
        when,
        channels: channels.to_vec(),
        template: "lembrete".to_owned(),
        expires_after_ms: rng.pick(&[1, 4, 24, 48]) * HOUR_MS,
        condition: Condition::default(),
        merge: None,
        introduction: None,
    }
}

/// Draws a contact.
pub(super) fn contact(rng: &mut Rng, draw: &Draw, id: ContactId) -> ContactRow {
    let first = if rng.per_mille(600) {
        draw.zone
    } else {
        rng.pick(&ZONES)
    };
    let mut zones = vec![first];
    if rng.per_mille(200) {
        zones.push(rng.pick(&ZONES));
        zones.dedup();
    }
    let contact = Contact {
        id,
        version: 1,
        name: format!("Contato {}", id.0),
        phone: (!rng.per_mille(100)).then(|| format!("+55119{:08}", id.0)),
        email: (!rng.per_mille(200)).then(|| format!("c{}@example.com", id.0)),
        zones,
        suppressed: Vec::new(),
        events: ContactEvents::default(),
        confirmed: false,
        sends: Vec::new(),
    };
    ContactRow {
        contact,
        opted_out: false,
        said_at: Timestamp::default(),
        barred_at: std::collections::BTreeMap::new(),
    }
}

/// Draws a boleto that is due within or near the run.
pub(super) fn boleto(rng: &mut Rng, draw: &Draw, id: BoletoId, contact: ContactId) -> NewBoleto {
    NewBoleto {
        boleto: Boleto {
            id,
            reference: format!("NF-{}", id.0),
            amount_centavos: rng.range(1, 500) * 100,
            due_on: day(
                draw,
                if draw.dense {
                    rng.range(0, 2)
                } else {
                    rng.range(-1, 4)
                },
            ),
            digitable_line: None,
            pix_code: None,
            payment_link: None,
        },
        contact,
    }
}
