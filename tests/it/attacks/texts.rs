//! Texts that want to be more than texts: in names, references and templates. What the providers'
//! doubles were given is what holds.

use serde_json::{Value, json};
use tests::http::Client;

use super::ways::{CREDENTIAL, Ways};
use super::{expect, keyed, stored};
use crate::api::ok;

/// Names that a template language, a format, a shell or a parser of JSON would follow.
const NAMES: [&str; 22] = [
    "{{amount}}",
    "{{ {{contact_name}} }}",
    "{{{reference}}}",
    "{{7*7}}",
    "{{contact.__proto__}}",
    "{{contact_name}}{{contact_name}}",
    "{% for i in (1..1000000000) %}x{% endfor %}",
    "{# x #}",
    "{credential}{to}{text}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "%0aBcc: evil@example.com",
    "%s%s%n {0} {} {:?}",
    "\\n\\r\\t\\u000a",
    "\"},\"to\":\"+5511900000000\",{\"",
    "<script>alert(1)</script>",
    "`id` $(id) ; id | id",
    "}}{{",
    "*negrito* _itálico_ ~x~",
    "&lt;b&gt; &#123;&#123;",
    "=cmd|'/C calc'!A0",
    "'; DROP TABLE boletos; --",
    "Zoë Ünïcødé 王 😀",
];

/// What stands in names as one writes them, and what a contact reads of it.
const CLEANED: [(&str, &str); 5] = [
    ("Ana    Lima", "Ana Lima"),
    ("Ana\u{a0}\u{2003}\u{3000}Lima", "Ana Lima"),
    ("A\u{200b}n\u{2060}a\u{feff}", "Ana"),
    ("\u{ad}Ana\u{e0041}", "Ana"),
    ("  Ana ", "Ana"),
];

/// Names that are refused, and as what.
const REFUSED: [(&str, &str); 18] = [
    ("Ana\nBcc: evil@example.com", "text_control_character"),
    ("Ana\r\n.\r\n", "text_control_character"),
    ("Ana\tLima", "text_control_character"),
    ("Ana\u{0}", "text_control_character"),
    ("Ana\u{1b}[2J", "text_control_character"),
    ("Ana\u{85}Lima", "text_control_character"),
    ("Ana\u{202e}amiL", "text_control_character"),
    ("Ana\u{2066}Lima", "text_control_character"),
    ("Ana\u{2028}Lima", "text_control_character"),
    ("\u{200f}Ana", "text_control_character"),
    ("https://evil.example/pix", "text_link"),
    ("Ana evil.com/pix", "text_link"),
    ("Ana ev\u{200b}il.com/pix", "text_link"),
    ("www.evil.com", "text_link"),
    ("ｈｔｔｐｓ：／／ｅｖｉｌ.ｃｏｍ", "text_link"),
    ("javascript://alert(1)", "text_link"),
    ("\u{200b}\u{2060}", "value_missing"),
    ("Ana \u{fffd}", "text_damaged"),
];

fn phone(n: usize) -> String {
    format!("+55119870000{n:02}")
}

/// Boletos of contacts with these names, each with a reference of its own.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, Value)> {
    let boleto = |(n, name): (usize, &str)| {
        let email = format!("ana{n}@escola.example");
        let contact = json!({ "name": name, "phone": phone(n), "email": email });
        (format!("NF-{n}"), contact)
    };
    names.enumerate().map(boleto).collect()
}

// A38
#[test]
fn a_value_is_written_once_as_it_is_whatever_it_looks_like() {
    let ways = Ways::start();
    // The company's own name and address are values, too.
    let company = ways.company("{{contact_name}} {% x %}");
    let body = "{{contact_name}}|{{ reference }}|{{tenant_name}}|{{tenant_address}}|{{amount}}";
    let variables = [
        "contact_name",
        "reference",
        "tenant_name",
        "tenant_address",
        "amount",
    ];
    ok(&company.template("sms", body, &variables));
    let names: Vec<&str> = NAMES
        .into_iter()
        .chain(CLEANED.map(|(raw, _)| raw))
        .collect();
    let seen: Vec<&str> = NAMES
        .into_iter()
        .chain(CLEANED.map(|(_, seen)| seen))
        .collect();
    company.bring(&named(names.iter().copied()));
    // A reference may look like a variable as well.
    let contact = json!({ "name": "Bia", "phone": phone(99) });
    company.bring(&[("{{amount}} {to}".to_owned(), contact)]);
    company.launch("sms");
    assert_eq!(company.decided(names.len() + 1), []);
    let rest = "{{contact_name}} {% x %}|Rua das Acácias 120, São Paulo|R$ 1.234,56";
    let mut expected: Vec<_> = seen
        .iter()
        .enumerate()
        .map(|(n, name)| (phone(n), format!("{name}|NF-{n}|{rest}")))
        .collect();
    expected.push((phone(99), format!("Bia|{{{{amount}}}} {{to}}|{rest}")));
    let mut texts = ways.texts();
    texts.sort();
    expected.sort();
    assert_eq!(texts, expected);
    for asked in ways.sms.asked() {
        assert!(!asked.body.contains(CREDENTIAL), "{}", asked.body);
        assert_eq!(asked.json().as_object().map(serde_json::Map::len), Some(2));
    }
}

