//! Published CPF and CNPJ, and what one wrong character does.

use proptest::prelude::*;

use super::{fixture, list, text};
use crate::check_digits::mod11;
use crate::document::{Document, DocumentError as E, DocumentKind};

const DOCUMENTS: &str = include_str!("../../../tests/fixtures/cpf_cnpj.json");

/// What the published invalid numbers are refused for.
const REFUSALS: [(&str, E); 14] = [
    ("52599927000100", E::CheckDigits),
    ("11111111111111", E::VaryCharacters),
    ("11111111121205", E::CheckDigits),
    ("11111111113105", E::CheckDigits),
    ("1112223334445-", E::CountCharacters),
    ("12ABC34501DE3", E::CountCharacters),
    ("12ABC34501DE3A", E::ReadDigit),
    ("00000000000", E::VaryCharacters),
    ("11111111111", E::VaryCharacters),
    ("11111111215", E::CheckDigits),
    ("11144477705", E::CheckDigits),
    ("11111111204", E::CheckDigits),
    ("11144477732", E::CheckDigits),
    ("1112223334-", E::CountCharacters),
];

#[test]
fn every_published_document_is_accepted_or_refused_for_its_reason() {
    let fixture = fixture(DOCUMENTS);
    for (name, kind) in [("cpf", DocumentKind::Cpf), ("cnpj", DocumentKind::Cnpj)] {
        for item in list(&fixture[name]) {
            let written = text(&item[name]);
            let parsed = Document::parse(written);
            if item["valido"] == true {
                let document = parsed.expect("a published document");
                assert_eq!((document.as_str(), document.kind()), (written, kind));
                assert_eq!(Document::parse(&document.formatted()), Ok(document));
            } else {
                let known = REFUSALS.iter().find(|(text, _)| *text == written);
                let (_, expected) = known.expect("a reason for the refusal");
                assert_eq!(parsed, Err(*expected), "{written}");
            }
        }
    }
}

#[test]
fn the_official_alphanumeric_example_is_read_in_every_spelling() {
    for text in [
        "12.ABC.345/01DE-35",
        "12abc34501de35",
        " 12 ABC 345 01DE 35 ",
    ] {
        let document = Document::parse(text).expect("a cnpj");
        assert_eq!(document.formatted(), "12.ABC.345/01DE-35");
    }
}

#[test]
fn a_document_is_masked_wherever_it_is_printed() {
    let cpf = Document::parse("111.444.777-35").expect("a cpf");
    assert_eq!(cpf.to_string(), "***.***.***-35");
    assert_eq!(format!("{cpf:?}"), "Document(***.***.***-35)");
    let cnpj = Document::parse("12ABC34501DE35").expect("a cnpj");
    assert_eq!(format!("{cnpj:?}"), "Document(**.***.***/****-35)");
}

#[test]
fn a_stored_document_is_checked_when_it_is_read_back() {
    let cpf = Document::parse("11144477735").expect("a cpf");
    let stored = serde_json::to_string(&cpf).expect("text");
    assert_eq!(stored, "\"11144477735\"");
    assert_eq!(serde_json::from_str::<Document>(&stored).ok(), Some(cpf));
    assert!(serde_json::from_str::<Document>("\"11144477732\"").is_err());
}

/// Completes a body with its two check digits.
fn completed(body: &str, heaviest: u32) -> String {
    let first = format!("{body}{}", mod11(body, heaviest));
    format!("{first}{}", mod11(&first, heaviest))
}

proptest! {
    #[test]
    fn every_body_has_its_document_and_formats_read_back(
        cpf in "[0-9]{8}[1-9]", cnpj in "[0-9A-Z]{11}[1-9A-Z]",
    ) {
        for (body, heaviest) in [(cpf, 11), (cnpj, 9)] {
            let text = completed(&body, heaviest);
            prop_assume!(!text.bytes().all(|byte| byte == text.as_bytes()[0]));
            let document = Document::parse(&text).expect("a document");
            prop_assert_eq!(document.as_str(), &text);
            prop_assert_eq!(Document::parse(&document.formatted()), Ok(document));
        }
    }

    #[test]
    fn a_cpf_with_one_wrong_digit_is_refused(
        body in "[0-9]{9}", at in 0_usize..11, by in 1_u8..10,
    ) {
        let mut bytes = completed(&body, 11).into_bytes();
        bytes[at] = b'0' + (bytes[at] - b'0' + by) % 10;
        let text = String::from_utf8(bytes).expect("digits");
        // Mod 11 maps the remainders 0 and 1 to the digit 0: a change between them can pass.
        if Document::parse(&text).is_ok() {
            prop_assert!(text[9..].contains('0'));
        }
    }

    #[test]
    fn no_text_makes_the_reading_of_a_document_panic(text in any::<String>()) {
        let _ = Document::parse(&text);
        let joined = format!("{text}\u{200d}");
        prop_assert!(Document::parse(&joined).is_err());
    }
}
