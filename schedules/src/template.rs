//! Templates with declared variables: rendered once, values never parsed again.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::code::{CodeError, check_code};
use crate::rule::MandatoryText;
use crate::time::{HOUR_MS, SECOND_MS};

mod approved;
mod list;
mod text;
mod values;

pub use approved::{Approved, BUTTONS_MAX, LANGUAGE, PaymentButton, RenderedButton};
pub use list::Listed;
use text::Piece;
pub use values::{VALUE_CHARS_MAX, Values};

/// The most characters of a rendered WhatsApp text (limit of the Cloud API's template body).
pub const WHATSAPP_CHARS_MAX: usize = 1_024;
/// The most characters of a rendered SMS: what common providers take at most.
pub const SMS_CHARS_MAX: usize = 1_600;
/// The most characters of a rendered e-mail: a reminder, no newsletter.
pub const EMAIL_CHARS_MAX: usize = 20_000;
/// The most characters of a rendered subject line (RFC 5322, section 2.1.1).
pub const SUBJECT_CHARS_MAX: usize = 998;
/// The longest that a message may be under way, in milliseconds.
pub const TTL_MS_MAX: i64 = 24 * HOUR_MS;
/// How long a `WhatsApp` message may be under way, in milliseconds (Cloud API,
/// `message_send_ttl_seconds` of utility templates). Without it Meta tries for 30 days, and the
/// message could arrive at night.
pub const WHATSAPP_TTL_MS: RangeInclusive<i64> = 30 * SECOND_MS..=12 * HOUR_MS;

/// The text of a step on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The code by which steps name it; one template per code and channel.
    pub code: String,
    /// The channel it is for.
    pub channel: Channel,
    /// Grows with every edit; stored with every attempt.
    pub version: u32,
    /// The subject line, for e-mail; it may hold variables.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text, with `{{variable}}` for each declared variable.
    pub body: String,
    /// The declared variables, in the order of the provider's positional parameters.
    pub variables: Vec<Variable>,
    /// How long after the hand-over the message may still arrive, in milliseconds; `WhatsApp`
    /// cannot do without it.
    #[serde(default)]
    pub ttl_ms: i64,
    /// How `WhatsApp` registered it.
    #[serde(default, skip_serializing_if = "Approved::is_default")]
    pub approved: Approved,
}

/// A value a template may use. The list is closed: there is no other way to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// The contact's name.
    ContactName,
    /// The tenant's name.
    TenantName,
    /// The tenant's CPF or CNPJ, as CDC art. 42-A asks.
    TenantDocument,
    /// The tenant's postal address in one line, as CDC art. 42-A asks.
    TenantAddress,
    /// The amount, as `R$ 1.234,56`.
    Amount,
    /// The amount with penalty and interest of the day.
    AmountWithCharges,
    /// The due date, as `31/12/2026`.
    DueOn,
    /// The digitable line, grouped for reading.
    DigitableLine,
    /// The Pix copy-and-paste code.
    PixCode,
    /// The tenant's reference of the boleto.
    Reference,
    /// The payment link.
    PaymentLink,
    /// The boletos of a merged message, each with its reference, due date and amount.
    Boletos,
    /// The same, each with its digitable line.
    BoletosWithLines,
    /// The same, each with its payment link.
    BoletosWithLinks,
    /// How many boletos a merged message is about.
    BoletosCount,
    /// What they come to, as `R$ 1.234,56`; none when an amount is open.
    AmountTotal,
}

