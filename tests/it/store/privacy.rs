//! What the store and the doors work on can be formatted for a log without telling whose it is.

use std::collections::BTreeMap;

use actors::ports::Boleto;
use engine::bus::envelope::Envelope;
use engine::facts::{BoletoName, ContactName, Fact, Saying};
use engine::imports::csv::{BoletoCsv, ImportLine};
use engine::reads::{Reminder, ReminderState};
use engine::store::reads::{BoletoRow, ContactRow};
use engine::store::{
    BoletoRecord, ContactChange, Letter, NewBoleto, NewContact, Point, References, Why,
};
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, TenantId};
use schedules::reference::Reference;
use schedules::template::{PaymentButton, Rendered, RenderedButton, Values, Variable};
use tests::scene::START;

const CANARIES: [&str; 6] = [
    "Joana",
    "98765",
    "joana.souza",
    "23793",
    "BR.GOV.BCB",
    "pay.example",
];

fn assert_silent(subject: &dyn std::fmt::Debug) {
    for text in [format!("{subject:?}"), format!("{subject:#?}")] {
        let told: Vec<_> = CANARIES.iter().filter(|it| text.contains(**it)).collect();
        assert!(told.is_empty(), "{told:?} in {text}");
    }
}

fn due_on() -> chrono::NaiveDate {
    "2026-03-02".parse().expect("a date")
}

fn boleto() -> Boleto {
    Boleto {
        id: BoletoId(7),
        reference: "Joana, March".to_owned(),
        amount_centavos: 98_765,
        due_on: due_on(),
        digitable_line: Some("23793381286000782713695000063305975520000370000".to_owned()),
        pix_code: Some("0014BR.GOV.BCB.PIX".to_owned()),
        payment_link: Some("https://pay.example/joana.souza".to_owned()),
    }
}

fn point(address: &str) -> Point {
    Point {
        address: address.to_owned(),
        canonical: address.to_owned(),
    }
}

#[test]
fn what_is_imported_is_formatted_without_personal_data() {
    let imported = NewBoleto {
        reference: boleto().reference,
        amount_centavos: boleto().amount_centavos,
        due_on: due_on(),
        digitable_line: boleto().digitable_line,
        pix_code: boleto().pix_code,
        payment_link: boleto().payment_link,
        contact: NewContact {
            name: "Joana Souza".to_owned(),
            phone: Some(point("+5511987651234")),
            email: Some(point("joana.souza@example.com")),
            zones: Vec::new(),
        },
    };
    assert_silent(&imported);
    assert_silent(&imported.contact);
    assert_silent(&imported.contact.phone);
    assert_silent(&imported.contact.email);
    assert_silent(&ContactChange {
        name: Some("Joana Souza".to_owned()),
        phone: Some(imported.contact.phone.clone()),
        email: Some(imported.contact.email.clone()),
        ..ContactChange::default()
    });
}

#[test]
fn what_is_told_and_kept_is_formatted_without_personal_data() {
    let letter = Letter {
        tenant: TenantId(1),
        attempt: "att_7.1.0.0".parse::<AttemptId>().expect("an id"),
        boleto: BoletoId(7),
        channel: Channel::Email,
        handed_over_at: START,
        to_masked: "joana.souza, masked badly".to_owned(),
        subject: Some("Joana, seu boleto".to_owned()),
        body: "Joana, pague em https://pay.example".to_owned(),
    };
    assert_silent(&letter);
    assert!(format!("{letter:?}").contains("7"), "the key is shown");
    let record = BoletoRecord {
        boleto: boleto(),
        status: "paid".to_owned(),
        status_at: START,
        contact: ContactId(3),
        opted_out_at: None,
    };
    assert_silent(&Why {
        boleto: record,
        enrollments: Vec::new(),
        campaigns: BTreeMap::new(),
        attempts: Vec::new(),
        decisions: Vec::new(),
        stops: Vec::new(),
        together: BTreeMap::from([(
            "att_7.1.0.0".parse().expect("an id"),
            References(vec!["Joana, March".to_owned()]),
        )]),
    });
}

#[test]
fn what_lists_show_is_formatted_without_personal_data() {
    let row = BoletoRow {
        boleto: boleto(),
        contact: ContactId(3),
        status: "open".to_owned(),
        status_at: START,
    };
    assert_silent(&row);
    assert!(format!("{row:?}").contains("BoletoId(7)"), "{row:?}");
    assert_silent(&ContactRow {
        id: ContactId(3),
        name: "Joana Souza".to_owned(),
        phone: Some("+5511987651234".to_owned()),
        email: Some("joana.souza@example.com".to_owned()),
        zones: Vec::new(),
        opted_out_at: None,
        suppressed: Vec::new(),
        replied_at: None,
        promised_at: None,
        confirmed_at: None,
        created_at: START,
        version: 1,
    });
    let reminder = Reminder {
        id: "rem_7.1.0".parse().expect("an id"),
        boleto: BoletoId(7),
        reference: boleto().reference,
        contact: ContactId(3),
        campaign: CampaignId(1),
        state: ReminderState::Scheduled,
        at: START,
        tries: 0,
        last: None,
        reason: None,
    };
    assert_silent(&reminder);
}

#[test]
fn what_is_read_from_a_file_is_formatted_without_personal_data() {
    let file = "reference;due_on;amount;name;phone;email\n\
                Joana, March;02/03/2026;987,65;Joana Souza;11987651234;joana.souza@example.com";
    let lines = BoletoCsv::open(file.as_bytes(), due_on()).expect("a file");
    let lines: Vec<_> = lines.map(|line| line.expect("a line")).collect();
    let [ImportLine::Row(_, row)] = lines.as_slice() else {
        panic!("no row")
    };
    assert_silent(row);
    assert_silent(&lines);
    assert_silent(&Reference::parse("Joana, March"));
    let named = Saying::BoletoPaid {
        boleto: BoletoName::Reference(Reference::parse("Joana, March").expect("a reference")),
    };
    assert_silent(&named);
}

#[test]
fn what_is_rendered_is_formatted_without_personal_data() {
    let values = Values::default().with(Variable::ContactName, "Joana Souza");
    assert_silent(&values);
    assert_silent(&Rendered {
        subject: Some("Joana".to_owned()),
        body: "Joana, pague em https://pay.example".to_owned(),
        parameters: vec!["joana.souza".to_owned()],
        buttons: vec![RenderedButton {
            button: PaymentButton::Link,
            value: "https://pay.example/joana".to_owned(),
        }],
    });
}

#[test]
fn what_comes_in_is_formatted_without_personal_data() {
    for address in ["+5511987651234", "joana.souza@example.com"] {
        let contact = ContactName::Point(address.to_owned());
        assert_silent(&contact);
        assert_silent(&Fact {
            tenant: TenantId(1),
            event_id: "event 1".to_owned(),
            source: "bus".to_owned(),
            occurred_at: START,
            received_at: START,
            saying: Saying::ContactOptedOut {
                contact,
                channel: None,
            },
        });
        assert_silent(&Envelope {
            id: "event 1".to_owned(),
            source: "crm".to_owned(),
            kind: "contact.opted_out".to_owned(),
            tenant: TenantId(1),
            time: START,
            data: serde_json::json!({ "phone": address, "name": "Joana" }),
        });
    }
    let named = format!("{:?}", ContactName::Id(ContactId(3)));
    assert!(named.contains('3'), "{named}");
}
