//! What `WhatsApp` knows of a template: its name and language there, and its payment buttons.

use crate::channel::Channel;
use crate::template::{Approved, PaymentButton, Template, TemplateError, Values, Variable};
use crate::time::HOUR_MS;

/// A template for `WhatsApp` with these buttons.
fn with_buttons(buttons: &[PaymentButton]) -> Template {
    Template {
        code: "lembrete".to_owned(),
        channel: Channel::Whatsapp,
        version: 1,
        subject: None,
        body: "oi".to_owned(),
        variables: vec![Variable::TenantName],
        ttl_ms: HOUR_MS,
        approved: Approved {
            buttons: buttons.to_vec(),
            ..Approved::default()
        },
    }
}

#[test]
fn what_is_approved_is_checked_and_only_whatsapp_has_it() {
    use TemplateError as E;
    let three = [
        PaymentButton::Link,
        PaymentButton::Boleto,
        PaymentButton::Pix,
    ];
    let mut template = with_buttons(&three);
    assert_eq!(template.validate(), Ok(()));
    assert_eq!(template.approved_name(), "lembrete");
    assert_eq!(template.approved.language(), "pt_BR");
    template.channel = Channel::Sms;
    assert_eq!(template.validate(), Err(E::NothingToApprove));
    let twice = [PaymentButton::Pix, PaymentButton::Pix];
    assert_eq!(with_buttons(&twice).validate(), Err(E::RepeatedButton));
    let four = [&three[..], &three[..1]].concat();
    assert_eq!(with_buttons(&four).validate(), Err(E::TooManyButtons));
    let named = |name: &str, language: &str| {
        let mut template = with_buttons(&[]);
        template.approved.name = Some(name.to_owned());
        template.approved.language = Some(language.to_owned());
        template.validate()
    };
    for (name, language, expected) in [
        ("lembrete_2", "pt_BR", Ok(())),
        ("lembrete_2", "es", Ok(())),
        ("", "pt_BR", Err(E::ApprovedName)),
        ("Lembrete", "pt_BR", Err(E::ApprovedName)),
        ("a-b", "pt_BR", Err(E::ApprovedName)),
        ("a", "", Err(E::Language)),
        ("a", "pt-BR", Err(E::Language)),
        ("a", "pt_", Err(E::Language)),
        ("a", "PT_br", Err(E::Language)),
    ] {
        assert_eq!(named(name, language), expected, "{name} {language}");
    }
}

#[test]
fn a_button_gets_the_digits_the_code_and_the_link_as_they_are_or_there_is_no_message() {
    let template = with_buttons(&[
        PaymentButton::Boleto,
        PaymentButton::Pix,
        PaymentButton::Link,
    ]);
    let needs: Vec<Variable> = template.needs().collect();
    let buttons = [
        Variable::DigitableLine,
        Variable::PixCode,
        Variable::PaymentLink,
    ];
    assert_eq!(needs, [&[Variable::TenantName][..], &buttons[..]].concat());
    let line = "03399.53465 54100.072310 78760.701017 1 15650000034353";
    let values = Values::default()
        .with(Variable::TenantName, "Escola")
        .with(Variable::DigitableLine, line)
        .with(Variable::PixCode, "00020126 PIX")
        .with(Variable::PaymentLink, "https://pague.example/b/1");
    let rendered = template.render(&values).expect("a message");
    let filled: Vec<&str> = rendered
        .buttons
        .iter()
        .map(|it| it.value.as_str())
        .collect();
    let digits = "03399534655410007231078760701017115650000034353";
    assert_eq!(
        filled,
        [digits, "00020126 PIX", "https://pague.example/b/1"]
    );
    assert_eq!(rendered.parameters, ["Escola"]);
    for missing in buttons {
        assert_eq!(
            template.render(&values.clone().with(missing, "")),
            Err(TemplateError::MissingValue(missing))
        );
    }
    let unsafe_link = values.with(Variable::PaymentLink, "http://pague.example");
    assert_eq!(
        template.render(&unsafe_link),
        Err(TemplateError::UnsafeLink)
    );
}

#[test]
fn a_template_that_nobody_approved_is_written_as_before() {
    let plain = serde_json::to_value(with_buttons(&[])).expect("JSON");
    assert_eq!(plain.get("approved"), None);
    let read: Template = serde_json::from_value(plain).expect("a template");
    assert_eq!(read.approved, Approved::default());
    let pix = with_buttons(&[PaymentButton::Pix]);
    let written = serde_json::to_value(&pix).expect("JSON");
    assert_eq!(written["approved"], serde_json::json!({"buttons": ["pix"]}));
}
