//! Files as spreadsheets write them, and files as nobody should.

mod bytes;
mod quotes;
mod sendable;

use std::collections::HashSet;
use std::fmt::Write as _;

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

const HEADER: &str = "referencia;vencimento;valor;linha_digitavel;nome;telefone;email";

fn on(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn read_all(bytes: &[u8]) -> Vec<ImportLine> {
    let rows = BoletoCsv::open(bytes, on("2026-01-15")).expect("a header");
    rows.map(|line| line.expect("a line")).collect()
}

fn read_rows(bytes: &[u8]) -> Vec<ImportRow> {
    let row = |line| match line {
        ImportLine::Row(_, row) => *row,
        ImportLine::Refused(refusal) => panic!("{refusal:?}"),
    };
    read_all(bytes).into_iter().map(row).collect()
}

/// What became of each row: its reference, or line, code and field.
fn told(bytes: &[u8]) -> Vec<String> {
    let tell = |line| match line {
        ImportLine::Row(_, row) => row.reference,
        ImportLine::Refused(refusal) => {
            format!(
                "{} {} {}",
                refusal.line,
                refusal.code(),
                refusal.field().unwrap_or("-")
            )
        }
    };
    read_all(bytes).into_iter().map(tell).collect()
}

/// What became of a single row under the usual header.
fn told_of(row: &str) -> String {
    told(format!("{HEADER}\n{row}").as_bytes()).join(", ")
}

fn open_error(bytes: &[u8]) -> String {
    let error = BoletoCsv::open(bytes, on("2026-01-15"))
        .err()
        .expect("an error");
    format!("{} {error}", error.code())
}

/// A bank slip's line, its general digit found by trying.
fn line_of(amount_centavos: i64, due_on: NaiveDate) -> String {
    let factor = 1_000 + (due_on - on("2025-02-22")).num_days();
    let free = "3".repeat(25);
    (1..=9)
        .map(|digit| format!("2379{digit}{factor:04}{amount_centavos:010}{free}"))
        .find_map(|barcode| schedules::boleto::parse(&barcode, on("2026-01-15")).ok())
        .expect("one of the digits fits")
        .digitable_line
}

#[test]
fn a_row_of_a_brazilian_spreadsheet_is_read_in_full() {
    let line = line_of(123_456, on("2026-03-10"));
    let file =
        format!("{HEADER}\r\nNF-1;10/03/2026;\"R$ 1.234,56\";{line};Zoë;(97) 99999-8888;\r\n");
    let rows = read_rows(file.as_bytes());
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (row.reference.as_str(), row.amount_centavos),
        ("NF-1", 123_456)
    );
    assert_eq!(
        (row.due_on, row.digitable_line.as_deref()),
        (on("2026-03-10"), Some(&*line))
    );
    assert_eq!(row.contact.name, "Zoë");
    assert_eq!(
        row.contact.phone.as_ref().map(|phone| phone.e164()),
        Some("+5597999998888")
    );
    assert_eq!(
        row.contact.zones,
        row.contact.phone.as_ref().unwrap().area_code().zones()
    );
    assert!(row.contact.zones.len() > 1, "area code 97 has two zones");
}

#[test]
fn an_english_file_with_commas_and_optional_columns_is_read() {
    let file = "Reference,Due date,Amount,Name,E-Mail,Zone,Payment Link,Notes\n\
                A-1,2026-03-10,1234.56,\"Silva, Ana\",ana@example.com,America/Manaus,\
                https://example.com/a?b=1,\"two\nlines\"\n";
    let rows = read_rows(file.as_bytes());
    assert_eq!(rows[0].contact.name, "Silva, Ana");
    assert_eq!(rows[0].contact.zones, [Tz::America__Manaus]);
    assert_eq!(
        rows[0].payment_link.as_deref(),
        Some("https://example.com/a?b=1")
    );
    assert_eq!(
        rows[0].contact.email.as_ref().map(|email| email.as_str()),
        Some("ana@example.com")
    );
}

#[test]
fn due_date_and_amount_may_come_from_the_line_alone() {
    let line = line_of(5_000, on("2026-03-10"));
    let file = format!("reference\tlinha digitável\tnome\temail\nA\t{line}\tAna\ta@example.com");
    let rows = read_rows(file.as_bytes());
    assert_eq!(
        (rows[0].amount_centavos, rows[0].due_on),
        (5_000, on("2026-03-10"))
    );
    assert!(rows[0].contact.zones.is_empty());
}

