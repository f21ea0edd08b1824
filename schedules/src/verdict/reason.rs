//! Why a verdict was given, and the codes under which that is stored.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::stop::StopReason;

/// Why a verdict was given; each is one gate, or the way through all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Reason {
    /// Every gate was open.
    Due,
    /// A stop condition holds.
    Stopped(StopReason),
    /// The payment feed has been silent for too long (fail closed).
    PaymentFeedStale,
    /// The contact has no point on any of the step's channels.
    NoContactPoint,
    /// The tenant has no sender on a channel on which the contact has a point.
    NoSender,
    /// Every channel of the step is suppressed for this contact.
    Suppressed,
    /// The channel is halted for the whole tenant, by its kill switch.
    ChannelPaused,
    /// A moratorium runs.
    Moratorium,
    /// The touch is too late.
    Expired,
    /// The step's or the campaign's condition does not hold for this boleto.
    ConditionUnmet,
    /// The slot of the touch is still to come.
    NotYetDue,
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
    /// No template of the step's code exists for a usable channel, or it lacks a mandatory text,
    /// or the boleto's values make it too long or unsafe.
    TemplateUnusable,
    /// The step's day had passed when the enrollment was planned.
    PassedAtPlanning,
    /// The campaign no longer has the step.
    StepRemoved,
    /// The provider refused the message, and no channel is left.
    ProviderRejected,
    /// The provider could not be reached in time, and no channel is left.
    RetriesExhausted,
}

/// The text is no code of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the code of a reason")]
pub struct UnknownReason;

impl Reason {
    /// Says whether a hold for this reason ends by an event rather than at an instant; the instant
    /// of such a hold is when to look again at the latest.
    pub fn ends_by_an_event(self) -> bool {
        matches!(
            self,
            Self::PaymentFeedStale | Self::ChannelPaused | Self::CreditsExhausted
        )
    }

    /// Every reason.
    pub const ALL: [Reason; 28] = [
        Reason::Due,
        Reason::Stopped(StopReason::Paid),
        Reason::Stopped(StopReason::Cancelled),
        Reason::Stopped(StopReason::OptedOut),
        Reason::Stopped(StopReason::CampaignPaused),
        Reason::Stopped(StopReason::CampaignArchived),
        Reason::Stopped(StopReason::TenantPaused),
        Reason::Stopped(StopReason::SetAside),
        Reason::PaymentFeedStale,
        Reason::NoContactPoint,
        Reason::NoSender,
        Reason::Suppressed,
        Reason::ChannelPaused,
        Reason::Moratorium,
        Reason::Expired,
        Reason::ConditionUnmet,
        Reason::NotYetDue,
        Reason::OutsideSendWindow,
        Reason::Cooldown,
        Reason::CapReached,
        Reason::CreditsExhausted,
        Reason::SenderPace,
        Reason::TemplateVariableMissing,
        Reason::TemplateUnusable,
        Reason::PassedAtPlanning,
        Reason::StepRemoved,
        Reason::ProviderRejected,
        Reason::RetriesExhausted,
    ];

    /// Returns the code used in the database, the API and `why` records.
    pub const fn code(&self) -> &'static str {
        match self {
            Reason::Due => "due",
            Reason::Stopped(StopReason::Paid) => "stopped.paid",
            Reason::Stopped(StopReason::Cancelled) => "stopped.cancelled",
            Reason::Stopped(StopReason::OptedOut) => "stopped.opted_out",
            Reason::Stopped(StopReason::CampaignPaused) => "stopped.campaign_paused",
            Reason::Stopped(StopReason::CampaignArchived) => "stopped.campaign_archived",
            Reason::Stopped(StopReason::TenantPaused) => "stopped.tenant_paused",
            Reason::Stopped(StopReason::SetAside) => "stopped.set_aside",
            Reason::PaymentFeedStale => "payment_feed_stale",
            Reason::NoContactPoint => "no_contact_point",
            Reason::NoSender => "no_sender",
            Reason::Suppressed => "suppressed",
            Reason::ChannelPaused => "channel_paused",
            Reason::Moratorium => "moratorium",
            Reason::Expired => "expired",
            Reason::ConditionUnmet => "condition_unmet",
            Reason::NotYetDue => "not_yet_due",
            Reason::OutsideSendWindow => "outside_send_window",
            Reason::Cooldown => "cooldown",
            Reason::CapReached => "cap_reached",
            Reason::CreditsExhausted => "credits_exhausted",
            Reason::SenderPace => "sender_pace",
            Reason::TemplateVariableMissing => "template_variable_missing",
            Reason::TemplateUnusable => "template_unusable",
            Reason::PassedAtPlanning => "passed_at_planning",
            Reason::StepRemoved => "step_removed",
            Reason::ProviderRejected => "provider_rejected",
            Reason::RetriesExhausted => "retries_exhausted",
        }
    }

    /// Reads a code.
    ///
    /// # Errors
    /// [`UnknownReason`] when no reason has that code.
    pub fn from_code(code: &str) -> Result<Self, UnknownReason> {
        let mut all = Reason::ALL.into_iter();
        all.find(|reason| reason.code() == code)
            .ok_or(UnknownReason)
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, UnknownReason> {
        Self::from_code(code)
    }
}

impl TryFrom<String> for Reason {
    type Error = UnknownReason;

    fn try_from(code: String) -> Result<Self, UnknownReason> {
        Self::from_code(&code)
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.code()
    }
}
