//! Lists, page by page: what is there is on one page each, whatever is added meanwhile.

use std::collections::BTreeSet;
use std::fmt::Debug;

use engine::facts::Saying;
use engine::store::reads::{Ask, AttemptsOf, AuditOf, AuditRow, BoletosOf, EnrollmentsOf};
use engine::store::{
    NewBoleto, NewCampaign, PostgresSettings, Setting, SqliteSettings, Store, StoreError,
};
use schedules::channel::Channel;
use schedules::id::{CampaignId, TenantId};
use schedules::reference::Reference;
use schedules::template::Template;
use tests::database::{Database, Engine};
use tests::scene::{
    START, Scene, accepted, attempt, boleto, claim, contact, edit, new_tenant, settled, two_steps,
};

use super::store_suite;

store_suite!(
    what_is_there_is_on_one_page_each_while_rows_are_added,
    the_lists_of_settings_end_where_they_should,
    boletos_are_found_by_what_is_asked_for,
    enrollments_are_found_by_what_is_asked_for,
    attempts_are_found_by_what_is_asked_for,
    nothing_of_another_tenant_is_in_any_list,
    nothing_of_another_tenant_is_found_by_its_id,
    every_node_has_the_same_secret_for_pages,
);

const LIMIT: u32 = 7;

/// Turns the pages of a list, and does something between two of them.
macro_rules! turned {
    (|$ask:ident| $page:expr $(, $between:expr)?) => {{
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let $ask = Ask {
                after,
                limit: LIMIT,
            };
            let read = $page.await.expect("a page");
            assert!(read.items.len() <= LIMIT as usize);
            seen.extend(read.items);
            after = read.next;
            if after.is_none() {
                break seen;
            }
            $($between;)?
        }
    }};
}

/// Nothing is seen twice, and everything that was there before is seen.
fn assert_whole<K: Ord + Debug + Clone>(what: &str, before: &[K], seen: &[K]) {
    let distinct: BTreeSet<&K> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "{what}: {seen:?}");
    let missed: Vec<&K> = before.iter().filter(|it| !distinct.contains(it)).collect();
    assert!(missed.is_empty(), "{what}: {missed:?} missed");
    assert!(seen.len() > before.len(), "{what}: nothing was added");
}

/// Adds one boleto of a new contact, enrolled and claimed.
async fn add(scene: &Scene) {
    let n = u32::try_from(scene.enrollments().await.len()).expect("few");
    scene.import(&format!("more {n}"), vec![boleto(n, n)]).await;
    let at = START.plus_ms(i64::from(n));
    let enrolled = scene.enrolled(scene.boleto_id(n).await, at);
    scene.commit(vec![enrolled]).await.expect("a commit");
    let all = scene.enrollments().await;
    let last = all.last().expect("an enrollment");
    let claimed = claim(last, 0, at);
    scene.commit(vec![claimed]).await.expect("a commit");
    let reply = Saying::ContactReplied {
        contact: contact(n),
    };
    let mut fact = scene.fact(&format!("reply {n}"), reply);
    fact.received_at = at;
    scene.store.commit_facts(&[fact]).await.expect("a fact");
}

async fn what_is_there_is_on_one_page_each_while_rows_are_added(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&database.store, scene.tenant);
    let all = scene.enroll(30, START).await;
    // Claimed at one instant: their keys alone tell them apart.
    let claims = all.iter().map(|one| claim(one, 0, START)).collect();
    scene.commit(claims).await.expect("a commit");
    let of = BoletosOf::default();
    let seen = turned!(
        |ask| store.list_boletos(tenant, &of, &ask),
        add(&scene).await
    );
    let seen: Vec<_> = seen.iter().map(|it| it.boleto.id).collect();
    let before: Vec<_> = all.iter().map(|it| it.enrollment.boleto).collect();
    assert_whole("boletos", &before, &seen);
    let seen = turned!(|ask| store.list_contacts(tenant, &ask), add(&scene).await);
    let seen: Vec<_> = seen.iter().map(|it| it.id).collect();
    let before: Vec<_> = all.iter().map(|it| it.enrollment.contact).collect();
    assert_whole("contacts", &before, &seen);
    let of = EnrollmentsOf::default();
    let seen = turned!(
        |ask| store.list_enrollments(tenant, &of, &ask),
        add(&scene).await
    );
    let seen: Vec<_> = seen.iter().map(|it| it.enrollment.id).collect();
    let before: Vec<_> = all.iter().map(|it| it.enrollment.id).collect();
    assert_whole("enrollments", &before, &seen);
    let of = AttemptsOf::default();
    let seen = turned!(
        |ask| store.list_attempts(tenant, &of, &ask),
        add(&scene).await
    );
    let seen: Vec<_> = seen.iter().map(|it| it.attempt).collect();
    let before: Vec<_> = all.iter().map(|it| attempt(it, 0)).collect();
    assert_whole("attempts", &before, &seen);
    let of = AuditOf::default();
    let before = turned!(|ask| store.list_audit(tenant, &of, &ask));
    let seen = turned!(|ask| store.list_audit(tenant, &of, &ask), add(&scene).await);
    let ids = |rows: &[AuditRow]| rows.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_whole("audit", &ids(&before), &ids(&seen));
}

