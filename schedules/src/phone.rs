//! Brazilian telephone numbers: one spelling to send to, and one identity per person.
//!
//! The identity survives the ninth digit: mobiles got a 9 in front between 2012 and 2016, and
//! WhatsApp still names many of them without it. Opt-outs, caps and cooldowns go by the identity.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::area_code::AreaCode;
use crate::characters::{ascii_digit, is_invisible};
use crate::mask::masked;
use crate::text_form::text_form;

const COUNTRY: &str = "55";
const NINTH_DIGIT: &str = "9";
const SUBSCRIBER_DIGITS: usize = 8;
const DIGITS_AFTER_DOT_MIN: usize = 4;
const TEXT_BYTES_MAX: usize = 128;

/// Whether a number can receive text messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhoneKind {
    /// A mobile: nine digits, the first of them 9.
    Mobile,
    /// A landline: eight digits, the first of them 2 to 5.
    Landline,
}

/// A telephone number that can exist in Brazil.
///
/// Two spellings of one number are equal. `Debug` and `Display` mask it; [`Phone::e164`] and
/// [`Phone::canonical`] do not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone {
    area_code: AreaCode,
    e164: String,
    canonical: String,
}

/// A text that is no telephone number of Brazil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Something else than digits, a leading plus sign and separators.
    #[error("a phone number has digits and separators only")]
    ReadCharacter,
    /// Too few or too many digits.
    #[error("a phone number has an area code and 8 or 9 digits")]
    CountDigits,
    /// The code of another country.
    #[error("the phone number is not one of brazil")]
    RecogniseCountry,
    /// An area code that does not exist.
    #[error("the area code of the phone number does not exist")]
    RecogniseAreaCode,
    /// A first digit that neither mobiles nor landlines have.
    #[error("the phone number is neither a mobile nor a landline")]
    RecogniseKind,
}

impl PhoneKind {
    /// Returns the kind of a number that [`Phone::e164`] gave out.
    pub const fn of_e164(e164: &str) -> Self {
        // +55, area code, and nine digits.
        if e164.len() == "+55".len() + 2 + 9 {
            Self::Mobile
        } else {
            Self::Landline
        }
    }
}

impl PhoneError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadCharacter => "phone_character",
            Self::CountDigits => "phone_length",
            Self::RecogniseCountry => "phone_country",
            Self::RecogniseAreaCode => "phone_area_code",
            Self::RecogniseKind => "phone_kind",
        }
    }
}

impl Phone {
    /// Reads a number in any of its usual spellings.
    ///
    /// Accepted: digits of any script and width, blanks, dots, hyphens, brackets and invisible
    /// characters between them; with or without `+55`, `0055`, `55`, the trunk `0` and a
    /// carrier's two digits after it; mobiles with or without the ninth digit.
    ///
    /// Refused: a slash, which joins two numbers or an extension, and a last dot with fewer than
    /// four digits after it, which is the fraction of a spreadsheet's number.
    ///
    /// # Errors
    /// The first [`PhoneError`] found.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let written = Written::read(text)?;
        let national = without_trunk(written.national()?);
        let subscriber_digits = national.len().checked_sub(2);
        if !matches!(subscriber_digits, Some(SUBSCRIBER_DIGITS | 9)) {
            return Err(PhoneError::CountDigits);
        }
        let (area_code, subscriber) = national.split_at(2);
        let area_code = area_code
            .parse()
            .ok()
            .and_then(|number: u8| AreaCode::try_from(number).ok())
            .ok_or(PhoneError::RecogniseAreaCode)?;
        Self::of_subscriber(area_code, subscriber)
    }

    /// Takes 8 or 9 digits after an area code.
    fn of_subscriber(area_code: AreaCode, subscriber: &str) -> Result<Self, PhoneError> {
        let ninth = match subscriber.as_bytes() {
            [b'2'..=b'5', ..] if subscriber.len() == SUBSCRIBER_DIGITS => "",
            [b'6'..=b'9', ..] if subscriber.len() == SUBSCRIBER_DIGITS => NINTH_DIGIT,
            [b'9', ..] if subscriber.len() > SUBSCRIBER_DIGITS => "",
            _ => return Err(PhoneError::RecogniseKind),
        };
        let full = format!("{ninth}{subscriber}");
        let identity = without_ninth_digit(&full).unwrap_or(&full);
        let number = area_code.number();
        Ok(Self {
            area_code,
            canonical: format!("{COUNTRY}{number}{identity}"),
            e164: format!("+{COUNTRY}{number}{full}"),
        })
    }

    /// Returns the number as E.164, mobiles with the ninth digit: what is sent to.
    pub fn e164(&self) -> &str {
        &self.e164
    }

    /// Returns the identity: country, area code and the last 8 digits, only digits.
    ///
    /// A mobile whose last 8 digits begin with 0 to 5 never existed without its ninth digit and
    /// keeps it: without, it would be somebody's landline. The identity reads back as itself.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Returns whether it is a mobile or a landline.
    pub const fn kind(&self) -> PhoneKind {
        PhoneKind::of_e164(self.e164.as_str())
    }

    /// Returns the area code, from which state and time zones follow.
    pub const fn area_code(&self) -> AreaCode {
        self.area_code
    }

    /// Returns the ways in which WhatsApp may name the number, digits only: the identity, and the
    /// full number where that differs.
    pub fn whatsapp_ids(&self) -> Vec<&str> {
        let full = &self.e164[1..];
        if self.canonical == full {
            vec![full]
        } else {
            vec![&self.canonical, full]
        }
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.e164))
    }
}

