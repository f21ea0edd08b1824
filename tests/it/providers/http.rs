//! What the HTTP client makes of a network and a server that do as they like.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use actors::clock::{Clock, SystemClock};
use actors::machine::input::{Abandoned, Outcome};
use engine::providers::egress::{Call, Egress, EgressLimits, Failure, Tls};
use engine::providers::provider::Health;
use futures::future::join_all;
use schedules::channel::Channel;
use serde_json::json;
use tests::gateway::{Deed, Gateway};

use super::desk::{Desk, accepted, message, rejected};

/// A gateway for SMS that names its messages.
fn desk(url: &str, more: &str) -> Desk {
    Desk::of(&format!(
        "kind = \"http_sms\"\nurl = \"{url}\"\nid_pointer = \"/id\"\n{more}\n\
         body = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n"
    ))
}

fn taken(id: &str) -> Deed {
    Deed::json(200, &json!({ "id": id }))
}

#[tokio::test]
async fn a_hand_over_begins_once_with_the_connection_ready_and_no_byte_written() {
    let gateway = Gateway::start();
    gateway.always(taken("m"));
    let desk = desk(&gateway.url(), "");
    let begins = AtomicUsize::new(0);
    let begin = || {
        begins.fetch_add(1, Ordering::SeqCst);
        gateway.wait_connections(1);
        assert_eq!(gateway.bytes_read(), 0, "something was written before");
        true
    };
    let answer = desk.send_if(&message(Channel::Sms, 1), &begin).await;
    assert_eq!(answer.outcome, accepted("m"));
    assert_eq!(begins.load(Ordering::SeqCst), 1);
    assert_eq!(gateway.asked().len(), 1);
}

#[tokio::test]
async fn a_message_that_may_not_begin_leaves_no_byte_and_its_connection_to_the_next() {
    let gateway = Gateway::start();
    gateway.always(taken("m"));
    let desk = desk(&gateway.url(), "");
    let answer = desk.send_if(&message(Channel::Sms, 1), &|| false).await;
    let why = Abandoned::Stopped;
    assert_eq!(answer.outcome, Outcome::Abandoned { why });
    assert_eq!(answer.health, Health::Unasked);
    assert_eq!(gateway.bytes_read(), 0);
    assert_eq!(desk.outcome(&message(Channel::Sms, 2)).await, accepted("m"));
    assert_eq!((gateway.asked().len(), gateway.connections()), (1, 1));
}

