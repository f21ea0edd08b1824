//! The fields of a BR Code: two digits of number, two digits of length, and that many characters.

use super::BrCodeError;

/// The fields of one level, in the order of the text.
pub(super) struct Fields<'a>(Vec<(u8, &'a str)>);

impl<'a> Fields<'a> {
    /// Splits a text into its fields; a field that comes twice is refused.
    pub(super) fn read(text: &'a str) -> Result<Self, BrCodeError> {
        let mut fields = Self(Vec::new());
        let mut rest = text;
        while !rest.is_empty() {
            let (number, after) = two_digits(rest)?;
            let (chars, after) = two_digits(after)?;
            let (value, after) = split_chars(after, chars.into())?;
            if fields.get(number).is_some() {
                return Err(BrCodeError::RepeatField(number));
            }
            fields.0.push((number, value));
            rest = after;
        }
        Ok(fields)
    }

    /// Returns the number of the last field.
    pub(super) fn last(&self) -> Option<u8> {
        self.0.last().map(|field| field.0)
    }

    /// Returns the value of a field.
    pub(super) fn get(&self, number: u8) -> Option<&'a str> {
        let mut fields = self.0.iter();
        fields.find(|field| field.0 == number).map(|field| field.1)
    }

    /// Returns the value of a field that is not empty.
    pub(super) fn filled(&self, number: u8) -> Option<&'a str> {
        self.get(number).filter(|value| !value.trim().is_empty())
    }
}

fn two_digits(text: &str) -> Result<(u8, &str), BrCodeError> {
    match text.as_bytes() {
        [tens @ b'0'..=b'9', units @ b'0'..=b'9', ..] => {
            Ok(((tens - b'0') * 10 + (units - b'0'), &text[2..]))
        }
        _ => Err(BrCodeError::ReadField),
    }
}

/// Splits a text after some characters (not bytes), which must be there.
fn split_chars(text: &str, chars: usize) -> Result<(&str, &str), BrCodeError> {
    let ends = text.char_indices().map(|(at, _)| at);
    let at = ends.chain([text.len()]).nth(chars);
    at.and_then(|at| text.split_at_checked(at))
        .ok_or(BrCodeError::ReadField)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters() {
        let fields = Fields::read("6008Brasília0002👀x").expect("fields");
        assert_eq!(fields.get(60), Some("Brasília"));
        assert_eq!(fields.get(0), Some("👀x"));
        assert_eq!(fields.get(1), None);
    }

    #[test]
    fn a_field_that_is_cut_off_or_numbered_wrongly_is_refused() {
        for text in [
            "6",
            "60",
            "600",
            "6001",
            "6a01x",
            "é001x",
            "6009Brasília",
            "60-1x",
        ] {
            let refused = Fields::read(text).map(|_| ()).err();
            assert_eq!(refused, Some(BrCodeError::ReadField), "{text}");
        }
    }
}
