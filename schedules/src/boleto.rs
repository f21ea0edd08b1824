//! What the line or barcode of a slip says: bank, amount, due date.
//!
//! One door for every way to write a slip; knows neither the tenant's records nor the banks'.

use std::fmt;

use chrono::NaiveDate;

use crate::collection_line::{self, Segment};
use crate::digitable_line::{
    self, BANK_LINE_DIGITS, BARCODE_DIGITS, COLLECTION_LINE_DIGITS, DigitableLineError,
};
use crate::due_factor::{FIRST_FACTOR, due_on_of_factor};

/// The two kinds of slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlipKind {
    /// A boleto issued by a bank: 47 digits.
    Bank,
    /// A slip collected for a utility or a public body: 48 digits.
    Collection(Segment),
}

/// A slip as read from its digitable line or its barcode; every check digit held.
///
/// Its `Debug` text leaves the digits out.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedBoleto {
    /// Whether a bank or a collecting body issued it.
    pub kind: SlipKind,
    /// The 47 or 48 digits of the line, without separators.
    pub digitable_line: String,
    /// The 44 digits of the barcode.
    pub barcode: String,
    /// The three digits of the issuing bank; a collection slip names none.
    pub bank: Option<String>,
    /// The amount in centavos; nothing when the payer chooses or the slip does not say.
    pub amount_centavos: Option<i64>,
    /// The due date; nothing when the slip does not say (factor 0000, collection slips).
    pub due_on: Option<NaiveDate>,
}

/// A slip that says something else than the record around it.
///
/// Its texts name neither amounts nor dates.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The amounts differ, in centavos.
    #[error("the line is over another amount than stated")]
    CompareAmount {
        /// What the slip says.
        line_centavos: i64,
        /// What was stated.
        stated_centavos: i64,
    },
    /// The due dates differ.
    #[error("the line is due on another day than stated")]
    CompareDueDate {
        /// What the slip says.
        line_on: NaiveDate,
        /// What was stated.
        stated_on: NaiveDate,
    },
}

impl fmt::Debug for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CompareAmount { .. } => "CompareAmount { .. }",
            Self::CompareDueDate { .. } => "CompareDueDate { .. }",
        })
    }
}

impl Disagreement {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CompareAmount { .. } => "line_amount_differs",
            Self::CompareDueDate { .. } => "line_due_on_differs",
        }
    }
}

impl fmt::Debug for ParsedBoleto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedBoleto")
            .field("kind", &self.kind)
            .field("bank", &self.bank)
            .field("amount_centavos", &self.amount_centavos)
            .field("due_on", &self.due_on)
            .finish_non_exhaustive()
    }
}

/// Reads a slip's line of 47 or 48 digits, or its barcode of 44.
///
/// ASCII digits with spaces, dots and hyphens anywhere are accepted, nothing else. `reference_on`
/// (the issue date, or today) decides which of its two due dates a bank slip's factor means, see
/// [`due_on_of_factor`].
///
/// # Errors
/// The first [`DigitableLineError`] found: fields from the left, then the general digit, then
/// what the digits mean.
pub fn parse(text: &str, reference_on: NaiveDate) -> Result<ParsedBoleto, DigitableLineError> {
    let digits = digitable_line::digits_of(text)?;
    let is_collection = digits.starts_with(collection_line::PRODUCT);
    match (digits.len(), is_collection) {
        (BANK_LINE_DIGITS, false) => {
            let barcode = digitable_line::barcode_of_bank_line(&digits)?;
            bank_slip(digits, barcode, reference_on)
        }
        (BARCODE_DIGITS, false) => {
            let line = digitable_line::bank_line_of_barcode(&digits);
            bank_slip(line, digits, reference_on)
        }
        (COLLECTION_LINE_DIGITS, true) => {
            let barcode = collection_line::barcode_of_line(&digits)?;
            collection_slip(digits, barcode)
        }
        (BARCODE_DIGITS, true) => {
            let line = collection_line::line_of_barcode(&digits)?;
            collection_slip(line, digits)
        }
        (BANK_LINE_DIGITS | COLLECTION_LINE_DIGITS, _) => Err(DigitableLineError::RecogniseProduct),
        _ => Err(DigitableLineError::CountDigits),
    }
}

/// Returns a line of 47 or 48 digits with the separators that slips print, for people to read;
/// nothing for any other text. Check digits are not looked at.
pub fn printed(line: &str) -> Option<String> {
    if !line.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match line.len() {
        BANK_LINE_DIGITS => Some(digitable_line::print_bank_line(line)),
        COLLECTION_LINE_DIGITS => Some(collection_line::print_line(line)),
        _ => None,
    }
}

