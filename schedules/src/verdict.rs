//! The gates, in order: one function that says send, hold, skip or cancel, and why.
//!
//! The same function decides, explains ("why was this not sent?") and simulates ("what would be
//! sent next month?").

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::channel::Channel;
use crate::id::{BoletoId, CampaignId};
use crate::plan::Touch;
use crate::rule::{Rule, RulePack};
use crate::stop::StopReason;
use crate::time::{MINUTE_MS, Timestamp};

mod gates;
mod reason;

use gates::{Gates, Held};
pub use reason::{Reason, UnknownReason};

/// How long a hold lasts whose end nobody knows (a silent feed, spent credits), in milliseconds.
///
/// The event that ends it is expected to wake the enrollment earlier.
pub const RECHECK_MS: i64 = 15 * MINUTE_MS;

/// What the gates decided, and what decided it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What follows.
    pub ruling: Ruling,
    /// Why.
    pub reason: Reason,
    /// The rule that decided, where one did.
    pub rule: Option<RuleRef>,
}

/// What follows from a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ruling")]
pub enum Ruling {
    /// The reminder goes out now, on this channel, and is handed over before `not_after_at`.
    Send {
        /// The channel that is open.
        channel: Channel,
        /// From this instant on the window (minus the template's time to live) is shut or the
        /// touch is expired.
        not_after_at: Timestamp,
    },
    /// The reminder waits; it is looked at again at `until`, the next allowed instant.
    Hold {
        /// The next allowed instant.
        until: Timestamp,
    },
    /// The reminder is not sent, the enrollment goes on with the next step.
    Skip,
    /// The reminder is not sent and the enrollment ends (or is parked by a pause).
    Cancel,
}

/// The rule that decided, by name and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RuleRef {
    /// [`crate::rule::Rule::code`].
    pub code: String,
    /// [`crate::rule::Rule::version`].
    pub version: u32,
}

/// One message that counts against caps and cooldowns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastSend {
    /// The latest instant at which its hand-over may have begun: the claim's deadline, until the
    /// real one is known. With the claim's own instant two hand-overs could come closer together
    /// than a cap or cooldown allows.
    pub at: Timestamp,
    /// On which channel.
    pub channel: Channel,
    /// About which boleto.
    pub boleto: BoletoId,
    /// In which campaign.
    pub campaign: CampaignId,
    /// It went out in the message of another boleto: it counts for its boleto alone, and the
    /// message counts once.
    pub merged: bool,
}

/// Whether and how a channel can be used for a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The channel.
    pub channel: Channel,
    /// The contact has a point that the channel can reach; a landline takes no SMS.
    pub has_point: bool,
    /// The tenant has a sender on it.
    pub has_sender: bool,
    /// The contact's point or channel is suppressed.
    pub suppressed: bool,
    /// The template's time to live on this channel in milliseconds: the message may arrive that
    /// long after the hand-over. `None` when the channel has no usable template, or one that the
    /// values at hand do not fit.
    pub template_ttl_ms: Option<i64>,
    /// Every variable that the template declares has a value.
    pub variables_present: bool,
    /// The tenant's kill switch holds the channel.
    pub paused: bool,
    /// The first instant at which the sender's pace allows one more message.
    pub pace_free_at: Timestamp,
}

/// What is known of the tenant's payment feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The longest silence that is not alarming, in milliseconds; `None` when no feed is expected.
    pub silence_max_ms: Option<i64>,
    /// When the feed last spoke.
    pub heard_at: Timestamp,
}

/// What happened to a contact, besides sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactEvents {
    /// The last reply.
    pub replied_at: Option<Timestamp>,
    /// The last promise to pay.
    pub promised_at: Option<Timestamp>,
}

/// Everything the gates look at for one due touch.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The tenant's rules.
    pub rules: &'a RulePack,
    /// The tenant's calendar.
    pub calendar: &'a Calendar,
    /// The tenant's zone, in which its days are counted.
    pub tenant_zone: Tz,
    /// The zones the contact may be in, the likeliest first; never empty.
    pub zones: &'a [Tz],
    /// The touch at hand.
    pub touch: Touch,
    /// A stop condition that holds, from any subject.
    pub stop: Option<StopReason>,
    /// The payment feed.
    pub feed: Feed,
    /// The step's and campaign's conditions hold for the boleto.
    pub condition_met: bool,
    /// The step's channels in order, with what stands in their way.
    pub reach: &'a [Reach],
    /// The boleto.
    pub boleto: BoletoId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The contact's sends, oldest first, as far back as the longest cap or cooldown reaches.
    pub contact_sends: &'a [PastSend],
    /// The contact's other events.
    pub contact_events: ContactEvents,
    /// The campaign's sends.
    pub campaign_tally: &'a crate::cap::Tally,
    /// The tenant's sends.
    pub tenant_tally: &'a crate::cap::Tally,
    /// Credits that are neither spent nor held; `None` when the tenant is not metered.
    pub credits: Option<i64>,
}

impl<'a> Case<'a> {
    /// Returns the channel that the gates look at: the first that nothing bars for good.
    pub fn chosen(&self) -> Option<&'a Reach> {
        choose_channel(self).ok()
    }
}

