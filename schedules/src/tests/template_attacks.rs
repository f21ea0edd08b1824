//! What templates and values refuse: logic, injection, hidden links, text that providers reject.

use proptest::prelude::*;

use crate::brcode::BrCode;
use crate::channel::Channel;
use crate::code::CodeError;
use crate::rule::MandatoryText;
use crate::template::{
    Approved, Rendered, SMS_CHARS_MAX, Template, TemplateError, Values, Variable,
    WHATSAPP_CHARS_MAX,
};
use crate::time::HOUR_MS;

fn template(channel: Channel, body: &str, variables: &[Variable]) -> Template {
    Template {
        code: "lembrete".to_owned(),
        channel,
        version: 1,
        subject: (channel == Channel::Email).then(|| "Boleto de {{tenant_name}}".to_owned()),
        body: body.to_owned(),
        variables: variables.to_vec(),
        ttl_ms: HOUR_MS,
        approved: Approved::default(),
    }
}

fn whatsapp(body: &str) -> Template {
    template(Channel::Whatsapp, body, &of_one())
}

/// Every variable that a message about one boleto may have.
fn of_one() -> Vec<Variable> {
    let all = Variable::ALL.into_iter();
    all.filter(|variable| !variable.is_of_several()).collect()
}

/// Fills a template that uses the contact's name alone.
fn render_name(name: &str) -> Result<Rendered, TemplateError> {
    let template = template(
        Channel::Whatsapp,
        "Olá, {{contact_name}}!",
        &[Variable::ContactName],
    );
    template.render(&Values::default().with(Variable::ContactName, name))
}

#[test]
fn a_message_is_filled_once_and_keeps_its_parameters_in_order() {
    let mut template = template(
        Channel::Email,
        "{{ contact_name }}: {{amount}} até {{due_on}}.\nPague: {{payment_link}}",
        &[
            Variable::DueOn,
            Variable::ContactName,
            Variable::Amount,
            Variable::TenantName,
            Variable::PaymentLink,
        ],
    );
    template.subject = Some("Boleto de {{tenant_name}}".to_owned());
    assert_eq!(template.validate(), Ok(()));
    let values = Values::default()
        .with(Variable::ContactName, "Maria")
        .with(Variable::TenantName, "Luz & Força S.A.")
        .with(Variable::Amount, "R$ 1.234,56")
        .with(Variable::DueOn, "31/12/2026")
        .with(Variable::PaymentLink, "https://pague.example/b/1");
    let rendered = template.render(&values).expect("a message");
    let text = |text: &str| serde_json::Value::from(text);
    insta::assert_snapshot!(format!(
        "subject {}\nbody {}\nparameters {}",
        text(rendered.subject.as_deref().unwrap_or_default()),
        text(&rendered.body),
        rendered
            .parameters
            .iter()
            .map(|it| text(it))
            .collect::<serde_json::Value>(),
    ));
    let debug = format!("{rendered:?} {values:?}");
    assert_eq!(
        debug,
        "Rendered { .. } {ContactName, TenantName, Amount, DueOn, PaymentLink}"
    );
}

#[test]
fn braces_in_a_value_are_text() {
    for attack in [
        "{{7*7}}",
        "{{contact.__proto__}}",
        "{% for x in y %}",
        "{{ {{amount}} }}",
        "{",
        "}}",
    ] {
        let rendered = render_name(attack).expect("a message");
        assert_eq!(rendered.body, format!("Olá, {attack}!"));
        assert_eq!(rendered.parameters, [attack]);
    }
}

#[test]
fn what_providers_refuse_in_a_value_becomes_one_space_or_nothing() {
    for (name, clean) in [
        ("Ana\nBia", "Ana Bia"),
        ("Ana\r\n\tBia", "Ana Bia"),
        ("Ana     Bia", "Ana Bia"),
        ("  Ana\u{a0}\u{2003}Bia  ", "Ana Bia"),
        ("Ana\0\u{7f}\u{85}Bia", "Ana Bia"),
        ("Ana\u{202e}aiB", "AnaaiB"),
        ("A\u{200b}na\u{feff}", "Ana"),
        ("\u{2028}Ana\u{2029}", "Ana"),
    ] {
        assert_eq!(
            render_name(name).map(|rendered| rendered.parameters),
            Ok(vec![clean.to_owned()])
        );
    }
}

