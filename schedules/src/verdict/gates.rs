//! The gates that open with time, for one case on one channel.
//!
//! Each says from when on it is open. Together they are asked again at every such instant until
//! none objects: that is the first instant which all of them allow.

use chrono_tz::Tz;

use super::{Case, PastSend, Reach, Reason};
use crate::cap::{Cap, CapScope};
use crate::cooldown::{Cooldown, CooldownAfter};
use crate::rule::{Rule, RuleBody, ZoneUncertainty};
use crate::send_window::SendWindow;
use crate::time::{Timestamp, day_start};

/// How often the gates are asked for one instant. Beyond it the instant found so far is taken: it
/// is no later than the right one, and the case is looked at again then.
const ROUNDS_MAX: usize = 256;

/// A gate that is shut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) reason: Reason,
    pub(super) rule: Option<&'a Rule>,
    /// When it opens; `None` is never.
    pub(super) until: Option<Timestamp>,
}

/// The gates of a case on a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gates<'a> {
    case: &'a Case<'a>,
    reach: &'a Reach,
    zones: &'a [Tz],
    ttl_ms: i64,
}

impl<'a> Gates<'a> {
    pub(super) fn new(case: &'a Case<'a>, reach: &'a Reach) -> Self {
        let zones = match case.rules.zone_uncertainty() {
            ZoneUncertainty::EveryZone => case.zones,
            ZoneUncertainty::LikeliestZone => &case.zones[..case.zones.len().min(1)],
        };
        Self {
            case,
            reach,
            zones,
            ttl_ms: reach.template_ttl_ms.unwrap_or_default(),
        }
    }

    /// Returns the first instant at which no gate is shut, on the assumption that nothing happens
    /// until then, or the gate that pushes it past the touch's expiry.
    pub(super) fn settle(&self, held: Held<'a>) -> Result<Timestamp, Held<'a>> {
        let mut last = held;
        for _ in 0..ROUNDS_MAX {
            let until = last
                .until
                .filter(|until| *until < self.case.touch.expires_at)
                .ok_or(last)?;
            match self.first_shut(until) {
                Some(next) => last = next,
                None => return Ok(until),
            }
        }
        last.until
            .filter(|until| *until < self.case.touch.expires_at)
            .ok_or(last)
    }

    fn first_shut(&self, at: Timestamp) -> Option<Held<'a>> {
        self.moratorium(at)
            .or_else(|| self.rules(at))
            .or_else(|| self.pace(at))
    }

