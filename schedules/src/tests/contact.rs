//! E-mail addresses and the keys of contacts.

use proptest::prelude::*;

use crate::contact::{EmailAddress, EmailError as E};

fn identity(text: &str) -> Result<String, E> {
    EmailAddress::parse(text).map(|email| email.identity().to_owned())
}

#[test]
fn the_spellings_of_one_mailbox_share_an_identity() {
    for text in [
        "a@x.com",
        "A@X.COM",
        " a+tag@x.com ",
        "a+b+c@x.Com",
        "A+@x.com",
        "a.+tag@x.com",
    ] {
        assert_eq!(identity(text), Ok("a@x.com".to_owned()), "{text}");
    }
    assert_eq!(identity("+tag@x.com"), Ok("+tag@x.com".to_owned()));
    assert_eq!(
        identity("A@XN--BCHER-KVA.example"),
        Ok("a@xn--bcher-kva.example".to_owned())
    );
}

#[test]
fn the_address_to_send_to_keeps_its_local_part() {
    let email = EmailAddress::parse(" Maria.Silva+Boleto@Example.COM").expect("an address");
    assert_eq!(email.as_str(), "Maria.Silva+Boleto@example.com");
    let stored = serde_json::to_string(&email).expect("text");
    assert_eq!(
        serde_json::from_str::<EmailAddress>(&stored).ok(),
        Some(email)
    );
}

#[test]
fn what_is_no_address_is_refused_for_its_reason() {
    for (text, expected) in [
        ("a@x.com\r\nBcc: b@y.com", E::ReadControl),
        ("a@x.com\n", E::ReadControl),
        ("a\0@x.com", E::ReadControl),
        ("ａ@x.com", E::ReadCharacter),
        ("a\u{200d}@x.com", E::ReadCharacter),
        ("a@bücher.example", E::ReadCharacter),
        ("a", E::ReadLocalPart),
        ("@x.com", E::ReadLocalPart),
        ("a@b@x.com", E::ReadLocalPart),
        ("a..b@x.com", E::ReadLocalPart),
        (".a@x.com", E::ReadLocalPart),
        ("a b@x.com", E::ReadLocalPart),
        ("\"a\"@x.com", E::ReadLocalPart),
        ("<a@x.com>", E::ReadLocalPart),
        ("a@", E::ReadDomain),
        ("a@localhost", E::ReadDomain),
        ("a@127.0.0.1", E::ReadDomain),
        ("a@[127.0.0.1]", E::ReadDomain),
        ("a@x..com", E::ReadDomain),
        ("a@x.com.", E::ReadDomain),
        ("a@-x.com", E::ReadDomain),
        ("a@x_y.com", E::ReadDomain),
    ] {
        assert_eq!(identity(text), Err(expected), "{text:?}");
    }
    let long = format!("{}@x.com", "a".repeat(65));
    assert_eq!(identity(&long), Err(E::MeasureAddress));
}

#[test]
fn an_address_is_masked_wherever_it_is_printed() {
    let email = EmailAddress::parse("maria@example.com").expect("an address");
    assert_eq!(
        format!("{email} {email:?}"),
        "m***@example.com EmailAddress(m***@example.com)"
    );
}

proptest! {
    #[test]
    fn whatever_is_read_reads_back_and_nothing_panics(
        text in any::<String>(), near in "[a-zA-Z.+]{1,9}@[a-zA-Z0-9.-]{1,12}",
    ) {
        for written in [text, near] {
            if let Ok(email) = EmailAddress::parse(&written) {
                prop_assert_eq!(EmailAddress::parse(email.as_str()), Ok(email.clone()));
                let identity = EmailAddress::parse(email.identity()).expect("an address");
                prop_assert_eq!(identity.identity(), email.identity());
            }
        }
    }
}
