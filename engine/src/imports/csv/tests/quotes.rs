//! Quotes: no text within them becomes a row, however long it is.

use super::*;

const ROW: &str = "10/03/2026;5,00;;Ana;;a@example.com";

/// What became of each row, and how the file ended.
fn told_to_the_end(bytes: &[u8]) -> Vec<String> {
    let rows = BoletoCsv::open(bytes, on("2026-01-15")).expect("a header");
    rows.map(|line| match line {
        Ok(ImportLine::Row(_, row)) => row.reference,
        Ok(ImportLine::Refused(refusal)) => format!("{} {}", refusal.line, refusal.code()),
        Err(error) => format!("{} {error}", error.code()),
    })
    .collect()
}

/// A file whose second row has `note` in a last, properly quoted field.
fn noted(note: &str) -> String {
    let header = HEADER.replace("email", "email;notas");
    let note = note.replace('"', "\"\"");
    format!("{header}\nA;{ROW}\nB;{ROW};\"{note}\"\nC;{ROW}\n")
}

#[test]
fn a_quoted_text_has_32_lines_at_the_most_and_is_refused_as_a_whole() {
    assert_eq!(
        told_to_the_end(noted(&"x\n".repeat(31)).as_bytes()),
        ["A", "B", "C"]
    );
    assert_eq!(
        told_to_the_end(noted(&"x\n".repeat(32)).as_bytes()),
        ["A", "3 row_too_long", "C"]
    );
}

#[test]
fn no_limit_lets_rows_out_of_a_quoted_text() {
    let injected = format!("\nEVIL;{ROW}\nEVIL2;{ROW};\"\"\n");
    let notes = [
        format!("{}{injected}", "\n".repeat(40)),
        format!("{}{injected}", "x".repeat(70_000)),
        format!("{injected}{}", "x".repeat(70_000)),
        format!("{injected}{}", "\n\"x".repeat(200_000)),
        injected.repeat(10_000),
    ];
    for (index, note) in notes.iter().enumerate() {
        assert_eq!(
            told_to_the_end(noted(note).as_bytes()),
            ["A", "3 row_too_long", "C"],
            "{index}"
        );
    }
}

#[test]
fn neither_too_many_fields_nor_a_long_plain_one_let_rows_out_of_a_quoted_text() {
    let quoted = format!("\"\nEVIL;{ROW}\n\"");
    for (rest, code) in [
        (";".repeat(80), "row_fields"),
        (format!(";{}", "x".repeat(70_000)), "row_too_long"),
        (format!(";\"a\" b;{ROW}"), "row_quotes"),
    ] {
        let file = format!("{HEADER}\nA;{ROW}\nB;{quoted}{rest}\nC;{ROW}\n");
        assert_eq!(
            told_to_the_end(file.as_bytes()),
            ["A", &format!("3 {code}"), "C"]
        );
    }
}

#[test]
fn quotes_that_a_too_long_row_never_closes_end_the_import() {
    let lost = "RG-IMPORT-007 the quotes of the row at line 3 do not match, \
                rows after it cannot be told";
    let rows = format!("C;{ROW}\n").repeat(100);
    let never = format!("{HEADER}\nA;{ROW}\n\"B;{ROW}\n{rows}");
    assert_eq!(told_to_the_end(never.as_bytes()), ["A", lost]);
    let badly = format!("{HEADER}\nA;{ROW}\n\"B;{ROW}\n{rows}\"D\";{ROW}\n{rows}");
    assert_eq!(told_to_the_end(badly.as_bytes()), ["A", lost]);
    let far = "x\n".repeat(skip::QUOTED_BYTES_MAX / 2);
    assert_eq!(told_to_the_end(noted(&far).as_bytes()), ["A", lost]);
}

#[test]
fn lines_that_each_open_a_quote_for_the_next_are_one_row_and_read_once() {
    let lines = "a\";\"\n".repeat(200_000);
    let file = format!("{HEADER}\nA;{ROW}\n{lines}\"\nC;{ROW}\n");
    let told = told_to_the_end(file.as_bytes());
    assert_eq!(told, ["A", "3 row_too_long", "C"]);
}
