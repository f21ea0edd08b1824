//! The seven kinds of rule, as data, and the default pack.
//!
//! A rule says nothing about how it is evaluated; the gates of [`crate::verdict`] do that.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::cap::{Cap, CapScope};
use crate::channel::Channel;
use crate::code::{CodeError, check_code};
use crate::cooldown::{Cooldown, CooldownAfter};
use crate::send_window::{SendWindow, SendWindowError};
use crate::template::TemplateError;
use crate::time::DAY_MS;

mod brazil;

/// The most rules of a pack.
pub const RULES_MAX: usize = 64;

/// The longest rolling window and the longest cooldown, in milliseconds.
pub const REACH_MS_MAX: i64 = 400 * DAY_MS;

/// A tenant's rules, evaluated together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RulePack {
    /// A name people read, for example `brazil`.
    pub name: String,
    /// Grows with every change.
    pub version: u32,
    /// The rules; several of a kind must all hold.
    pub rules: Vec<Rule>,
}

/// One rule with the name and version that a `why` record shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A stable name, for example `cap.contact.day`.
    pub code: String,
    /// Grows with every change of this rule.
    pub version: u32,
    /// The channels it holds for; empty means every channel.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// What it says.
    pub body: RuleBody,
}

/// What a rule says: one of seven kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuleBody {
    /// Messages arrive only inside these stretches of the contact's local day.
    SendWindow(SendWindow),
    /// No more than so many.
    Cap(Cap),
    /// No sooner than so long after an event.
    Cooldown(Cooldown),
    /// Every message of these channels contains this text.
    MandatoryText(MandatoryText),
    /// The channels of this rule are barred for every contact.
    Suppression(Suppression),
    /// Nothing goes out before a date.
    Moratorium(Moratorium),
    /// Whether the send window must hold in every zone the contact may be in.
    ZoneUncertainty(ZoneUncertainty),
}

/// A text that every message must contain; it is looked for in the template, with the variables of
/// both in one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MandatoryText {
    /// The text, literally as in the template's body; it may hold `{{variable}}`s.
    pub text: String,
}

/// A barred channel (the channels stand in [`Rule::channels`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// Why, for people.
    pub why: String,
}

/// Nothing goes out before local midnight of `until_on` in the tenant's zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Moratorium {
    /// The first day on which messages may go out again.
    pub until_on: NaiveDate,
    /// Why, for people.
    pub why: String,
}

/// How the send window treats a contact whose zone is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "policy")]
pub enum ZoneUncertainty {
    /// The window must hold in every zone the contact may be in.
    EveryZone,
    /// The window must hold in the likeliest zone.
    LikeliestZone,
}

/// Why a pack was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The pack has more than [`RULES_MAX`] rules.
    #[error("more than {RULES_MAX} rules")]
    TooManyRules,
    /// The code of a rule, counted from 0, is no plain name.
    #[error("rule {0}: {1}")]
    Code(usize, CodeError),
    /// Two rules share a code.
    #[error("rule code {0} is taken")]
    RepeatedCode(String),
    /// A rule names a channel twice.
    #[error("rule {0} names a channel twice")]
    RepeatedChannel(String),
    /// A send window cannot be used.
    #[error("send window of rule {0}: {1}")]
    SendWindow(String, SendWindowError),
    /// A rolling window or a cooldown is not between 1 ms and [`REACH_MS_MAX`].
    #[error("duration of rule {0} is out of range")]
    DurationOutOfRange(String),
    /// A mandatory text is no text of a template.
    #[error("mandatory text of rule {0}: {1}")]
    MandatoryText(String, TemplateError),
    /// A suppression names no channel; to bar all of them, pause the tenant.
    #[error("suppression {0} names no channel")]
    SuppressionOfEverything(String),
    /// The rule about uncertain zones is for single channels, but holds for the whole pack.
    #[error("rule {0} cannot be for single channels")]
    ChannelsNotAllowed(String),
    /// Two rules say different things about uncertain zones.
    #[error("rule {0} is a second rule about uncertain zones")]
    SecondZoneUncertainty(String),
}

impl Rule {
    /// Says whether the rule holds for messages on `channel`.
    pub fn applies_to(&self, channel: Channel) -> bool {
        self.channels.is_empty() || self.channels.contains(&channel)
    }

