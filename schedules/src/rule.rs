//! The seven kinds of rule, as data, and the default pack.
//!
//! A rule says nothing about how it is evaluated; the gates of [`crate::verdict`] do that.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::cap::Cap;
use crate::channel::Channel;
use crate::cooldown::Cooldown;
use crate::send_window::SendWindow;

/// A tenant's rules, evaluated together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A text that every message must contain, compared after template rendering rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MandatoryText {
    /// The text, literally as in the template's body; it may hold `{{variable}}`s.
    pub text: String,
}

/// A barred channel (the channels stand in [`Rule::channels`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// Why, for people.
    pub why: String,
}

/// Nothing goes out before local midnight of `until_on` in the tenant's zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moratorium {
    /// The first day on which messages may go out again.
    pub until_on: NaiveDate,
    /// Why, for people.
    pub why: String,
}

/// How the send window treats a contact whose zone is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "policy")]
pub enum ZoneUncertainty {
    /// The window must hold in every zone the contact may be in.
    EveryZone,
    /// The window must hold in the likeliest zone.
    LikeliestZone,
}