/// Why a template, or the message made from it, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The code is no plain name.
    #[error("template {0}")]
    Code(CodeError),
    /// There is nothing to send.
    #[error("template text is empty")]
    EmptyText,
    /// An e-mail has no subject, or another channel has one.
    #[error("template has no subject though the channel needs one, or one too many")]
    SubjectMismatch,
    /// A `{` or `}` that belongs to no variable.
    #[error("template has a brace outside of a variable")]
    LoneBrace,
    /// A `{{` without its `}}`.
    #[error("template has a variable that is not closed")]
    UnclosedVariable,
    /// A `{%` or `{#`: templates have no logic.
    #[error("template has a logic tag, but knows no logic")]
    LogicTag,
    /// A name that is none of [`Variable::ALL`].
    #[error("template uses a name that is no variable")]
    UnknownVariable,
    /// A variable that the text uses and the template does not declare.
    #[error("template uses {0} without declaring it")]
    UndeclaredVariable(Variable),
    /// A variable that is declared twice.
    #[error("template declares {0} twice")]
    RepeatedVariable(Variable),
    /// It uses variables of one boleto and of several.
    #[error("template speaks of one boleto and of several")]
    OneAndSeveral,
    /// A list of boletos in a subject line.
    #[error("subject of the template has a list of boletos")]
    ListInSubject,
    /// A control character other than a line break.
    #[error("template has a control character")]
    ControlCharacter,
    /// The time to live is negative, longer than [`TTL_MS_MAX`], or outside of
    /// [`WHATSAPP_TTL_MS`] on that channel.
    #[error("template has a time to live out of range")]
    TimeToLiveOutOfRange,
    /// A name, a language or buttons of another channel's than `WhatsApp`.
    #[error("template has what only WhatsApp approves")]
    NothingToApprove,
    /// The name under which it was approved is no plain name.
    #[error("template has an approved name that is none")]
    ApprovedName,
    /// The language is none like `pt_BR`.
    #[error("template has a language that is none")]
    Language,
    /// More than [`BUTTONS_MAX`].
    #[error("template has too many buttons")]
    TooManyButtons,
    /// A button that is there twice.
    #[error("template has a button twice")]
    RepeatedButton,
    /// There is no value for a declared variable.
    #[error("template variable {0} has no value")]
    MissingValue(Variable),
    /// A value is longer than [`VALUE_CHARS_MAX`].
    #[error("value of {0} is too long")]
    ValueTooLong(Variable),
    /// A code, a line or another value for machines holds what is not seen or does not copy.
    #[error("value of {0} holds characters that are not seen")]
    UnseenInValue(Variable),
    /// The payment link is no plain `https` address.
    #[error("payment link is no plain https address")]
    UnsafeLink,
    /// A link hides in a value that is none.
    #[error("value of {0} holds a link")]
    LinkInValue(Variable),
    /// The message, or the template alone, is longer than the channel takes.
    #[error("message is too long for its channel")]
    TextTooLong,
}

/// A message, ready for a provider.
///
/// Its `Debug` text shows nothing of it: every value in it is personal.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject line of an e-mail.
    pub subject: Option<String>,
    /// The text.
    pub body: String,
    /// The values of the declared variables, in their order, for providers that render themselves.
    pub parameters: Vec<String>,
    /// The payment buttons, in their order.
    pub buttons: Vec<RenderedButton>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").finish_non_exhaustive()
    }
}

/// The text is none of the variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a template variable")]
pub struct UnknownVariable;

impl Variable {
    /// Every variable.
    pub const ALL: [Variable; 16] = [
        Variable::ContactName,
        Variable::TenantName,
        Variable::TenantDocument,
        Variable::TenantAddress,
        Variable::Amount,
        Variable::AmountWithCharges,
        Variable::DueOn,
        Variable::DigitableLine,
        Variable::PixCode,
        Variable::Reference,
        Variable::PaymentLink,
        Variable::Boletos,
        Variable::BoletosWithLines,
        Variable::BoletosWithLinks,
        Variable::BoletosCount,
        Variable::AmountTotal,
    ];

