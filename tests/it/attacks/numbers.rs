//! One person under many spellings: of a phone, of an address. Limits and opt-outs count people.

use serde_json::{Value, json};

use super::ways::{Company, Ways};
use crate::api::ok;

/// Writes the digits of a text in another script, by its zero.
fn in_script(text: &str, zero: char) -> String {
    let written = |c: char| match c.to_digit(10) {
        Some(digit) => char::from_u32(u32::from(zero) + digit).expect("a digit"),
        None => c,
    };
    text.chars().map(written).collect()
}

/// Spellings of the mobile with these eight digits after its ninth one, of area 11.
fn phones(eight: &str) -> Vec<String> {
    let (four, rest) = eight.split_at(4);
    let full = format!("119{eight}");
    vec![
        format!("+55{full}"),
        full.clone(),
        format!("+55 (11) 9{four}-{rest}"),
        format!("5511 {four}-{rest}"),
        format!("11{eight}"),
        in_script(&full, '０'),
        in_script(&full, '٠'),
        in_script(&format!("+55{full}"), '०'),
        in_script(&full, '𝟎'),
        format!("11\u{200d}9{four}\u{200b}{rest}\u{feff}"),
        format!("\u{202a}+55 11 9{four}\u{2011}{rest}\u{202c}"),
        format!("0055{full}"),
        format!("011 9{four}.{rest}"),
        format!("0 15 11 9{four} {rest}"),
        format!("\u{a0}(11)\u{2003}9{four}\u{2212}{rest}"),
    ]
}

/// Spellings of the address of a person at a school.
fn addresses(person: &str) -> Vec<String> {
    let shouted = person.to_uppercase();
    vec![
        format!("{person}@escola.example"),
        format!("{shouted}@escola.example"),
        format!("{person}@ESCOLA.Example"),
        format!("{person}+boleto@escola.example"),
        format!("{shouted}+a+b@Escola.example"),
        format!("{person}.+x@escola.example"),
        format!("  {person}@escola.example "),
    ]
}

/// Boletos of contacts who have one contact point each, and names and references of their own.
fn boletos(field: &str, points: &[String]) -> Vec<(String, Value)> {
    let boleto = |(n, point): (usize, &String)| {
        let mut contact = json!({ "name": format!("Ana {n}"), field: point });
        // Whoever has a phone is known by it, whatever else is said.
        if field == "phone" {
            contact["email"] = json!(format!("ana{n}@escola.example"));
        }
        (format!("NF-{field}-{n}"), contact)
    };
    points.iter().enumerate().map(boleto).collect()
}

/// At most one message to a contact within a day, over everything.
fn one_a_day(company: &Company<'_>) {
    let cap = json!({
        "kind": "cap", "scope": "contact", "window": { "rolling_ms": 86_400_000 }, "max": 1,
    });
    let rule = json!({ "code": "cap.contact.day", "version": 1, "body": cap });
    let pack = json!({ "name": "um", "version": 2, "rules": [rule] });
    ok(&company.put("/rules", &pack));
    for channel in ["sms", "email"] {
        ok(&company.template(channel, "Boleto {{reference}}", &["reference"]));
    }
}

// A36
#[test]
fn a_person_is_written_to_once_a_day_however_the_phone_or_address_is_spelt() {
    let ways = Ways::start();
    for (field, channel, mut points) in [
        ("phone", "sms", phones("87654321")),
        ("email", "email", addresses("ana")),
    ] {
        let company = ways.company("Escola Aurora");
        one_a_day(&company);
        let late = points.split_off(points.len() - 2);
        company.bring(&boletos(field, &points));
        company.launch(channel);
        let kept_back = company.decided(points.len());
        assert_eq!(kept_back.len(), points.len() - 1, "{kept_back:?}");
        for (reference, _) in &kept_back {
            let why = ok(&company
                .client
                .get(&company.at(&format!("/why/{reference}"))));
            let story = why["story"].to_string();
            assert!(story.contains("regra cap.contact.day"), "{story}");
        }
        // Nor are they when they come in after it was sent.
        let again = late.iter().enumerate().map(|(n, point)| {
            let contact = json!({ "name": "Outra", field: point });
            (format!("NF-{field}-late-{n}"), contact)
        });
        company.bring(&again.collect::<Vec<_>>());
        let kept_back = company.decided(points.len() + late.len());
        assert_eq!(kept_back.len(), points.len() + 1, "{kept_back:?}");
        let contacts = ok(&company.client.get(&company.at("/contacts")));
        assert_eq!(
            contacts["items"].as_array().map(Vec::len),
            Some(1),
            "{contacts}"
        );
    }
    let texts = ways.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(texts[0].0, "+5511987654321");
    let mails = ways.mail.seen().mails;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(
        mails[0].to.to_lowercase().replace("+boleto", ""),
        "ana@escola.example"
    );
}

