//! E-mail over SMTP: what each answer of a server, and each lack of one, comes to.

mod letters;
mod serving;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actors::clock::{Clock as _, SystemClock};
use actors::machine::effect::HandOver;
use actors::machine::input::{Abandoned, Outcome};
use engine::config::{Config, Sources};
use engine::providers::provider::{Health, Provider as _};
use engine::providers::settings::ProviderKind;
use engine::providers::smtp::Smtp;
use schedules::channel::Channel;
use schedules::id::{
    AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId,
};
use schedules::template::{Approved, Rendered, Template};
use schedules::time::Timestamp;
use tempfile::TempDir;
use tests::smtp::{Fault, PASSWORD, Protection, SmtpServer, Stage, USERNAME};

/// Returns message number `n`, to an address.
fn message(n: i64, to: &str) -> HandOver {
    let template = Template {
        code: "lembrete".to_owned(),
        channel: Channel::Email,
        version: 1,
        subject: Some("Seu boleto".to_owned()),
        body: "Olá".to_owned(),
        variables: Vec::new(),
        ttl_ms: 0,
        approved: Approved::default(),
    };
    let reminder = ReminderId {
        enrollment: EnrollmentId(n),
        step_no: 0,
        occurrence: 0,
    };
    HandOver {
        attempt: AttemptId {
            reminder,
            try_no: 0,
        },
        tenant: TenantId(1),
        boleto: BoletoId(n),
        companions: Vec::new(),
        contact: ContactId(n),
        campaign: CampaignId(1),
        channel: Channel::Email,
        provider: "mail".to_owned(),
        to: to.to_owned(),
        template: Arc::new(template),
        rendered: Rendered {
            subject: Some("Seu boleto vence amanhã".to_owned()),
            body: "Olá, Ana.\n\nSão R$ 10,00.\n.\n".to_owned(),
            parameters: Vec::new(),
            buttons: Vec::new(),
        },
        deadline_at: Timestamp::from_unix_ms(1_800_000_000_000),
    }
}

fn anyone() -> HandOver {
    message(1, "ana@example.com")
}

/// Writes the certificate of a server, and returns the settings of a provider that knows it.
fn settings(server: &SmtpServer, folder: &TempDir, more: &[&str]) -> Vec<String> {
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &server.certificate).expect("a file");
    let usual = [
        "kind=smtp".to_owned(),
        "host=localhost".to_owned(),
        format!("port={}", server.address.port()),
        format!("ca_file={}", ca_file.display()),
        "from=Escola Aurora <cobranca@escola.example>".to_owned(),
        "ready_timeout_ms=3000".to_owned(),
        "answer_timeout_ms=6000".to_owned(),
        "tls=none".to_owned(),
    ];
    // Of two that are about the same key, the later wins.
    let all = usual
        .into_iter()
        .chain(more.iter().map(|it| (*it).to_owned()));
    all.map(|it| format!("providers.mail.{it}")).collect()
}

fn smtp(server: &SmtpServer, more: &[&str]) -> Smtp {
    let folder = TempDir::new().expect("a folder");
    smtp_of(settings(server, &folder, more), &[])
}

fn smtp_of(overrides: Vec<String>, environment: &[(&str, &str)]) -> Smtp {
    let environment = environment
        .iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let sources = Sources {
        overrides,
        environment,
        ..Sources::default()
    };
    let config = Config::load(&sources).expect("settings");
    let ProviderKind::Smtp(settings) = config.providers["mail"].kind.clone() else {
        panic!("another kind")
    };
    let links = config.unsubscribe.clone().map(Arc::new);
    Smtp::new(*settings, links, Arc::new(SystemClock::start())).expect("a provider")
}

/// Hands a message over, and returns its outcome, what it says of the server, and how often it was
/// asked whether to begin.
async fn send(smtp: &Smtp, message: &HandOver) -> (Outcome, Health, usize) {
    let begun = AtomicUsize::new(0);
    let begin = || {
        begun.fetch_add(1, Ordering::SeqCst);
        true
    };
    let answer = smtp.send(message, &begin).await;
    (answer.outcome, answer.health, begun.load(Ordering::SeqCst))
}

fn accepted(message: &HandOver) -> Outcome {
    let HandOver {
        attempt,
        tenant,
        deadline_at,
        ..
    } = message;
    let at_ms = deadline_at.unix_ms();
    Outcome::Accepted {
        provider_ref: format!("{attempt}.{tenant}.{at_ms}@escola.example"),
    }
}

