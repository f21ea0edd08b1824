//! Published Pix codes with right and wrong checksums, and texts that are none.

use proptest::prelude::*;
use serde_json::Value;

use super::{fixture, list, text};
use crate::brcode::{BrCode, BrCodeError, PixTarget};

const CODES: &str = include_str!("../../../tests/fixtures/brcode_pix.json");

/// The published codes that are refused although their checksum holds, and why.
const REFUSED: [(&str, BrCodeError); 3] = [
    // A txid with an emoji.
    ("75EF", BrCodeError::ReadTxid),
    // A receiver's name of 26 characters.
    ("EFF5", BrCodeError::RequireField(59)),
    // A draft of the standard, older than Pix: its templates name "br.gov.bcb.spi".
    ("34D1", BrCodeError::FindPix),
];

fn codes() -> Vec<Value> {
    list(&fixture(CODES)["items"]).to_vec()
}

#[test]
fn every_published_code_is_read_or_refused_for_its_reason() {
    let mut refused = 0;
    for item in codes() {
        let parsed = BrCode::parse(text(&item["brcode"]));
        let expected = REFUSED.iter().find(|(crc, _)| *crc == text(&item["crc"]));
        if item["crc_valido"] == false {
            assert_eq!(parsed, Err(BrCodeError::CheckSum), "{item}");
        } else if let Some((_, error)) = expected {
            assert_eq!(parsed, Err(*error), "{item}");
            refused += 1;
        } else {
            check_published_code(&item, &parsed.expect("a published code"));
        }
    }
    assert_eq!(refused, REFUSED.len());
}

fn check_published_code(item: &Value, code: &BrCode) {
    let fields = &item["campos"];
    assert_eq!(code.merchant_name, text(&fields["59"]));
    assert_eq!(code.merchant_city, text(&fields["60"]));
    assert_eq!(code.single_use, fields["01"] == "12");
    let reais = fields["54"]
        .as_str()
        .map(|reais| reais.parse::<f64>().expect("a number"));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "published amounts are small"
    )]
    let centavos = reais.map(|reais| (reais * 100.0).round() as i64);
    assert_eq!(code.amount_centavos, centavos, "{item}");
    assert!(item.get("valor").is_none_or(|value| *value == fields["54"]));
    let pix = &item["campo_26"];
    match &code.target {
        PixTarget::Key(key) => assert_eq!(pix["01"], **key),
        PixTarget::Url(url) => assert_eq!(pix["25"], **url),
        PixTarget::Recurrence => assert!(pix["01"].is_null() && pix["25"].is_null()),
    }
    let txid = item["campo_62"]["05"]
        .as_str()
        .filter(|txid| *txid != "***");
    assert_eq!(code.txid.as_deref(), txid);
    let recurrence = item["campo_80"]["25"].as_str();
    assert_eq!(code.recurrence_url.as_deref(), recurrence);
}

#[test]
fn every_published_code_with_one_character_changed_is_refused() {
    for item in codes() {
        let code = text(&item["brcode"]);
        for (at, old) in code.char_indices() {
            let new = if old == '7' { "8" } else { "7" };
            let changed = format!("{}{new}{}", &code[..at], &code[at + old.len_utf8()..]);
            assert!(BrCode::parse(&changed).is_err(), "{changed}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reading_of_a_code_panic(text in any::<String>()) {
        prop_assert!(BrCode::parse(&text).is_err());
    }

    #[test]
    fn no_fields_make_the_reading_of_a_code_panic(
        fields in prop::collection::vec(("[0-9]{2}", "[0-9]{0,2}", "\\PC{0,30}"), 0..12),
        cut in 0_usize..64,
    ) {
        let mut text = String::from("000201");
        for (number, length, value) in fields {
            text += &format!("{number}{length}{value}");
        }
        let end = text.floor_char_boundary(text.len().saturating_sub(cut));
        text.truncate(end);
        text += "6304";
        let crc = crate::brcode::crc16(text.as_bytes());
        let code = format!("{text}{crc:04X}");
        if let Ok(parsed) = BrCode::parse(&code) {
            prop_assert_eq!(parsed.code, code.trim_matches(' '));
        }
    }
}
