//! Texts that stand for one thing: lines, codes, numbers, names.

use chrono::NaiveDate;
use chrono_tz::America::Sao_Paulo;
use engine::access::{Prefix, Scopes, Token};
use schedules::boleto;
use schedules::brcode::BrCode;
use schedules::contact::EmailAddress;
use schedules::document::Document;
use schedules::id::{AttemptId, ImportId, ReminderId, TenantId};
use schedules::link::{check_link, holds_link};
use schedules::phone::Phone;
use schedules::recurrence::Recurrence;
use schedules::reference::Reference;
use tests::chance::Chance;
use tests::scene::START;

use super::each;
use super::spoil::spoiled;

const TODAY: NaiveDate = match NaiveDate::from_ymd_opt(2026, 3, 2) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// Bank slips of both cycles as line and barcode, and a collection slip.
const LINES: [&str; 6] = [
    "23793.38128 60007.827136 95000.063305 9 75520000370000",
    "23799755200003700003381260007827139500006330",
    "34191101213456788005871234570001616670000012345",
    "34191101213456788005871234570001910000000012345",
    "846700000017 435900240209 024050002435 842210108119",
    "84670000001435900240200240500024384221010811",
];

const PIX: [&str; 2] = [
    "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-4266554400005204000053039865802BR\
     5913Fulano de Tal6008BRASILIA62070503***63041D3D",
    "00020101021226700014br.gov.bcb.pix2548pix.example.com/8b3da2f39a4140d1a91abd93113bd4415204000\
     053039865802BR5913Fulano de Tal6008BRASILIA62070503***630464E4",
];

#[test]
fn lines_of_slips_are_read_or_refused_and_never_panic() {
    each("line", 20_000, |chance: &mut Chance| {
        let text = spoiled(chance, &LINES);
        let Ok(slip) = boleto::parse(&text, TODAY) else {
            return false;
        };
        let again = boleto::parse(&slip.digitable_line, TODAY);
        assert_eq!(again, Ok(slip.clone()));
        assert!(boleto::printed(&slip.digitable_line).is_some());
        true
    });
}

#[test]
fn pix_codes_are_read_or_refused_and_never_panic() {
    each("brcode", 10_000, |chance| {
        let Ok(code) = BrCode::parse(&spoiled(chance, &PIX)) else {
            return false;
        };
        assert!(BrCode::parse(&code.code).as_ref() == Ok(&code));
        true
    });
}

#[test]
fn documents_are_read_or_refused_and_never_panic() {
    let good = ["111.444.777-35", "11.222.333/0001-81", "12.ABC.345/01DE-35"];
    each("document", 10_000, |chance| {
        let Ok(document) = Document::parse(&spoiled(chance, &good)) else {
            return false;
        };
        assert_eq!(Document::parse(&document.formatted()), Ok(document));
        true
    });
}

#[test]
fn phones_are_read_or_refused_and_never_panic() {
    let good = [
        "+55 (11) 98765-1234",
        "11987651234",
        "011 8765-1234",
        "5511987651234",
        "0055 21 3456-7890",
    ];
    each("phone", 15_000, |chance| {
        let Ok(phone) = Phone::parse(&spoiled(chance, &good)) else {
            return false;
        };
        let again = Phone::parse(phone.e164()).expect("its own number");
        assert_eq!(again.canonical(), phone.canonical());
        true
    });
}

#[test]
fn recurrences_are_read_or_refused_and_their_next_instant_lies_ahead() {
    let good = [
        "0 9 * * 1-5",
        "*/15 8-18 1,15 * *",
        "30 10 L * ?",
        "0 0 29 2 *",
        "5 4 * JAN SUN",
    ];
    each("cron", 10_000, |chance| {
        let Ok(recurrence) = Recurrence::parse(&spoiled(chance, &good)) else {
            return false;
        };
        let next = recurrence.next_after(Sao_Paulo, START);
        assert!(next.is_none_or(|next| next > START));
        true
    });
}

#[test]
fn addresses_links_and_references_are_read_or_refused_and_never_panic() {
    let good = [
        "ana.lima+boleto@escola.example",
        "https://pay.example/b/7?x=1",
        "NF 2026/0001-A",
        "joão@exämple.com",
        "HTTPS://user@pay.example:8443/#a",
    ];
    each("address", 15_000, |chance| {
        let text = spoiled(chance, &good);
        let email = EmailAddress::parse(&text);
        if let Ok(email) = &email {
            assert!(EmailAddress::parse(email.as_str()).as_ref() == Ok(email));
        }
        if let Ok(reference) = Reference::parse(&text) {
            assert!(Reference::parse(reference.as_str()).is_ok_and(|it| it == reference));
        }
        holds_link(&text);
        email.is_ok() || check_link(&text).is_ok()
    });
}

#[test]
fn ids_and_tokens_are_read_in_one_spelling_or_refused() {
    let token = Token::draw().expect("random numbers").expose();
    let prefix = token.split('_').nth(1).unwrap_or_default().to_owned();
    let good = [
        "ten_1",
        "imp_9223372036854775807",
        "rem_7.1.0",
        "att_7.63.4294967295.65535",
        "read,facts",
        &prefix,
        &token,
    ];
    each("id", 15_000, |chance| {
        let text = spoiled(chance, &good);
        let same = |shown: Option<String>| {
            let is_read = shown.is_some();
            assert!(shown.is_none_or(|shown| shown == text));
            is_read
        };
        let mut read = same(text.parse::<TenantId>().ok().map(|it| it.to_string()));
        read |= same(text.parse::<ImportId>().ok().map(|it| it.to_string()));
        read |= same(text.parse::<ReminderId>().ok().map(|it| it.to_string()));
        read |= same(text.parse::<AttemptId>().ok().map(|it| it.to_string()));
        read |= same(text.parse::<Prefix>().ok().map(|it| it.as_str().to_owned()));
        read |= same(Token::parse(&text).ok().map(|it| it.expose()));
        read | text.parse::<Scopes>().is_ok()
    });
}
