//! Command lines as an operator types them, and as nobody should.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod stores;
mod tokens;

struct Answer {
    code: u8,
    out: String,
    err: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect("one JSON object")
    }
}

fn run_os(arguments: &[OsString]) -> Answer {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = std::iter::once("regua".into()).chain(arguments.iter().cloned());
    let code = run_with(arguments, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("utf-8");
    Answer {
        code,
        out: text(out),
        err: text(err),
    }
}

fn run(arguments: &[&str]) -> Answer {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    run_os(&arguments)
}

const BANK_LINE: &str = "23793.38128 60007.827136 95000.063305 9 75520000370000";
const COLLECTION_LINE: &str = "846700000017 435900240209 024050002435 842210108119";

fn check_json(family: &str, text: &str) -> Answer {
    run(&[family, "check", text, "--json"])
}

#[test]
fn a_line_that_was_not_quoted_is_read_all_the_same() {
    let words = COLLECTION_LINE.split(' ');
    let arguments: Vec<&str> = ["boleto", "check", "--json"]
        .into_iter()
        .chain(words)
        .collect();
    let answer = run(&arguments);
    assert_eq!(answer.code, 0, "{}", answer.out);
    assert_eq!(answer.json()["kind"], "collection");
    assert_eq!(answer.json()["due_on"], Value::Null);
}

#[test]
fn what_is_not_valid_ends_with_2_and_a_named_error_on_standard_output() {
    let cases = [
        (
            "boleto",
            "23793381286000782713695000063305975520000370001",
            "line_general_digit",
        ),
        ("boleto", "1e400", "line_character"),
        ("boleto", "\0", "line_character"),
        ("brcode", "00020126", "brcode_no_checksum"),
        ("document", "111.111.111-11", "document_repeated"),
        ("phone", "(20) 99999-8888", "phone_area_code"),
    ];
    for (family, text, error) in cases {
        let answer = check_json(family, text);
        assert_eq!(answer.code, INVALID, "{family} {text:?}");
        assert_eq!(answer.json()["error"], error, "{family} {text:?}");
        assert!(answer.json()["message"].is_string());
        assert_eq!(answer.err, "");
        assert!(
            !answer.out.contains("99999-8888"),
            "an error repeats what it refuses"
        );
    }
}

#[test]
fn documents_and_phones_say_what_they_are() {
    let document = check_json("document", "12.ABC.345/01DE-35").json();
    assert_eq!(document["kind"], "cnpj");
    assert_eq!(document["formatted"], "12.ABC.345/01DE-35");
    let phone = check_json("phone", "+55 (97) 9 9999-8888").json();
    assert_eq!(phone["kind"], "mobile");
    assert_eq!(phone["e164"], "+5597999998888");
    assert_eq!(phone["state"], "AM");
    assert!(
        phone["zones"].as_array().expect("zones").len() > 1,
        "{phone}"
    );
}

#[test]
fn a_pix_code_says_what_it_pays() {
    let code = "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-426655440000\
                5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***63041D3D";
    let answer = check_json("brcode", code);
    assert_eq!(answer.code, 0, "{}", answer.out);
    assert_eq!(answer.json()["kind"], "static");
    assert_eq!(answer.json()["key"], "123e4567-e12b-12d1-a456-426655440000");
    assert_eq!(answer.json()["merchant_name"], "Fulano de Tal");
}

#[test]
fn a_slot_of_a_night_without_midnight_is_not_lost() {
    let answer = run(&[
        "cron",
        "next",
        "0 0 * * *",
        "--zone",
        "America/Sao_Paulo",
        "--after",
        "2018-11-03T12:00:00Z",
        "--count",
        "2",
        "--json",
    ]);
    let expected = json!(["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"]);
    assert_eq!(answer.json()["next_at"], expected);
}

#[test]
fn a_recurrence_or_zone_that_cannot_be_is_refused() {
    let zone = run(&[
        "cron",
        "next",
        "0 9 * * *",
        "--zone",
        "Mars/Olympus",
        "--json",
    ]);
    assert_eq!(
        (zone.code, &zone.json()["error"]),
        (INVALID, &json!("zone_unknown"))
    );
    let often = run(&["cron", "next", "* * * * *", "--zone", "UTC", "--json"]);
    assert_eq!(
        (often.code, &often.json()["error"]),
        (INVALID, &json!("cron_too_frequent"))
    );
}

#[test]
fn a_command_line_that_is_not_understood_ends_otherwise_than_an_invalid_boleto() {
    for arguments in [
        &["boleto"][..],
        &["boleto", "check"],
        &["boleto", "check", BANK_LINE, "--on", "tomorrow"],
        &["cron", "next", "0 9 * * *", "--zone", "UTC", "--count", "0"],
        &["nothing"],
    ] {
        let answer = run(arguments);
        assert_eq!(answer.code, MISUSED, "{arguments:?}");
        assert_eq!(answer.out, "");
        assert!(!answer.err.is_empty());
    }
    assert_eq!(run(&["--help"]).code, 0);
}

#[test]
fn people_get_a_line_a_field_in_order() {
    let answer = run(&["boleto", "check", BANK_LINE, "--on", "2018-06-01"]);
    assert_eq!(answer.code, 0);
    assert!(
        answer.out.contains("due on              2018-06-11\n"),
        "{}",
        answer.out
    );
    assert!(
        answer.out.starts_with("kind                bank\n"),
        "{}",
        answer.out
    );
    assert!(!answer.out.contains('{'));
}

#[test]
fn what_a_code_says_cannot_command_the_terminal() {
    let mut out = Vec::new();
    let form = check::FormArgs::for_people();
    let answer = json!({ "merchant_name": "\u{1b}[31mFulano\u{9b}", "txid": null });
    form.answer(&mut out, Ok(answer))
        .map(|_| ())
        .expect("an answer");
    let text = String::from_utf8(out).expect("utf-8");
    assert_eq!(
        text,
        "merchant name       \\u{1b}[31mFulano\\u{9b}\ntxid                -\n"
    );
}

#[test]
fn settings_are_printed_as_toml() {
    let answer = run(&["config", "print", "--set", "node.arbiters=3"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let table: toml::Table = answer.out.parse().expect("toml");
    assert_eq!(table["node"]["arbiters"].as_integer(), Some(3));
}

#[test]
fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
    struct Refusing(io::ErrorKind);
    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let run_to = |mut out: Refusing| {
        let arguments = ["regua", "--help"].map(OsString::from);
        let mut err = Vec::new();
        let code = run_with(arguments, &mut out, &mut err);
        (code, String::from_utf8(err).expect("utf-8"))
    };
    let (code, told) = run_to(Refusing(io::ErrorKind::BrokenPipe));
    assert_eq!((code, told.as_str()), (0, ""));
    let (code, told) = run_to(Refusing(io::ErrorKind::StorageFull));
    assert_eq!((code, told.as_str()), (FAILED, "regua: no storage space\n"));
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_utf_8_are_refused_by_name() {
    use std::os::unix::ffi::OsStringExt as _;
    for family in ["boleto", "brcode", "document", "phone"] {
        let text = OsString::from_vec(vec![b'2', 0xff, 0xfe]);
        let answer = run_os(&[family.into(), "check".into(), text, "--json".into()]);
        assert_eq!(answer.code, INVALID);
        assert_eq!(answer.json()["error"], "argument_not_utf8");
    }
}

#[test]
fn a_megabyte_is_refused_like_any_other_text() {
    for family in ["boleto", "brcode", "document", "phone"] {
        let answer = check_json(family, &"9".repeat(1 << 20));
        assert_eq!(answer.code, INVALID, "{family}");
        assert!(answer.out.len() < 500);
    }
    let expression = "*".repeat(1 << 20);
    let answer = run(&["cron", "next", &expression, "--zone", "UTC", "--json"]);
    assert_eq!(answer.json()["error"], "cron_length");
}

proptest! {
    #[test]
    fn no_text_makes_a_check_panic(text in any::<String>(), form in prop::bool::ANY) {
        for family in ["boleto", "brcode", "document", "phone"] {
            let mut arguments = vec![family, "check", "--on=2026-01-01", "--json", "--", &text];
            arguments.retain(|argument| family == "boleto" || *argument != "--on=2026-01-01");
            arguments.retain(|argument| form || *argument != "--json");
            let answer = run(&arguments);
            prop_assert!(matches!(answer.code, 0 | INVALID), "{}", answer.err);
        }
        let answer = run(&["cron", "next", "--zone=UTC", "--after=2026-01-01T00:00:00Z", "--", &text]);
        prop_assert!(matches!(answer.code, 0 | INVALID), "{}", answer.err);
    }
}
