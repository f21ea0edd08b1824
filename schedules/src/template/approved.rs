//! What `WhatsApp` knows of a template that it approved: its name there, its language, its buttons.
//!
//! Source: Cloud API, "template messages" and "payment request buttons" (Brazil, May 2026).

use serde::{Deserialize, Serialize};

use super::{TemplateError, Values, Variable};

/// The most payment buttons of a template (limit of the Cloud API).
pub const BUTTONS_MAX: usize = 3;
/// The longest name (limit of the Cloud API).
const NAME_BYTES_MAX: usize = 512;
/// The language of a template that states none.
pub const LANGUAGE: &str = "pt_BR";

/// How a template is registered where it was approved; other channels have no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// Its name there; the template's code when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its language there; [`LANGUAGE`] when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Its payment buttons, in the order in which they were registered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<PaymentButton>,
}

/// A button that pays, or copies what pays; its text is `WhatsApp`'s own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PaymentButton {
    /// Copies the digits of the boleto.
    Boleto,
    /// Copies the Pix code.
    Pix,
    /// Opens the payment link.
    Link,
}

/// A button and what it copies or opens, which is personal.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedButton {
    /// The button.
    pub button: PaymentButton,
    /// The digits, the code or the link.
    pub value: String,
}

impl PaymentButton {
    /// Returns the variable that fills the button.
    pub const fn variable(self) -> Variable {
        match self {
            PaymentButton::Boleto => Variable::DigitableLine,
            PaymentButton::Pix => Variable::PixCode,
            PaymentButton::Link => Variable::PaymentLink,
        }
    }
}

impl Approved {
    /// Says whether nothing is stated.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the language.
    pub fn language(&self) -> &str {
        self.language.as_deref().unwrap_or(LANGUAGE)
    }

    pub(super) fn validate(&self) -> Result<(), TemplateError> {
        if let Some(name) = &self.name {
            is_name(name)
                .then_some(())
                .ok_or(TemplateError::ApprovedName)?;
        }
        if !self.language.as_deref().is_none_or(is_language) {
            return Err(TemplateError::Language);
        }
        if self.buttons.len() > BUTTONS_MAX {
            return Err(TemplateError::TooManyButtons);
        }
        let repeats = |(at, button)| self.buttons[..at].contains(button);
        match self.buttons.iter().enumerate().any(repeats) {
            true => Err(TemplateError::RepeatedButton),
            false => Ok(()),
        }
    }

    pub(super) fn render(&self, values: &Values) -> Result<Vec<RenderedButton>, TemplateError> {
        let fill = |button: &PaymentButton| {
            let value = values.checked(button.variable())?;
            let value = match button {
                // People read the line in groups; who pays copies its digits.
                PaymentButton::Boleto => value.chars().filter(char::is_ascii_digit).collect(),
                PaymentButton::Pix | PaymentButton::Link => value.to_owned(),
            };
            Ok(RenderedButton {
                button: *button,
                value,
            })
        };
        self.buttons.iter().map(fill).collect()
    }
}

/// Recognises what the Cloud API takes as a template's name.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Recognises `pt_BR`, `es`, `fil`.
fn is_language(text: &str) -> bool {
    let (language, region) = match text.split_once('_') {
        Some((language, region)) => (language, Some(region)),
        None => (text, None),
    };
    let is_region = |region: &str| {
        (2..=4).contains(&region.len()) && region.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && region.is_none_or(is_region)
}
