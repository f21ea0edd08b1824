//! What a tenant may set: checked at the door, so that an owner never reads what it cannot follow.

use actors::ports::Sender;
use schedules::cadence::CadenceError;
use schedules::calendar::Calendar;
use schedules::characters::is_plain_text;
use schedules::code::{CodeError, check_code};
use schedules::pace::Pace;
use schedules::rule::{REACH_MS_MAX, RuleBody, RuleError, RulePack};
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
    /// A text that people read, and cannot.
    #[error("a name, address or reason has more than {TEXT_CHARS_MAX} characters, or unseen ones")]
    UnreadableText,
    /// More days than a calendar has use for.
    #[error("the calendar has more than {DAYS_MAX} days of a kind")]
    TooManyDays,
    /// The name of a sender's provider.
    #[error("provider of a sender: {0}")]
    Provider(CodeError),
    /// Fewer credits than none, or more than anybody buys.
    #[error("the number of credits is not between 0 and {CREDITS_MAX}")]
    Credits,
    /// A payment feed that would have to speak before it is heard, or never.
    #[error("the longest silence of the payment feed is not between 0 and {REACH_MS_MAX} ms")]
    Silence,
    /// A sender that could never send.
    #[error("the pace of a sender is zero")]
    NoPace,
    /// A contact that nothing could reach.
    #[error("the contact would have neither phone nor e-mail address")]
    NoPoint,
    /// A service token.
    #[error("token: {0}")]
    Token(#[from] InvalidToken),
}

/// The longest name, address or reason, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// The most days of a kind that a calendar names: a decade of them.
const DAYS_MAX: usize = 3_660;

/// The most credits of one purchase: so many of them never leave the range of a balance.
const CREDITS_MAX: i64 = 1_000_000_000_000;

fn joined<E: std::fmt::Display>(errors: &[E]) -> String {
    let errors: Vec<String> = errors.iter().map(E::to_string).collect();
    errors.join("; ")
}

fn name(name: &str) -> Result<(), InvalidSetting> {
    match name.trim() {
        "" => Err(InvalidSetting::NoName),
        _ => text(name),
    }
}

/// Checks a text that stands in lists and logs. PostgreSQL cannot hold every control character.
fn text(text: &str) -> Result<(), InvalidSetting> {
    if text.chars().count() <= TEXT_CHARS_MAX && is_plain_text(text) {
        Ok(())
    } else {
        Err(InvalidSetting::UnreadableText)
    }
}

fn rules(pack: &RulePack) -> Result<(), InvalidSetting> {
    text(&pack.name)?;
    pack.validate().map_err(InvalidSetting::Rules)?;
    pack.rules.iter().try_for_each(|rule| match &rule.body {
        RuleBody::Suppression(suppression) => text(&suppression.why),
        RuleBody::Moratorium(moratorium) => text(&moratorium.why),
        _ => Ok(()),
    })
}

fn calendar(calendar: &Calendar) -> Result<(), InvalidSetting> {
    text(&calendar.name)?;
    let single = [&calendar.closed, &calendar.bank_closed];
    let yearly = [&calendar.yearly, &calendar.bank_yearly];
    let kinds = single.iter().map(|days| days.len());
    let mut kinds = kinds.chain(yearly.iter().map(|days| days.len()));
    if kinds.any(|days| days > DAYS_MAX) || calendar.open.len() > DAYS_MAX {
        return Err(InvalidSetting::TooManyDays);
    }
    let single = single.iter().flat_map(|days| days.values());
    let mut names = single.chain(yearly.iter().flat_map(|days| days.values()));
    names.try_for_each(|name| text(name))
}

fn sender(sender: &Sender) -> Result<(), InvalidSetting> {
    check_code(&sender.provider).map_err(InvalidSetting::Provider)?;
    pace(sender.pace)
}

fn credits(credits: i64) -> Result<(), InvalidSetting> {
    match credits {
        0..=CREDITS_MAX => Ok(()),
        _ => Err(InvalidSetting::Credits),
    }
}

fn silence(longest_ms: Option<i64>) -> Result<(), InvalidSetting> {
    match longest_ms.unwrap_or_default() {
        0..=REACH_MS_MAX => Ok(()),
        _ => Err(InvalidSetting::Silence),
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
        self.address.as_deref().map_or(Ok(()), text)?;
        credits(self.credits.unwrap_or_default())?;
        silence(self.feed_silence_max_ms)?;
        self.senders.iter().try_for_each(sender)?;
        calendar(&self.calendar)?;
        rules(&self.rules)
    }
}

impl Profile {
    fn check(&self) -> Result<(), InvalidSetting> {
        name(&self.name)?;
        self.address.as_deref().map_or(Ok(()), text)
    }
}

impl Setting {
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Setting::Profile(profile) => profile.check(),
            Setting::Rules(pack) => rules(pack),
            Setting::Template(template) => Ok(template.validate()?),
            // The others are valid as their types are, or read as the nearest that is.
            Setting::Charges(_) | Setting::Retry(_) => Ok(()),
            Setting::Calendar(days) => calendar(days),
            Setting::Sender(identity) => sender(identity),
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
