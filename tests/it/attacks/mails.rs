//! E-mail as the mail server's double received it: no name, reference, address or text of the API
//! becomes a header, another recipient, or a second message.

use serde_json::json;
use tests::letter::{text, words};
use tests::smtp::Mail;

use super::ways::Ways;
use super::{expect, stored};
use crate::api::ok;

/// The only headers of a message.
const HEADERS: [&str; 9] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// References that stand in subjects, where they want to be something else.
const REFERENCES: [&str; 10] = [
    "Bcc: evil@example.com",
    "=?utf-8?b?Qmxh?= =?utf-8?q?=0D=0ABcc:_evil?=",
    "\"Banco\" <banco@evil.example>, x",
    "%0d%0aBcc: evil@example.com",
    "\\r\\nBcc: evil@example.com",
    "å=0D=0ABcc: evil@example.com",
    "=0D=0A",
    ".",
    "\u{ff0d}\u{ff3c}ｒ＼ｎBcc: x",
    "Ré",
];

/// Asserts that there is nothing in a message but what the operator and the template put there.
fn is_itself(mail: &Mail) {
    assert_eq!(mail.from, "cobranca@escola.example");
    assert!(mail.content.is_ascii(), "{}", mail.content);
    for line in mail.content.split("\r\n") {
        assert!(line.len() <= 998, "{line}");
        // Some servers take one of them for the end of a line, and others do not.
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
    let mut names: Vec<String> = mail
        .headers()
        .iter()
        .map(|line| line.split(':').next().unwrap_or_default().to_owned())
        .collect();
    let mut expected = HEADERS.map(str::to_owned);
    names.sort();
    expected.sort();
    assert_eq!(names, expected, "{}", mail.content);
    let from = mail.header("From").expect("a sender");
    assert_eq!(from, "\"Escola Aurora\" <cobranca@escola.example>");
    assert_eq!(mail.header("To").as_deref(), Some(mail.to.as_str()));
}

/// Asserts that the server was told of so many messages, and of nothing besides.
fn told_of(commands: &[String], messages: usize) {
    let count = |verb: &str| commands.iter().filter(|it| it.starts_with(verb)).count();
    for verb in ["MAIL FROM:<cobranca@escola.example>", "RCPT TO:<", "DATA"] {
        assert_eq!(count(verb), messages, "{verb}: {commands:?}");
    }
    let known = ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT"];
    let is_known = |line: &String| known.iter().any(|verb| line.starts_with(verb));
    assert!(commands.iter().all(is_known), "{commands:?}");
}

// A48
#[test]
fn no_name_or_reference_becomes_a_header_or_another_recipient() {
    let ways = Ways::start();
    let company = ways.company("Banco do Brasil <banco@evil.example>");
    let body = "Olá, {{contact_name}}, de {{tenant_name}}.";
    let template = json!({
        "code": "lembrete", "channel": "email", "version": 1, "subject": "{{reference}}",
        "body": body, "variables": ["reference", "contact_name", "tenant_name"],
    });
    ok(&company.put("/templates", &template));
    let to = |n: usize| format!("ana{n}@escola.example");
    let boletos = REFERENCES.iter().enumerate().map(|(n, reference)| {
        let name = format!("Ana <evil@example.com>, {n} \"=?utf-8?q?x?=");
        (
            (*reference).to_owned(),
            json!({ "name": name, "email": to(n) }),
        )
    });
    company.bring(&boletos.collect::<Vec<_>>());
    // A local part may hold signs, and none of them is read.
    let odd = "o'neill!#$%&*-/=?^_`{|}~@escola.example";
    let contact = json!({ "name": "Ana", "email": odd });
    company.bring(&[("NF-odd".to_owned(), contact)]);
    company.launch("email");
    let all = REFERENCES.len() + 1;
    assert_eq!(company.decided(all), []);
    let seen = ways.mail.seen();
    assert_eq!(seen.mails.len(), all);
    told_of(&seen.commands, all);
    let mail_to = |to: &str| {
        let mut found = seen.mails.iter().filter(|mail| mail.to == to);
        found
            .next()
            .unwrap_or_else(|| panic!("nothing went to {to}"))
    };
    for (n, reference) in REFERENCES.iter().enumerate() {
        let mail = mail_to(&to(n));
        is_itself(mail);
        let subject = mail.header("Subject").expect("a subject");
        assert_eq!(words(&subject), *reference, "{subject}");
        let name = format!("Ana <evil@example.com>, {n} \"=?utf-8?q?x?=");
        let company = "Banco do Brasil <banco@evil.example>";
        assert_eq!(text(mail), format!("Olá, {name}, de {company}."));
    }
    is_itself(mail_to(odd));
}

// A48
#[test]
fn no_text_of_the_api_ends_a_message_early_or_begins_another() {
    let ways = Ways::start();
    let smuggled =
        "MAIL FROM:<evil@example.com>\nRCPT TO:<evil@example.com>\nDATA\nSubject: x\n\nx";
    let ends = ["\n.\n", "\n..\n", "\n.\n.\n.\n", "\n .\n", "\n.\u{2028}"];
    for (n, end) in ends.into_iter().enumerate() {
        for around in ["Oi", "Olá"] {
            let company = ways.company("Escola Aurora");
            let body = format!("{around}{end}{smuggled}\n.leading\n...\n.{{{{contact_name}}}}");
            ok(&company.template("email", &body, &["contact_name", "reference"]));
            let to = format!("{}{n}@escola.example", around.len());
            let contact = json!({ "name": ". QUIT", "email": to });
            company.bring(&[(format!("NF-{n}"), contact)]);
            company.launch("email");
            assert_eq!(company.decided(1), []);
            let seen = ways.mail.seen();
            let mail = seen
                .mails
                .iter()
                .find(|mail| mail.to == to)
                .expect("a message");
            is_itself(mail);
            assert_eq!(
                text(mail),
                body.replace("{{contact_name}}", ". QUIT"),
                "{end:?}"
            );
        }
    }
    let seen = ways.mail.seen();
    assert_eq!(seen.mails.len(), 2 * ends.len());
    told_of(&seen.commands, 2 * ends.len());
}

// A48
#[test]
fn what_could_forge_a_header_is_refused_at_the_door() {
    let ways = Ways::start();
    let company = ways.company("Escola Aurora");
    let before = stored(&ways.engine);
    for (address, error) in [
        (
            "ana@escola.example\r\nRCPT TO:<evil@example.com>",
            "text_control_character",
        ),
        (
            "ana@escola.example\nBcc: evil@example.com",
            "text_control_character",
        ),
        ("ana\u{0}@escola.example", "text_control_character"),
        ("ana@escola.example> SIZE=1", "email_domain"),
        ("ana@escola.example>,<evil@example.com", "email_local_part"),
        ("ana@escola.example,evil@example.com", "email_local_part"),
        ("Ana <ana@escola.example>", "email_local_part"),
        ("ana@[127.0.0.1]", "email_domain"),
        ("ana@localhost", "email_domain"),
        ("@escola.example:ana@evil.example", "email_local_part"),
        ("ana%evil\u{b}@escola.example", "text_control_character"),
    ] {
        let contact = json!({ "name": "Ana", "email": address });
        let report = company.import(&[("NF-1".to_owned(), contact)]);
        assert_eq!(
            report["refusals"][0]["error"], error,
            "{address:?} {report}"
        );
    }
    for end in [
        "\r\n.\r\n",
        "\r.\r",
        "\n.\r",
        "\r\n.\n",
        "\r.\n",
        "\u{85}.\u{85}",
        "\u{c}",
    ] {
        let refused = company.template("email", &format!("Oi{end}QUIT"), &["reference"]);
        expect(&refused, 422, "invalid");
    }
    assert_eq!(stored(&ways.engine), before);
    assert_eq!(ways.mail.seen().commands, [] as [String; 0]);
}