fn template(code: &str, channel: Channel) -> Setting {
    Setting::Template(Template {
        code: code.to_owned(),
        channel,
        version: 1,
        subject: (channel == Channel::Email).then(|| "Lembrete".to_owned()),
        body: "Seu boleto vence logo.".to_owned(),
        variables: Vec::new(),
        ttl_ms: 0,
        approved: Default::default(),
    })
}

async fn the_lists_of_settings_end_where_they_should(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&database.store, scene.tenant);
    let mut made = vec![scene.campaign];
    for n in 0..20 {
        let draft = store.create_campaign(tenant, edit(&format!("c{n}")), two_steps());
        made.push(draft.await.expect("a campaign"));
    }
    let campaigns = turned!(|ask| store.list_campaigns(tenant, &ask));
    assert_eq!(campaigns.iter().map(|it| it.id).collect::<Vec<_>>(), made);
    let states: BTreeSet<_> = campaigns.iter().map(|it| it.status.as_str()).collect();
    assert_eq!(states, ["draft", "running"].into());
    for n in 0..14 {
        let content = NewCampaign {
            name: format!("Nome {n}"),
            ..two_steps()
        };
        let edited = store.edit_campaign(tenant, made[0], edit(&format!("e{n}")), content);
        edited.await.expect("an edit");
    }
    let versions = turned!(|ask| store.list_campaign_versions(tenant, made[0], &ask));
    assert_eq!(versions.len(), 15);
    let (number, name) = (versions[14].version, versions[14].name.as_str());
    assert_eq!((number, name), (15, "Nome 13"));
    let newest = store.campaign(tenant, made[0]).await;
    let newest = newest.expect("a campaign").what;
    assert_eq!((newest.version, newest.name.as_str()), (15, "Nome 13"));
    for (n, code) in ["a", "a", "b", "c", "d", "e"].iter().enumerate() {
        for channel in [Channel::Sms, Channel::Email] {
            let edit = edit(&format!("t{n}{channel:?}"));
            let put = store.put_setting(tenant, edit, template(code, channel));
            put.await.expect("a template");
        }
    }
    let templates = turned!(|ask| store.list_templates(tenant, &ask));
    let versions: Vec<_> = templates.iter().map(|it| it.template.version).collect();
    assert_eq!(versions, [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
    let of_a = store
        .list_template_versions(tenant, "a", &first_page())
        .await;
    assert_eq!(of_a.expect("versions").what.items.len(), 4);
    let tenants = turned!(|ask| store.list_tenants(&ask));
    assert_eq!(tenants.iter().map(|it| it.id).collect::<Vec<_>>(), [tenant]);
}

/// Asks for the first page.
fn first_page<K>() -> Ask<K> {
    Ask {
        after: None,
        limit: 100,
    }
}

async fn found(store: &Store, scene: &Scene, of: BoletosOf) -> Vec<String> {
    let rows = turned!(|ask| store.list_boletos(scene.tenant, &of, &ask));
    rows.into_iter().map(|it| it.boleto.reference).collect()
}

async fn boletos_are_found_by_what_is_asked_for(database: Database) {
    let scene = Scene::set(&database.store).await;
    let store = &database.store;
    let day = |n: u32| {
        format!("2027-01-{:02}", 1 + n % 28)
            .parse()
            .expect("a date")
    };
    // Ten contacts; the later boletos are due first.
    let boletos = (0..40).map(|n| NewBoleto {
        due_on: day(27 - n % 28),
        ..boleto(n, n % 10)
    });
    scene.import("chunk", boletos.collect()).await;
    scene.pay("paid", 3).await;
    let all = BoletosOf::default;
    assert_eq!(found(store, &scene, all()).await.len(), 40);
    let status = |status: &str| BoletosOf {
        status: Some(status.to_owned()),
        ..all()
    };
    assert_eq!(found(store, &scene, status("paid")).await, ["NF-3"]);
    assert_eq!(found(store, &scene, status("open")).await.len(), 39);
    assert_eq!(found(store, &scene, status("cancelled")).await.len(), 0);
    let one = store.boleto(scene.tenant, scene.boleto_id(3).await).await;
    let contact = one.expect("a boleto").contact;
    let of_contact = BoletosOf {
        contact: Some(contact),
        ..all()
    };
    let expected = ["NF-3", "NF-13", "NF-23", "NF-33"];
    assert_eq!(found(store, &scene, of_contact.clone()).await, expected);
    let open = BoletosOf {
        status: Some("open".to_owned()),
        ..of_contact
    };
    assert_eq!(found(store, &scene, open.clone()).await, expected[1..]);
    let due = BoletosOf {
        due_on: Some(day(20)..=day(27)),
        ..all()
    };
    // In the order of their days, and of one day in the order of their ids.
    let mut expected: Vec<u32> = (0..40).filter(|n| n % 28 <= 7).collect();
    expected.sort_by_key(|n| (std::cmp::Reverse(n % 28), *n));
    let expected: Vec<String> = expected.iter().map(|n| format!("NF-{n}")).collect();
    assert_eq!(found(store, &scene, due).await, expected);
    let both = BoletosOf {
        due_on: Some(day(14)..=day(14)),
        ..open
    };
    assert_eq!(found(store, &scene, both).await, ["NF-13"]);
    let named = BoletosOf {
        reference: Some(Reference::parse(" NF-7 ").expect("a reference")),
        ..all()
    };
    assert_eq!(found(store, &scene, named).await, ["NF-7"]);
}

async fn enrollments_are_found_by_what_is_asked_for(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&database.store, scene.tenant);
    let all = scene.enroll(20, START).await;
    scene.pay("paid", 0).await;
    let (boleto, contact) = (all[4].enrollment.boleto, all[5].enrollment.contact);
    let every = EnrollmentsOf::default;
    let state = |state: &str| EnrollmentsOf {
        state: Some(state.to_owned()),
        ..every()
    };
    let of_boleto = EnrollmentsOf {
        boleto: Some(boleto),
        ..every()
    };
    let of_contact = EnrollmentsOf {
        contact: Some(contact),
        ..every()
    };
    let nobodys = EnrollmentsOf {
        contact: Some(contact),
        ..of_boleto.clone()
    };
    let elsewhere = EnrollmentsOf {
        campaign: Some(CampaignId(scene.campaign.0 + 1)),
        ..every()
    };
    for (of, expected) in [
        (every(), 20),
        (state("active"), 19),
        (state("stopped"), 1),
        (of_boleto, 1),
        (of_contact, 1),
        (nobodys, 0),
        (elsewhere, 0),
    ] {
        let found = turned!(|ask| store.list_enrollments(tenant, &of, &ask));
        assert_eq!(found.len(), expected, "{of:?}");
    }
}

