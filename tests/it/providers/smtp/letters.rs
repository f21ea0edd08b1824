//! What a message looks like when it arrives, and what can never be put into it (A48).

use engine::config::{Config, Sources};
use tests::letter::{text, words};
use tests::smtp::Mail;

use super::*;

/// Sends a message and returns what arrived.
async fn arrived(message: &HandOver, more: &[&str]) -> Mail {
    let server = SmtpServer::start(Protection::None);
    let smtp = smtp(&server, more);
    assert_eq!(send(&smtp, message).await.0, accepted(message));
    let mails = server.seen().mails;
    assert_eq!(mails.len(), 1);
    mails[0].clone()
}

#[tokio::test]
async fn a_message_arrives_with_its_headers_and_its_text() {
    let message = anyone();
    let from = "from=Colégio São José, Matriz <cobranca@escola.example>";
    let mail = arrived(&message, &[from, "reply_to=secretaria@escola.example"]).await;
    assert_eq!(mail.from, "cobranca@escola.example");
    assert_eq!(mail.to, "ana@example.com");
    assert!(mail.content.is_ascii());
    let header = |name: &str| mail.header(name).unwrap_or_else(|| panic!("no {name}"));
    let (name, address) = {
        let from = header("From");
        let (name, address) = from.rsplit_once(" <").expect("a name");
        (words(name), address.to_owned())
    };
    assert_eq!(name.trim_matches('"'), "Colégio São José, Matriz");
    assert_eq!(address, "cobranca@escola.example>");
    assert_eq!(header("To"), "ana@example.com");
    assert_eq!(header("Reply-To"), "secretaria@escola.example");
    assert_eq!(words(&header("Subject")), "Seu boleto vence amanhã");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert_eq!(header("MIME-Version"), "1.0");
    assert_eq!(header("Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(mail.header("List-Unsubscribe"), None);
    let id = "<att_1.0.0.0.ten_1.1800000000000@escola.example>";
    assert_eq!(header("Message-ID"), id);
    let date = chrono::DateTime::parse_from_rfc2822(&header("Date")).expect("a date");
    assert!((chrono::Utc::now() - date.to_utc()).num_seconds().abs() < 60);
    assert_eq!(text(&mail), "Olá, Ana.\n\nSão R$ 10,00.\n.");
    for line in mail.content.split("\r\n") {
        assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{line}");
    }
}

#[tokio::test]
async fn no_text_ends_a_message_early_or_begins_another() {
    let command = "MAIL FROM:<evil@example.com>";
    for end in [
        "\n.\n",
        "\r\n.\r\n",
        "\r.\r",
        "\n.\r",
        "\r\n.\n",
        "\r.\n",
        "\n..\n",
    ] {
        for around in ["Oi", "Olá"] {
            let mut message = anyone();
            message.rendered.body = format!("{around}{end}{command}\r\n.leading\n...\n");
            let server = SmtpServer::start(Protection::None);
            let smtp = smtp(&server, &[]);
            assert_eq!(send(&smtp, &message).await.0, accepted(&message));
            let seen = server.seen();
            assert_eq!(seen.mails.len(), 1, "{end:?}");
            let text = text(&seen.mails[0]);
            assert!(
                text.starts_with(around) && text.contains(command),
                "{text:?}"
            );
            assert!(text.ends_with("\n.leading\n..."), "{text:?}");
            let expected = ["EHLO", "MAIL", "RCPT", "DATA"];
            let verbs = seen.commands.iter().map(|line| &line[..4]);
            assert_eq!(Vec::from_iter(verbs), expected, "{end:?}");
        }
    }
}

#[tokio::test]
async fn no_subject_becomes_another_header() {
    for subject in [
        "Oi\r\nBcc: evil@example.com",
        "Oi\nBcc: x@example.com",
        "Oi\rX: y",
        "\0",
    ] {
        let mut message = anyone();
        message.rendered.subject = Some(subject.to_owned());
        let server = SmtpServer::start(Protection::None);
        let told = send(&smtp(&server, &[]), &message).await;
        let refused = rejected("email_subject_control_character");
        assert_eq!(told, (refused, Health::Unasked, 0), "{subject:?}");
        assert_eq!(server.seen().connections, 0);
    }
    let mut message = anyone();
    let spoof = "=?utf-8?b?T2k=?= \u{202e}lios\u{202c} <evil@example.com>, ok";
    message.rendered.subject = Some(spoof.to_owned());
    let mail = arrived(&message, &[]).await;
    assert!(mail.content.is_ascii());
    assert_eq!(mail.header("To").as_deref(), Some("ana@example.com"));
    message.rendered.subject = Some("x".repeat(998));
    let server = SmtpServer::start(Protection::None);
    let told = send(&smtp(&server, &[]), &message).await;
    assert_eq!(told.0, rejected("email_line_length"));
}

#[tokio::test]
async fn an_address_that_cannot_be_sent_to_is_refused_by_name_and_nobody_is_asked() {
    let cases = [
        (
            "ana@example.com\r\nRCPT TO:<evil@example.com>",
            "email_control_character",
        ),
        ("ana@example.com>\nDATA", "email_control_character"),
        ("aná@example.com", "email_character"),
        // Cyrillic letters that look like Latin ones.
        ("ana@ex\u{430}mple.com", "email_character"),
        ("ana@example", "email_domain"),
        ("ana@[IPv6:::1]", "email_domain"),
        ("ana@[127.0.0.1]", "email_domain"),
        ("ana@example.com> SIZE=1", "email_domain"),
        ("\"ana lima\"@example.com", "email_local_part"),
        ("<ana@example.com", "email_local_part"),
        ("ana,bruno@example.com", "email_local_part"),
        ("+5511987651234", "email_local_part"),
    ];
    let server = SmtpServer::start(Protection::None);
    let smtp = smtp(&server, &[]);
    for (to, code) in cases {
        let told = send(&smtp, &message(1, to)).await;
        assert_eq!(told, (rejected(code), Health::Unasked, 0), "{to:?}");
    }
    assert_eq!(server.seen().connections, 0);
}

#[test]
fn a_sender_that_could_forge_a_header_is_no_setting() {
    let problems = |more: &str| {
        let overrides = ["kind=smtp", "host=localhost", "tls=none", more]
            .iter()
            .map(|it| format!("providers.mail.{it}"))
            .collect();
        let sources = Sources {
            overrides,
            ..Sources::default()
        };
        let problems = Config::load(&sources).err().map(|problems| problems.0);
        let key = |one: engine::config::Problem| format!("{} {}", one.kind.code(), one.key);
        problems
            .unwrap_or_default()
            .into_iter()
            .map(key)
            .collect::<Vec<_>>()
    };
    assert_eq!(problems("from=a@escola.example"), [""; 0]);
    for from in [
        "Escola\r\nBcc: evil@example.com <a@escola.example>",
        "Escola\u{7} <a@escola.example>",
        "a@escola.example, b@escola.example",
        "a@localhost",
        "Ana <ana@escola.example>, Bruno <b@escola.example>",
        "a@ex\u{430}mple.com",
        "",
    ] {
        let told = problems(&format!("from={from}"));
        let key = told
            .iter()
            .filter(|it| it.ends_with(" providers.mail.from"));
        assert_eq!(key.count(), 1, "{from:?} {told:?}");
    }
    let helo = problems("helo=mail.example.com\r\nMAIL");
    assert!(helo.contains(&"RG-CONFIG-004 providers.mail.helo".to_owned()));
}
