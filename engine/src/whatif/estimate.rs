//! What a launch would come to: messages by day and channel, whom the caps hold back, what never
//! goes out, and what it costs.

use std::collections::{BTreeMap, BTreeSet};

use actors::machine::change::Ruled;
use actors::machine::effect::HandOver;
use actors::ports::{Credits, Enrollment, Settings};
use chrono::NaiveDate;
use schedules::cap::CapScope;
use schedules::channel::Channel;
use schedules::id::{CampaignId, ContactId};
use schedules::rule::{RuleBody, RulePack};
use schedules::time::{Timestamp, day_start};
use schedules::verdict::{Reason, Ruling, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::load::Loaded;
use super::{Event, Patience, World, rehearse};
use crate::store::LeftOut;

/// The most contacts that are named for each cap.
const NAMED_MAX: usize = 20;

/// What a message costs on a channel, in centavos of BRL.
pub type Prices = BTreeMap<Channel, i64>;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// When it is asked.
    pub now: Timestamp,
    /// How many days of the tenant are looked at, today included.
    pub days: u32,
    /// What messages cost.
    pub prices: Prices,
    /// The tenant's boletos by what keeps them out.
    pub left_out: LeftOut,
}

/// What a campaign would come to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Estimate {
    /// The version of its content.
    pub version: u32,
    /// The last day that was looked at, of the tenant's zone.
    pub until_on: NaiveDate,
    /// Which boletos it takes.
    pub boletos: Boletos,
    /// What goes out.
    pub messages: Messages,
    /// Whom caps hold back.
    pub over_cap: Vec<OverCap>,
    /// Reminders that never go out, by what keeps them from it.
    pub never: Vec<Never>,
    /// What it costs.
    pub cost: Cost,
    /// Credits that it needs.
    pub credits: CreditNeed,
    /// What a person should know before a launch.
    pub warnings: Vec<Warning>,
    /// Not everything was counted: the tenant has too many boletos, its senders are too slow, or it
    /// took too long.
    pub truncated: bool,
}

/// The boletos of a tenant, as a campaign sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BoletoCounts)]
pub struct Boletos {
    /// Open ones of contacts that have not opted out, as far as they were looked at.
    pub considered: u64,
    /// Those that have a reminder to come.
    pub taken: u64,
    /// The others, by why they are left out.
    pub left_out: Vec<LeftOutFor>,
    /// Those of the campaign whose reminders go on after the days that were looked at.
    pub go_on_later: u64,
}

/// Boletos that are left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeftOutFor {
    /// A stable name.
    pub why: &'static str,
    /// How many.
    pub boletos: u64,
}

/// Messages of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageCounts)]
pub struct Messages {
    /// How many.
    pub total: u64,
    /// To how many contacts.
    pub contacts: u64,
    /// By channel.
    pub by_channel: BTreeMap<Channel, u64>,
    /// By the tenant's days, those without any left out.
    pub by_day: Vec<Day>,
    /// How many messages other campaigns of the tenant send meanwhile.
    pub of_other_campaigns: u64,
}

/// Messages of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageDay)]
pub struct Day {
    /// The day, in the tenant's zone.
    pub on: NaiveDate,
    /// How many.
    pub total: u64,
    /// By channel.
    pub by_channel: BTreeMap<Channel, u64>,
}

/// Whom a cap holds back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OverCap {
    /// The rule's code.
    pub rule: String,
    /// The rule's version.
    pub rule_version: u32,
    /// What it counts together.
    pub scope: CapScope,
    /// How many contacts have a reminder that it holds back to a later day, or for good.
    pub contacts: u64,
    /// The first of them.
    pub first: Vec<String>,
    /// How many reminders it holds back for so long that they never go out.
    pub never_sent: u64,
}

/// Reminders that never go out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Never {
    /// The reason's code.
    pub reason: &'static str,
    /// The reason in Portuguese.
    pub explanation: String,
    /// How many.
    pub reminders: u64,
}

/// What messages cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cost {
    /// In centavos of BRL, of the channels that have a price.
    pub centavos: i64,
    /// The channels on which messages go out and that have no price.
    pub unpriced: Vec<Channel>,
}

/// Credits that a campaign needs: one a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreditNeed {
    /// Those of the campaign.
    pub needed: u64,
    /// Those that are neither spent nor held; nothing when the tenant is not metered.
    pub available: Option<i64>,
    /// The day on which the tenant's campaigns together have used them up.
    pub used_up_on: Option<NaiveDate>,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// A stable name.
    pub code: &'static str,
    /// In Portuguese.
    pub text: &'static str,
}