#[test]
fn a_line_that_disagrees_with_the_row_is_refused() {
    let line = line_of(5_000, on("2026-03-10"));
    let row = |due_on, amount, line: &str| format!("A;{due_on};{amount};{line};Ana;;a@example.com");
    assert_eq!(told_of(&row("10/03/2026", "50,00", &line)), "A");
    let differs = told_of(&row("10/03/2026", "50,01", &line));
    assert_eq!(differs, "2 line_amount_differs digitable_line");
    let differs = told_of(&row("11/03/2026", "50,00", &line));
    assert_eq!(differs, "2 line_due_on_differs digitable_line");
    let last = line.len() - 1;
    let wrong = format!(
        "{}{}",
        &line[..last],
        (line.as_bytes()[last] - b'0' + 1) % 10
    );
    let refused = told_of(&row("10/03/2026", "50,00", &wrong));
    assert_eq!(refused, "2 line_general_digit digitable_line");
}

#[test]
fn a_row_that_lacks_something_or_has_too_much_is_refused() {
    let cases = [
        (
            ";10/03/2026;5;;Ana;;a@example.com",
            "2 value_missing reference",
        ),
        ("A;;5;;Ana;;a@example.com", "2 value_missing due_on"),
        (
            "A;10/03/2026;;;Ana;;a@example.com",
            "2 value_missing amount",
        ),
        ("A;10/03/2026;5;;;;a@example.com", "2 value_missing name"),
        ("A;10/03/2026;5;;Ana;;", "2 contact_point_missing -"),
        ("A;10/03/2026;5;;Ana;;a@example.com;x", "2 row_fields -"),
        ("A;10/03/2026;5;;\"Ana\"x;;a@example.com", "2 row_quotes -"),
        ("A;10/03/2026;5;;\"Ana;;a@example.com", "2 row_quotes -"),
    ];
    for (row, expected) in cases {
        assert_eq!(told_of(row), expected, "{row:?}");
    }
}

#[test]
fn each_kind_of_bad_value_is_refused_by_line_code_and_field() {
    let name = "n".repeat(121);
    let reference = "r".repeat(121);
    let cases = [
        (
            "A;10/03/2026;5;;Ana;(20) 99999-8888;",
            "2 phone_area_code phone",
        ),
        (
            "A;10/03/2026;5;;Ana;5,511999E+12;",
            "2 phone_character phone",
        ),
        ("A;10/03/2026;5;;Ana;;ana", "2 email_local_part email"),
        (
            "A;10/03/2026;5;2,37934E+46;Ana;;a@example.com",
            "2 line_character digitable_line",
        ),
        (
            "A;31/02/2026;5;;Ana;;a@example.com",
            "2 due_on_does_not_exist due_on",
        ),
        (
            "A;10/03/2026;1e400;;Ana;;a@example.com",
            "2 amount_malformed amount",
        ),
        (
            "A;10/03/2026;-5,00;;Ana;;a@example.com",
            "2 amount_not_positive amount",
        ),
        (
            "A;10/03/2026;100000000;;Ana;;a@example.com",
            "2 amount_too_large amount",
        ),
        (
            "A;10/03/2026;1.234;;Ana;;a@example.com",
            "2 amount_ambiguous amount",
        ),
        (
            "A\0B;10/03/2026;5;;Ana;;a@example.com",
            "2 text_control_character reference",
        ),
        (
            "A;10/03/2026;5;;An\u{202e}a;;a@example.com",
            "2 text_control_character name",
        ),
        (
            "A;10/03/2026;5;;\"An\na\";;a@example.com",
            "2 text_control_character name",
        ),
        (
            "A;10/03/2026;5;;An\u{fffd}a;;a@example.com",
            "2 text_damaged name",
        ),
        (
            &format!("A;10/03/2026;5;;{name};;a@example.com"),
            "2 text_too_long name",
        ),
        (
            &format!("{reference};10/03/2026;5;;A;;a@example.com"),
            "2 text_too_long reference",
        ),
    ];
    for (row, expected) in cases {
        assert_eq!(told_of(row), expected, "{row:?}");
    }
}

#[test]
fn optional_columns_are_checked_as_well() {
    let header = "reference;due_on;amount;name;email;link;fuso;pix\n";
    let pix = "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-426655440000\
               5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***6304";
    let told_with = |link: &str, zone: &str, pix: &str| {
        let row = format!("A;2026-03-10;5,00;Ana;a@example.com;{link};{zone};{pix}");
        told(format!("{header}{row}").as_bytes()).join(", ")
    };
    assert_eq!(told_with("", "", &format!("{pix}1D3D")), "A");
    assert_eq!(
        told_with("", "", &format!("{pix}1D3E")),
        "2 brcode_checksum pix_code"
    );
    for zones in ["Mars/Olympus", "|", "| |"] {
        assert_eq!(told_with("", zones, ""), "2 zone_unknown zones", "{zones}");
    }
    assert_eq!(
        told_with(
            "HTTPS://example.com",
            "America/Manaus America/Rio_Branco",
            ""
        ),
        "A"
    );
    for link in [
        "http://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://a b",
        "https://bank.example@evil.example",
        "https://bank.example\\@evil.example",
        "https://é.com",
        "httpsé://",
        "https://a/\"onclick=",
        "https://a/<b>",
    ] {
        assert_eq!(
            told_with(link, "", ""),
            "2 link_malformed payment_link",
            "{link}"
        );
    }
}

