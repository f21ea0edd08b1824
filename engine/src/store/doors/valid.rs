//! What a tenant may set: checked at the door, so that an owner never reads what it cannot follow.

use schedules::cadence::CadenceError;
use schedules::rule::RuleError;
use schedules::template::TemplateError;

use super::campaign::NewCampaign;
use super::tenant::{NewTenant, Setting};

/// Why a setting was refused; nothing of it was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// The steps of a campaign, or their limits.
    #[error("cadence: {}", joined(.0))]
    Cadence(Vec<CadenceError>),
    /// A pack of rules.
    #[error("rules: {}", joined(.0))]
    Rules(Vec<RuleError>),
    /// A template.
    #[error("template: {0}")]
    Template(#[from] TemplateError),
    /// A name that nobody could read.
    #[error("the name is empty")]
    NoName,
}

fn joined<E: std::fmt::Display>(errors: &[E]) -> String {
    let errors: Vec<String> = errors.iter().map(E::to_string).collect();
    errors.join("; ")
}

fn name(name: &str) -> Result<(), InvalidSetting> {
    match name.trim() {
        "" => Err(InvalidSetting::NoName),
        _ => Ok(()),
    }
}

impl NewTenant {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        name(&self.name)?;
        self.rules.validate().map_err(InvalidSetting::Rules)
    }
}

impl Setting {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Setting::Rules(rules) => rules.validate().map_err(InvalidSetting::Rules),
            Setting::Template(template) => Ok(template.validate()?),
            // The others are valid as their types are, or read as the nearest that is.
            Setting::Calendar(_)
            | Setting::Charges(_)
            | Setting::Retry(_)
            | Setting::Sender(_)
            | Setting::CreditsBought(_)
            | Setting::FeedSilence(_) => Ok(()),
        }
    }
}

impl NewCampaign {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        name(&self.name)?;
        self.cadence.validate().map_err(InvalidSetting::Cadence)
    }
}
