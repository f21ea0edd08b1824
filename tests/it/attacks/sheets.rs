//! Files for spreadsheets: whatever program opens them, no cell is a formula.

use serde_json::json;

use super::ways::Ways;
use crate::api::ok;

/// References as they are sent, each with what is kept of it; nothing where it is refused.
const REFERENCES: [(&str, Option<&str>); 22] = [
    ("=cmd|' /C calc'!A0", Some("=cmd|' /C calc'!A0")),
    ("=HYPERLINK(\"x\",\"y\")", Some("=HYPERLINK(\"x\",\"y\")")),
    ("  =1+1", Some("=1+1")),
    ("\u{a0}=2", Some("=2")),
    ("\t=3", Some("=3")),
    ("+4", Some("+4")),
    ("-5", Some("-5")),
    ("@SUM(A1)", Some("@SUM(A1)")),
    ("\u{ff1d}6", Some("\u{ff1d}6")),
    ("\u{ff0b}7", Some("\u{ff0b}7")),
    ("\u{ff0d}8", Some("\u{ff0d}8")),
    ("\u{ff20}9", Some("\u{ff20}9")),
    ("\u{2212}10", Some("\u{2212}10")),
    ("a;=11", Some("a;=11")),
    ("a,+12", Some("a,+12")),
    ("a\",\"=13", Some("a\",\"=13")),
    ("\"=14\"", Some("\"=14\"")),
    ("a\t=15", None),
    ("a\r=16", None),
    ("a\n=17", None),
    ("a\0=18", None),
    ("\u{200b}=19", None),
];

/// Says whether a program that parts cells at `separator` finds a formula in a file.
fn has_formula(file: &str, separator: char) -> bool {
    let cells = file.split([separator, '\r', '\n']);
    let mut starts = cells.filter_map(|cell| {
        let cell = cell.trim_start_matches(|c: char| c.is_whitespace() || c == '"');
        cell.chars().next()
    });
    let signs = "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}\u{2212}";
    starts.any(|start| signs.contains(start))
}

// A47
#[test]
fn no_program_finds_a_formula_in_a_file_whatever_the_boletos_are_called() {
    let ways = Ways::start();
    let company = ways.company("=1+1");
    ok(&company.template("sms", "Boleto {{reference}}", &["reference"]));
    let boletos = REFERENCES.iter().enumerate().map(|(n, (reference, _))| {
        let contact = json!({ "name": "=1+1", "phone": format!("+55119870000{n:02}") });
        ((*reference).to_owned(), contact)
    });
    let report = company.import(&boletos.collect::<Vec<_>>());
    let kept: Vec<&str> = REFERENCES.iter().filter_map(|(_, kept)| *kept).collect();
    assert_eq!(report["accepted"], kept.len(), "{report}");
    company.launch("sms");
    assert_eq!(company.decided(kept.len()), []);
    for path in ["/boletos", "/reminders"] {
        let csv = [("Accept", "text/csv")];
        let file = company.client.ask("GET", &company.at(path), &csv, &[]);
        assert_eq!(file.status, 200, "{}", file.text);
        for (name, value) in [
            ("content-type", "text/csv; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(file.header(name), Some(value), "{path}");
        }
        let shown = file.header("content-disposition").unwrap_or_default();
        assert!(shown.starts_with("attachment;"), "{shown}");
        assert_eq!(
            file.text.matches("\r\n").count(),
            1 + kept.len(),
            "{}",
            file.text
        );
        for separator in [',', ';', '\t', '|'] {
            assert!(
                !has_formula(&file.text, separator),
                "{path} {separator:?} {}",
                file.text
            );
        }
    }
    // Who reads it as JSON reads it as it is.
    let page = ok(&company.client.get(&company.at("/boletos")));
    let items = page["items"].as_array().expect("items");
    let shown: Vec<_> = items
        .iter()
        .filter_map(|it| it["reference"].as_str())
        .collect();
    assert_eq!(shown, kept);
    assert!(
        has_formula("\"a\",\" =1\"", ','),
        "what is looked for would be found"
    );
}
