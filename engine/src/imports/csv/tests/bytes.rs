//! Encodings, quotes, endless rows, failing sources.

use super::*;

#[test]
fn the_same_file_is_read_in_every_encoding() {
    let text = format!("{HEADER}\r\nNº 1;10/03/2026;5,00;;João Ação;;j@example.com\r\n");
    let wide = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(to_bytes)
            .collect()
    };
    let narrow: Vec<u8> = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let files = [
        text.clone().into_bytes(),
        marked,
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        narrow,
    ];
    for (index, file) in files.iter().enumerate() {
        let rows = read_rows(file);
        assert_eq!(rows[0].reference, "Nº 1", "encoding {index}");
        assert_eq!(rows[0].contact.name, "João Ação", "encoding {index}");
    }
}

#[test]
fn the_characters_of_windows_are_told_from_control_characters() {
    let file = |byte: u8| {
        let row = [b"A;10/03/2026;5,00;;An", &[byte][..], b"a;;a@example.com"].concat();
        told(&[HEADER.as_bytes(), b"\n", &row].concat())
    };
    assert_eq!(file(0x80), ["A"], "the euro sign");
    assert_eq!(
        file(0x81),
        ["2 text_control_character name"],
        "undefined in Windows-1252"
    );
}

#[test]
fn damaged_utf_16_is_refused_row_by_row() {
    let text = format!("\u{feff}{HEADER}\nA;10/03/2026;5,00;;An#a;;a@example.com\n");
    let mut units: Vec<u16> = text.encode_utf16().collect();
    let at = units
        .iter()
        .position(|unit| *unit == u16::from(b'#'))
        .unwrap();
    units[at] = 0xd800;
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    assert_eq!(told(&bytes), ["2 text_damaged name"]);
    assert_eq!(
        told(&bytes[..bytes.len() - 1]).len(),
        1,
        "half a character at the end"
    );
}

#[test]
fn a_stray_quote_costs_its_own_row_only() {
    let row = "10/03/2026;5,00;;Ana;;a@example.com";
    let file = format!("{HEADER}\nA;{row}\n\"B;{row}\nC;{row}\n\"D\";{row}\nE;{row}");
    assert_eq!(
        told(file.as_bytes()),
        ["A", "3 row_quotes -", "C", "D", "E"]
    );
    let file = format!("{HEADER}\nA;{row}\n\"B;{row}\nC;{row}\nD;{row}");
    assert_eq!(told(file.as_bytes()), ["A", "3 row_quotes -", "C", "D"]);
}

#[test]
fn a_row_without_end_is_refused_in_bounded_memory_and_reading_goes_on() {
    let row = "10/03/2026;5,00;;Ana;;a@example.com";
    for filler in ["x", ";", "\"", "\" "] {
        let head = format!("{HEADER}\nA;{row}\n").into_bytes();
        let endless = filler.repeat(3_000_000).into_bytes();
        let tail = format!("\nB;{row}\n").into_bytes();
        let source = head.chain(endless.as_slice()).chain(tail.as_slice());
        let mut rows = BoletoCsv::open(source, on("2026-01-15")).expect("a header");
        let lines: Vec<ImportLine> = rows.by_ref().map(|line| line.expect("a line")).collect();
        assert_eq!(lines.len(), 3, "{filler}");
        assert!(
            matches!(&lines[2], ImportLine::Row(_, row) if row.reference == "B"),
            "{filler}"
        );
        assert!(rows.records.buffered_bytes() <= 8 * records::RECORD_BYTES_MAX);
    }
}

#[test]
fn blank_rows_are_passed_over_and_still_counted_as_lines() {
    let row = "10/03/2026;5,00;;Ana;;a@example.com";
    let file = format!("{HEADER}\n\n;;;;;;\n  ;\nA;{row}\n\n;;x\n\n");
    assert_eq!(told(file.as_bytes()), ["A", "7 value_missing reference"]);
}

#[test]
fn a_file_without_a_usable_header_is_refused() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "RG-IMPORT-002 the file is empty"),
        (b"\xef\xbb\xbf", "RG-IMPORT-002 the file is empty"),
        (b"\"reference", "RG-IMPORT-003 the header cannot be read"),
        (b"\0\0\0", "RG-IMPORT-004 the column reference is missing"),
        (
            b"referencia;nome;email;valor",
            "RG-IMPORT-004 the column due_on is missing",
        ),
        (
            b"referencia;nome;email;vencimento",
            "RG-IMPORT-004 the column amount is missing",
        ),
        (
            b"referencia;nome;valor;vencimento",
            "RG-IMPORT-004 the column phone is missing",
        ),
        (
            b"nome;referencia;name",
            "RG-IMPORT-005 the column name comes twice",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(open_error(bytes), expected);
    }
    let header = ";".repeat(100);
    assert_eq!(
        open_error(header.as_bytes()),
        "RG-IMPORT-003 the header cannot be read"
    );
}

#[test]
fn a_source_that_fails_ends_the_rows() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let good = "A;10/03/2026;5,00;;Ana;;a@example.com\n".repeat(9_000);
    let file = format!("{HEADER}\n{good}");
    let mut rows =
        BoletoCsv::open(file.as_bytes().chain(Failing), on("2026-01-15")).expect("a header");
    let errors = rows.by_ref().filter(Result::is_err).count();
    assert_eq!((errors, rows.next().is_none()), (1, true));
}