fn rejected(code: &str) -> Outcome {
    Outcome::Rejected {
        code: code.to_owned(),
    }
}

const THROTTLED: Outcome = Outcome::Throttled {
    retry_after_ms: None,
};

#[tokio::test]
async fn a_message_is_taken_over_each_kind_of_line_and_none_is_weaker_than_was_asked() {
    let cases = [
        (Protection::None, "tls=none", true),
        (Protection::Starttls, "tls=starttls", true),
        (Protection::Starttls, "tls=required", true),
        (Protection::Wrapper, "tls=wrapper", true),
        // What a man in the middle would leave of it.
        (Protection::None, "tls=starttls", false),
        (Protection::None, "tls=required", false),
        (Protection::None, "tls=wrapper", false),
        (Protection::Injected, "tls=starttls", false),
    ];
    for (protection, tls, passes) in cases {
        let server = SmtpServer::start(protection);
        let smtp = smtp(&server, &[tls]);
        let (outcome, _, begun) = send(&smtp, &anyone()).await;
        let mails = server.seen().mails;
        if passes {
            assert_eq!(outcome, accepted(&anyone()), "{protection:?} {tls}");
            let is_protected = protection != Protection::None;
            assert_eq!(mails[0].is_protected, is_protected);
        } else {
            assert_eq!(outcome, Outcome::Unavailable, "{protection:?} {tls}");
        }
        assert_eq!(
            (mails.len(), begun),
            (usize::from(passes), usize::from(passes))
        );
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (server, other) = (
        SmtpServer::start(Protection::Starttls),
        SmtpServer::start(Protection::None),
    );
    let folder = TempDir::new().expect("a folder");
    let mut settings = settings(&server, &folder, &["tls=starttls"]);
    // A certificate for the same name, of somebody else.
    std::fs::write(folder.path().join("ca.pem"), &other.certificate).expect("a file");
    settings.push("providers.mail.helo=mail.escola.example".to_owned());
    let password = [
        ("REGUA_PROVIDERS__MAIL__USERNAME", USERNAME),
        ("REGUA_PROVIDERS__MAIL__PASSWORD", PASSWORD),
    ];
    let smtp = smtp_of(settings, &password);
    let (outcome, health, begun) = send(&smtp, &anyone()).await;
    assert_eq!((outcome, begun), (Outcome::Unavailable, 0));
    assert_eq!(health, Health::Failed);
    let expected = ["EHLO mail.escola.example", "STARTTLS"];
    assert_eq!(server.seen().commands, expected, "no password");
}

#[tokio::test]
async fn the_account_is_used_over_a_protected_line_and_one_that_is_no_good_says_so() {
    for mechanisms in ["PLAIN LOGIN", "LOGIN", "CRAM-MD5"] {
        for password in [PASSWORD, "outra"] {
            let server = SmtpServer::with_mechanisms(Protection::Wrapper, mechanisms);
            let folder = TempDir::new().expect("a folder");
            let settings = settings(&server, &folder, &["tls=wrapper"]);
            let account = [
                ("REGUA_PROVIDERS__MAIL__USERNAME", USERNAME),
                ("REGUA_PROVIDERS__MAIL__PASSWORD", password),
            ];
            let smtp = smtp_of(settings, &account);
            let (outcome, health, begun) = send(&smtp, &anyone()).await;
            if mechanisms != "CRAM-MD5" && password == PASSWORD {
                assert_eq!(outcome, accepted(&anyone()), "{mechanisms}");
                assert!(server.seen().mails[0].is_logged_in);
            } else {
                let expected = (Outcome::Unavailable, Health::Broken, 0);
                assert_eq!((outcome, health, begun), expected, "{mechanisms}");
                assert_eq!(server.seen().mails, []);
            }
        }
    }
}

#[tokio::test]
async fn each_refusal_comes_to_what_it_says_at_each_stage() {
    use Health::{Broken, Failed, Well};
    use Stage::{Banner, Content, Data, Hello, Mail, Rcpt};
    let gone = || rejected("smtp_550_5.1.1");
    let cases = [
        (Banner, "421 busy", Outcome::Unavailable, Failed, 0),
        (Banner, "554 go away", Outcome::Unavailable, Broken, 0),
        (Hello, "421 busy", Outcome::Unavailable, Failed, 0),
        (Hello, "550 not you", Outcome::Unavailable, Broken, 0),
        (Mail, "421 busy", Outcome::Unavailable, Failed, 0),
        (Mail, "450 later", Outcome::Unavailable, Failed, 0),
        (
            Mail,
            "550 5.7.1 not from you",
            Outcome::Unavailable,
            Broken,
            0,
        ),
        (Rcpt, "421 busy", Outcome::Unavailable, Failed, 0),
        (Rcpt, "450 greylisted", THROTTLED, Well, 0),
        (Rcpt, "451 trouble", Outcome::Unavailable, Failed, 0),
        (Rcpt, "452 too many", THROTTLED, Well, 0),
        (Rcpt, "550 5.1.1 <ana@example.com> unknown", gone(), Well, 0),
        (Rcpt, "553 no such", rejected("smtp_553"), Well, 0),
        // Perhaps of this recipient alone, and then the others pass.
        (
            Rcpt,
            "554 5.7.1 relay denied",
            Outcome::Unavailable,
            Failed,
            0,
        ),
        (Data, "421 busy", Outcome::Unavailable, Failed, 0),
        (Data, "450 later", THROTTLED, Well, 0),
        (Data, "550 5.1.1 no", gone(), Well, 0),
        (Content, "421 busy", Outcome::Unavailable, Failed, 1),
        (Content, "450 later", THROTTLED, Well, 1),
        (Content, "452 full", THROTTLED, Well, 1),
        (Content, "550 5.1.1 no", gone(), Well, 1),
        // Neither yes nor no, after the content has left.
        (Content, "354 what", Outcome::Unknown, Failed, 1),
        (Content, "gibberish", Outcome::Unknown, Failed, 1),
    ];
    for (stage, answer, outcome, health, begun) in cases {
        let server = SmtpServer::start(Protection::None);
        server.fault(stage, Fault::Say(answer));
        let smtp = smtp(&server, &[]);
        let told = send(&smtp, &anyone()).await;
        assert_eq!(told, (outcome, health, begun), "{stage:?} {answer}");
        // The server is asked again as if nothing had been.
        server.mend();
        let next = message(2, "bruno@example.com");
        assert_eq!(
            send(&smtp, &next).await.0,
            accepted(&next),
            "{stage:?} {answer}"
        );
    }
}

#[tokio::test]
async fn a_line_that_breaks_leaves_nothing_unknown_before_the_content_and_everything_after() {
    let stages = [
        (Stage::Banner, Outcome::Unavailable, 0),
        (Stage::Hello, Outcome::Unavailable, 0),
        (Stage::Mail, Outcome::Unavailable, 0),
        (Stage::Rcpt, Outcome::Unavailable, 0),
        (Stage::Data, Outcome::Unavailable, 0),
        (Stage::Content, Outcome::Unknown, 1),
    ];
    for (stage, outcome, begun) in stages {
        // What is waited for here is waited for in vain.
        let wait = match begun {
            0 => "ready_timeout_ms=300",
            _ => "answer_timeout_ms=1000",
        };
        for fault in [
            Fault::HangUp,
            Fault::Silence,
            Fault::Drip,
            Fault::Flood(10_000_000),
            Fault::SayAndHangUp("421 bye"),
        ] {
            let server = SmtpServer::start(Protection::None);
            server.fault(stage, fault.clone());
            let smtp = smtp(&server, &[wait]);
            let told = send(&smtp, &anyone()).await;
            let expected = match (stage, &fault) {
                // A refusal is an answer.
                (Stage::Content, Fault::SayAndHangUp(_)) => Outcome::Unavailable,
                _ => outcome.clone(),
            };
            assert_eq!(
                told,
                (expected, Health::Failed, begun),
                "{stage:?} {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn nobody_there_is_no_provider_and_nothing_begins() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = format!("port={}", free.local_addr().expect("an address").port());
    drop(free);
    let server = SmtpServer::start(Protection::None);
    let smtp = smtp(&server, &[&port]);
    let told = send(&smtp, &anyone()).await;
    assert_eq!(told, (Outcome::Unavailable, Health::Failed, 0));
}

#[tokio::test]
async fn a_stop_while_the_content_is_waited_for_leaves_nothing_and_the_next_gets_its_own_line() {
    let server = SmtpServer::start(Protection::None);
    let smtp = smtp(&server, &[]);
    let is_waited_for = || {
        let seen = server.seen();
        assert_eq!(seen.commands.last().map(String::as_str), Some("DATA"));
        assert_eq!(seen.mails, []);
        false
    };
    let answer = smtp.send(&anyone(), &is_waited_for).await;
    let stopped = Outcome::Abandoned {
        why: Abandoned::Stopped,
    };
    assert_eq!((answer.outcome, answer.health), (stopped, Health::Unasked));
    let next = message(2, "bruno@example.com");
    assert_eq!(send(&smtp, &next).await.0, accepted(&next));
    let seen = server.seen();
    assert_eq!((seen.mails.len(), seen.connections), (1, 2));
    assert_eq!(seen.mails[0].to, "bruno@example.com");
}

#[tokio::test]
async fn a_server_that_is_not_ready_before_the_claim_ends_has_failed_if_it_had_its_time() {
    let failed = || (Outcome::Unavailable, Health::Failed, 0);
    let too_late = Outcome::Abandoned {
        why: Abandoned::TooLate,
    };
    for (stage, left_ms, expected) in [
        (Stage::Banner, 1_500, failed()),
        (Stage::Rcpt, 1_500, failed()),
        (Stage::Data, 1_500, failed()),
        // Our own queue had all of its time.
        (Stage::Banner, 300, (too_late, Health::Unasked, 0)),
    ] {
        let server = SmtpServer::start(Protection::None);
        server.fault(stage, Fault::Silence);
        let smtp = smtp(&server, &[]);
        let mut message = anyone();
        message.deadline_at = SystemClock::start().now().plus_ms(left_ms);
        let told = tokio::time::timeout(Duration::from_secs(4), send(&smtp, &message)).await;
        assert_eq!(told, Ok(expected), "{stage:?} {left_ms}");
    }
}

#[tokio::test]
async fn a_line_is_kept_for_the_next_message_and_replaced_when_the_server_hung_up() {
    let server = SmtpServer::start(Protection::None);
    let smtp = smtp(&server, &[]);
    for n in 1..=3 {
        let message = message(n, "ana@example.com");
        assert_eq!(send(&smtp, &message).await.0, accepted(&message));
    }
    assert_eq!(server.seen().connections, 1);
    for (n, fault) in (4..).zip([Fault::HangUp, Fault::SayAndHangUp("421 idle for too long")]) {
        // The kept line ends at the next word, and so does a new one.
        server.fault(Stage::Mail, fault);
        let message = message(n, "ana@example.com");
        let told = send(&smtp, &message).await;
        assert_eq!(told, (Outcome::Unavailable, Health::Failed, 0));
        server.mend();
        assert_eq!(send(&smtp, &message).await.0, accepted(&message));
    }
    let seen = server.seen();
    assert_eq!(seen.mails.len(), 5);
    assert!(seen.connections > 2);
}

#[tokio::test]
async fn no_more_lines_are_opened_than_were_allowed() {
    let server = SmtpServer::start(Protection::None);
    server.fault(Stage::Rcpt, Fault::Hold);
    let smtp = smtp(&server, &["connections_max=2"]);
    let messages: Vec<HandOver> = (1..=6).map(|n| message(n, "ana@example.com")).collect();
    let all = futures::future::join_all(messages.iter().map(|one| send(&smtp, one)));
    let watch = tokio::task::spawn_blocking({
        let held = |seen: &tests::smtp::Seen| {
            let rcpt = seen.commands.iter().filter(|line| line.starts_with("RCPT"));
            rcpt.count() == 2
        };
        let server = server.clone();
        move || {
            server.await_seen(held);
            server.release();
        }
    });
    let (told, watched) = tokio::join!(all, watch);
    watched.expect("it was seen");
    assert_eq!(server.seen().connections, 2);
    // Who waited for too long did not begin.
    let too_late = Outcome::Abandoned {
        why: Abandoned::TooLate,
    };
    let taken = told
        .iter()
        .zip(&messages)
        .filter(|((outcome, ..), message)| {
            let is_taken = *outcome == accepted(message);
            assert!(is_taken || *outcome == too_late, "{outcome:?}");
            is_taken
        });
    let taken = taken.count();
    assert!(taken >= 2);
    assert_eq!(server.seen().mails.len(), taken);
}
