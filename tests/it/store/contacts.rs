//! A contact is corrected: what it said goes with it, and stays with the point that it leaves.

use actors::machine::change::Change;
use actors::machine::effect::Subject;
use actors::machine::input::FactBody;
use chrono_tz::Tz;
use engine::facts::{ContactName, FactAnswer, Saying};
use engine::store::reads::{Ask, ContactRow, Tag};
use engine::store::{
    ContactChange, ContactEdited, NewContact, POINT_TAKEN, Point, Registration, StoreError,
};
use schedules::channel::Channel;
use schedules::id::ContactId;
use tests::database::Database;
use tests::scene::{START, Scene, boleto, claim, edit, opted_in, opted_out};

use super::store_suite;

store_suite!(
    a_correction_changes_what_it_says_once_and_only_what_was_read,
    what_a_contact_said_goes_with_it_and_stays_at_the_phone_it_leaves,
    an_address_keeps_the_word_of_who_left_it_and_of_who_has_it,
    a_word_that_waits_for_a_point_is_taken_up_with_it,
    who_reads_another_point_is_not_known_to_be_who_is_meant,
    a_point_is_one_contacts_as_an_import_has_it,
    whoever_has_a_point_keeps_it_though_others_have_it_too,
    a_correction_that_changes_nothing_is_none,
    a_word_at_a_shared_address_confirms_nobody,
    no_claim_commits_that_is_addressed_to_what_a_contact_was,
    a_contact_of_another_tenant_is_not_there,
);

fn point(text: &str) -> Point {
    Point {
        address: text.to_owned(),
        canonical: text.to_owned(),
    }
}

fn phone(text: &str) -> ContactChange {
    ContactChange {
        phone: Some(Some(point(text))),
        zones_of_phone: vec![Tz::America__Manaus],
        ..ContactChange::default()
    }
}

fn email(text: &str) -> ContactChange {
    ContactChange {
        email: Some(Some(point(text))),
        ..ContactChange::default()
    }
}

/// The phone of a scene's contact.
fn phone_of(n: u32) -> String {
    format!("+55119{n:08}")
}

/// Registers somebody, and returns who it is.
async fn register(scene: &Scene, phone: Option<&str>, email: Option<&str>) -> ContactId {
    let contact = NewContact {
        name: "Ana Lima".to_owned(),
        phone: phone.map(point),
        email: email.map(point),
        zones: vec![Tz::America__Sao_Paulo],
    };
    let registration = Registration {
        source: "test".to_owned(),
        contacts: vec![contact],
        at: START,
    };
    let store = &scene.store;
    let registered = store.register_contacts(scene.tenant, registration).await;
    registered.expect("a contact").contacts[0].expect("an id")
}

async fn read(scene: &Scene, contact: ContactId) -> ContactRow {
    let row = scene.store.contact(scene.tenant, contact).await;
    row.expect("a contact")
}

/// Changes a contact under an id, if it is as a tag says.
async fn change_if(
    scene: &Scene,
    contact: ContactId,
    id: &str,
    change: ContactChange,
    expected: Option<Vec<Tag>>,
) -> Result<ContactEdited, StoreError> {
    let store = &scene.store;
    let changed = store.edit_contact(scene.tenant, contact, edit(id), change, expected);
    changed.await
}

async fn change(scene: &Scene, contact: ContactId, id: &str, change: ContactChange) {
    let edited = change_if(scene, contact, id, change, None).await;
    assert!(edited.expect("a change").changed);
}

async fn first(scene: &Scene) -> ContactId {
    let ask = Ask {
        after: None,
        limit: 1,
    };
    let page = scene.store.list_contacts(scene.tenant, &ask).await;
    page.expect("a page").items[0].id
}