// A38
#[test]
fn no_parameter_of_whatsapp_breaks_its_line_or_holds_a_run_of_spaces() {
    let ways = Ways::start();
    let company = ways.company("Escola \u{1f3eb}  Aurora");
    let variables = ["contact_name", "tenant_name", "tenant_address", "reference"];
    let body = "{{contact_name}}, {{tenant_name}}: {{reference}}, {{tenant_address}}.";
    ok(&company.template("whatsapp", body, &variables));
    let names: Vec<&str> = NAMES
        .into_iter()
        .chain(CLEANED.map(|(raw, _)| raw))
        .collect();
    let seen: Vec<&str> = NAMES
        .into_iter()
        .chain(CLEANED.map(|(_, seen)| seen))
        .collect();
    company.bring(&named(names.iter().copied()));
    company.launch("whatsapp");
    assert_eq!(company.decided(names.len()), []);
    let asked = ways.whatsapp.asked();
    assert_eq!(asked.len(), names.len());
    for request in asked {
        let message = request.json();
        let to = message["to"].as_str().expect("a phone");
        let n = (0..names.len())
            .find(|n| phone(*n) == to)
            .expect("a contact of ours");
        let parameters = message["template"]["components"][0]["parameters"].clone();
        let text = |text: &str| json!({ "type": "text", "text": text });
        let address = "Rua das Acácias 120, São Paulo";
        let reference = format!("NF-{n}");
        let expected = [seen[n], "Escola \u{1f3eb} Aurora", address, &reference];
        assert_eq!(parameters, json!(expected.map(text)), "{to}");
    }
}

// A38
#[test]
fn a_name_that_could_break_a_message_is_refused_wherever_it_is_said() {
    let ways = Ways::start();
    let company = ways.company("Escola Aurora");
    let report = company.import(&named(REFUSED.iter().map(|(name, _)| *name)));
    assert_eq!(report["accepted"], 0, "{report}");
    let told: Vec<&Value> = report["refusals"]
        .as_array()
        .expect("refusals")
        .iter()
        .collect();
    assert_eq!(told.len(), REFUSED.len(), "{report}");
    for (refusal, (name, error)) in told.iter().zip(REFUSED) {
        assert_eq!(refusal["error"], error, "{name:?} {refusal}");
    }
    let contacts = named(REFUSED.iter().map(|(name, _)| *name)).into_iter();
    let contacts: Vec<Value> = contacts.map(|(_, contact)| contact).collect();
    let registered = ok(&company.post("/contacts", &json!({ "contacts": contacts })));
    assert_eq!(registered["contacts"], json!([]), "{registered}");
    for (name, _) in REFUSED {
        // A file ends its rows with line breaks; in quotes they are a name's.
        let quoted = name.replace('"', "\"\"");
        let due = crate::api::today_plus(20);
        let csv = format!(
            "reference;name;phone;due_on;amount\nNF-1;\"{quoted}\";11987651234;{due};1,00\n"
        );
        let key = name
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let report = ok(&company.client.upload(&company.at("/boletos"), &key, &csv));
        assert_eq!(report["accepted"], 0, "{name:?} {report}");
    }
    // Nor can the company be named so, or a boleto.
    let before = stored(&ways.engine);
    let admin = &ways.engine.admin;
    for name in [
        "Ana\r\nBcc: a",
        "A\u{202e}na",
        "A\u{200b}na",
        "A\u{0}",
        "A\tna",
        "\u{85}",
    ] {
        for body in [
            json!({ "name": name }),
            json!({ "name": "a", "address": name }),
        ] {
            expect(&admin.post("/v1/tenants", &body), 422, "invalid");
            expect(&company.put("/profile", &body), 422, "invalid");
        }
        let contact = json!({ "name": "Ana", "phone": phone(1) });
        let report = company.import(&[(format!("NF{name}1"), contact)]);
        assert_eq!(report["accepted"], 0, "{name:?}");
    }
    assert_eq!(stored(&ways.engine), before);
    assert_eq!(ways.texts(), []);
}

