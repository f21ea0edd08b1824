//! Texts that nobody types in good faith: every reader refuses them, quickly and without panic.

use chrono::NaiveDate;

use crate::boleto;
use crate::brcode::BrCode;
use crate::contact::EmailAddress;
use crate::document::Document;
use crate::phone::Phone;

const LINE: &str = "03399534655410007231078760701017115650000034353";
const CODE: &str = "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-426655440000\
    5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***63041D3D";
const CPF: &str = "11144477735";
const PHONE: &str = "11987654321";
const EMAIL: &str = "maria@example.com";

/// Tells which of the five readers (line, code, document, phone, e-mail) accept a text.
fn accepted(text: &str) -> [bool; 5] {
    let today = NaiveDate::from_ymd_opt(2026, 11, 21).expect("a date");
    [
        boleto::parse(text, today).is_ok(),
        BrCode::parse(text).is_ok(),
        Document::parse(text).is_ok(),
        Phone::parse(text).is_ok(),
        EmailAddress::parse(text).is_ok(),
    ]
}

const SAMPLES: [&str; 5] = [LINE, CODE, CPF, PHONE, EMAIL];

#[test]
fn each_sample_is_accepted_by_its_reader() {
    for (reader, sample) in SAMPLES.into_iter().enumerate() {
        assert!(accepted(sample)[reader], "{sample}");
    }
}

#[test]
fn nul_and_control_characters_are_refused_at_both_ends_and_within() {
    let controls = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32);
    for control in controls {
        for sample in SAMPLES {
            let (start, end) = sample.split_at(5);
            for text in [
                format!("{control}{sample}"),
                format!("{start}{control}{end}"),
                format!("{sample}{control}"),
            ] {
                assert_eq!(accepted(&text), [false; 5], "{text:?}");
            }
        }
    }
}

#[test]
fn a_megabyte_of_anything_is_refused() {
    for unit in [
        "1", " ", "0", "a@", "\0", "٣", "\u{200d}", "ﷺ", "0002", "👀",
    ] {
        let text = unit.repeat(1_048_576 / unit.len());
        assert_eq!(accepted(&text), [false; 5], "{unit:?}");
        for sample in SAMPLES {
            assert_eq!(accepted(&format!("{sample}{text}")), [false; 5], "{unit:?}");
        }
    }
}

#[test]
fn digits_of_other_scripts_are_a_phone_at_most() {
    for zero in ['٠', '۰', '०', '０', '𝟎'] {
        for (reader, sample) in SAMPLES.into_iter().enumerate() {
            let text: String = sample
                .chars()
                .map(|c| {
                    c.to_digit(10)
                        .and_then(|n| char::from_u32(u32::from(zero) + n))
                        .unwrap_or(c)
                })
                .collect();
            let is_phone = sample == PHONE;
            if text != sample {
                assert_eq!(accepted(&text)[reader], is_phone, "{text}");
            }
        }
    }
}

#[test]
fn zero_width_joiners_are_dropped_in_a_phone_and_refused_elsewhere() {
    for invisible in ['\u{200b}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{202e}'] {
        for (reader, sample) in SAMPLES.into_iter().enumerate() {
            let (start, end) = sample.split_at(4);
            let text = format!("{start}{invisible}{end}");
            assert_eq!(accepted(&text)[reader], sample == PHONE, "{text:?}");
        }
    }
}
