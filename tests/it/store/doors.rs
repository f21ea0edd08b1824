//! What doors write besides stops: settings, campaigns, imports, letters.

use actors::machine::input::FactBody;
use actors::ports::{Journal, JournalError};
use engine::facts::{FactAnswer, Saying};
use engine::store::{
    Import, ImportRefusal, Letter, NewCampaign, Point, Refused, Setting, StoreError,
};
use schedules::channel::Channel;
use schedules::id::{CampaignId, TenantId};
use schedules::rule::RulePack;
use schedules::template::{Approved, Template};
use tests::database::Database;
use tests::scene::{START, Scene, attempt, boleto, edit, new_tenant, reference, two_steps};

use super::store_suite;

store_suite!(
    settings_read_back_as_written,
    settings_that_nobody_could_follow_are_refused,
    an_edit_given_again_changes_nothing,
    a_campaign_keeps_its_versions,
    an_import_given_again_answers_as_before,
    an_import_refuses_what_contradicts_what_is_there,
    a_boleto_that_comes_with_another_contact_is_refused,
    contacts_are_known_by_phone_and_without_one_by_address,
    tenants_do_not_see_each_other,
    a_letter_is_kept_once,
    an_unknown_tenant_is_absent,
);

async fn settings_read_back_as_written(database: Database) {
    let mut new = new_tenant();
    new.credits = Some(5);
    new.feed_silence_max_ms = Some(60_000);
    new.rules = RulePack::brazil();
    let scene = Scene::set_with(&database.store, &new).await;
    let template = template("Bom dia");
    database
        .store
        .put_setting(scene.tenant, edit("t1"), template)
        .await
        .expect("an edit");
    let settings = database
        .store
        .settings(scene.tenant)
        .await
        .expect("settings");
    assert_eq!(settings.tenant.rules, new.rules);
    assert_eq!(settings.tenant.calendar, new.calendar);
    assert_eq!(settings.tenant.senders, new.senders);
    assert_eq!(settings.tenant.retry, new.retry);
    assert_eq!(settings.tenant.feed.silence_max_ms, Some(60_000));
    assert_eq!(
        settings.tenant.credits.map(|credits| credits.balance),
        Some(5)
    );
    assert!(settings.tenant.running);
    assert_eq!(settings.campaigns[0].campaign.cadence, two_steps().cadence);
    assert!(settings.campaigns[0].running);
    assert_eq!(settings.templates[0].version, 1);
}

async fn settings_that_nobody_could_follow_are_refused(database: Database) {
    let (store, scene) = (&database.store, Scene::set(&database.store).await);
    let facts = "SELECT count(*) FROM inbox";
    let before = database.numbers(facts).await;
    let mut twice = RulePack::brazil();
    twice.rules.push(twice.rules[0].clone());
    let mut without_steps = two_steps();
    without_steps.cadence.steps.clear();
    let mut nameless = new_tenant();
    nameless.name = "  ".to_owned();
    let mut indebted = new_tenant();
    indebted.credits = Some(-1);
    let mut never = new_tenant().senders.remove(0);
    never.pace.burst = 0;
    let put = |setting| store.put_setting(scene.tenant, edit("bad"), setting);
    let told = [
        put(template("Olá, {{saldo}}")).await.map(drop),
        put(Setting::Rules(twice)).await.map(drop),
        store
            .create_campaign(scene.tenant, edit("bad"), without_steps.clone())
            .await
            .map(drop),
        store
            .edit_campaign(scene.tenant, scene.campaign, edit("bad"), without_steps)
            .await
            .map(drop),
        store.create_tenant(&nameless, START).await.map(drop),
        store.create_tenant(&indebted, START).await.map(drop),
        put(Setting::CreditsBought(-1)).await.map(drop),
        put(Setting::FeedSilence(Some(-1))).await.map(drop),
        put(Setting::Sender(never)).await.map(drop),
    ];
    for told in told {
        assert!(matches!(told, Err(StoreError::Invalid(_))), "{told:?}");
    }
    assert_eq!(database.numbers(facts).await, before);
    assert_eq!(database.numbers("SELECT count(*) FROM tenants").await, [1]);
}

fn template(body: &str) -> Setting {
    Setting::Template(Template {
        code: "lembrete".to_owned(),
        channel: Channel::Sms,
        version: 0,
        subject: None,
        body: body.to_owned(),
        variables: Vec::new(),
        ttl_ms: 0,
        approved: Approved::default(),
    })
}

