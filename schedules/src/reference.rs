//! References: the tenant's own names of boletos, in one spelling each.
//!
//! Two references that look the same would be two boletos and two reminders, and a payment of one
//! would not stop the other. Knows texts only: whether a reference exists is the store's business.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::characters::is_plain_text;

/// The longest reference, in characters.
pub const REFERENCE_CHARS_MAX: usize = 120;

/// A reference in its one spelling: 1 to 120 characters, composed (NFC), all of them seen.
///
/// Its `Debug` text hides it: tenants name boletos after their debtors.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// A text that is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing but blanks.
    #[error("the reference is empty")]
    FindText,
    /// More than [`REFERENCE_CHARS_MAX`] characters.
    #[error("the reference is too long")]
    MeasureText,
    /// A control character, an invisible one, or a blank that is no plain space.
    #[error("the reference has control or invisible characters")]
    ReadCharacter,
}

impl Reference {
    /// Reads a reference; blanks around it are dropped, letters and their accents composed.
    ///
    /// # Errors
    /// The first [`ReferenceError`] found.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReferenceError::FindText);
        }
        // Counted composed, and no further than needed: the text may be of any length.
        let composed: String = text.nfc().take(REFERENCE_CHARS_MAX + 1).collect();
        if composed.chars().count() > REFERENCE_CHARS_MAX {
            return Err(ReferenceError::MeasureText);
        }
        is_plain_text(&composed)
            .then_some(Self(composed))
            .ok_or(ReferenceError::ReadCharacter)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference(***)")
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        Self::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, ReferenceError> {
        Reference::parse(text).map(String::from)
    }

    #[test]
    fn letters_with_accents_have_one_spelling_however_they_were_typed() {
        assert_eq!(read("Pra\u{e7}a 1"), read("Prac\u{327}a 1"));
        assert_eq!(read("  NF 1\n"), Ok("NF 1".to_owned()));
        assert_eq!(read("2026.NF/001"), Ok("2026.NF/001".to_owned()));
    }

    #[test]
    fn what_is_not_seen_cannot_tell_two_references_apart() {
        for unseen in [
            '\u{200b}',
            '\u{200d}',
            '\u{feff}',
            '\u{ad}',
            '\u{202e}',
            '\u{2060}',
            '\u{2028}',
            '\u{a0}',
            '\u{3000}',
            '\0',
            '\t',
            '\u{85}',
            '\u{115f}',
            '\u{3164}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{2800}',
        ] {
            let text = format!("N{unseen}F");
            assert_eq!(
                read(&text),
                Err(ReferenceError::ReadCharacter),
                "{unseen:?}"
            );
        }
    }

    #[test]
    fn the_debug_text_of_a_reference_hides_it() {
        let reference = Reference::parse("Joana 1").expect("a reference");
        assert_eq!(format!("{reference:?}"), "Reference(***)");
    }

    #[test]
    fn a_reference_that_is_read_back_has_its_one_spelling_again() {
        let read: Reference = serde_json::from_str(r#"" c\u0327 ""#).expect("a reference");
        assert_eq!(serde_json::to_string(&read).expect("text"), r#""ç""#);
        assert!(serde_json::from_str::<Reference>(r#""""#).is_err());
    }

    #[test]
    fn a_reference_has_1_to_120_characters() {
        assert_eq!(read(" \u{a0} "), Err(ReferenceError::FindText));
        assert_eq!(read(&"ç".repeat(120)), Ok("ç".repeat(120)));
        assert_eq!(read(&"c\u{327}".repeat(120)), Ok("ç".repeat(120)));
        assert_eq!(read(&"ç".repeat(121)), Err(ReferenceError::MeasureText));
        let endless = "c".repeat(1_000_000);
        assert_eq!(read(&endless), Err(ReferenceError::MeasureText));
    }
}
