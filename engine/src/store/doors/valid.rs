//! What a tenant may set: checked at the door, so that an owner never reads what it cannot follow.

use schedules::cadence::CadenceError;
use schedules::pace::Pace;
use schedules::rule::RuleError;
use schedules::template::TemplateError;

use super::campaign::NewCampaign;
use super::tenant::{NewTenant, Profile, Setting};
use crate::access::InvalidToken;

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
    /// A postal address that is no line of text.
    #[error("the address is not one line of at most {ADDRESS_CHARS_MAX} characters")]
    Address,
    /// Fewer credits than none, or more than anybody buys.
    #[error("the number of credits is not between 0 and {CREDITS_MAX}")]
    Credits,
    /// A payment feed that would have to speak before it is heard.
    #[error("the longest silence of the payment feed is negative")]
    NegativeSilence,
    /// A sender that could never send.
    #[error("the pace of a sender is zero")]
    NoPace,
    /// A service token.
    #[error("token: {0}")]
    Token(#[from] InvalidToken),
}

/// The longest postal address, in characters.
const ADDRESS_CHARS_MAX: usize = 200;

/// The most credits of one purchase: so many of them never leave the range of a balance.
const CREDITS_MAX: i64 = 1_000_000_000_000;

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

/// One line that people can read.
fn address(address: Option<&str>) -> Result<(), InvalidSetting> {
    let readable = |text: &str| {
        let chars = text.chars().count();
        (1..=ADDRESS_CHARS_MAX).contains(&chars) && !text.chars().any(char::is_control)
    };
    match address {
        Some(text) if text.trim().is_empty() || !readable(text) => Err(InvalidSetting::Address),
        _ => Ok(()),
    }
}

fn credits(credits: i64) -> Result<(), InvalidSetting> {
    match credits {
        0..=CREDITS_MAX => Ok(()),
        _ => Err(InvalidSetting::Credits),
    }
}

fn silence(longest_ms: Option<i64>) -> Result<(), InvalidSetting> {
    match longest_ms.unwrap_or_default() {
        0.. => Ok(()),
        _ => Err(InvalidSetting::NegativeSilence),
    }
}

fn pace(pace: Pace) -> Result<(), InvalidSetting> {
    match (pace.per_second, pace.burst) {
        (1.., 1..) => Ok(()),
        _ => Err(InvalidSetting::NoPace),
    }
}

impl NewTenant {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        name(&self.name)?;
        address(self.address.as_deref())?;
        credits(self.credits.unwrap_or_default())?;
        silence(self.feed_silence_max_ms)?;
        self.senders.iter().try_for_each(|one| pace(one.pace))?;
        self.rules.validate().map_err(InvalidSetting::Rules)
    }
}

impl Profile {
    fn check(&self) -> Result<(), InvalidSetting> {
        name(&self.name)?;
        address(self.address.as_deref())
    }
}

impl Setting {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Setting::Profile(profile) => profile.check(),
            Setting::Rules(rules) => rules.validate().map_err(InvalidSetting::Rules),
            Setting::Template(template) => Ok(template.validate()?),
            // The others are valid as their types are, or read as the nearest that is.
            Setting::Calendar(_) | Setting::Charges(_) | Setting::Retry(_) => Ok(()),
            Setting::Sender(sender) => pace(sender.pace),
            Setting::CreditsBought(bought) => credits(*bought),
            Setting::FeedSilence(longest_ms) => silence(*longest_ms),
        }
    }
}

impl NewCampaign {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        name(&self.name)?;
        self.cadence.validate().map_err(InvalidSetting::Cadence)
    }
}
