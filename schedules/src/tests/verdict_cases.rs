//! A case in which every gate is open, to be shut one by one.

use chrono_tz::Tz;

use super::instants::{day, local};
use crate::calendar::Calendar;
use crate::cap::{Cap, CapScope, CapWindow, Tally};
use crate::channel::Channel;
use crate::id::{BoletoId, CampaignId};
use crate::plan::Touch;
use crate::rule::{Moratorium, Rule, RuleBody, RulePack, Suppression};
use crate::stop::StopReason;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};
use crate::verdict::{Case, ContactEvents, Feed, PastSend, Reach, Ruling, Verdict, evaluate};

pub(super) const ZONE: Tz = Tz::America__Sao_Paulo;

/// What a [`Case`] borrows.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) rules: RulePack,
    pub(super) calendar: Calendar,
    pub(super) zones: Vec<Tz>,
    pub(super) touch: Touch,
    pub(super) stop: Option<StopReason>,
    pub(super) feed: Feed,
    pub(super) condition_met: bool,
    pub(super) reach: Vec<Reach>,
    pub(super) sends: Vec<PastSend>,
    pub(super) events: ContactEvents,
    pub(super) campaign_tally: Tally,
    pub(super) tenant_tally: Tally,
    pub(super) credits: Option<i64>,
}

/// Tuesday 2026-03-03, ten in the morning, an hour after the slot.
pub(super) fn ten_o_clock() -> Timestamp {
    local(ZONE, "2026-03-03T10:00")
}

pub(super) fn reach(channel: Channel) -> Reach {
    Reach {
        channel,
        has_point: true,
        has_sender: true,
        suppressed: false,
        template_ttl_ms: Some(10 * MINUTE_MS),
        variables_present: true,
        paused: false,
        pace_free_at: Timestamp::default(),
    }
}

pub(super) fn send(at: Timestamp, channel: Channel) -> PastSend {
    PastSend {
        at,
        channel,
        boleto: BoletoId(1),
        campaign: CampaignId(1),
        merged: false,
    }
}

pub(super) fn rule(code: &str, channels: &[Channel], body: RuleBody) -> Rule {
    Rule {
        code: code.to_owned(),
        version: 3,
        channels: channels.to_vec(),
        body,
    }
}

pub(super) fn cap(scope: CapScope, window: CapWindow, max: u32) -> RuleBody {
    RuleBody::Cap(Cap { scope, window, max })
}

impl Sample {
    /// Returns a case in which nothing stands in the way at [`ten_o_clock`].
    pub(super) fn open() -> Self {
        let slot_at = local(ZONE, "2026-03-03T09:00");
        Self {
            rules: RulePack::brazil(),
            calendar: Calendar::brazil(),
            zones: vec![ZONE],
            touch: Touch {
                step_no: 1,
                occurrence: 0,
                slot_at,
                expires_at: slot_at.plus_ms(5 * DAY_MS),
            },
            stop: None,
            feed: Feed {
                silence_max_ms: Some(2 * HOUR_MS),
                heard_at: slot_at,
            },
            condition_met: true,
            reach: vec![reach(Channel::Whatsapp), reach(Channel::Sms)],
            sends: Vec::new(),
            events: ContactEvents::default(),
            campaign_tally: Tally::default(),
            tenant_tally: Tally::default(),
            credits: Some(10),
        }
    }

    pub(super) fn case(&self) -> Case<'_> {
        Case {
            rules: &self.rules,
            calendar: &self.calendar,
            tenant_zone: ZONE,
            zones: &self.zones,
            touch: self.touch,
            stop: self.stop,
            feed: self.feed,
            condition_met: self.condition_met,
            reach: &self.reach,
            boleto: BoletoId(1),
            campaign: CampaignId(1),
            contact_sends: &self.sends,
            contact_events: self.events,
            campaign_tally: &self.campaign_tally,
            tenant_tally: &self.tenant_tally,
            credits: self.credits,
        }
    }

    pub(super) fn verdict_at(&self, now: Timestamp) -> Verdict {
        evaluate(&self.case(), now)
    }

    pub(super) fn add_rule(&mut self, code: &str, channels: &[Channel], body: RuleBody) {
        self.rules.rules.push(rule(code, channels, body));
    }
}

/// One change to the open case.
pub(super) type Shut = fn(&mut Sample);

pub(super) fn moratorium(until_on: &str) -> RuleBody {
    RuleBody::Moratorium(Moratorium {
        until_on: day(until_on),
        why: "enchente".to_owned(),
    })
}

pub(super) fn suppression() -> RuleBody {
    RuleBody::Suppression(Suppression {
        why: "pedido do cliente".to_owned(),
    })
}

pub(super) fn ten_o_clock_verdict(change: impl FnOnce(&mut Sample)) -> Verdict {
    let mut case = Sample::open();
    change(&mut case);
    case.verdict_at(ten_o_clock())
}

pub(super) fn held_until(verdict: &Verdict) -> Timestamp {
    match verdict.ruling {
        Ruling::Hold { until } => until,
        ruling => panic!("no hold: {ruling:?}"),
    }
}

pub(super) fn rule_code(verdict: &Verdict) -> Option<&str> {
    verdict.rule.as_ref().map(|rule| rule.code.as_str())
}