async fn an_edit_given_again_changes_nothing(database: Database) {
    let scene = Scene::set(&database.store).await;
    let put = async |id: &str, body: &str| {
        let edited = database
            .store
            .put_setting(scene.tenant, edit(id), template(body))
            .await;
        edited.expect("an edit")
    };
    assert!(put("one", "Oi").await);
    assert!(!put("one", "Oi").await);
    assert!(put("two", "Bom dia").await);
    let settings = database
        .store
        .settings(scene.tenant)
        .await
        .expect("settings");
    let newest = &settings.templates[..];
    assert_eq!(
        (newest.len(), newest[0].version, newest[0].body.as_str()),
        (1, 2, "Bom dia")
    );
    let facts = scene.inbox().await;
    let changed = facts
        .iter()
        .filter(|fact| fact.body == FactBody::SettingsChanged)
        .count();
    // The campaign's draft is one, too.
    assert_eq!(changed, 3);
}

async fn a_campaign_keeps_its_versions(database: Database) {
    let scene = Scene::set(&database.store).await;
    let mut cadence = two_steps().cadence;
    cadence.steps.pop();
    let content = NewCampaign {
        name: "Mais curta".to_owned(),
        cadence: cadence.clone(),
    };
    let edited =
        database
            .store
            .edit_campaign(scene.tenant, scene.campaign, edit("e"), content.clone());
    assert_eq!(edited.await, Ok(2));
    let version = async |no| {
        let version = database
            .store
            .campaign_version(scene.tenant, scene.campaign, no)
            .await;
        version.map(|campaign| campaign.cadence)
    };
    assert_eq!(version(1).await, Ok(two_steps().cadence));
    assert_eq!(version(2).await, Ok(cadence));
    assert!(version(3).await.is_err());
    scene
        .say(
            "end",
            Saying::CampaignArchived {
                campaign: scene.campaign,
            },
        )
        .await;
    let late = database
        .store
        .edit_campaign(scene.tenant, scene.campaign, edit("f"), content);
    assert_eq!(late.await, Err(StoreError::Absent { what: "campaign" }));
    let again = Saying::CampaignLaunched {
        campaign: scene.campaign,
    };
    assert!(matches!(
        scene.say("again", again).await,
        FactAnswer::Unchanged { .. }
    ));
    let strange = Saying::CampaignPaused {
        campaign: CampaignId(9_999),
    };
    assert_eq!(scene.say("strange", strange).await, FactAnswer::Unknown);
}

async fn an_import_given_again_answers_as_before(database: Database) {
    let scene = Scene::set(&database.store).await;
    let chunk: Vec<_> = (0..50).map(|n| boleto(n, n)).collect();
    let first = scene.import("file#1", chunk.clone()).await;
    assert_eq!(
        (first.accepted, first.unchanged, first.refused.len()),
        (50, 0, 0)
    );
    assert_eq!(scene.import("file#1", chunk.clone()).await, first);
    let second = scene.import("file#2", chunk.clone()).await;
    assert_eq!((second.accepted, second.unchanged), (0, 50));
    let import = Import {
        key: "file#1".to_owned(),
        source: "test".to_owned(),
        at: START,
    };
    let other = database
        .store
        .import_boletos(scene.tenant, import, chunk[1..].to_vec())
        .await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })));
    let facts = scene.inbox().await;
    let imported = facts.iter().filter(|fact| {
        fact.body
            == FactBody::BoletosImported {
                import: first.import,
            }
    });
    assert_eq!(imported.count(), 1);
    assert_eq!(database.numbers("SELECT count(*) FROM boletos").await, [50]);
}

async fn an_import_refuses_what_contradicts_what_is_there(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.import("file#1", vec![boleto(1, 1)]).await;
    let (mut dearer, mut nobody) = (boleto(1, 1), boleto(2, 2));
    dearer.amount_centavos += 1;
    nobody.contact.phone = None;
    let (mut twice, mut broken) = (boleto(3, 3), boleto(4, 4));
    twice.pix_code = Some("another".to_owned());
    broken.amount_centavos = -1;
    let chunk = vec![
        dearer,
        nobody,
        boleto(3, 3),
        twice,
        boleto(3, 3),
        broken,
        boleto(1, 1),
    ];
    let outcome = scene.import("file#2", chunk).await;
    let refused = |row, why| Refused { row, why };
    assert_eq!((outcome.accepted, outcome.unchanged), (1, 2));
    assert_eq!(
        outcome.refused,
        [
            refused(0, ImportRefusal::ReferenceTaken),
            refused(1, ImportRefusal::ContactWithoutPoint),
            refused(3, ImportRefusal::ReferenceTaken),
            refused(5, ImportRefusal::Malformed),
        ]
    );
}

/// A corrected phone would otherwise be taken for known, while reminders go to the old one.
async fn a_boleto_that_comes_with_another_contact_is_refused(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.import("file#1", vec![boleto(1, 1)]).await;
    let mut both = boleto(1, 2);
    both.amount_centavos += 1;
    let chunk = vec![boleto(1, 2), both, boleto(3, 3), boleto(3, 4)];
    let outcome = scene.import("file#2", chunk).await;
    let refused = |row, why| Refused { row, why };
    assert_eq!((outcome.accepted, outcome.unchanged), (1, 0));
    assert_eq!(
        outcome.refused,
        [
            refused(0, ImportRefusal::ContactDiffers),
            refused(1, ImportRefusal::ReferenceTaken),
            refused(3, ImportRefusal::ContactDiffers),
        ]
    );
}