// A38 A48
#[test]
fn a_payment_link_that_hides_its_host_is_refused() {
    let ways = Ways::start();
    let company = ways.company("Escola Aurora");
    let links = [
        "http://banco.example/b/1",
        "//banco.example/b/1",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://banco.example@evil.example/",
        "https://banco.example:443@evil.example/",
        "https://banco.example\\@evil.example/",
        "https://localhost/",
        "https://",
        // A letter of another alphabet that looks the same.
        "https://b\u{430}nco.example/",
        "https://banco\u{2024}example/",
        "https://banco.example/\u{202e}",
        "https://banco.example/\u{200b}",
        "https://banco.example/ x",
        "https://banco.example/{{reference}}",
    ];
    for (n, link) in links.into_iter().enumerate() {
        let boleto = json!({
            "reference": "NF-1", "amount_centavos": 1, "due_on": crate::api::today_plus(20),
            "payment_link": link, "contact": { "name": "Ana", "phone": phone(1) },
        });
        let body = json!({ "boletos": [boleto] });
        let key = format!("k-{n}");
        let report = ok(&keyed(
            &company.client,
            "POST",
            &company.at("/boletos"),
            &key,
            &body,
        ));
        assert_eq!(report["accepted"], 0, "{link}");
        assert_eq!(
            report["refusals"][0]["field"], "payment_link",
            "{link} {report}"
        );
    }
}

// A38
#[test]
fn a_template_knows_its_variables_and_no_logic() {
    let ways = Ways::start();
    let company = ways.company("Escola Aurora");
    let before = stored(&ways.engine);
    for body in [
        "{{7*7}}",
        "{{contact.__proto__}}",
        "{{contact_name.constructor}}",
        "{{ {{reference}} }}",
        "{{{reference}}}",
        "{{reference|upper}}",
        "{{reference}",
        "{{reference",
        "reference}}",
        "{reference}",
        "${reference}",
        "#{reference}",
        "{% for i in (1..1000000000) %}{{reference}}{% endfor %}",
        "{%raw%}",
        "{# x #}",
        "{{#each boletos}}{{/each}}",
        "{{>partial}}",
        "{{credential}}",
        "{{REFERENCE}}",
        "{{ref\u{200b}erence}}",
        // It is one, but was not declared.
        "{{contact_name}}",
        "{{reference}}\u{0}",
        "{{reference}}\u{1b}[2J",
        "{{reference}}\r\n.\r\n",
        "\u{85}",
        " \n ",
        "",
    ] {
        let refused = company.template("sms", body, &["reference"]);
        assert_eq!(
            (refused.status, refused.error()),
            (422, "invalid".to_owned()),
            "{body:?}"
        );
    }
    for variables in [
        &["secret"][..],
        &["reference", "payment_link "],
        &["{{reference}}"],
    ] {
        let refused = company.template("sms", "{{reference}}", variables);
        expect(&refused, 400, "malformed");
    }
    let subject = |subject: &str| {
        let template = json!({
            "code": "lembrete", "channel": "email", "version": 1, "subject": subject,
            "body": "a", "variables": ["reference", "boletos"],
        });
        company.put("/templates", &template)
    };
    for text in [
        "a\r\nBcc: x@y.example",
        "a\nb",
        "a\tb",
        "{{7*7}}",
        "{{boletos}}",
        " ",
    ] {
        expect(&subject(text), 422, "invalid");
    }
    assert_eq!(stored(&ways.engine), before);
}

/// Reads the story of a boleto.
fn why(client: &Client, path: &str) -> String {
    ok(&client.get(path))["story"].to_string()
}

// A38
#[test]
fn a_text_that_grows_beyond_its_channel_is_not_sent_and_the_others_are() {
    let ways = Ways::start();
    for (channel, times, most) in [("whatsapp", 60, 1_024), ("sms", 60, 1_600)] {
        let company = ways.company("Escola Aurora");
        let body = "{{contact_name}} ".repeat(times);
        ok(&company.template(channel, &body, &["contact_name"]));
        let long = "Á".repeat(120);
        assert!(times * 121 > most);
        let names = ["A", long.as_str(), "B"];
        company.bring(&named(names.into_iter()));
        company.launch(channel);
        let kept_back = company.decided(names.len());
        assert_eq!(
            kept_back,
            [("NF-1".to_owned(), "template_unusable".to_owned())]
        );
        let story = why(&company.client, &company.at("/why/NF-1"));
        assert!(
            story.contains("não há texto de mensagem utilizável"),
            "{story}"
        );
    }
    let mut texts = ways.texts();
    texts.sort();
    assert_eq!(
        texts,
        [(phone(0), "A ".repeat(60)), (phone(2), "B ".repeat(60))]
    );
    assert_eq!(ways.whatsapp.asked().len(), 2);
}