    /// Returns the name used in templates, the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Variable::ContactName => "contact_name",
            Variable::TenantName => "tenant_name",
            Variable::TenantDocument => "tenant_document",
            Variable::TenantAddress => "tenant_address",
            Variable::Amount => "amount",
            Variable::AmountWithCharges => "amount_with_charges",
            Variable::DueOn => "due_on",
            Variable::DigitableLine => "digitable_line",
            Variable::PixCode => "pix_code",
            Variable::Reference => "reference",
            Variable::PaymentLink => "payment_link",
            Variable::Boletos => "boletos",
            Variable::BoletosWithLines => "boletos_with_lines",
            Variable::BoletosWithLinks => "boletos_with_links",
            Variable::BoletosCount => "boletos_count",
            Variable::AmountTotal => "amount_total",
        }
    }

    /// Says whether only a message about one boleto has a value of it.
    pub const fn is_of_one(self) -> bool {
        matches!(
            self,
            Variable::Amount
                | Variable::AmountWithCharges
                | Variable::DueOn
                | Variable::DigitableLine
                | Variable::PixCode
                | Variable::Reference
                | Variable::PaymentLink
        )
    }

    /// Says whether only a message about several boletos has a value of it.
    pub const fn is_of_several(self) -> bool {
        self.is_list() || matches!(self, Variable::BoletosCount | Variable::AmountTotal)
    }

    /// Says whether it names each of several boletos.
    const fn is_list(self) -> bool {
        matches!(
            self,
            Variable::Boletos | Variable::BoletosWithLines | Variable::BoletosWithLinks
        )
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Variable {
    type Err = UnknownVariable;

    fn from_str(text: &str) -> Result<Self, UnknownVariable> {
        let mut all = Variable::ALL.into_iter();
        all.find(|variable| variable.as_str() == text)
            .ok_or(UnknownVariable)
    }
}

impl MandatoryText {
    /// Checks that the text can stand in the templates of `channels`; none means all of them.
    ///
    /// # Errors
    /// The [`TemplateError`] that a template with this text would have.
    pub fn validate(&self, channels: &[Channel]) -> Result<(), TemplateError> {
        let channels = match channels {
            [] => &Channel::ALL,
            channels => channels,
        };
        let chars_max = channels
            .iter()
            .map(|channel| body_chars_max(*channel))
            .min();
        text::check(&self.text, chars_max.unwrap_or_default(), is_barred_in_body).map(drop)
    }
}

/// Returns the most characters of a body on a channel.
const fn body_chars_max(channel: Channel) -> usize {
    match channel {
        Channel::Whatsapp => WHATSAPP_CHARS_MAX,
        Channel::Sms => SMS_CHARS_MAX,
        Channel::Email => EMAIL_CHARS_MAX,
    }
}

fn is_barred_in_body(sign: char) -> bool {
    sign.is_control() && sign != '\n'
}

impl Template {
    /// Checks the text, the variables and what the channel asks for.
    ///
    /// # Errors
    /// The first [`TemplateError`] that is found.
    pub fn validate(&self) -> Result<(), TemplateError> {
        check_code(&self.code).map_err(TemplateError::Code)?;
        if self.subject.is_some() != (self.channel == Channel::Email) {
            return Err(TemplateError::SubjectMismatch);
        }
        let ttl_ms = match self.channel {
            Channel::Whatsapp => WHATSAPP_TTL_MS,
            Channel::Sms | Channel::Email => 0..=TTL_MS_MAX,
        };
        if !ttl_ms.contains(&self.ttl_ms) {
            return Err(TemplateError::TimeToLiveOutOfRange);
        }
        if self.channel != Channel::Whatsapp && !self.approved.is_default() {
            return Err(TemplateError::NothingToApprove);
        }
        self.approved.validate()?;
        self.validate_variables()?;
        if let Some(subject) = &self.subject {
            self.validate_text(subject, SUBJECT_CHARS_MAX, char::is_control)?;
            text::one_line(subject)?;
        }
        self.validate_text(&self.body, body_chars_max(self.channel), is_barred_in_body)
    }

    /// Fills the template, once: braces in a value are braces.
    ///
    /// # Errors
    /// A [`TemplateError`] when a declared variable has no usable value, or the message is longer
    /// than its channel takes.
    pub fn render(&self, values: &Values) -> Result<Rendered, TemplateError> {
        let parameter = |variable: &Variable| values.checked(*variable).map(str::to_owned);
        let parameters: Vec<String> = self
            .variables
            .iter()
            .map(parameter)
            .collect::<Result<_, _>>()?;
        let body = self.fill(&self.body, &parameters, body_chars_max(self.channel))?;
        let subject = self.subject.as_deref();
        let subject = subject
            .map(|text| {
                text::one_line(text)?;
                self.fill(text, &parameters, SUBJECT_CHARS_MAX)
            })
            .transpose()?;
        Ok(Rendered {
            subject,
            body,
            parameters,
            buttons: self.approved.render(values)?,
        })
    }

    /// Returns the variables that the text and the buttons need.
    pub fn needs(&self) -> impl Iterator<Item = Variable> {
        let buttons = self.approved.buttons.iter();
        let buttons = buttons.map(|button| button.variable());
        self.variables.iter().copied().chain(buttons)
    }

    /// Returns the name under which `WhatsApp` approved it.
    pub fn approved_name(&self) -> &str {
        self.approved.name.as_deref().unwrap_or(&self.code)
    }

    /// Says whether the text can be about several boletos: it uses nothing of one alone.
    pub fn fits_several(&self) -> bool {
        !self.needs().any(Variable::is_of_one)
    }

    /// Says whether whoever reads the message learns nothing of a boleto by its variables.
    pub fn names_no_debt(&self) -> bool {
        let mut needs = self.needs();
        !needs.any(|variable| variable.is_of_one() || variable.is_of_several())
    }

    /// Says whether the text contains a mandatory text, however its variables are spaced.
    pub fn satisfies(&self, mandatory: &MandatoryText) -> bool {
        match (
            text::canonical(&self.body),
            text::canonical(&mandatory.text),
        ) {
            (Ok(body), Ok(mandatory)) => body.contains(&mandatory),
            _ => false,
        }
    }

    fn validate_variables(&self) -> Result<(), TemplateError> {
        for (index, variable) in self.variables.iter().enumerate() {
            if self.variables[..index].contains(variable) {
                return Err(TemplateError::RepeatedVariable(*variable));
            }
        }
        let mut variables = self.variables.iter();
        match variables.any(|variable| variable.is_of_several()) && !self.fits_several() {
            true => Err(TemplateError::OneAndSeveral),
            false => Ok(()),
        }
    }

    fn validate_text(
        &self,
        text: &str,
        chars_max: usize,
        is_barred: impl Fn(char) -> bool,
    ) -> Result<(), TemplateError> {
        let variables = text::check(text, chars_max, is_barred)?;
        let mut variables = variables.into_iter();
        variables.try_for_each(|variable| self.require_declared(variable).map(drop))
    }

    fn require_declared(&self, variable: Variable) -> Result<usize, TemplateError> {
        let mut declared = self.variables.iter();
        declared
            .position(|one| *one == variable)
            .ok_or(TemplateError::UndeclaredVariable(variable))
    }

    /// Fills a text with the values of the declared variables, in their order.
    fn fill(
        &self,
        text: &str,
        parameters: &[String],
        chars_max: usize,
    ) -> Result<String, TemplateError> {
        let values: usize = parameters.iter().map(String::len).sum();
        let (mut filled, mut chars) = (String::with_capacity(text.len() + values), 0);
        for piece in text::pieces(text) {
            let written = match piece? {
                Piece::Literal(literal) => literal,
                Piece::Variable(variable) => &parameters[self.require_declared(variable)?],
            };
            chars += written.chars().count();
            // Checked on the way: a text of many variables must not grow without end.
            if chars > chars_max {
                return Err(TemplateError::TextTooLong);
            }
            filled.push_str(written);
        }
        Ok(filled)
    }
}