async fn attempts_are_found_by_what_is_asked_for(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&database.store, scene.tenant);
    let all = scene.enroll(20, START).await;
    let at = |n: usize| START.plus_ms(i64::try_from(n).expect("a number") * 1_000);
    let claims = all.iter().enumerate();
    let claims = claims.map(|(n, one)| claim(one, 0, at(n))).collect();
    scene.commit(claims).await.expect("a commit");
    let outcome = vec![settled(attempt(&all[6], 0), accepted())];
    scene.commit(outcome).await.expect("a commit");
    let every = AttemptsOf::default;
    let found = turned!(|ask| store.list_attempts(tenant, &every(), &ask));
    assert_eq!(found.len(), 20);
    let claimed = AttemptsOf {
        claimed: Some(at(3)..at(5)),
        ..every()
    };
    let found = turned!(|ask| store.list_attempts(tenant, &claimed, &ask));
    let found: Vec<_> = found.iter().map(|it| it.attempt).collect();
    assert_eq!(found, [attempt(&all[3], 0), attempt(&all[4], 0)]);
    let to = AttemptsOf {
        contact: Some(all[6].enrollment.contact),
        ..every()
    };
    let to = turned!(|ask| store.list_attempts(tenant, &to, &ask));
    let [one] = &to[..] else { panic!("{to:?}") };
    assert_eq!(one.outcome, Some((START, accepted())));
    let of = AttemptsOf {
        enrollment: Some(all[6].enrollment.id),
        ..every()
    };
    let of = turned!(|ask| store.list_attempts(tenant, &of, &ask));
    assert_eq!(of, to);
}