    fn validate(&self) -> Result<(), RuleError> {
        let code = || self.code.clone();
        let repeated = |index: usize| self.channels[..index].contains(&self.channels[index]);
        if (0..self.channels.len()).any(repeated) {
            return Err(RuleError::RepeatedChannel(code()));
        }
        match &self.body {
            RuleBody::SendWindow(window) => window
                .validate()
                .map_err(|error| RuleError::SendWindow(code(), error)),
            RuleBody::Cap(cap) => self.validate_duration(cap.window.reach_ms()),
            RuleBody::Cooldown(cooldown) => self.validate_duration(cooldown.lasts_ms),
            RuleBody::MandatoryText(text) => text
                .validate(&self.channels)
                .map_err(|error| RuleError::MandatoryText(code(), error)),
            RuleBody::Suppression(_) if self.channels.is_empty() => {
                Err(RuleError::SuppressionOfEverything(code()))
            }
            RuleBody::ZoneUncertainty(_) if !self.channels.is_empty() => {
                Err(RuleError::ChannelsNotAllowed(code()))
            }
            _ => Ok(()),
        }
    }

    fn validate_duration(&self, ms: i64) -> Result<(), RuleError> {
        match (1..=REACH_MS_MAX).contains(&ms) {
            true => Ok(()),
            false => Err(RuleError::DurationOutOfRange(self.code.clone())),
        }
    }
}

impl RulePack {
    /// Checks every rule, and that no two of them get in each other's way.
    ///
    /// # Errors
    /// Every [`RuleError`] that is found.
    pub fn validate(&self) -> Result<(), Vec<RuleError>> {
        if self.rules.len() > RULES_MAX {
            return Err(vec![RuleError::TooManyRules]);
        }
        // An error names its rule, so a rule needs a name that can be told.
        let named = self.rules.iter();
        let named = named.filter(|rule| check_code(&rule.code).is_ok());
        let errors = named.clone().filter_map(|rule| rule.validate().err());
        let mut errors: Vec<RuleError> = errors.collect();
        errors.extend(self.code_errors());
        let zone_rules = named.filter(|rule| matches!(rule.body, RuleBody::ZoneUncertainty(_)));
        let second = zone_rules.skip(1).map(|rule| rule.code.clone());
        errors.extend(second.map(RuleError::SecondZoneUncertainty));
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn code_errors(&self) -> impl Iterator<Item = RuleError> {
        self.rules.iter().enumerate().filter_map(|(index, rule)| {
            if let Err(error) = check_code(&rule.code) {
                return Some(RuleError::Code(index, error));
            }
            let taken = self.rules[..index]
                .iter()
                .any(|earlier| earlier.code == rule.code);
            taken.then(|| RuleError::RepeatedCode(rule.code.clone()))
        })
    }

    /// Returns how far back the sends to a contact matter, in milliseconds.
    pub fn lookback_ms(&self) -> i64 {
        let reach_ms = |rule: &Rule| match &rule.body {
            RuleBody::Cap(cap) if !cap.scope.is_tallied() => cap.window.reach_ms(),
            RuleBody::Cooldown(cooldown) if cooldown.after == CooldownAfter::Send => {
                cooldown.lasts_ms
            }
            _ => 0,
        };
        self.rules.iter().map(reach_ms).max().unwrap_or_default()
    }

    /// Returns how far back the tallies of campaigns and the tenant matter, in milliseconds.
    pub fn tally_lookback_ms(&self) -> i64 {
        let reach_ms = |rule: &Rule| match &rule.body {
            RuleBody::Cap(cap) if cap.scope.is_tallied() => cap.window.reach_ms(),
            _ => 0,
        };
        self.rules.iter().map(reach_ms).max().unwrap_or_default()
    }

    /// Returns what holds for contacts whose zone is not certain; every zone, unless a rule says
    /// otherwise.
    pub fn zone_uncertainty(&self) -> ZoneUncertainty {
        let mut policies = self.rules.iter().filter_map(|rule| match rule.body {
            RuleBody::ZoneUncertainty(policy) => Some(policy),
            _ => None,
        });
        policies.next().unwrap_or(ZoneUncertainty::EveryZone)
    }

    /// Returns the rule that bars `channel` for every contact, if there is one.
    pub fn suppression_of(&self, channel: Channel) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| matches!(rule.body, RuleBody::Suppression(_)) && rule.applies_to(channel))
    }

    /// Returns the texts that every message on `channel` must contain.
    pub fn mandatory_texts(&self, channel: Channel) -> impl Iterator<Item = &MandatoryText> {
        self.rules.iter().filter_map(move |rule| match &rule.body {
            RuleBody::MandatoryText(text) if rule.applies_to(channel) => Some(text),
            _ => None,
        })
    }
}

impl CapScope {
    /// Says whether the scope is counted in a [`crate::cap::Tally`].
    pub const fn is_tallied(self) -> bool {
        matches!(self, CapScope::Campaign | CapScope::Tenant)
    }
}