/// Imports people, each under one spelling, opts all but the first and the last of them out under
/// another, every second before there is such a contact, and launches a campaign.
fn opt_out(company: &Company<'_>, field: &str, people: &[Vec<String>]) {
    for channel in ["sms", "email"] {
        ok(&company.template(channel, "Boleto {{reference}}", &["reference"]));
    }
    let spellings = people[0].len();
    let told = |n: usize| {
        let data = json!({ field: people[n][(n + 1) % spellings] });
        let answer = company.say("contact.opted_out", &data);
        assert!(
            [200, 202].contains(&answer.status),
            "{data} {}",
            answer.text
        );
    };
    let stopped = 1..people.len() - 1;
    let (early, late): (Vec<usize>, Vec<usize>) = stopped.partition(|n| n % 2 == 0);
    early.into_iter().for_each(told);
    let points = (0..people.len()).map(|n| people[n][n % spellings].clone());
    company.bring(&boletos(field, &points.collect::<Vec<_>>()));
    late.into_iter().for_each(told);
    company.launch(if field == "phone" { "sms" } else { "email" });
    // Boletos are taken up in their order: with the last of them all were looked at.
    assert_eq!(company.decided(2), []);
}

// A36
#[test]
fn an_opt_out_in_one_spelling_meets_the_contact_under_every_other() {
    let ways = Ways::start();
    let out = "SELECT count(*) FROM contacts WHERE opted_out_at IS NOT NULL";
    let people: Vec<_> = (0..17).map(|n| phones(&format!("876543{n:02}"))).collect();
    opt_out(&ways.company("Escola Aurora"), "phone", &people);
    assert_eq!(ways.engine.numbers(out), 15);
    let mut to: Vec<String> = ways.texts().into_iter().map(|(to, _)| to).collect();
    to.sort();
    assert_eq!(to, ["+5511987654300", "+5511987654316"]);
    let people: Vec<_> = (0..9).map(|n| addresses(&format!("ana{n}"))).collect();
    opt_out(&ways.company("Escola Boreal"), "email", &people);
    assert_eq!(ways.engine.numbers(out), 15 + 7);
    let seen = ways.mail.seen().mails.into_iter();
    let mut to: Vec<String> = seen.map(|it| it.to.to_lowercase()).collect();
    to.sort();
    assert_eq!(to, ["ana0@escola.example", "ana8@escola.example"]);
    assert_eq!(ways.texts().len(), 2);
}

// A36 A48
#[test]
fn what_only_looks_like_a_contact_point_is_nobody() {
    let ways = Ways::start();
    let company = ways.company("Escola Aurora");
    let cases = [
        ("phone", "1198765432l", "phone_character"),
        ("phone", "11987654321 r. 2", "phone_character"),
        ("phone", "11987654321/22", "phone_character"),
        ("phone", "1.1987654321E10", "phone_character"),
        ("phone", "+1 212 555 0100", "phone_country"),
        ("phone", "20987654321", "phone_area_code"),
        ("phone", "5520987654321", "phone_area_code"),
        ("phone", "1187654", "phone_length"),
        ("phone", "119876543210", "phone_length"),
        ("phone", "11887654321", "phone_kind"),
        // The letters of another alphabet that look the same.
        ("email", "an\u{430}@escola.example", "email_character"),
        ("email", "ana@esc\u{43e}la.example", "email_character"),
        ("email", "ana@escolá.example", "email_character"),
        ("email", "ａna@escola.example", "email_character"),
        ("email", "ana\u{200b}@escola.example", "email_character"),
        ("email", "ana＠escola.example", "email_character"),
        ("email", "ana@escola.example.", "email_domain"),
        ("email", "ana@escola..example", "email_domain"),
        ("email", "\"ana\"@escola.example", "email_local_part"),
        (
            "email",
            "ana@escola.example@evil.example",
            "email_local_part",
        ),
    ];
    for (field, point, error) in cases {
        let contact = json!({ "name": "Ana", field: point });
        let report = company.import(&[("NF-1".to_owned(), contact.clone())]);
        assert_eq!(report["accepted"], 0, "{point:?}");
        assert_eq!(report["refusals"][0]["error"], error, "{point:?} {report}");
        let registered = company.post("/contacts", &json!({ "contacts": [contact] }));
        assert_eq!(ok(&registered)["refusals"][0]["error"], error, "{point:?}");
        // And an opt-out that nobody can be found by is told so.
        let told = company.say("contact.opted_out", &json!({ field: point }));
        assert_eq!(
            (told.status, told.error().as_str()),
            (422, "invalid"),
            "{point:?}"
        );
        assert!(!told.text.contains(point), "{}", told.text);
    }
    // In the form that goes over the wire a domain has one spelling.
    let (one, other) = ("ana@xn--escol-6qa.example", "Ana+x@XN--Escol-6qa.EXAMPLE");
    company.bring(&boletos("email", &[one.to_owned(), other.to_owned()]));
    let contacts = "SELECT count(*) FROM contacts";
    assert_eq!(ways.engine.numbers(contacts), 1);
}