    pub(super) fn moratorium(&self, at: Timestamp) -> Option<Held<'a>> {
        self.first_rule(Reason::Moratorium, at, |rule| match &rule.body {
            RuleBody::Moratorium(moratorium) => {
                let over_at = day_start(self.case.tenant_zone, moratorium.until_on);
                Some(Some(over_at.max(at)))
            }
            _ => None,
        })
    }

    /// Asks the slot, the send windows, the cooldowns and the caps, in this order.
    pub(super) fn rules(&self, at: Timestamp) -> Option<Held<'a>> {
        self.slot(at)
            .or_else(|| self.send_window(at))
            .or_else(|| self.cooldown(at))
            .or_else(|| self.cap(at))
    }

    pub(super) fn pace(&self, at: Timestamp) -> Option<Held<'a>> {
        shut_until(Reason::SenderPace, at, self.reach.pace_free_at)
    }

    /// Returns the first instant from which on the hand-over would be too late.
    pub(super) fn not_after_at(&self, now: Timestamp) -> Timestamp {
        let windows = self.rules_here().filter_map(|rule| match &rule.body {
            RuleBody::SendWindow(window) => Some(window),
            _ => None,
        });
        let ends = windows.filter_map(|window| {
            let shut_at = window.open_until(self.case.calendar, self.zones, now);
            shut_at.map(|shut_at| shut_at.plus_ms(-self.ttl_ms))
        });
        ends.fold(self.case.touch.expires_at, Timestamp::min)
    }

    fn slot(&self, at: Timestamp) -> Option<Held<'a>> {
        shut_until(Reason::NotYetDue, at, self.case.touch.slot_at)
    }

    fn send_window(&self, at: Timestamp) -> Option<Held<'a>> {
        self.first_rule(Reason::OutsideSendWindow, at, |rule| match &rule.body {
            RuleBody::SendWindow(window) => Some(self.window_opens_at(window, at)),
            _ => None,
        })
    }

    fn window_opens_at(&self, window: &SendWindow, at: Timestamp) -> Option<Timestamp> {
        window.next_open(self.case.calendar, self.zones, at, self.ttl_ms)
    }

    fn cooldown(&self, at: Timestamp) -> Option<Held<'a>> {
        self.first_rule(Reason::Cooldown, at, |rule| match &rule.body {
            RuleBody::Cooldown(cooldown) => {
                Some(Some(cooldown.free_at(self.last_event(rule, cooldown), at)))
            }
            _ => None,
        })
    }

    /// A cooldown after sends for single channels counts the sends on these channels alone.
    fn last_event(&self, rule: &Rule, cooldown: &Cooldown) -> Option<Timestamp> {
        let counts = |send: &&PastSend| !send.merged && rule.applies_to(send.channel);
        match cooldown.after {
            CooldownAfter::Send => self
                .case
                .contact_sends
                .iter()
                .rev()
                .find(counts)
                .map(|send| send.at),
            CooldownAfter::Reply => self.case.contact_events.replied_at,
            CooldownAfter::PromiseToPay => self.case.contact_events.promised_at,
        }
    }

    fn cap(&self, at: Timestamp) -> Option<Held<'a>> {
        self.first_rule(Reason::CapReached, at, |rule| match &rule.body {
            RuleBody::Cap(cap) => Some(self.cap_free_at(cap, at)),
            _ => None,
        })
    }

    fn cap_free_at(&self, cap: &Cap, at: Timestamp) -> Option<Timestamp> {
        let (case, zone) = (self.case, self.case.tenant_zone);
        let sends = case.contact_sends.iter();
        let messages = sends.clone().filter(|send| !send.merged);
        let instant = |send: &PastSend| send.at;
        match cap.scope {
            CapScope::Contact => cap.free_at(messages.map(instant), zone, at),
            CapScope::Boleto => {
                let about_it = sends.filter(|send| send.boleto == case.boleto);
                cap.free_at(about_it.map(instant), zone, at)
            }
            CapScope::Channel => {
                let on_it = messages.filter(|send| send.channel == self.reach.channel);
                cap.free_at(on_it.map(instant), zone, at)
            }
            CapScope::Campaign => case.campaign_tally.free_at(cap, zone, at),
            CapScope::Tenant => case.tenant_tally.free_at(cap, zone, at),
        }
    }

    /// Finds the first rule of a kind that is shut at `at`. `opens_at` gives nothing for the other
    /// kinds, and for its own the instant from `at` on at which the rule is open, if there is one.
    fn first_rule(
        &self,
        reason: Reason,
        at: Timestamp,
        opens_at: impl Fn(&Rule) -> Option<Option<Timestamp>>,
    ) -> Option<Held<'a>> {
        self.rules_here().find_map(|rule| {
            let until = opens_at(rule)?;
            (until != Some(at)).then_some(Held {
                reason,
                rule: Some(rule),
                until,
            })
        })
    }

    fn rules_here(&self) -> impl Iterator<Item = &'a Rule> {
        let channel = self.reach.channel;
        self.case
            .rules
            .rules
            .iter()
            .filter(move |rule| rule.applies_to(channel))
    }
}

fn shut_until<'a>(reason: Reason, at: Timestamp, until: Timestamp) -> Option<Held<'a>> {
    (until > at).then_some(Held {
        reason,
        rule: None,
        until: Some(until),
    })
}