async fn a_correction_changes_what_it_says_once_and_only_what_was_read(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.import("chunk", vec![boleto(0, 0)]).await;
    let contact = first(&scene).await;
    let before = read(&scene, contact).await;
    let to = phone("+5592988887777");
    let expected = Some(vec![before.tag()]);
    let edited = change_if(&scene, contact, "a", to.clone(), expected.clone()).await;
    assert!(edited.expect("a change").changed);
    let after = read(&scene, contact).await;
    assert_eq!(after.phone.as_deref(), Some("+5592988887777"));
    assert_eq!((&after.name, &after.email), (&before.name, &before.email));
    assert_eq!(after.zones, [Tz::America__Manaus]);
    assert_ne!(after.tag(), before.tag());
    // Told again it is not judged again; another that expects what was read before is.
    let again = change_if(&scene, contact, "a", to.clone(), expected.clone()).await;
    let known = ContactEdited {
        again: true,
        ..ContactEdited::default()
    };
    assert_eq!(again, Ok(known));
    let late = change_if(&scene, contact, "b", phone("+5592988880000"), expected).await;
    assert_eq!(late, Err(StoreError::Outdated));
    // The same phone, spelt otherwise, is no other: its zones stay, and so do stated ones.
    let stated = ContactChange {
        zones: Some(vec![Tz::America__Recife]),
        name: Some("Ana Souza".to_owned()),
        ..ContactChange::default()
    };
    change(&scene, contact, "c", stated).await;
    let same = change_if(&scene, contact, "d", to, None).await;
    assert!(!same.expect("an answer").changed);
    let last = read(&scene, contact).await;
    assert_eq!(
        (last.name.as_str(), &last.zones[..]),
        ("Ana Souza", &[Tz::America__Recife][..])
    );
    let told = scene.inbox().await.into_iter().map(|fact| fact.body);
    let told = told.filter(|body| *body == FactBody::ContactChanged { contact });
    assert_eq!(told.count(), 2);
    let audit = "SELECT detail FROM audit WHERE action = 'contact.changed' ORDER BY id";
    let expected = [
        r#"{"fields":["phone","zones"]}"#,
        r#"{"fields":["name","zones"]}"#,
    ];
    assert_eq!(database.texts(audit).await, expected);
}

async fn what_a_contact_said_goes_with_it_and_stays_at_the_phone_it_leaves(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene
        .import("chunk", vec![boleto(0, 0), boleto(1, 1)])
        .await;
    let [silent, no_sms] = [0, 1].map(phone_of);
    let silent_id = register(&scene, Some(&silent), None).await;
    let no_sms_id = register(&scene, Some(&no_sms), None).await;
    scene.say("out", opted_out(0, None)).await;
    scene.say("no sms", opted_out(1, Some(Channel::Sms))).await;
    change(&scene, silent_id, "a", phone("+5592988880001")).await;
    change(&scene, no_sms_id, "b", phone("+5592988880002")).await;
    let (one, two) = (read(&scene, silent_id).await, read(&scene, no_sms_id).await);
    assert!(one.opted_out_at.is_some());
    assert_eq!(two.suppressed, [(Channel::Sms, START)]);
    // Whoever comes by the former phone is somebody who asked for silence there.
    let [heir, other_heir] = [
        register(&scene, Some(&silent), None).await,
        register(&scene, Some(&no_sms), None).await,
    ];
    assert!(heir != silent_id && other_heir != no_sms_id);
    assert_eq!(read(&scene, heir).await.opted_out_at, one.opted_out_at);
    assert_eq!(read(&scene, other_heir).await.suppressed, two.suppressed);
    // What is said at the new phone is said of the contact.
    let back = Saying::ContactOptedIn {
        contact: ContactName::Point("+5592988880001".to_owned()),
        channel: None,
    };
    scene.say("in", back).await;
    assert_eq!(read(&scene, silent_id).await.opted_out_at, None);
    assert!(read(&scene, heir).await.opted_out_at.is_some());
}

async fn an_address_keeps_the_word_of_who_left_it_and_of_who_has_it(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(1, START).await;
    let enrolled = first(&scene).await;
    let reader = register(&scene, None, Some("ana@example.com")).await;
    let out = Saying::ContactOptedOut {
        contact: ContactName::Id(reader),
        channel: Some(Channel::Email),
    };
    scene.say("out", out).await;
    // Who gets an address that somebody does not want to be written to at is not written to.
    change(&scene, enrolled, "a", email("ana@example.com")).await;
    let barred = [(Channel::Email, START)];
    assert_eq!(read(&scene, enrolled).await.suppressed, barred);
    let bits = "SELECT barred FROM enrollments";
    assert_eq!(database.numbers(bits).await, [4]);
    // Who leaves one leaves the word there, also that of everything.
    scene.say("all", opted_out(0, None)).await;
    change(&scene, reader, "b", email("ana@other.example")).await;
    change(&scene, enrolled, "c", email("celia@example.com")).await;
    assert_eq!(read(&scene, reader).await.suppressed, barred);
    let heir = register(&scene, Some(&phone_of(7)), Some("ana@example.com")).await;
    let heir = read(&scene, heir).await;
    assert_eq!(
        (heir.suppressed, heir.opted_out_at),
        (barred.to_vec(), None)
    );
}