#[test]
fn a_blank_value_is_none_and_stops_the_message() {
    for blank in ["", "   ", "\n\t", "\u{200b}\u{202e}"] {
        assert_eq!(
            render_name(blank),
            Err(TemplateError::MissingValue(Variable::ContactName))
        );
    }
    let template = whatsapp("Olá, {{contact_name}}!");
    let values = Values::default().with(Variable::ContactName, "Ana");
    let missing = TemplateError::MissingValue(Variable::TenantName);
    assert_eq!(template.render(&values), Err(missing));
    // Taken back by a blank one.
    assert_eq!(
        values
            .with(Variable::ContactName, " ")
            .get(Variable::ContactName),
        None
    );
}

#[test]
fn a_link_does_not_ride_on_a_name() {
    for name in [
        "http://evil.example",
        "Ana HTTPS://evil.example",
        "www.evil.example",
        "Ana evil.com/pix",
        "javascript://x",
    ] {
        assert_eq!(
            render_name(name),
            Err(TemplateError::LinkInValue(Variable::ContactName)),
            "{name}"
        );
    }
    for name in [
        "Comercial S.A./ME",
        "A.B. Silva",
        "Sr. João c/ Maria",
        "Loja.com Ltda",
        "1/2",
    ] {
        assert!(render_name(name).is_ok(), "{name}");
    }
}

/// Fills a template that uses one variable alone.
fn render(variable: Variable, value: &str) -> Result<String, TemplateError> {
    let body = format!("{{{{{variable}}}}}");
    let template = template(Channel::Sms, &body, &[variable]);
    let values = Values::default().with(variable, value);
    template.render(&values).map(|rendered| rendered.body)
}

#[test]
fn a_pix_code_with_two_spaces_in_a_name_reaches_the_payer_unchanged() {
    let code = "00020126360014br.gov.bcb.pix0114+5511987654321\
                5204000053039865802BR5911LOJA  SILVA6009SAO PAULO62070503***6304B020";
    assert_eq!(
        BrCode::parse(code).map(|read| read.code),
        Ok(code.to_owned())
    );
    assert_eq!(render(Variable::PixCode, code), Ok(code.to_owned()));
}

#[test]
fn a_value_for_machines_is_refused_where_free_text_is_cleaned() {
    for variable in of_one() {
        let clean = match variable {
            Variable::PaymentLink => "https://pague.example/1",
            _ => "1234",
        };
        assert_eq!(render(variable, clean), Ok(clean.to_owned()));
        for unseen in ['\u{200b}', '\u{202e}', '\u{a0}', '\n', '\u{7f}'] {
            let value = format!("{clean}{unseen}5");
            let expected = match variable {
                Variable::ContactName
                | Variable::TenantName
                | Variable::TenantAddress
                | Variable::Reference => continue,
                _ => Err(TemplateError::UnseenInValue(variable)),
            };
            assert_eq!(render(variable, &value), expected, "{variable} {unseen:?}");
        }
    }
}

#[test]
fn a_reference_that_looks_a_little_like_a_link_is_sendable() {
    for reference in ["2026.NF/001", "12.2026.NFE/7", "NF/2026.1"] {
        assert_eq!(
            render(Variable::Reference, reference),
            Ok(reference.to_owned())
        );
    }
    assert_eq!(
        render(Variable::Reference, "evil.com/pix"),
        Err(TemplateError::LinkInValue(Variable::Reference))
    );
}

#[test]
fn a_payment_link_is_plain_https() {
    let template = template(Channel::Sms, "{{payment_link}}", &[Variable::PaymentLink]);
    let render = |link| template.render(&Values::default().with(Variable::PaymentLink, link));
    for link in ["https://pague.example/b/1?x=2", "HTTPS://PAGUE.EXAMPLE"] {
        assert_eq!(
            render(link).map(|rendered| rendered.body),
            Ok(link.to_owned())
        );
    }
    for link in [
        "http://pague.example",
        "javascript:alert(1)",
        "https://banco.example@evil.example/",
        "https://localhost",
        "https://pague.example/a b",
        "https://pague.example/\"onclick=",
        "https://pague.example\\@evil.example",
        "pague.example",
    ] {
        assert_eq!(render(link), Err(TemplateError::UnsafeLink), "{link}");
    }
}