async fn contacts_are_known_by_phone_and_without_one_by_address(database: Database) {
    let scene = Scene::set(&database.store).await;
    let email = |text: &str| {
        Some(Point {
            address: text.to_owned(),
            canonical: text.to_owned(),
        })
    };
    let mut chunk: Vec<_> = (0..5).map(|n| boleto(n, n)).collect();
    chunk[1].contact = chunk[0].contact.clone();
    chunk[0].contact.email = email("ana@exemplo.com.br");
    chunk[2].contact.phone = None;
    chunk[2].contact.email = email("ana@exemplo.com.br");
    // Another phone, the same address (a couple's, an accountant's): two contacts.
    chunk[3].contact.email = email("bia@exemplo.com.br");
    chunk[4].contact.email = email("bia@exemplo.com.br");
    scene.import("file", chunk).await;
    let contacts = "SELECT contact_id FROM boletos ORDER BY reference";
    let contacts = database.numbers(contacts).await;
    assert_eq!(contacts[0], contacts[1]);
    assert_eq!(contacts[0], contacts[2]);
    assert_ne!(contacts[3], contacts[4]);
    assert_eq!(database.numbers("SELECT count(*) FROM contacts").await, [3]);
}

async fn tenants_do_not_see_each_other(database: Database) {
    let (one, other) = (
        Scene::set(&database.store).await,
        Scene::set(&database.store).await,
    );
    let all = one.enroll(1, START).await;
    let boleto = all[0].enrollment.boleto;
    assert!(database.store.why_boleto(one.tenant, boleto).await.is_ok());
    assert!(
        database
            .store
            .why_boleto(other.tenant, boleto)
            .await
            .is_err()
    );
    let by_id = Saying::BoletoPaid {
        boleto: engine::facts::BoletoName::Id(boleto),
    };
    assert_eq!(other.say("paid", by_id).await, FactAnswer::Unknown);
    let by_reference = Saying::BoletoPaid {
        boleto: reference(0),
    };
    assert_eq!(other.say("paid", by_reference).await, FactAnswer::Parked);
    let foreign = tests::scene::claim(&all[0], 0, START);
    let committed = other.commit(vec![foreign]).await.expect("a commit");
    assert_eq!(committed.refused, [all[0].enrollment.id]);
    assert_eq!(
        other
            .import("chunk", vec![tests::scene::boleto(0, 0)])
            .await
            .accepted,
        1
    );
}

async fn a_letter_is_kept_once(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let letter = |n: usize, body: &str| Letter {
        tenant: scene.tenant,
        attempt: attempt(&all[n], 0),
        boleto: all[n].enrollment.boleto,
        channel: Channel::Sms,
        handed_over_at: START.plus_ms(n as i64),
        to_masked: "***1234".to_owned(),
        subject: (n == 1).then(|| "assunto".to_owned()),
        body: body.to_owned(),
    };
    let kept = [letter(0, "um"), letter(1, "dois"), letter(0, "outro")];
    for letter in &kept {
        database
            .store
            .keep_letter(letter.clone())
            .await
            .expect("the letter is kept");
    }
    let letters = database.store.letters(scene.tenant, START, 10).await;
    assert_eq!(letters, Ok(kept[..2].to_vec()));
}

async fn an_unknown_tenant_is_absent(database: Database) {
    let nobody = TenantId(404);
    assert_eq!(
        database.store.load(nobody).await.err(),
        Some(JournalError::Absent)
    );
    assert_eq!(
        database.store.settings(nobody).await.err(),
        Some(JournalError::Absent)
    );
    let stray = engine::facts::Fact {
        tenant: nobody,
        event_id: "stray".to_owned(),
        source: "test".to_owned(),
        occurred_at: START,
        received_at: START,
        saying: Saying::BoletoPaid {
            boleto: reference(1),
        },
    };
    let stray = database.store.commit_facts(&[stray]).await;
    assert_eq!(stray, Ok(vec![FactAnswer::Unknown]));
    assert_eq!(database.numbers("SELECT count(*) FROM inbox").await, [0]);
    let import = Import {
        key: "k".to_owned(),
        source: "test".to_owned(),
        at: START,
    };
    let imported = database
        .store
        .import_boletos(nobody, import, vec![boleto(1, 1)])
        .await;
    assert_eq!(imported, Err(StoreError::Absent { what: "tenant" }));
    let edited = database
        .store
        .put_setting(nobody, edit("e"), Setting::FeedSilence(None))
        .await;
    assert_eq!(edited, Err(StoreError::Absent { what: "tenant" }));
}