#[tokio::test]
async fn messages_share_a_connection_and_those_at_once_do_not() {
    let gateway = Gateway::start();
    gateway.always(taken("m"));
    let desk = desk(&gateway.url(), "");
    for n in 1..=5 {
        assert_eq!(desk.outcome(&message(Channel::Sms, n)).await, accepted("m"));
    }
    assert_eq!(gateway.connections(), 1);
    let messages: Vec<_> = (10..20).map(|n| message(Channel::Sms, n)).collect();
    let outcomes = join_all(messages.iter().map(|one| desk.outcome(one))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == accepted("m")));
    let asked = gateway.asked();
    assert_eq!(asked.len(), 15);
    // Each has its own answer, whichever connection it took.
    for message in &messages {
        let of = |one: &&tests::gateway::Asked| one.json()["to"] == json!(message.to);
        assert_eq!(asked.iter().filter(of).count(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_rested_harms_no_message() {
    for round in 0..20 {
        let gateway = Gateway::start();
        gateway.then(Deed::AnswerAndHangUp(200, r#"{"id":"a"}"#.to_owned()));
        gateway.then(taken("b"));
        let desk = desk(&gateway.url(), "");
        assert_eq!(desk.outcome(&message(Channel::Sms, 1)).await, accepted("a"));
        gateway.wait_hung_up(1);
        let outcome = desk.outcome(&message(Channel::Sms, 2)).await;
        assert_eq!(outcome, accepted("b"), "round {round}");
        let connections: Vec<_> = gateway.asked().iter().map(|one| one.connection).collect();
        assert_eq!(connections, [1, 2]);
    }
}

#[tokio::test]
async fn what_fails_before_a_byte_is_written_was_certainly_not_sent() {
    // Nobody listens on the one; the other never says a word of TLS.
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let unreachable = gone.local_addr().expect("an address");
    drop(gone);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mute = silent.local_addr().expect("an address");
    for url in [
        format!("http://{unreachable}"),
        format!("https://{mute}"),
        "http://nobody.invalid".to_owned(),
    ] {
        let desk = desk(&url, "connect_ms = 200\ninsecure = true");
        let answer = desk.send(&message(Channel::Sms, 1)).await;
        assert_eq!(answer.outcome, Outcome::Unavailable, "{url}");
        assert_eq!(answer.health, Health::Failed);
        assert_eq!(desk.begins(), 0, "{url}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_before_the_claim_ends_has_failed_if_it_had_its_time() {
    // It lets everybody in, and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let too_late = Outcome::Abandoned {
        why: Abandoned::TooLate,
    };
    for (left_ms, outcome, health) in [
        (1_500, Outcome::Unavailable, Health::Failed),
        // Our own queue had all of its time.
        (300, too_late, Health::Unasked),
    ] {
        let desk = desk(&url, "connect_ms = 3000");
        let mut message = message(Channel::Sms, 1);
        let clock = SystemClock::start();
        message.deadline_at = clock.now().plus_ms(left_ms);
        let answer = desk.send(&message).await;
        assert_eq!((answer.outcome, answer.health), (outcome, health));
        assert_eq!(desk.begins(), 0);
        let late_ms = clock.now().since(message.deadline_at);
        assert!(
            (0..1_000).contains(&late_ms),
            "{late_ms} ms after its claim"
        );
    }
}

#[tokio::test]
async fn what_fails_after_it_began_is_of_unknown_outcome_and_sent_once() {
    for deed in [
        Deed::Reset,
        Deed::HangUp,
        Deed::Silence,
        Deed::Noise,
        Deed::Flood(200),
        Deed::Drip(200),
        Deed::json(500, &json!({ "error": "who knows" })),
        Deed::json(502, &json!({})),
        Deed::json(504, &json!({})),
        Deed::json(200, &json!({ "no": "id" })),
        Deed::Answer(200, Vec::new(), "<html>".to_owned()),
        Deed::Answer(
            200,
            vec![("Content-Encoding", "gzip".to_owned())],
            "\u{1f}".to_owned(),
        ),
    ] {
        let gateway = Gateway::start();
        gateway.then(deed.clone());
        let desk = desk(&gateway.url(), "total_ms = 500");
        let answer = desk.send(&message(Channel::Sms, 1)).await;
        assert_eq!(answer.outcome, Outcome::Unknown, "{deed:?}");
        assert_eq!(answer.health, Health::Failed);
        assert_eq!((desk.begins(), gateway.asked().len()), (1, 1), "{deed:?}");
    }
}

#[tokio::test]
async fn a_second_message_on_a_connection_that_breaks_is_of_unknown_outcome_and_sent_once() {
    for deed in [Deed::Reset, Deed::HangUp] {
        let gateway = Gateway::start();
        gateway.then(taken("a"));
        gateway.then(deed.clone());
        let desk = desk(&gateway.url(), "");
        assert_eq!(desk.outcome(&message(Channel::Sms, 1)).await, accepted("a"));
        let outcome = desk.outcome(&message(Channel::Sms, 2)).await;
        assert_eq!(outcome, Outcome::Unknown, "{deed:?}");
        let connections: Vec<_> = gateway.asked().iter().map(|one| one.connection).collect();
        assert_eq!(connections, [1, 1]);
    }
}

#[tokio::test]
async fn a_refusal_is_one_however_long_its_text_is() {
    for deed in [Deed::Flood(400), Deed::Drip(400)] {
        let gateway = Gateway::start();
        gateway.then(deed.clone());
        let desk = desk(&gateway.url(), "total_ms = 500");
        let outcome = desk.outcome(&message(Channel::Sms, 1)).await;
        assert_eq!(outcome, rejected("http_400"), "{deed:?}");
    }
}

#[tokio::test]
async fn no_more_than_64_kib_of_an_answer_are_read_and_its_connection_is_not_used_again() {
    let gateway = Gateway::start();
    gateway.then(Deed::Flood(200));
    gateway.then(taken("m"));
    let endpoint = gateway.url().parse().expect("an endpoint");
    let tls = Tls::trusting(None).expect("authorities");
    let limits = EgressLimits {
        connect_ms: 1_000,
        total_ms: 10_000,
    };
    let clock = std::sync::Arc::new(SystemClock::start());
    let egress = Egress::new(endpoint, tls, limits, clock);
    let one = message(Channel::Sms, 1);
    let flooded = egress
        .send(call(), one.deadline_at, &|| true)
        .await
        .expect("a reply");
    assert_eq!((flooded.body.len(), flooded.whole), (65_536, false));
    let next = egress
        .send(call(), one.deadline_at, &|| true)
        .await
        .expect("a reply");
    assert_eq!((next.body, next.whole), (br#"{"id":"m"}"#.to_vec(), true));
    assert_eq!(gateway.connections(), 2);
    let barred = egress.send(call(), one.deadline_at, &|| false).await.err();
    assert_eq!(barred, Some(Failure::Barred));
}

fn call() -> Call {
    Call {
        method: "POST".parse().expect("a method"),
        path: "/".to_owned(),
        headers: Vec::new(),
        content_type: "text/plain".parse().expect("a type"),
        body: Vec::new(),
    }
}

#[tokio::test]
async fn a_redirection_refuses_us_and_is_not_followed() {
    let (gateway, trap) = (Gateway::start(), Gateway::start());
    trap.always(taken("trapped"));
    for status in [301, 302, 303, 307, 308] {
        gateway.then(Deed::with_header(status, "Location", &trap.url()));
        let desk = desk(&gateway.url(), "");
        let answer = desk.send(&message(Channel::Sms, 1)).await;
        assert_eq!(answer.health, Health::Broken, "{status}");
    }
    assert_eq!((trap.connections(), gateway.asked().len()), (0, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_is_waited_for() {
    let gateway = Gateway::start();
    gateway.then(Deed::Hold(200, r#"{"id":"late"}"#.to_owned()));
    let desk = desk(&gateway.url(), "");
    let message = message(Channel::Sms, 1);
    let sending = tokio::spawn(async move { (desk.outcome(&message).await, desk.begins()) });
    gateway.wait_asked(1);
    assert!(!sending.is_finished(), "it did not wait");
    gateway.release();
    assert_eq!(sending.await.expect("an outcome"), (accepted("late"), 1));
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_operator_trusts_and_with_nobody_else() {
    let gateway = Gateway::start_tls();
    gateway.always(taken("m"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    let certificate = gateway.certificate.as_deref().expect("a certificate");
    std::fs::write(&file, certificate).expect("a file");
    let trusting = format!("ca_file = \"{}\"", file.display());
    let trusted = desk(&gateway.url(), &trusting);
    for n in 1..=3 {
        assert_eq!(
            trusted.outcome(&message(Channel::Sms, n)).await,
            accepted("m")
        );
    }
    assert_eq!(gateway.connections(), 1);
    // The public authorities do not know it, and it is nobody else than localhost.
    let other_name = format!("https://{}", gateway.address);
    for (url, more) in [(gateway.url(), ""), (other_name, trusting.as_str())] {
        let desk = desk(&url, more);
        let outcome = desk.outcome(&message(Channel::Sms, 9)).await;
        assert_eq!(outcome, Outcome::Unavailable, "{url}");
        assert_eq!(desk.begins(), 0);
    }
    assert_eq!(gateway.asked().len(), 3);
}

#[tokio::test]
async fn what_breaks_within_tls_after_it_began_is_unknown_and_a_closed_connection_is_noticed() {
    let gateway = Gateway::start_tls();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    let certificate = gateway.certificate.as_deref().expect("a certificate");
    std::fs::write(&file, certificate).expect("a file");
    let desk = desk(&gateway.url(), &format!("ca_file = \"{}\"", file.display()));
    gateway.then(Deed::HangUp);
    gateway.then(Deed::AnswerAndHangUp(200, r#"{"id":"a"}"#.to_owned()));
    gateway.then(taken("b"));
    let mut outcomes = Vec::new();
    for n in 1..=3 {
        outcomes.push(desk.outcome(&message(Channel::Sms, n)).await);
        gateway.wait_hung_up(usize::try_from(n.min(2)).expect("a count"));
    }
    assert_eq!(outcomes, [Outcome::Unknown, accepted("a"), accepted("b")]);
    assert_eq!(gateway.asked().len(), 3);
}