/// Puts a due touch through the gates: stop, payment feed, suppression (and what else bars every
/// channel), moratorium, expiry, condition, kill switch of the channel, send window, cooldown,
/// caps, credits, sender pace.
///
/// The reason is the first gate that is shut at `now`. The end of a hold is the first instant that
/// moratorium, window, cooldown, caps and pace allow together, as far as is known now; when the
/// touch is expired by then, it is skipped at once, and the verdict names the rule that pushed the
/// instant past the end.
pub fn evaluate(case: &Case, now: Timestamp) -> Verdict {
    if let Some(stop) = case.stop {
        return Verdict::cancel(Reason::Stopped(stop));
    }
    let chosen = choose_channel(case);
    if case.feed.is_stale(now) && now < case.touch.expires_at {
        let gates = chosen.ok().map(|reach| Gates::new(case, reach));
        return hold_for_unknown(case, gates.as_ref(), Reason::PaymentFeedStale, now);
    }
    let reach = match chosen {
        Ok(reach) => reach,
        Err(obstacle) => return obstacle.skip(),
    };
    let gates = Gates::new(case, reach);
    if let Some(held) = gates.moratorium(now) {
        return hold(case, &gates, held);
    }
    if now >= case.touch.expires_at {
        return Verdict::skip(Reason::Expired);
    }
    if !case.condition_met {
        return Verdict::skip(Reason::ConditionUnmet);
    }
    if reach.paused {
        return hold_for_unknown(case, Some(&gates), Reason::ChannelPaused, now);
    }
    if let Some(held) = gates.rules(now) {
        return hold(case, &gates, held);
    }
    if case.credits.is_some_and(|credits| credits <= 0) {
        return hold_for_unknown(case, Some(&gates), Reason::CreditsExhausted, now);
    }
    if let Some(held) = gates.pace(now) {
        return hold(case, &gates, held);
    }
    let ruling = Ruling::Send {
        channel: reach.channel,
        not_after_at: gates.not_after_at(now),
    };
    Verdict::without_rule(ruling, Reason::Due)
}

impl Verdict {
    /// Passes a touch over for a reason that no rule gives.
    pub const fn skip(reason: Reason) -> Self {
        Self::without_rule(Ruling::Skip, reason)
    }

    /// Cancels a touch for a reason that no rule gives.
    pub const fn cancel(reason: Reason) -> Self {
        Self::without_rule(Ruling::Cancel, reason)
    }

    const fn without_rule(ruling: Ruling, reason: Reason) -> Self {
        Self {
            ruling,
            reason,
            rule: None,
        }
    }

    fn by(ruling: Ruling, reason: Reason, rule: Option<&Rule>) -> Self {
        Self {
            ruling,
            reason,
            rule: rule.map(RuleRef::from),
        }
    }
}

impl From<&Rule> for RuleRef {
    fn from(rule: &Rule) -> Self {
        Self {
            code: rule.code.clone(),
            version: rule.version,
        }
    }
}

impl Feed {
    /// Says whether the feed is expected to speak and has been silent for too long.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.silence_max_ms
            .is_some_and(|max_ms| now.since(self.heard_at) > max_ms)
    }
}

/// What bars a channel, the nearest to sending last.
#[derive(Clone, Copy, Debug)]
struct Obstacle<'a> {
    reason: Reason,
    rule: Option<&'a Rule>,
}

impl Obstacle<'_> {
    fn skip(self) -> Verdict {
        Verdict::by(Ruling::Skip, self.reason, self.rule)
    }

    /// Ranks how far a channel came, so that the verdict names what was missing last.
    const fn rank(&self) -> u8 {
        match self.reason {
            Reason::NoSender => 1,
            Reason::Suppressed => 2,
            Reason::TemplateUnusable => 3,
            Reason::TemplateVariableMissing => 4,
            _ => 0,
        }
    }
}

/// Picks the first channel that nothing bars for good; a channel that is only held is not passed
/// over, or a busy sender would push reminders to channels that the tenant wanted second.
fn choose_channel<'a>(case: &Case<'a>) -> Result<&'a Reach, Obstacle<'a>> {
    let mut nearest = Obstacle {
        reason: Reason::NoContactPoint,
        rule: None,
    };
    for reach in case.reach {
        match obstacle(case, reach) {
            None => return Ok(reach),
            Some(obstacle) if obstacle.rank() > nearest.rank() => nearest = obstacle,
            Some(_) => {}
        }
    }
    Err(nearest)
}

fn obstacle<'a>(case: &Case<'a>, reach: &Reach) -> Option<Obstacle<'a>> {
    let because = |reason| Some(Obstacle { reason, rule: None });
    if !reach.has_point {
        return because(Reason::NoContactPoint);
    }
    if !reach.has_sender {
        return because(Reason::NoSender);
    }
    if reach.suppressed {
        return because(Reason::Suppressed);
    }
    if let Some(rule) = case.rules.suppression_of(reach.channel) {
        return Some(Obstacle {
            reason: Reason::Suppressed,
            rule: Some(rule),
        });
    }
    if reach.template_ttl_ms.is_none() {
        return because(Reason::TemplateUnusable);
    }
    if !reach.variables_present {
        return because(Reason::TemplateVariableMissing);
    }
    None
}

/// Holds until the gates are open together, or skips when the touch is expired by then.
fn hold(case: &Case, gates: &Gates, held: Held) -> Verdict {
    match gates.settle(held) {
        Ok(until) => Verdict::by(Ruling::Hold { until }, held.reason, held.rule),
        Err(last) => {
            debug_assert!(
                last.until
                    .is_none_or(|until| until >= case.touch.expires_at)
            );
            Verdict::by(Ruling::Skip, Reason::Expired, last.rule)
        }
    }
}

/// Holds for something whose end is unknown: looked at again by and by, at the latest at expiry.
fn hold_for_unknown(case: &Case, gates: Option<&Gates>, reason: Reason, now: Timestamp) -> Verdict {
    let recheck = Held {
        reason,
        rule: None,
        until: Some(now.plus_ms(RECHECK_MS)),
    };
    let settled = match gates {
        Some(gates) => gates.settle(recheck).ok(),
        None => recheck.until,
    };
    let until = settled.unwrap_or(Timestamp::MAX).min(case.touch.expires_at);
    Verdict::without_rule(Ruling::Hold { until }, reason)
}