/// Checks that a slip says what the record around it states.
///
/// An open amount and a missing due date agree with everything. A reminder with a line that pays
/// another amount must never leave.
///
/// # Errors
/// The first [`Disagreement`]: amount, then due date.
pub fn check_agreement(
    parsed: &ParsedBoleto,
    stated_centavos: i64,
    stated_on: NaiveDate,
) -> Result<(), Disagreement> {
    match (parsed.amount_centavos, parsed.due_on) {
        (Some(line_centavos), _) if line_centavos != stated_centavos => {
            Err(Disagreement::CompareAmount {
                line_centavos,
                stated_centavos,
            })
        }
        (_, Some(line_on)) if line_on != stated_on => {
            Err(Disagreement::CompareDueDate { line_on, stated_on })
        }
        _ => Ok(()),
    }
}

fn bank_slip(
    digitable_line: String,
    barcode: String,
    reference_on: NaiveDate,
) -> Result<ParsedBoleto, DigitableLineError> {
    digitable_line::check_bank_barcode(&barcode)?;
    Ok(ParsedBoleto {
        kind: SlipKind::Bank,
        bank: Some(barcode[..3].to_owned()),
        amount_centavos: barcode[9..19].parse().ok().filter(|amount| *amount > 0),
        due_on: due_on_of(&barcode[5..9], reference_on)?,
        digitable_line,
        barcode,
    })
}

fn due_on_of(
    factor: &str,
    reference_on: NaiveDate,
) -> Result<Option<NaiveDate>, DigitableLineError> {
    match factor.parse() {
        Ok(0) => Ok(None),
        Ok(factor @ FIRST_FACTOR..) => due_on_of_factor(factor, reference_on)
            .map(Some)
            .ok_or(DigitableLineError::PlaceDueDate),
        _ => Err(DigitableLineError::RecogniseDueFactor),
    }
}

fn collection_slip(
    digitable_line: String,
    barcode: String,
) -> Result<ParsedBoleto, DigitableLineError> {
    let (segment, amount_centavos) = collection_line::read_barcode(&barcode)?;
    Ok(ParsedBoleto {
        kind: SlipKind::Collection(segment),
        bank: None,
        amount_centavos,
        due_on: None,
        digitable_line,
        barcode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "03399.53465 54100.072310 78760.701017 1 15650000034353";

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn the_worked_example_says_its_bank_amount_and_due_date() {
        let parsed = parse(LINE, date("2026-11-21")).expect("a slip");
        assert_eq!(parsed.bank.as_deref(), Some("033"));
        assert_eq!(parsed.amount_centavos, Some(34_353));
        assert_eq!(parsed.due_on, Some(date("2026-09-10")));
        assert_eq!(printed(&parsed.digitable_line).as_deref(), Some(LINE));
    }

    #[test]
    fn a_line_is_printed_in_groups_and_nothing_else_is() {
        let digits: String = LINE.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(printed(&digits).as_deref(), Some(LINE));
        let blocks = "8".repeat(11) + "-8";
        let whole = [blocks.as_str(); 4].join(" ");
        assert_eq!(printed(&"8".repeat(48)), Some(whole));
        for text in ["", "123", LINE, &"8".repeat(44), &"é".repeat(24)] {
            assert_eq!(printed(text), None, "{text}");
        }
    }

    #[test]
    fn a_disagreement_says_neither_amounts_nor_dates() {
        let parsed = parse(LINE, date("2026-11-21")).expect("a slip");
        for (centavos, on) in [(1, "2026-09-10"), (34_353, "2026-09-11")] {
            let error = check_agreement(&parsed, centavos, date(on)).expect_err("another slip");
            let told = format!("{error} {error:?}");
            assert!(!told.contains(|sign: char| sign.is_ascii_digit()), "{told}");
        }
    }

    #[test]
    fn the_reference_date_chooses_the_cycle_or_refuses() {
        let due_on = |on| parse(LINE, date(on)).map(|parsed| parsed.due_on);
        assert_eq!(due_on("2002-01-01"), Ok(Some(date("2002-01-19"))));
        assert_eq!(due_on("2020-01-01"), Ok(Some(date("2026-09-10"))));
        assert_eq!(due_on("2011-01-01"), Err(DigitableLineError::PlaceDueDate));
    }

    #[test]
    fn the_debug_text_of_a_slip_has_no_digits_of_its_line() {
        let parsed = parse(LINE, date("2026-11-21")).expect("a slip");
        let debug = format!("{parsed:?}");
        assert!(!debug.contains(&parsed.digitable_line) && !debug.contains(&parsed.barcode));
        assert!(debug.contains("34353"));
    }

    #[test]
    fn a_first_digit_of_the_other_kind_of_slip_is_refused() {
        let parse = |text: &str| parse(text, date("2026-11-21")).map(|_| ());
        let refused = Err(DigitableLineError::RecogniseProduct);
        assert_eq!(parse(&"8".repeat(47)), refused);
        assert_eq!(parse(&"1".repeat(48)), refused);
    }
}