/// Rehearses a campaign and counts.
pub fn estimate(loaded: Loaded, question: &Question, patience: &Patience) -> Estimate {
    let Loaded {
        world,
        version,
        settings,
        truncated,
        ..
    } = loaded;
    let zone = settings.tenant.zone;
    let today = question.now.local_date(zone);
    let end_on = today + chrono::Days::new(question.days.into());
    let mut counts = Counts::new(&world, zone);
    counts.considered = world.boletos.len() as u64;
    counts.already_in = world.boletos.iter().filter(|one| one.is_in).count() as u64;
    let until = day_start(zone, end_on);
    let ended = rehearse(world, question.now, until, patience, &mut |event| {
        counts.count(&event)
    });
    let truncated = truncated || ended.cut_short;
    let mut estimate = Estimate {
        version,
        until_on: end_on.pred_opt().unwrap_or(end_on),
        boletos: counts.boletos(&question.left_out, ended.left_over),
        over_cap: counts.over_cap(&settings.tenant.rules),
        never: counts.never(zone),
        cost: counts.cost(&question.prices),
        credits: counts.credits(settings.tenant.credits),
        messages: counts.messages(),
        warnings: Vec::new(),
        truncated,
    };
    let standing = Standing {
        runs: settings.tenant.running,
        lacks_a_channel: lacks_a_channel(&settings, counts.campaign),
        feed_is_late: settings.tenant.feed.is_stale(question.now),
    };
    estimate.warnings = estimate.warnings(&standing);
    estimate
}

/// What was met in a rehearsal.
struct Counts {
    campaign: CampaignId,
    zone: chrono_tz::Tz,
    considered: u64,
    already_in: u64,
    taken: u64,
    nothing_left: u64,
    contacts: BTreeSet<ContactId>,
    by_day: BTreeMap<NaiveDate, BTreeMap<Channel, u64>>,
    /// Of all campaigns.
    all_by_day: BTreeMap<NaiveDate, u64>,
    never: BTreeMap<Reason, u64>,
    over_cap: BTreeMap<String, Held>,
}

/// Whom one rule holds back.
#[derive(Default)]
struct Held {
    contacts: BTreeSet<ContactId>,
    never_sent: u64,
}

impl Counts {
    fn new(world: &World, zone: chrono_tz::Tz) -> Self {
        Self {
            campaign: world.campaign,
            zone,
            considered: 0,
            already_in: 0,
            taken: 0,
            nothing_left: 0,
            contacts: BTreeSet::new(),
            by_day: BTreeMap::new(),
            all_by_day: BTreeMap::new(),
            never: BTreeMap::new(),
            over_cap: BTreeMap::new(),
        }
    }

    fn count(&mut self, event: &Event<'_>) {
        match event {
            Event::Enrolled(enrolled) if enrolled.campaign == self.campaign => {
                match enrolled.cursor.touch {
                    Some(_) => self.taken += 1,
                    None => self.nothing_left += 1,
                }
                let passed = enrolled.passed.len() as u64;
                if passed > 0 {
                    *self.never.entry(Reason::PassedAtPlanning).or_default() += passed;
                }
            }
            Event::Sent(at, message) => self.sent(*at, message),
            Event::Ruled(enrollment, ruled) if enrollment.campaign == self.campaign => {
                self.ruled(enrollment, ruled);
            }
            Event::Enrolled(_) | Event::Ruled(..) => {}
        }
    }

    fn sent(&mut self, at: Timestamp, message: &HandOver) {
        let on = at.local_date(self.zone);
        *self.all_by_day.entry(on).or_default() += 1;
        if message.campaign == self.campaign {
            let day = self.by_day.entry(on).or_default();
            *day.entry(message.channel).or_default() += 1;
            self.contacts.insert(message.contact);
        }
    }

    fn ruled(&mut self, enrollment: &Enrollment, ruled: &Ruled) {
        let verdict = &ruled.verdict;
        let is_over = matches!(verdict.ruling, Ruling::Skip | Ruling::Cancel);
        if is_over {
            *self.never.entry(verdict.reason).or_default() += 1;
        }
        // The rule of a touch that expires is the one that pushed it past its end. A few seconds'
        // wait, as between a day's message and the next day's, puts off nobody.
        let puts_off = match (verdict.ruling, verdict.reason) {
            (Ruling::Hold { until }, Reason::CapReached) => {
                until.local_date(self.zone) > ruled.slot_at.local_date(self.zone)
            }
            (_, reason) => is_over && reason == Reason::Expired,
        };
        if let Some(rule) = verdict.rule.as_ref().filter(|_| puts_off) {
            let held = self.over_cap.entry(rule.code.clone()).or_default();
            held.contacts.insert(enrollment.contact);
            held.never_sent += u64::from(is_over);
        }
    }

    fn boletos(&self, left_out: &LeftOut, go_on_later: u64) -> Boletos {
        let reasons = [
            ("paid", left_out.paid),
            ("cancelled", left_out.cancelled),
            ("opted_out", left_out.opted_out),
            ("already_in", self.already_in),
            ("nothing_to_come", self.nothing_left),
            (
                "not_considered",
                left_out.open.saturating_sub(self.considered),
            ),
        ];
        let met = reasons.into_iter().filter(|(_, boletos)| *boletos > 0);
        Boletos {
            considered: self.considered,
            taken: self.taken,
            left_out: met
                .map(|(why, boletos)| LeftOutFor { why, boletos })
                .collect(),
            go_on_later,
        }
    }

