//! The 48 digits of a collection slip (utilities, taxes, fines) and the 44 of its barcode.
//!
//! Knows the layout v06 of FEBRABAN (2020-11-01) alone: value and segment. The due date that
//! some issuers write into the free part is not read, since no digit says whether it is there.

use serde::{Deserialize, Serialize};

use crate::check_digits::{mod10, mod11};
use crate::digitable_line::{COLLECTION_LINE_DIGITS, DigitableLineError, is_digit, push_guarded};

/// The first digit of every collection slip.
pub(crate) const PRODUCT: char = '8';

const BLOCKS: usize = 4;
const BLOCK_DIGITS: usize = 11;
const GUARDED_BLOCK_DIGITS: usize = BLOCK_DIGITS + 1;

/// Who collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// 1, a municipality.
    CityHall,
    /// 2, water and sewage.
    Sanitation,
    /// 3, electricity and gas.
    Energy,
    /// 4, telecommunications.
    Telecom,
    /// 5, a government body.
    Government,
    /// 6, payment books of companies known by their CNPJ.
    Company,
    /// 7, traffic fines.
    TrafficFine,
    /// 9, for the bank's own use.
    Bank,
}

/// What the eleven value digits count, and which check digit guards the slip.
#[derive(Clone, Copy)]
struct ValueKind {
    is_amount: bool,
    guard: fn(&str) -> u8,
}

/// Checks a 44-digit collection barcode and returns its segment and amount in centavos.
///
/// No amount is returned for value 0 (open) and for values that count something else than reais.
pub(crate) fn read_barcode(barcode: &str) -> Result<(Segment, Option<i64>), DigitableLineError> {
    let segment = segment_of(barcode)?;
    let kind = value_kind_of(barcode)?;
    let guarded = [&barcode[..3], &barcode[4..]].concat();
    if !is_digit(&barcode[3..4], (kind.guard)(&guarded)) {
        return Err(DigitableLineError::CheckWhole);
    }
    let value = barcode[4..15].parse().ok().filter(|value| *value > 0);
    Ok((segment, value.filter(|_| kind.is_amount)))
}

/// Checks the four blocks of a 48-digit line and returns its barcode, itself unchecked.
pub(crate) fn barcode_of_line(line: &str) -> Result<String, DigitableLineError> {
    let guard = value_kind_of(line)?.guard;
    let mut barcode = String::with_capacity(BLOCKS * BLOCK_DIGITS);
    for (number, at) in (1..).zip((0..COLLECTION_LINE_DIGITS).step_by(GUARDED_BLOCK_DIGITS)) {
        let (digits, check) = line[at..at + GUARDED_BLOCK_DIGITS].split_at(BLOCK_DIGITS);
        if !is_digit(check, guard(digits)) {
            return Err(DigitableLineError::CheckField(number));
        }
        barcode.push_str(digits);
    }
    Ok(barcode)
}

/// Returns the 48-digit line of a 44-digit barcode.
pub(crate) fn line_of_barcode(barcode: &str) -> Result<String, DigitableLineError> {
    let guard = value_kind_of(barcode)?.guard;
    let mut line = String::with_capacity(COLLECTION_LINE_DIGITS);
    for at in (0..BLOCKS * BLOCK_DIGITS).step_by(BLOCK_DIGITS) {
        let digits = &barcode[at..at + BLOCK_DIGITS];
        push_guarded(&mut line, digits, guard(digits));
    }
    Ok(line)
}

/// Writes a line the way that collection slips print it.
pub(crate) fn print_line(line: &str) -> String {
    let blocks = (0..COLLECTION_LINE_DIGITS).step_by(GUARDED_BLOCK_DIGITS);
    let printed = blocks.map(|at| {
        let (digits, guard) = line[at..at + GUARDED_BLOCK_DIGITS].split_at(BLOCK_DIGITS);
        format!("{digits}-{guard}")
    });
    printed.collect::<Vec<_>>().join(" ")
}

fn segment_of(barcode: &str) -> Result<Segment, DigitableLineError> {
    match barcode.as_bytes()[1] {
        b'1' => Ok(Segment::CityHall),
        b'2' => Ok(Segment::Sanitation),
        b'3' => Ok(Segment::Energy),
        b'4' => Ok(Segment::Telecom),
        b'5' => Ok(Segment::Government),
        b'6' => Ok(Segment::Company),
        b'7' => Ok(Segment::TrafficFine),
        b'9' => Ok(Segment::Bank),
        _ => Err(DigitableLineError::RecogniseSegment),
    }
}

/// Reads the third digit, which a line and its barcode share.
fn value_kind_of(digits: &str) -> Result<ValueKind, DigitableLineError> {
    let (is_amount, guard): (bool, fn(&str) -> u8) = match digits.as_bytes()[2] {
        b'6' => (true, mod10),
        b'7' => (false, mod10),
        b'8' => (true, collection_mod11),
        b'9' => (false, collection_mod11),
        _ => return Err(DigitableLineError::RecogniseValueKind),
    };
    Ok(ValueKind { is_amount, guard })
}

fn collection_mod11(digits: &str) -> u8 {
    mod11(digits, 9)
}