async fn a_word_that_waits_for_a_point_is_taken_up_with_it(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(1, START).await;
    let contact = first(&scene).await;
    let early = Saying::ContactOptedOut {
        contact: ContactName::Point(phone_of(5)),
        channel: None,
    };
    assert_eq!(scene.say("early", early).await, FactAnswer::Parked);
    let edited = change_if(&scene, contact, "a", phone(&phone_of(5)), None).await;
    let edited = edited.expect("a change");
    assert_eq!(edited.matched, [Subject::Contact(contact)]);
    assert!(read(&scene, contact).await.opted_out_at.is_some());
    assert_eq!(scene.enrollments().await[0].state, "stopped");
    scene.say("in", opted_in(5, None)).await;
    assert_eq!(read(&scene, contact).await.opted_out_at, None);
}

async fn who_reads_another_point_is_not_known_to_be_who_is_meant(database: Database) {
    let scene = Scene::set(&database.store).await;
    let contact = register(&scene, Some(&phone_of(0)), Some("ana@example.com")).await;
    let others = [
        phone(&phone_of(1)),
        email("ana@other.example"),
        ContactChange {
            email: Some(None),
            ..ContactChange::default()
        },
    ];
    for (n, other) in others.into_iter().enumerate() {
        let replied = Saying::ContactReplied {
            contact: ContactName::Id(contact),
        };
        scene.say(&format!("reply {n}"), replied).await;
        let confirmed_at = read(&scene, contact).await.confirmed_at;
        assert!(confirmed_at.is_some(), "{n}");
        let named = ContactChange {
            name: Some(format!("Ana {n}")),
            ..ContactChange::default()
        };
        change(&scene, contact, &format!("name {n}"), named).await;
        assert_eq!(read(&scene, contact).await.confirmed_at, confirmed_at);
        change(&scene, contact, &format!("point {n}"), other).await;
        assert_eq!(read(&scene, contact).await.confirmed_at, None, "{n}");
    }
}

async fn a_point_is_one_contacts_as_an_import_has_it(database: Database) {
    let scene = Scene::set(&database.store).await;
    let ana = register(&scene, Some(&phone_of(1)), Some("casa@example.com")).await;
    let bia = register(&scene, Some(&phone_of(2)), None).await;
    let mail = register(&scene, None, Some("so@example.com")).await;
    let before = [ana, bia, mail];
    let taken = Err(StoreError::Conflict { what: POINT_TAKEN });
    let no_phone = |email: Option<&str>| ContactChange {
        phone: Some(None),
        email: Some(email.map(point)),
        ..ContactChange::default()
    };
    let tags = |rows: &[ContactRow]| rows.iter().map(ContactRow::tag).collect::<Vec<_>>();
    let mut rows = Vec::new();
    for id in before {
        rows.push(read(&scene, id).await);
    }
    for (id, wanted) in [
        (ana, phone(&phone_of(2))),
        // Somebody with an address only would be taken for who has it.
        (bia, no_phone(Some("so@example.com"))),
        (bia, no_phone(Some("casa@example.com"))),
        (mail, email("casa@example.com")),
    ] {
        let refused = change_if(&scene, id, &format!("{id}"), wanted, None).await;
        assert_eq!(refused, taken);
    }
    let nothing = change_if(&scene, bia, "none", no_phone(None), None).await;
    assert!(
        matches!(nothing, Err(StoreError::Invalid(_))),
        "{nothing:?}"
    );
    let mut after = Vec::new();
    for id in before {
        after.push(read(&scene, id).await);
    }
    assert_eq!(tags(&after), tags(&rows), "nothing was changed");
    // An address may be that of several with phones of their own, and nobody's then.
    change(&scene, bia, "shared", email("casa@example.com")).await;
    change(&scene, mail, "moved", email("casa@example.com")).await;
}

fn named(name: &str) -> ContactChange {
    ContactChange {
        name: Some(name.to_owned()),
        ..ContactChange::default()
    }
}

async fn whoever_has_a_point_keeps_it_though_others_have_it_too(database: Database) {
    let scene = Scene::set(&database.store).await;
    let mail = register(&scene, None, Some("casa@example.com")).await;
    let bia = register(&scene, Some(&phone_of(2)), None).await;
    change(&scene, bia, "shared", email("casa@example.com")).await;
    change(&scene, mail, "name", named("Ana Souza")).await;
    // To take it is another matter.
    let no_phone = ContactChange {
        phone: Some(None),
        ..ContactChange::default()
    };
    let taken = Err(StoreError::Conflict { what: POINT_TAKEN });
    assert_eq!(change_if(&scene, bia, "a", no_phone, None).await, taken);
}

