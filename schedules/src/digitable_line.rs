//! The 47 digits that people type to pay a bank slip, and the 44 of its barcode.
//!
//! Knows positions and check digits of the bank slip (FEBRABAN; manuals of Caixa, Banco do
//! Brasil, Itaú, Bradesco, Santander); what the parts mean together is told by `boleto`.

use std::fmt::Write as _;

use crate::check_digits::{mod10, mod11_bank};

/// The most bytes that a written line may have, separators included.
pub const TEXT_BYTES_MAX: usize = 128;

/// The digits of a bank slip's line.
pub(crate) const BANK_LINE_DIGITS: usize = 47;
/// The digits of a collection slip's line.
pub(crate) const COLLECTION_LINE_DIGITS: usize = 48;
/// The digits of either one's barcode.
pub(crate) const BARCODE_DIGITS: usize = 44;

/// A text that is no digitable line and no barcode, or says something that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigitableLineError {
    /// Something else than ASCII digits, spaces, dots and hyphens.
    #[error("only digits, spaces, dots and hyphens can be in a digitable line")]
    ReadCharacter,
    /// Neither 47 nor 48 nor 44 digits, or a text beyond [`TEXT_BYTES_MAX`].
    #[error("a digitable line has 47 or 48 digits, a barcode 44")]
    CountDigits,
    /// A 48-digit line whose first digit is not 8, or a 47-digit line whose first digit is.
    #[error("the first digit belongs to the other kind of slip")]
    RecogniseProduct,
    /// A bank slip in another currency than the real (9).
    #[error("the currency is not the real")]
    RecogniseCurrency,
    /// A collection slip's segment that does not exist.
    #[error("the segment of the collection line does not exist")]
    RecogniseSegment,
    /// A collection slip's value identifier that does not exist.
    #[error("the value identifier of the collection line does not exist")]
    RecogniseValueKind,
    /// The check digit of a field (of 3) or block (of 4) of a line, counted from 1.
    #[error("the check digit of field {0} is wrong")]
    CheckField(u8),
    /// The general check digit, over the whole barcode.
    #[error("the general check digit is wrong")]
    CheckWhole,
    /// A due-date factor from 0001 to 0999; amounts of 100 million and more run over into it.
    #[error("the due-date factor is not in use")]
    RecogniseDueFactor,
    /// Both due dates that the factor can mean are too far from the reference date.
    #[error("the due date is too far from the reference date")]
    PlaceDueDate,
}

impl DigitableLineError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadCharacter => "line_character",
            Self::CountDigits => "line_length",
            Self::RecogniseProduct => "line_product",
            Self::RecogniseCurrency => "line_currency",
            Self::RecogniseSegment => "line_segment",
            Self::RecogniseValueKind => "line_value_kind",
            Self::CheckField(1) => "line_field_1",
            Self::CheckField(2) => "line_field_2",
            Self::CheckField(3) => "line_field_3",
            Self::CheckField(_) => "line_field_4",
            Self::CheckWhole => "line_general_digit",
            Self::RecogniseDueFactor => "line_due_factor",
            Self::PlaceDueDate => "line_due_on",
        }
    }
}

/// Returns the digits of a written line without its spaces, dots and hyphens.
///
/// Only ASCII is read: full-width and other digits are refused, since banks refuse them as well.
pub(crate) fn digits_of(text: &str) -> Result<String, DigitableLineError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(DigitableLineError::CountDigits);
    }
    let written = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-'));
    written
        .map(|c| c.is_ascii_digit().then_some(c))
        .collect::<Option<String>>()
        .ok_or(DigitableLineError::ReadCharacter)
}

/// Checks the three fields of a 47-digit line and returns its barcode, itself unchecked.
pub(crate) fn barcode_of_bank_line(line: &str) -> Result<String, DigitableLineError> {
    check_field(1, &line[..9], &line[9..10])?;
    check_field(2, &line[10..20], &line[20..21])?;
    check_field(3, &line[21..31], &line[31..32])?;
    Ok([
        &line[..4],
        &line[32..],
        &line[4..9],
        &line[10..20],
        &line[21..31],
    ]
    .concat())
}

/// Returns the 47-digit line of a 44-digit barcode.
pub(crate) fn bank_line_of_barcode(barcode: &str) -> String {
    let fields = [
        [&barcode[..4], &barcode[19..24]].concat(),
        barcode[24..34].to_owned(),
        barcode[34..].to_owned(),
    ];
    let mut line = String::with_capacity(BANK_LINE_DIGITS);
    for field in fields {
        push_guarded(&mut line, &field, mod10(&field));
    }
    line + &barcode[4..19]
}

/// Checks the currency and the general digit of a bank slip's 44-digit barcode.
pub(crate) fn check_bank_barcode(barcode: &str) -> Result<(), DigitableLineError> {
    if &barcode[3..4] != "9" {
        return Err(DigitableLineError::RecogniseCurrency);
    }
    let guarded = [&barcode[..4], &barcode[5..]].concat();
    let right = is_digit(&barcode[4..5], mod11_bank(&guarded));
    right.then_some(()).ok_or(DigitableLineError::CheckWhole)
}

/// Writes a line the way that bank slips print it.
pub(crate) fn print_bank_line(line: &str) -> String {
    format!(
        "{}.{} {}.{} {}.{} {} {}",
        &line[..5],
        &line[5..10],
        &line[10..15],
        &line[15..21],
        &line[21..26],
        &line[26..32],
        &line[32..33],
        &line[33..],
    )
}

/// Appends digits and the digit that guards them.
pub(crate) fn push_guarded(line: &mut String, digits: &str, guard: u8) {
    // Writing to a string cannot fail.
    let _ = write!(line, "{digits}{guard}");
}

/// Tells whether a text of one character is the digit.
pub(crate) fn is_digit(text: &str, digit: u8) -> bool {
    text.as_bytes() == [b'0' + digit]
}

fn check_field(number: u8, digits: &str, guard: &str) -> Result<(), DigitableLineError> {
    is_digit(guard, mod10(digits))
        .then_some(())
        .ok_or(DigitableLineError::CheckField(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_dropped_and_anything_else_is_refused() {
        assert_eq!(digits_of(" 03399.53465-1 "), Ok("03399534651".to_owned()));
        for text in ["1,2", "1\t2", "1\n", "１２", "1\u{a0}2", "12a"] {
            assert_eq!(digits_of(text), Err(DigitableLineError::ReadCharacter));
        }
    }
}