async fn nothing_of_another_tenant_is_in_any_list(database: Database) {
    let (scene, store) = (Scene::set(&database.store).await, &database.store);
    let all = scene.enroll(3, START).await;
    let claims = all.iter().map(|one| claim(one, 0, START)).collect();
    scene.commit(claims).await.expect("a commit");
    let put = store.put_setting(scene.tenant, edit("t"), template("a", Channel::Sms));
    put.await.expect("a template");
    let other = store.create_tenant(&new_tenant(), START).await;
    let other = other.expect("a tenant");
    let one = all[0].enrollment;
    let of = EnrollmentsOf {
        boleto: Some(one.boleto),
        ..EnrollmentsOf::default()
    };
    let of_contact = BoletosOf {
        contact: Some(one.contact),
        ..BoletosOf::default()
    };
    let to = AttemptsOf {
        contact: Some(one.contact),
        ..AttemptsOf::default()
    };
    let counts = [
        turned!(|ask| store.list_campaigns(other, &ask)).len(),
        turned!(|ask| store.list_contacts(other, &ask)).len(),
        turned!(|ask| store.list_templates(other, &ask)).len(),
        turned!(|ask| store.list_boletos(other, &of_contact, &ask)).len(),
        turned!(|ask| store.list_enrollments(other, &of, &ask)).len(),
        turned!(|ask| store.list_histories(other, &of, &ask)).len(),
        turned!(|ask| store.list_attempts(other, &to, &ask)).len(),
    ];
    assert_eq!(counts, [0; 7]);
    let ahead = store.list_ahead(other, (0, 0), START, 9).await;
    assert_eq!(ahead.expect("a page").rows, []);
    let audit = turned!(|ask| store.list_audit(other, &AuditOf::default(), &ask));
    let subjects: Vec<_> = audit.into_iter().map(|it| it.subject).collect();
    assert_eq!(subjects, [other.to_string()]);
}

async fn nothing_of_another_tenant_is_found_by_its_id(database: Database) {
    let (scene, store) = (Scene::set(&database.store).await, &database.store);
    let one = scene.enroll(1, START).await[0].enrollment;
    let put = store.put_setting(scene.tenant, edit("t"), template("a", Channel::Sms));
    put.await.expect("a template");
    let (own, campaign) = (scene.tenant, scene.campaign);
    let other = store.create_tenant(&new_tenant(), START).await;
    let other = other.expect("a tenant");
    let asked = async |tenant| {
        [
            store.boleto(tenant, one.boleto).await.err(),
            store.contact(tenant, one.contact).await.err(),
            store.enrollment(tenant, one.id).await.err(),
            store.campaign(tenant, campaign).await.err(),
            store
                .list_campaign_versions(tenant, campaign, &first_page())
                .await
                .err(),
            store
                .list_template_versions(tenant, "a", &first_page())
                .await
                .err(),
            store.expect_tenant(tenant).await.err(),
        ]
    };
    assert_eq!(asked(own).await, [const { None::<StoreError> }; 7]);
    let is_absent = |it: &Option<StoreError>| matches!(it, Some(StoreError::Absent { .. }));
    let [things @ .., tenant] = asked(other).await;
    assert!(things.iter().all(is_absent), "{things:?}");
    assert_eq!(tenant, None);
    let nobody = asked(TenantId(0)).await;
    assert!(nobody.iter().all(is_absent), "{nobody:?}");
}

async fn every_node_has_the_same_secret_for_pages(database: Database) {
    let first = &database.store;
    let read = match database.engine {
        Engine::Postgres => {
            // At once: one of the two makes it.
            let settings = PostgresSettings::at(database.url());
            let second = Store::open_postgres(&settings).await.expect("a store");
            let (one, other) = tokio::join!(first.page_secret(), second.page_secret());
            assert_eq!(one.expect("a secret"), other.expect("a secret"));
            second
        }
        Engine::Sqlite => {
            first.page_secret().await.expect("a secret");
            let settings = SqliteSettings::at(database.folder());
            Store::read_sqlite(&settings).await.expect("a store")
        }
    };
    let (one, other) = (first.page_secret().await, read.page_secret().await);
    assert_eq!(one.expect("a secret"), other.expect("a secret"));
    read.close().await;
    let rows = database.numbers("SELECT count(*) FROM secrets").await;
    assert_eq!(rows, [1]);
}