#[test]
fn templates_know_variables_and_nothing_else() {
    use TemplateError as E;
    for (body, error) in [
        ("", E::EmptyText),
        ("  \n", E::EmptyText),
        ("{{7*7}}", E::UnknownVariable),
        ("{{contact.__proto__}}", E::UnknownVariable),
        ("{{Contact_Name}}", E::UnknownVariable),
        ("{{}}", E::UnknownVariable),
        ("{{linha_digitavel}}", E::UnknownVariable),
        ("{% for x in y %}", E::LogicTag),
        ("{# note #}", E::LogicTag),
        ("{$linha_digitavel}", E::LoneBrace),
        ("{amount}", E::LoneBrace),
        ("amount}}", E::LoneBrace),
        ("{{amount}}}", E::LoneBrace),
        ("{{amount", E::UnclosedVariable),
        ("{{amount}", E::UnclosedVariable),
        ("{{ {{amount}} }}", E::UnclosedVariable),
        ("{{{amount}}}", E::UnclosedVariable),
        ("a\tb", E::ControlCharacter),
        ("a\u{1b}[31m", E::ControlCharacter),
    ] {
        assert_eq!(whatsapp(body).validate(), Err(error), "{body:?}");
    }
    for body in [
        "oi",
        "{{amount}}",
        "{{ amount }} e\n{{due_on}}",
        "R$ 10,00 (100%) #1",
    ] {
        assert_eq!(whatsapp(body).validate(), Ok(()), "{body:?}");
    }
}

#[test]
fn a_template_must_fit_its_channel() {
    use TemplateError as E;
    let undeclared = template(Channel::Sms, "{{amount}}", &[Variable::DueOn]);
    assert_eq!(
        undeclared.validate(),
        Err(E::UndeclaredVariable(Variable::Amount))
    );
    let values = Values::default()
        .with(Variable::Amount, "1")
        .with(Variable::DueOn, "2");
    assert_eq!(
        undeclared.render(&values),
        Err(E::UndeclaredVariable(Variable::Amount))
    );
    let repeated = template(Channel::Sms, "oi", &[Variable::DueOn, Variable::DueOn]);
    assert_eq!(
        repeated.validate(),
        Err(E::RepeatedVariable(Variable::DueOn))
    );
    let mut sms = template(Channel::Sms, "oi", &[]);
    for ttl_ms in [-1, i64::MAX] {
        assert_eq!(
            Template {
                ttl_ms,
                ..sms.clone()
            }
            .validate(),
            Err(E::TimeToLiveOutOfRange)
        );
    }
    sms.subject = Some("oi".to_owned());
    assert_eq!(sms.validate(), Err(E::SubjectMismatch));
    let mut email = template(Channel::Email, "oi", &[Variable::TenantName]);
    assert_eq!(email.validate(), Ok(()));
    email.subject = Some("oi\nBcc: outra@example.com".to_owned());
    assert_eq!(email.validate(), Err(E::ControlCharacter));
    email.subject = None;
    assert_eq!(email.validate(), Err(E::SubjectMismatch));
    email.code = String::new();
    assert_eq!(email.validate(), Err(E::Code(CodeError::FindText)));
}

#[test]
fn a_whatsapp_message_says_how_long_it_may_be_under_way() {
    let living = |channel, ttl_ms| {
        let template = template(channel, "oi", &[Variable::TenantName]);
        Template { ttl_ms, ..template }.validate()
    };
    let refused = Err(TemplateError::TimeToLiveOutOfRange);
    for (ttl_ms, expected) in [
        (0, refused),
        (29_999, refused),
        (30_000, Ok(())),
        (43_200_000, Ok(())),
        (43_200_001, refused),
    ] {
        assert_eq!(living(Channel::Whatsapp, ttl_ms), expected, "{ttl_ms}");
        for channel in [Channel::Sms, Channel::Email] {
            assert_eq!(living(channel, ttl_ms), Ok(()), "{channel} {ttl_ms}");
        }
    }
}

#[test]
fn a_mandatory_text_that_no_template_could_hold_is_refused() {
    use TemplateError as E;
    let text = |text: &str| MandatoryText {
        text: text.to_owned(),
    };
    let long = text(&"ã".repeat(SMS_CHARS_MAX));
    assert_eq!(long.validate(&[Channel::Sms, Channel::Email]), Ok(()));
    assert_eq!(
        long.validate(&[Channel::Sms, Channel::Whatsapp]),
        Err(E::TextTooLong)
    );
    assert_eq!(long.validate(&[]), Err(E::TextTooLong));
    assert_eq!(text("a\tb").validate(&[]), Err(E::ControlCharacter));
    assert_eq!(text("a\n{{amount}}").validate(&[]), Ok(()));
}

