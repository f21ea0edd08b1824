//! The stable names of errors, which import reports and API clients match on.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::boleto::Disagreement;
use crate::brcode::BrCodeError as Code;
use crate::charges::ChargeRuleError as Charge;
use crate::contact::EmailError as Email;
use crate::digitable_line::DigitableLineError as Line;
use crate::document::DocumentError as Document;
use crate::phone::PhoneError as Phone;

const LINE: [Line; 13] = [
    Line::ReadCharacter,
    Line::CountDigits,
    Line::RecogniseProduct,
    Line::RecogniseCurrency,
    Line::RecogniseSegment,
    Line::RecogniseValueKind,
    Line::CheckField(1),
    Line::CheckField(2),
    Line::CheckField(3),
    Line::CheckField(4),
    Line::CheckWhole,
    Line::RecogniseDueFactor,
    Line::PlaceDueDate,
];
const CODE: [Code; 11] = [
    Code::MeasureCode,
    Code::ReadCharacter,
    Code::FindChecksum,
    Code::CheckSum,
    Code::ReadField,
    Code::RepeatField(26),
    Code::RequireField(59),
    Code::FindPix,
    Code::ChooseTarget,
    Code::ReadAmount,
    Code::ReadTxid,
];
const PHONE: [Phone; 5] = [
    Phone::ReadCharacter,
    Phone::CountDigits,
    Phone::RecogniseCountry,
    Phone::RecogniseAreaCode,
    Phone::RecogniseKind,
];
const EMAIL: [Email; 5] = [
    Email::ReadControl,
    Email::ReadCharacter,
    Email::MeasureAddress,
    Email::ReadLocalPart,
    Email::ReadDomain,
];
const DOCUMENT: [Document; 5] = [
    Document::ReadCharacter,
    Document::CountCharacters,
    Document::ReadDigit,
    Document::VaryCharacters,
    Document::CheckDigits,
];
const CHARGE: [Charge; 4] = [
    Charge::LimitConsumerPenalty,
    Charge::LimitPenalty,
    Charge::LimitInterest,
    Charge::LimitGrace,
];

fn disagreements() -> [Disagreement; 2] {
    let on = NaiveDate::default();
    [
        Disagreement::CompareAmount {
            line_centavos: 1,
            stated_centavos: 2,
        },
        Disagreement::CompareDueDate {
            line_on: on,
            stated_on: on,
        },
    ]
}

/// Returns the code and the text of every error.
fn errors() -> Vec<(&'static str, String)> {
    let mut errors = Vec::new();
    errors.extend(LINE.map(|error| (error.code(), error.to_string())));
    errors.extend(CODE.map(|error| (error.code(), error.to_string())));
    errors.extend(PHONE.map(|error| (error.code(), error.to_string())));
    errors.extend(EMAIL.map(|error| (error.code(), error.to_string())));
    errors.extend(DOCUMENT.map(|error| (error.code(), error.to_string())));
    errors.extend(CHARGE.map(|error| (error.code(), error.to_string())));
    errors.extend(disagreements().map(|error| (error.code(), error.to_string())));
    errors
}

#[test]
fn every_error_has_a_code_of_its_own() {
    let errors = errors();
    let codes: BTreeSet<_> = errors.iter().map(|(code, _)| code).collect();
    assert_eq!(codes.len(), errors.len());
    let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(codes.iter().all(|code| code.chars().all(is_code)));
}

#[test]
fn every_error_text_is_lower_case_without_a_full_stop() {
    for (_, text) in errors() {
        assert_eq!(text, text.to_lowercase());
        assert!(!text.ends_with('.'), "{text}");
    }
}