    fn messages(&self) -> Messages {
        let total_of = |day: &BTreeMap<Channel, u64>| day.values().sum::<u64>();
        let total = self.by_day.values().map(total_of).sum();
        let by_day = self.by_day.iter().map(|(on, by_channel)| Day {
            on: *on,
            total: total_of(by_channel),
            by_channel: by_channel.clone(),
        });
        Messages {
            total,
            contacts: self.contacts.len() as u64,
            by_channel: self.by_channel(),
            by_day: by_day.collect(),
            of_other_campaigns: self.all_by_day.values().sum::<u64>() - total,
        }
    }

    fn by_channel(&self) -> BTreeMap<Channel, u64> {
        let mut all = BTreeMap::new();
        for (channel, count) in self.by_day.values().flatten() {
            *all.entry(*channel).or_default() += count;
        }
        all
    }

    fn over_cap(&self, rules: &RulePack) -> Vec<OverCap> {
        let caps = rules.rules.iter().filter_map(|rule| {
            let RuleBody::Cap(cap) = &rule.body else {
                return None;
            };
            let held = self.over_cap.get(&rule.code)?;
            let first = held.contacts.iter().take(NAMED_MAX);
            Some(OverCap {
                rule: rule.code.clone(),
                rule_version: rule.version,
                scope: cap.scope,
                contacts: held.contacts.len() as u64,
                first: first.map(ContactId::to_string).collect(),
                never_sent: held.never_sent,
            })
        });
        caps.collect()
    }

    fn never(&self, zone: chrono_tz::Tz) -> Vec<Never> {
        let reasons = self.never.iter().map(|(reason, reminders)| Never {
            reason: reason.code(),
            explanation: Verdict::skip(*reason).explain_pt(zone),
            reminders: *reminders,
        });
        reasons.collect()
    }

    fn cost(&self, prices: &Prices) -> Cost {
        let by_channel = self.by_channel();
        let priced = by_channel.iter().filter_map(|(channel, count)| {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            Some(prices.get(channel)?.saturating_mul(count))
        });
        let centavos = priced.fold(0, i64::saturating_add);
        let unpriced = by_channel.into_keys();
        Cost {
            centavos,
            unpriced: unpriced
                .filter(|channel| !prices.contains_key(channel))
                .collect(),
        }
    }

    fn credits(&self, credits: Option<Credits>) -> CreditNeed {
        let available = credits.map(|credits| credits.balance - credits.held);
        let mut left = available;
        let mut days = self.all_by_day.iter();
        let used_up = days.find(|(_, sent)| {
            let sent = i64::try_from(**sent).unwrap_or(i64::MAX);
            left = left.map(|left| left.saturating_sub(sent));
            left.is_some_and(|left| left < 0)
        });
        CreditNeed {
            needed: self.by_day.values().flat_map(BTreeMap::values).sum(),
            available,
            used_up_on: used_up.map(|(on, _)| *on),
        }
    }
}

/// What stands in a launch's way at the moment.
struct Standing {
    /// The tenant runs, and so does the engine.
    runs: bool,
    /// A channel of the campaign is held.
    lacks_a_channel: bool,
    /// The payment feed has been silent for too long.
    feed_is_late: bool,
}

/// Says whether a step of the campaign may use a channel that is held.
fn lacks_a_channel(settings: &Settings, campaign: CampaignId) -> bool {
    let mut states = settings.campaigns.iter();
    let state = states.find(|state| state.campaign.id == campaign);
    let steps = state.map_or(&[][..], |state| &state.campaign.cadence.steps);
    let mut channels = steps.iter().flat_map(|step| &step.channels);
    channels.any(|channel| settings.tenant.paused_channels.contains(channel))
}

impl Estimate {
    fn warnings(&self, standing: &Standing) -> Vec<Warning> {
        let all = [
            (
                self.truncated,
                "truncated",
                "Nem tudo foi contado: o lançamento pode enviar mais do que esta estimativa mostra.",
            ),
            (
                self.messages.total == 0,
                "nothing_to_send",
                "Nenhuma mensagem sairia no período.",
            ),
            (
                self.credits.used_up_on.is_some(),
                "credits_short",
                "Os créditos acabam antes do fim do período; o que faltar aguarda por mais créditos.",
            ),
            (
                !self.cost.unpriced.is_empty(),
                "unpriced",
                "Há mensagens por canais sem preço informado: o custo não as inclui.",
            ),
            (
                !standing.runs,
                "tenant_paused",
                "Os envios da empresa estão pausados: nada sai enquanto isso.",
            ),
            (
                standing.lacks_a_channel,
                "channel_paused",
                "Um canal da campanha está pausado: por ele nada é contado, e nada sai enquanto isso.",
            ),
            (
                standing.feed_is_late,
                "payment_feed_stale",
                "As notícias de pagamento estão atrasadas: nada sai enquanto isso.",
            ),
        ];
        let met = all.into_iter().filter(|(holds, ..)| *holds);
        met.map(|(_, code, text)| Warning { code, text }).collect()
    }
}
