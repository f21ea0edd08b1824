//! The tax numbers of people (CPF) and companies (CNPJ, letters included since July 2026).
//!
//! Knows form and check digits; does not know whether a number was ever issued.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check_digits::mod11;
use crate::text_form::text_form;

const CPF_DIGITS: usize = 11;
const CNPJ_CHARACTERS: usize = 14;
const CHECK_DIGITS: usize = 2;
const TEXT_BYTES_MAX: usize = 64;

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentKind {
    /// A person's.
    Cpf,
    /// A company's.
    Cnpj,
}

/// A CPF or CNPJ whose check digits hold.
///
/// `Debug` and `Display` mask it; [`Document::as_str`] and [`Document::formatted`] do not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Document(String);

/// A text that is neither CPF nor CNPJ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Something else than ASCII letters and digits, dots, hyphens, slashes and spaces.
    #[error("a cpf or cnpj has letters and digits, dots, hyphens and slashes only")]
    ReadCharacter,
    /// Neither 11 nor 14 characters.
    #[error("a cpf has 11 digits, a cnpj 14 characters")]
    CountCharacters,
    /// A letter where only a digit can be: in a CPF, or among the check digits.
    #[error("a letter stands where only a digit can be")]
    ReadDigit,
    /// The same character all over, which passes the check digits but is never issued.
    #[error("a cpf or cnpj does not repeat one character")]
    VaryCharacters,
    /// The check digits are not those of the number.
    #[error("the check digits of the cpf or cnpj are wrong")]
    CheckDigits,
}

impl DocumentError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadCharacter => "document_character",
            Self::CountCharacters => "document_length",
            Self::ReadDigit => "document_letter",
            Self::VaryCharacters => "document_repeated",
            Self::CheckDigits => "document_check_digits",
        }
    }
}

impl Document {
    /// Reads a CPF or a CNPJ, with or without its separators; small letters become capitals.
    ///
    /// # Errors
    /// The first [`DocumentError`] found. Source: Receita Federal, IN RFB 2.229/2024.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let characters = characters_of(text)?;
        let (heaviest, letters) = match characters.len() {
            CPF_DIGITS => (11, 0),
            CNPJ_CHARACTERS => (9, CNPJ_CHARACTERS - CHECK_DIGITS),
            _ => return Err(DocumentError::CountCharacters),
        };
        if !characters
            .bytes()
            .skip(letters)
            .all(|byte| byte.is_ascii_digit())
        {
            return Err(DocumentError::ReadDigit);
        }
        if characters
            .bytes()
            .all(|byte| characters.as_bytes()[0] == byte)
        {
            return Err(DocumentError::VaryCharacters);
        }
        let (body, _) = characters.split_at(characters.len() - CHECK_DIGITS);
        let first = format!("{body}{}", mod11(body, heaviest));
        let both = format!("{first}{}", mod11(&first, heaviest));
        (both == characters)
            .then_some(Self(characters))
            .ok_or(DocumentError::CheckDigits)
    }

    /// Returns whether it is a person's or a company's number.
    pub fn kind(&self) -> DocumentKind {
        if self.0.len() == CPF_DIGITS {
            DocumentKind::Cpf
        } else {
            DocumentKind::Cnpj
        }
    }

    /// Returns the 11 digits or 14 characters without separators.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the number with its separators: `000.000.000-00` or `00.000.000/0000-00`.
    pub fn formatted(&self) -> String {
        let text = &self.0;
        match self.kind() {
            DocumentKind::Cpf => {
                format!(
                    "{}.{}.{}-{}",
                    &text[..3],
                    &text[3..6],
                    &text[6..9],
                    &text[9..]
                )
            }
            DocumentKind::Cnpj => format!(
                "{}.{}.{}/{}-{}",
                &text[..2],
                &text[2..5],
                &text[5..8],
                &text[8..12],
                &text[12..]
            ),
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check_digits = &self.0[self.0.len() - CHECK_DIGITS..];
        match self.kind() {
            DocumentKind::Cpf => write!(f, "***.***.***-{check_digits}"),
            DocumentKind::Cnpj => write!(f, "**.***.***/****-{check_digits}"),
        }
    }
}

text_form!(Document, DocumentError, 0);

fn characters_of(text: &str) -> Result<String, DocumentError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(DocumentError::CountCharacters);
    }
    let written = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '/'));
    written
        .map(|c| c.is_ascii_alphanumeric().then_some(c.to_ascii_uppercase()))
        .collect::<Option<String>>()
        .ok_or(DocumentError::ReadCharacter)
}
