//! Published numbers, the ninth digit, and the spellings by which a cap could be dodged.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::{fixture, list, text};
use crate::area_code::AreaCode;
use crate::phone::{Phone, PhoneError as E, PhoneKind};

const PHONES: &str = include_str!("../../../tests/fixtures/phones_br.json");
const ZONES: &str = include_str!("../../../tests/fixtures/ddd_timezones.json");

/// Published numbers that libphonenumber calls invalid, and what is made of them here.
const INVALID: [(&str, Result<&str, E>); 8] = [
    // Mobiles without their ninth digit (the first behind a trunk 0): one person with the number
    // that has it, so they must not pass as another one.
    ("01994029275", Ok("+5519994029275")),
    ("1998814933", Ok("+5519998814933")),
    ("90994029275", Err(E::RecogniseAreaCode)),
    ("11594029275", Err(E::RecogniseKind)),
    ("0938814933", Err(E::RecogniseAreaCode)),
    ("1038814933", Err(E::RecogniseAreaCode)),
    ("119940", Err(E::CountDigits)),
    ("(00) 3 0000-0000", Err(E::RecogniseCountry)),
];

#[test]
fn every_published_number_is_accepted_or_refused_for_its_reason() {
    let mut invalid = 0;
    for item in list(&fixture(PHONES)["validacao"]) {
        let written = text(&item["entrada"]);
        let parsed = Phone::parse(written);
        if item["libphonenumber_valido"] == true {
            let phone = parsed.expect("a published number");
            assert_eq!(phone.e164(), text(&item["e164"]));
            let kind = match text(&item["tipo"]) {
                "MOBILE" => PhoneKind::Mobile,
                "FIXED_LINE" => PhoneKind::Landline,
                other => panic!("{other} is no kind of phone"),
            };
            assert_eq!(phone.kind(), kind);
        } else {
            let known = INVALID.iter().find(|(text, _)| *text == written);
            let (_, expected) = known.expect("a documented number");
            assert_eq!(parsed.as_ref().map(Phone::e164), expected.as_ref().copied());
            invalid += 1;
        }
    }
    assert_eq!(invalid, INVALID.len());
}

#[test]
fn every_published_whatsapp_id_leads_to_the_same_identity() {
    for item in list(&fixture(PHONES)["wa_id_nono_digito"]["items"]) {
        let phone = Phone::parse(text(&item["e164_digits"])).expect("a published number");
        let ids: Vec<_> = list(&item["candidatos"]).iter().map(text).collect();
        assert_eq!(phone.whatsapp_ids(), ids);
        let evolution = text(&item["evolution_createJid_3454bec"]);
        for id in ids.into_iter().chain([evolution]) {
            assert_eq!(Phone::parse(id).as_ref(), Ok(&phone), "{id}");
        }
    }
}

#[test]
fn every_published_area_code_has_its_state_and_zone_and_no_other_exists() {
    let fixture = fixture(ZONES);
    let items = list(&fixture["items"]);
    assert_eq!(items.len(), every_area_code().count());
    for (item, area_code) in items.iter().zip(every_area_code()) {
        assert_eq!(item["ddd"], area_code.number());
        assert_eq!(item["uf"], area_code.state());
        assert_eq!(item["tz"], area_code.zones()[0].name());
        let noon =
            chrono::NaiveDate::from_ymd_opt(2026, 7, 1).and_then(|on| on.and_hms_opt(12, 0, 0));
        let noon = noon.expect("a wall clock");
        let at = crate::time::resolve_local(area_code.zones()[0], noon);
        let offset_ms = noon.and_utc().timestamp_millis() - at.unix_ms();
        #[expect(clippy::cast_precision_loss, reason = "a few hours in milliseconds")]
        let offset_hours = offset_ms as f64 / 3_600_000.0;
        assert_eq!(item["utc_offset_2026"], offset_hours);
    }
}

#[test]
fn areas_with_two_clocks_name_both() {
    let zones = |number| AreaCode::try_from(number).map(AreaCode::zones);
    assert_eq!(
        zones(81),
        Ok(&[Tz::America__Recife, Tz::America__Noronha][..])
    );
    assert_eq!(
        zones(97),
        Ok(&[Tz::America__Manaus, Tz::America__Eirunepe][..])
    );
    assert!(zones(20).is_err());
}

#[test]
fn every_odd_spelling_of_one_person_has_one_identity() {
    let person = Phone::parse("+5511987654321").expect("a number");
    for spelling in [
        "11987654321",
        "+55 (11) 98765-4321",
        "5511 8765-4321",
        "1187654321",
        "０１１ ９８７６５‐４３２１",
        "٥٥١١٩٨٧٦٥٤٣٢١",
        "+۵۵۱۱۹۸۷۶۵۴۳۲۱",
        "+55\u{200d}11\u{200b}98765\u{feff}4321",
        "\u{202a}+5511987654321\u{202c}",
        "00 55 11 98765-4321",
        "005511 8765 4321",
        "011 98765.4321",
        "0 15 11 98765-4321",
        "+55 (0)11 98765-4321",
        "55 011 98765-4321",
        "+55\u{a0}11\u{2009}98765\u{2212}4321",
        "𝟓𝟓𝟏𝟏𝟗𝟖𝟕𝟔𝟓𝟒𝟑𝟐𝟏",
    ] {
        let phone = Phone::parse(spelling);
        assert_eq!(
            phone.as_ref().map(Phone::canonical),
            Ok(person.canonical()),
            "{spelling}"
        );
    }
}