text_form!(Phone, PhoneError, e164);

/// The digits of a text, and whether a plus sign led them.
struct Written {
    has_plus: bool,
    digits: String,
    /// How many digits stand before the last dot.
    before_dot: Option<usize>,
}

impl Written {
    fn read(text: &str) -> Result<Self, PhoneError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PhoneError::CountDigits);
        }
        let mut written = Self {
            has_plus: false,
            digits: String::new(),
            before_dot: None,
        };
        for character in text.nfkc().filter(|c| !is_separator(*c)) {
            match ascii_digit(character) {
                Some(digit) => written.digits.push(digit),
                None if character == '.' => written.before_dot = Some(written.digits.len()),
                None if character == '+' && written.is_empty() => written.has_plus = true,
                None => return Err(PhoneError::ReadCharacter),
            }
        }
        if written.has_fraction() {
            return Err(PhoneError::ReadCharacter);
        }
        Ok(written)
    }

    /// Tells whether the last dot cuts off less than the end of a number.
    fn has_fraction(&self) -> bool {
        self.before_dot
            .is_some_and(|before| self.digits.len() - before < DIGITS_AFTER_DOT_MIN)
    }

    fn is_empty(&self) -> bool {
        !self.has_plus && self.digits.is_empty()
    }

    /// Returns the digits after the country code, if there is one.
    fn national(&self) -> Result<&str, PhoneError> {
        let digits = self.digits.as_str();
        let international = if self.has_plus {
            Some(digits)
        } else {
            digits.strip_prefix("00")
        };
        if let Some(international) = international {
            let national = international.strip_prefix(COUNTRY);
            return national.ok_or(PhoneError::RecogniseCountry);
        }
        // Up to 11 digits, 55 is the area code of Santa Maria.
        let with_country = digits.strip_prefix(COUNTRY);
        Ok(with_country
            .filter(|national| national.len() >= 10)
            .unwrap_or(digits))
    }
}

/// Drops the trunk 0 of a national number, and the two digits of a carrier after it.
fn without_trunk(national: &str) -> &str {
    let skipped = match (national.starts_with('0'), national.len()) {
        (true, 11 | 12) => 1,
        (true, 13 | 14) => 3,
        _ => 0,
    };
    &national[skipped..]
}

/// Returns the eight digits of a mobile that may be written without its ninth.
fn without_ninth_digit(full: &str) -> Option<&str> {
    full.strip_prefix(NINTH_DIGIT)
        .filter(|rest| rest.len() == SUBSCRIBER_DIGITS)
        .filter(|rest| matches!(rest.as_bytes(), [b'6'..=b'9', ..]))
}

/// Tells whether a character only separates digits; NFKC has made every blank a space.
fn is_separator(character: char) -> bool {
    matches!(
        character,
        ' ' | '-' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}'
    ) || is_invisible(character)
}