async fn a_correction_that_changes_nothing_is_none(database: Database) {
    let scene = Scene::set(&database.store).await;
    let contact = register(&scene, Some(&phone_of(0)), None).await;
    let before = read(&scene, contact).await;
    for id in ["a", "a", "b"] {
        let same = change_if(&scene, contact, id, named("Ana Lima"), None).await;
        assert!(!same.expect("an answer").changed, "{id}");
    }
    assert!(read(&scene, contact).await == before);
    let told = scene.inbox().await.into_iter().map(|fact| fact.body);
    let told = told.filter(|body| *body == FactBody::ContactChanged { contact });
    assert_eq!(told.count(), 0, "the owner has nothing to do");
    let audit = "SELECT count(*) FROM audit WHERE action LIKE 'contact.%'";
    assert_eq!(database.numbers(audit).await, [0]);
    // It is known from then on, whatever the contact is then.
    change(&scene, contact, "c", named("Eva")).await;
    let late = change_if(&scene, contact, "a", named("Ana Lima"), None).await;
    assert!(!late.expect("an answer").changed);
    assert_eq!(read(&scene, contact).await.name, "Eva");
}

async fn a_word_at_a_shared_address_confirms_nobody(database: Database) {
    let scene = Scene::set(&database.store).await;
    let ana = register(&scene, Some(&phone_of(0)), Some("casa@example.com")).await;
    let reply = |at: &str| Saying::ContactReplied {
        contact: ContactName::Point(at.to_owned()),
    };
    // Nor does one that waited for all of them.
    scene.say("early", reply("sala@example.com")).await;
    let bia = register(&scene, Some(&phone_of(1)), None).await;
    change(&scene, bia, "shared", email("casa@example.com")).await;
    scene.say("said", reply("casa@example.com")).await;
    for id in [ana, bia] {
        let row = read(&scene, id).await;
        assert!(row.replied_at.is_some());
        assert_eq!(row.confirmed_at, None);
    }
    scene.say("own", reply(&phone_of(1))).await;
    assert_eq!(read(&scene, ana).await.confirmed_at, None);
    assert!(read(&scene, bia).await.confirmed_at.is_some());
    let registration = Registration {
        source: "test".to_owned(),
        contacts: [2, 3]
            .map(|n| NewContact {
                name: "Ana Lima".to_owned(),
                phone: Some(point(&phone_of(n))),
                email: Some(point("sala@example.com")),
                zones: vec![Tz::America__Sao_Paulo],
            })
            .to_vec(),
        at: START,
    };
    let store = &scene.store;
    let registered = store.register_contacts(scene.tenant, registration).await;
    for id in registered.expect("contacts").contacts {
        let row = read(&scene, id.expect("an id")).await;
        assert!(row.replied_at.is_some());
        assert_eq!(row.confirmed_at, None);
    }
}

/// Returns the claim of an enrollment to a version of its contact.
fn claim_of(change: Change, version: i64) -> Change {
    let Change::Claimed(mut claim) = change else {
        panic!("a claim")
    };
    claim.contact_version = version;
    Change::Claimed(claim)
}

async fn no_claim_commits_that_is_addressed_to_what_a_contact_was(database: Database) {
    let scene = Scene::set(&database.store).await;
    let record = scene.enroll(1, START).await[0].clone();
    let contact = first(&scene).await;
    change(&scene, contact, "a", phone("+5592988880001")).await;
    let to = |version| claim_of(claim(&record, 0, START), version);
    let stale = scene.commit(vec![to(1)]).await.expect("a commit");
    assert_eq!(stale.refused, [record.enrollment.id]);
    let attempts = "SELECT count(*) FROM attempts";
    assert_eq!(database.numbers(attempts).await, [0]);
    let fresh = scene.commit(vec![to(2)]).await.expect("a commit");
    assert_eq!(fresh.refused, []);
    assert_eq!(database.numbers(attempts).await, [1]);
    // What was sent before counts on: caps are the contact's.
    let sends = "SELECT count(*) FROM attempts a JOIN contacts c ON c.id = a.contact_id
        WHERE c.version = 2";
    assert_eq!(database.numbers(sends).await, [1]);
}

async fn a_contact_of_another_tenant_is_not_there(database: Database) {
    let scene = Scene::set(&database.store).await;
    let stranger = Scene::set(&database.store).await;
    let contact = register(&scene, Some(&phone_of(1)), None).await;
    let before = read(&scene, contact).await;
    let stolen = change_if(&stranger, contact, "a", phone(&phone_of(3)), None).await;
    assert_eq!(stolen, Err(StoreError::Absent { what: "contact" }));
    assert!(read(&scene, contact).await == before);
    // Nor does one that both know meet the other's.
    let theirs = register(&stranger, Some(&phone_of(1)), None).await;
    change(&stranger, theirs, "b", phone(&phone_of(4))).await;
    assert!(read(&scene, contact).await == before);
}
