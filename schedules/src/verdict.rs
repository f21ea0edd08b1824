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
use crate::rule::RulePack;
use crate::stop::StopReason;
use crate::time::Timestamp;

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
    /// The reminder goes out now, on this channel, and must have been handed over by `not_after_at`.
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
pub struct RuleRef {
    /// [`crate::rule::Rule::code`].
    pub code: String,
    /// [`crate::rule::Rule::version`].
    pub version: u32,
}

/// Why a verdict was given; each is one gate, or the way through all of them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Every gate was open.
    Due,
    /// A stop condition holds.
    Stopped(StopReason),
    /// The payment feed has been silent for too long (fail closed).
    PaymentFeedStale,
    /// The contact has no point on any of the step's channels.
    NoContactPoint,
    /// Every channel of the step is suppressed for this contact.
    Suppressed,
    /// A moratorium runs.
    Moratorium,
    /// The touch is too late.
    Expired,
    /// The step's or the campaign's condition does not hold for this boleto.
    ConditionUnmet,
    /// The contact's local day does not allow it now.
    OutsideSendWindow,
    /// A cooldown runs.
    Cooldown,
    /// A cap is reached.
    CapReached,
    /// No credit is left.
    CreditsExhausted,
    /// The sender's pace allows no more for the moment.
    SenderPace,
    /// The template declares a variable for which there is no value.
    TemplateVariableMissing,
    /// No template of the step's code exists for a usable channel, or lacks a mandatory text.
    TemplateUnusable,
}

/// One message that counts against caps and cooldowns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastSend {
    /// When its attempt was claimed.
    pub at: Timestamp,
    /// On which channel.
    pub channel: Channel,
    /// About which boleto.
    pub boleto: BoletoId,
    /// In which campaign.
    pub campaign: CampaignId,
}

/// Whether and how a channel can be used for a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The channel.
    pub channel: Channel,
    /// The contact has a point on it.
    pub has_point: bool,
    /// The contact's point or channel is suppressed.
    pub suppressed: bool,
    /// The template's time to live on this channel in milliseconds: the message may arrive that
    /// long after the hand-over. `None` when the channel has no usable template.
    pub template_ttl_ms: Option<i64>,
    /// Every variable that the template declares has a value.
    pub variables_present: bool,
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
