//! What is accepted here can be sent later: the rules of rendering hold at import already.

use schedules::channel::Channel;
use schedules::template::{Approved, Template, TemplateError, Values, Variable};

use super::*;

const OPTIONAL: &str = "referencia;vencimento;valor;nome;email;link;pix";

/// A valid code with two spaces in the merchant's name.
const SPACED: &str = "00020126360014br.gov.bcb.pix0114+5511987654321\
     5204000053039865802BR5911LOJA  SILVA6009SAO PAULO62070503***6304B020";
/// The same with a zero-width space, and with a space that does not break; their sums hold.
const UNSEEN: &str = "00020126360014br.gov.bcb.pix0114+5511987654321\
     5204000053039865802BR5911LOJA \u{200b}SILVA6009SAO PAULO62070503***6304A56F";
const UNBREAKING: &str = "00020126360014br.gov.bcb.pix0114+5511987654321\
     5204000053039865802BR5911LOJA \u{a0}SILVA6009SAO PAULO62070503***6304D1FF";

fn render(variable: Variable, value: &str) -> Result<String, TemplateError> {
    let template = Template {
        code: "lembrete".to_owned(),
        channel: Channel::Sms,
        version: 1,
        subject: None,
        body: format!("{{{{{variable}}}}}"),
        variables: vec![variable],
        ttl_ms: 0,
        approved: Approved::default(),
    };
    let rendered = template.render(&Values::default().with(variable, value))?;
    Ok(rendered.body)
}

fn told_with(reference: &str, name: &str, link: &str, pix: &str) -> String {
    let row = format!("{reference};10/03/2026;5,00;{name};a@example.com;{link};{pix}");
    told(format!("{OPTIONAL}\n{row}").as_bytes()).join(", ")
}

#[test]
fn a_pix_code_is_imported_as_it_is_or_not_at_all() {
    let file = format!("{OPTIONAL}\nA;10/03/2026;5,00;Ana;a@example.com;;{SPACED}");
    let rows = read_rows(file.as_bytes());
    assert_eq!(rows[0].pix_code.as_deref(), Some(SPACED));
    assert_eq!(render(Variable::PixCode, SPACED).as_deref(), Ok(SPACED));
    for code in [UNSEEN, UNBREAKING] {
        assert!(schedules::brcode::BrCode::parse(code).is_ok());
        let refused = told_with("A", "Ana", "", code);
        assert_eq!(refused, "2 text_control_character pix_code");
    }
}

#[test]
fn a_line_with_invisible_characters_is_refused() {
    let line = line_of(5_000, on("2026-03-10"));
    let (start, end) = line.split_at(10);
    for unseen in ['\u{200b}', '\u{feff}', '\u{a0}'] {
        let row = format!("A;10/03/2026;50,00;{start}{unseen}{end};Ana;;a@example.com");
        assert_eq!(
            told_of(&row),
            "2 text_control_character digitable_line",
            "{unseen:?}"
        );
    }
}

#[test]
fn every_link_is_imported_if_and_only_if_it_can_be_sent() {
    let long = format!("https://pague.example/{}", "x".repeat(LINK_BYTES_MAX));
    for (link, expected) in [
        ("https://pague.example/1", "A"),
        ("HTTPS://PAGUE.EXAMPLE/1", "A"),
        ("https://localhost/1", "2 link_malformed payment_link"),
        (
            "https://pague.example/\u{200b}",
            "2 link_malformed payment_link",
        ),
        (
            "https://bank.example@evil.example",
            "2 link_malformed payment_link",
        ),
        (&long, "2 text_too_long payment_link"),
    ] {
        assert_eq!(told_with("A", "Ana", link, ""), expected, "{link}");
        let sendable = render(Variable::PaymentLink, link).is_ok();
        assert_eq!(sendable, expected == "A", "{link}");
    }
}

#[test]
fn every_name_and_reference_is_imported_if_and_only_if_it_can_be_sent() {
    for (text, code) in [
        ("2026.NF/001", None),
        ("Comercial S.A./ME", None),
        ("evil.com/pix", Some("text_link")),
        ("www.evil.example", Some("text_link")),
        ("NF https://evil.example", Some("text_link")),
    ] {
        let refused = |field| code.map(|code| format!("2 {code} {field}"));
        assert_eq!(
            told_with(text, "Ana", "", ""),
            refused("reference").unwrap_or(text.to_owned())
        );
        assert_eq!(
            told_with("A", text, "", ""),
            refused("name").unwrap_or("A".to_owned())
        );
        for variable in [Variable::Reference, Variable::ContactName] {
            assert_eq!(render(variable, text).is_ok(), code.is_none(), "{text}");
        }
    }
    for (name, expected) in [
        ("\u{200b}\u{2060}", "2 value_missing name"),
        ("ww\u{200b}w.evil.example", "2 text_link name"),
    ] {
        assert_eq!(told_with("A", name, "", ""), expected);
        assert!(render(Variable::ContactName, name).is_err());
    }
}

#[test]
fn a_reference_that_looks_the_same_is_the_same() {
    let row = "10/03/2026;5,00;;Ana;;a@example.com";
    let file = format!(
        "{HEADER}\nPra\u{e7}a;{row}\nPrac\u{327}a;{row}\nPra\u{e7}a\u{200b};{row}\n\
         \u{feff}Pra\u{e7}a;{row}\n"
    );
    let expected = [
        "Pra\u{e7}a",
        "3 reference_repeated reference",
        "4 text_control_character reference",
        "5 text_control_character reference",
    ];
    assert_eq!(told(file.as_bytes()), expected);
    let decomposed = format!("{HEADER}\nPrac\u{327}a;{row}");
    assert_eq!(told(decomposed.as_bytes()), ["Pra\u{e7}a"]);
}