#[test]
fn the_limit_of_a_channel_counts_characters_and_is_kept_before_and_after_filling() {
    for (channel, max) in [
        (Channel::Whatsapp, WHATSAPP_CHARS_MAX),
        (Channel::Sms, SMS_CHARS_MAX),
    ] {
        let fits = template(channel, &"ã".repeat(max), &[]);
        assert_eq!(fits.validate(), Ok(()));
        assert!(fits.render(&Values::default()).is_ok());
        let too_long = template(channel, &"ã".repeat(max + 1), &[]);
        assert_eq!(too_long.validate(), Err(TemplateError::TextTooLong));
        // Filled up to the limit, and by one character more.
        for (name_chars, fits) in [(10, true), (11, false)] {
            let body = format!("{}{{{{contact_name}}}}", "a".repeat(max - 10));
            let filled = template(channel, &body, &[Variable::ContactName]);
            let name = Values::default().with(Variable::ContactName, "b".repeat(name_chars));
            assert_eq!(filled.render(&name).is_ok(), fits);
        }
        let grows = template(channel, &"{{pix_code}}".repeat(4), &[Variable::PixCode]);
        let values = Values::default().with(Variable::PixCode, "0".repeat(512));
        assert_eq!(grows.render(&values), Err(TemplateError::TextTooLong));
    }
    let long = "a".repeat(1_025);
    assert_eq!(
        render_name(&long),
        Err(TemplateError::ValueTooLong(Variable::ContactName))
    );
}

#[test]
fn a_mandatory_text_is_found_however_its_variables_are_spaced() {
    let mandatory = MandatoryText {
        text: "{{tenant_name}}, {{ tenant_document }}".to_owned(),
    };
    assert_eq!(mandatory.validate(&[]), Ok(()));
    assert!(whatsapp("Oi! {{ tenant_name }}, {{tenant_document}}.").satisfies(&mandatory));
    assert!(!whatsapp("Oi! {{tenant_name}} {{tenant_document}}.").satisfies(&mandatory));
    assert!(!whatsapp("Oi! {{tenant_name}, {{tenant_document}}.").satisfies(&mandatory));
    for text in [" ", "{{x}}", "{"] {
        assert!(
            MandatoryText {
                text: text.to_owned()
            }
            .validate(&[])
            .is_err()
        );
    }
}

#[test]
fn a_variable_has_one_name_everywhere() {
    for variable in Variable::ALL {
        assert_eq!(variable.as_str().parse(), Ok(variable));
        let text = serde_json::to_string(&variable).expect("text");
        assert_eq!(text, format!("\"{variable}\""));
    }
    assert!("cpf".parse::<Variable>().is_err());
}

#[test]
fn errors_repeat_nothing_of_a_value() {
    let error = render_name("www.segredo.example").expect_err("a link");
    assert!(!error.to_string().contains("segredo"));
}

proptest! {
    #[test]
    fn no_text_makes_a_template_panic_and_what_is_valid_can_be_filled(
        body in "([{}% #a-z_ã\n]|\\{\\{(amount|due_on)\\}\\}){0,30}"
    ) {
        let template = whatsapp(&body);
        let values = of_one().into_iter().fold(Values::default(), |values, variable| {
            values.with(variable, "https://a.b/")
        });
        let values = values.with(Variable::ContactName, "Ana").with(Variable::Reference, "1");
        if template.validate().is_ok() {
            prop_assert!(template.render(&values).is_ok());
        } else {
            let has_brace = body.contains(['{', '}']);
            prop_assert!(has_brace || body.trim().is_empty());
        }
    }

    #[test]
    fn a_value_arrives_as_it_is_or_cleaned_and_never_as_more(name in "\\PC{0,60}") {
        if let Ok(rendered) = render_name(&name) {
            let parameter = &rendered.parameters[0];
            prop_assert_eq!(&rendered.body, &format!("Olá, {parameter}!"));
            prop_assert!(parameter.len() <= name.len());
            prop_assert!(!parameter.contains("  ") && !parameter.contains(char::is_control));
        }
    }
}