#[test]
fn a_number_that_was_copied_with_marks_around_it_is_read() {
    let row = "A;10/03/2026;5;;Ana;\u{202a}+55\u{a0}11 99999\u{2011}8888\u{202c};";
    assert_eq!(told_of(row), "A");
}

#[test]
fn a_pix_code_over_another_amount_is_refused() {
    let code = "00020101021226730014br.gov.bcb.pix2551pix.example.com/v2/\
                8b3da2f39a4140d1a91abd93113bd4415204000053039865406123.455802BR\
                5913Fulano de Tal6008BRASILIA62190515RP12345678-201963047309";
    let file = |amount: &str| {
        let row = format!("A;10/03/2026;{amount};Ana;a@example.com;{code}");
        told(format!("referencia;vencimento;valor;nome;email;pix\n{row}").as_bytes())
    };
    assert_eq!(file("123,45"), ["A"]);
    assert_eq!(file("123,46"), ["2 pix_amount_differs pix_code"]);
}

#[test]
fn a_reference_is_accepted_once_in_a_file() {
    let row = "10/03/2026;5,00;;Ana;;a@example.com";
    let file = format!("{HEADER}\nA;{row}\n A ;{row}\na;{row}\nB;;;;;;\nB;{row}");
    let expected = [
        "A",
        "3 reference_repeated reference",
        "a",
        "5 value_missing amount",
        "B",
    ];
    assert_eq!(told(file.as_bytes()), expected);
}

#[test]
fn quotes_within_a_name_are_text() {
    let file = format!(
        "{HEADER}\nA;10/03/2026;5,00;;Bar \"Zé\";;a@example.com\n\
                        B;10/03/2026;5,00;;\"Bar \"\"Zé\"\"\";;a@example.com"
    );
    let rows = read_rows(file.as_bytes());
    assert_eq!(
        (rows[0].contact.name.as_str(), rows[1].contact.name.as_str()),
        ("Bar \"Zé\"", "Bar \"Zé\"")
    );
}

#[test]
fn every_column_is_known_by_names_of_its_own() {
    let names: Vec<&str> = COLUMN_NAMES
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    let distinct: HashSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len());
}

#[test]
fn no_refusal_repeats_what_the_row_says() {
    let secret = "Ana Canário";
    let mut shown = String::new();
    for row in [
        format!("A;10/03/2026;{secret};;Ana;;a@example.com"),
        format!("A;{secret};5;;Ana;;a@example.com"),
        format!("A;10/03/2026;5;{secret};Ana;;a@example.com"),
        format!("A;10/03/2026;5;;{secret};{secret};{secret}"),
        format!("A;10/03/2026;5;;{secret};;a@example.com"),
    ] {
        let lines = read_all(format!("{HEADER}\n{row}").as_bytes());
        write!(shown, "{lines:?}").unwrap();
        if let ImportLine::Refused(refusal) = &lines[0] {
            write!(shown, "{}", refusal.error).unwrap();
        }
    }
    assert!(
        !shown.contains("Canário") && !shown.contains("a@example"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let with_header = [HEADER.as_bytes(), b"\n", &bytes].concat();
        for file in [&bytes, &with_header] {
            if let Ok(rows) = BoletoCsv::open(file.as_slice(), on("2026-01-15")) {
                prop_assert!(rows.filter_map(Result::ok).count() <= file.len());
            }
        }
    }

    #[test]
    fn no_csv_like_text_makes_the_reader_panic_or_lose_count_of_lines(
        cells in prop::collection::vec("[\"a;,\t\r\n é0-9/.]{0,12}", 0..60)
    ) {
        let file = format!("{HEADER}\n{}", cells.join(";"));
        let breaks = file.matches('\n').count() as u64;
        for line in read_all(file.as_bytes()) {
            if let ImportLine::Refused(refusal) = line {
                prop_assert!((2..=breaks + 1).contains(&refusal.line));
            }
        }
    }

    #[test]
    fn whatever_amount_is_written_is_read_back(centavos in 1..=AMOUNT_CENTAVOS_MAX) {
        let (reais, cents) = (centavos / 100, centavos % 100);
        for amount in [format!("{reais},{cents:02}"), format!("R$ {reais}.{cents:02}")] {
            let file = format!("{HEADER}\nA;10/03/2026;{amount};;Ana;;a@example.com");
            prop_assert_eq!(read_rows(file.as_bytes())[0].amount_centavos, centavos);
        }
    }
}
