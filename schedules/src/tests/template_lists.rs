//! What a message about several boletos says of each, and what it refuses.

use chrono::NaiveDate;

use crate::channel::Channel;
use crate::template::{Listed, Rendered, Template, TemplateError, Values, Variable};
use crate::time::HOUR_MS;

const LINE: &str = "00190500954014481606906809350314337370000000100";

fn template(channel: Channel, body: &str, variables: &[Variable]) -> Template {
    Template {
        code: "varios".to_owned(),
        channel,
        version: 1,
        subject: (channel == Channel::Email).then(|| "Seus boletos".to_owned()),
        body: body.to_owned(),
        variables: variables.to_vec(),
        ttl_ms: HOUR_MS,
        approved: Default::default(),
    }
}

fn listed(reference: &str, amount_centavos: i64) -> Listed<'_> {
    Listed {
        reference,
        due_on: NaiveDate::from_ymd_opt(2026, 12, 31).expect("a date"),
        amount_centavos,
        digitable_line: Some(LINE),
        payment_link: Some("https://pague.example/b/1"),
    }
}

fn fill(template: &Template, boletos: &[Listed<'_>]) -> Result<Rendered, TemplateError> {
    template.render(&Values::default().with_boletos(template, boletos)?)
}

fn list(
    channel: Channel,
    variable: Variable,
    boletos: &[Listed<'_>],
) -> Result<String, TemplateError> {
    let template = template(channel, &format!("{{{{{variable}}}}}"), &[variable]);
    assert_eq!(template.validate(), Ok(()));
    Ok(fill(&template, boletos)?.body)
}

#[test]
fn a_list_has_a_line_for_each_boleto_and_stands_in_a_row_on_whatsapp() {
    let boletos = [listed("NF-7", 123_456), listed("NF-8", 0)];
    let lines = "NF-7, venc. 31/12/2026, R$ 1.234,56\nNF-8, venc. 31/12/2026, valor em aberto";
    for channel in [Channel::Sms, Channel::Email] {
        let written = list(channel, Variable::Boletos, &boletos);
        assert_eq!(written.as_deref(), Ok(lines));
    }
    let row = list(Channel::Whatsapp, Variable::Boletos, &boletos).expect("a row");
    assert_eq!(row, lines.replace('\n', " \u{2022} "));
}

#[test]
fn each_boleto_has_the_way_to_pay_that_the_template_declares() {
    let one = [listed("NF-7", 100)];
    let with_line = list(Channel::Sms, Variable::BoletosWithLines, &one).expect("a list");
    assert!(with_line.ends_with(": 00190.50095 40144.816069 06809.350314 3 37370000000100"));
    let with_link = list(Channel::Sms, Variable::BoletosWithLinks, &one).expect("a list");
    assert!(with_link.ends_with("R$ 1,00: https://pague.example/b/1"));
    let bare = [Listed {
        digitable_line: None,
        payment_link: None,
        ..one[0]
    }];
    for variable in [Variable::BoletosWithLines, Variable::BoletosWithLinks] {
        let missing = Err(TemplateError::MissingValue(variable));
        assert_eq!(list(Channel::Sms, variable, &bare), missing);
    }
    assert!(list(Channel::Sms, Variable::Boletos, &bare).is_ok());
}

#[test]
fn what_boletos_come_to_is_told_unless_an_amount_is_open() {
    let body = "{{boletos_count}} boletos, {{amount_total}}";
    let variables = [Variable::BoletosCount, Variable::AmountTotal];
    let template = template(Channel::Sms, body, &variables);
    let known = [listed("A", 100_000), listed("B", 23_456)];
    let told = fill(&template, &known).expect("a text");
    assert_eq!(told.body, "2 boletos, R$ 1.234,56");
    assert_eq!(told.parameters, ["2", "R$ 1.234,56"]);
    let missing = TemplateError::MissingValue(Variable::AmountTotal);
    for unknown in [0, i64::MAX] {
        let boletos = [listed("A", 100_000), listed("B", unknown)];
        assert_eq!(fill(&template, &boletos), Err(missing));
    }
    assert_eq!(fill(&template, &[]), Err(missing));
}

#[test]
fn a_list_takes_in_nothing_that_could_harm_its_reader() {
    let variable = Variable::BoletosWithLinks;
    let hidden = [listed("veja www.golpe.example", 100)];
    let refused = Err(TemplateError::LinkInValue(variable));
    assert_eq!(list(Channel::Sms, variable, &hidden), refused);
    let unsafe_link = [Listed {
        payment_link: Some("http://pague.example/1"),
        ..listed("A", 100)
    }];
    let refused = Err(TemplateError::UnsafeLink);
    assert_eq!(list(Channel::Sms, variable, &unsafe_link), refused);
    let spread = [listed("N\t F\n\u{202e}7  {{pix_code}}", 100)];
    let row = list(Channel::Whatsapp, Variable::Boletos, &spread).expect("a row");
    assert!(row.starts_with("N F 7 {{pix_code}}, venc."), "{row}");
    let blank = Err(TemplateError::MissingValue(variable));
    assert_eq!(list(Channel::Sms, variable, &[listed(" \n", 100)]), blank);
}

#[test]
fn a_list_that_is_too_long_is_refused_and_not_cut() {
    let boletos: Vec<Listed<'_>> = (0..12).map(|_| listed("NF-7", 100)).collect();
    let too_long = Err(TemplateError::TextTooLong);
    let variable = Variable::BoletosWithLines;
    assert_eq!(list(Channel::Whatsapp, variable, &boletos), too_long);
    assert!(list(Channel::Whatsapp, variable, &boletos[..10]).is_ok());
    assert!(list(Channel::Email, variable, &boletos).is_ok());
}

#[test]
fn a_template_speaks_of_one_boleto_or_of_several() {
    let mixed = template(
        Channel::Sms,
        "{{boletos}} {{amount}}",
        &[Variable::Boletos, Variable::Amount],
    );
    assert_eq!(mixed.validate(), Err(TemplateError::OneAndSeveral));
    let neutral = template(
        Channel::Sms,
        "Olá, {{contact_name}}",
        &[Variable::ContactName],
    );
    assert_eq!(neutral.validate(), Ok(()));
    assert!(neutral.fits_several() && !mixed.fits_several());
}

#[test]
fn a_subject_line_has_no_list() {
    let mut letter = template(Channel::Email, "{{boletos}}", &[Variable::Boletos]);
    letter.subject = Some("{{boletos}}".to_owned());
    assert_eq!(letter.validate(), Err(TemplateError::ListInSubject));
    let boletos = [listed("A", 100), listed("B", 100)];
    assert_eq!(fill(&letter, &boletos), Err(TemplateError::ListInSubject));
}

#[test]
fn a_list_has_no_value_but_the_one_that_is_written_here() {
    let values = Values::default().with(Variable::Boletos, "https://golpe.example");
    assert_eq!(values.get(Variable::Boletos), None);
    let template = template(Channel::Sms, "{{boletos}}", &[Variable::Boletos]);
    let missing = Err(TemplateError::MissingValue(Variable::Boletos));
    assert_eq!(template.render(&values), missing);
}