#[test]
fn what_is_no_number_of_brazil_is_refused() {
    for (text, expected) in [
        ("+1 212 555 0123", E::RecogniseCountry),
        ("0012125550123", E::RecogniseCountry),
        ("+55", E::CountDigits),
        ("", E::CountDigits),
        ("0800 123 4567", E::RecogniseAreaCode),
        ("4004-0001", E::CountDigits),
        ("11 98765-432a", E::ReadCharacter),
        ("11 98765\n4321", E::ReadCharacter),
        ("11 98765+4321", E::ReadCharacter),
        ("++5511987654321", E::ReadCharacter),
        ("+55 20 98765-4321", E::RecogniseAreaCode),
        ("+55 11 18765-4321", E::RecogniseKind),
        ("+55 11 0876-4321", E::RecogniseKind),
        ("1️⃣1987654321", E::ReadCharacter),
    ] {
        assert_eq!(Phone::parse(text), Err(expected), "{text:?}");
    }
}

#[test]
fn the_fraction_of_a_spreadsheet_and_an_extension_make_no_other_persons_number() {
    for text in [
        "1197654321.0",
        "1197654321.00",
        "11976543.210",
        "1198765432.1",
        "11987654321.",
        "1197654321．0",
        "(11) 9876-5432/1",
        "11 98765/4321",
        "(11) 9876-5432／1",
        "11 3222-1234 / 9",
    ] {
        assert_eq!(Phone::parse(text), Err(E::ReadCharacter), "{text:?}");
    }
    let person = Phone::parse("11987654321");
    assert!(person.is_ok());
    for text in ["11.98765.4321", "+55.11.98765.4321", "11.987654321"] {
        assert_eq!(Phone::parse(text), person, "{text:?}");
    }
}

#[test]
fn area_code_55_is_not_mistaken_for_the_country() {
    let e164 = |text| Phone::parse(text).map(|phone| phone.e164().to_owned());
    assert_eq!(e164("55 3222-1234"), Ok("+555532221234".to_owned()));
    assert_eq!(e164("55 99999-1234"), Ok("+5555999991234".to_owned()));
    assert_eq!(e164("55 55 3222-1234"), Ok("+555532221234".to_owned()));
}

#[test]
fn a_number_is_masked_wherever_it_is_printed() {
    let phone = Phone::parse("11987651234").expect("a number");
    assert_eq!(phone.to_string(), "+55******1234");
    assert_eq!(format!("{phone:?}"), "Phone(+55******1234)");
}

fn every_area_code() -> impl Iterator<Item = AreaCode> {
    (0..=99).filter_map(|number| AreaCode::try_from(number).ok())
}

fn area_codes() -> impl Strategy<Value = u8> {
    prop::sample::select(every_area_code().map(AreaCode::number).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn both_forms_of_a_mobile_have_one_identity(ddd in area_codes(), rest in "[6-9][0-9]{7}") {
        let old = Phone::parse(&format!("{ddd}{rest}")).expect("an old mobile");
        let new = Phone::parse(&format!("{ddd}9{rest}")).expect("a mobile");
        prop_assert_eq!(&old, &new);
        prop_assert_eq!(old.canonical(), format!("55{ddd}{rest}"));
        prop_assert_eq!(old.e164(), format!("+55{ddd}9{rest}"));
    }

    #[test]
    fn a_landline_never_gains_a_ninth_digit(ddd in area_codes(), rest in "[2-5][0-9]{7}") {
        let landline = Phone::parse(&format!("{ddd}{rest}")).expect("a landline");
        prop_assert_eq!(landline.kind(), PhoneKind::Landline);
        prop_assert_eq!(landline.e164(), format!("+55{ddd}{rest}"));
        // The mobile that ends alike belongs to somebody else.
        let mobile = Phone::parse(&format!("{ddd}9{rest}")).expect("a mobile");
        prop_assert_ne!(landline.canonical(), mobile.canonical());
    }

    #[test]
    fn an_identity_reads_back_as_itself(ddd in area_codes(), rest in "(9[0-9]{8}|[2-9][0-9]{7})") {
        let phone = Phone::parse(&format!("+55{ddd}{rest}")).expect("a number");
        for spelling in [phone.canonical(), phone.e164()] {
            prop_assert_eq!(Phone::parse(spelling), Ok(phone.clone()));
        }
        let stored = serde_json::to_string(&phone).expect("text");
        prop_assert_eq!(serde_json::from_str::<Phone>(&stored).ok(), Some(phone));
    }

    #[test]
    fn separators_and_scripts_do_not_change_the_identity(
        ddd in area_codes(), rest in "9[0-9]{8}", gaps in "[ ()\u{200d}\u{2060}-]{13}",
        zero in prop::sample::select(vec!['0', '٠', '۰', '０', '०', '𝟎']),
    ) {
        let plain = format!("55{ddd}{rest}");
        let odd: String = plain.bytes().zip(gaps.chars()).flat_map(|(digit, gap)| {
            let digit = char::from_u32(u32::from(zero) + u32::from(digit - b'0'));
            [digit.expect("a digit"), gap]
        }).collect();
        prop_assert_eq!(Phone::parse(&odd), Phone::parse(&plain));
    }

    #[test]
    fn whatever_is_read_reads_back_and_nothing_panics(
        text in any::<String>(), digits in "[+0-9]{0,16}",
    ) {
        for written in [text, digits] {
            if let Ok(phone) = Phone::parse(&written) {
                prop_assert_eq!(Phone::parse(phone.canonical()), Ok(phone));
            }
        }
    }
}
