//! Edits of what was read: of two who read the same, one is the first, and the other is told so.

use actors::ports::Sender;
use engine::store::reads::{Ask, Tag};
use engine::store::{NewCampaign, Setting, Store, StoreError};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::charges::{ChargeRule, ChargeTerms, Contract};
use schedules::id::TenantId;
use schedules::pace::Pace;
use schedules::retry::RetryPolicy;
use schedules::rule::RulePack;
use schedules::template::Template;
use tests::database::Database;
use tests::scene::{Scene, edit, two_steps};

use super::store_suite;

store_suite!(
    of_two_who_edit_the_same_setting_one_is_the_first,
    of_two_who_edit_the_same_campaign_one_is_the_first,
    an_outdated_edit_leaves_nothing_and_a_known_one_is_not_judged_again,
    a_tag_changes_with_its_content_alone,
);

const ROUNDS: u32 = 20;

/// The settings that can be read, in a version of their own.
fn settings(n: u32) -> [Setting; 6] {
    let charges = ChargeTerms {
        version: n,
        contract: Contract::Consumer,
        penalty_bp: 200,
        monthly_interest_bp: 100,
        grace_days: 0,
    };
    let pace = Pace {
        per_second: n,
        burst: 1,
    };
    [
        Setting::Rules(RulePack {
            version: n,
            ..RulePack::brazil()
        }),
        Setting::Calendar(Calendar {
            version: n,
            ..Calendar::brazil()
        }),
        Setting::Charges(Some(ChargeRule::try_from(charges).expect("terms"))),
        Setting::Retry(RetryPolicy {
            first_ms: n.into(),
            ..RetryPolicy::default()
        }),
        Setting::Sender(Sender {
            channel: Channel::Email,
            provider: "mailbox".to_owned(),
            pace,
        }),
        Setting::Template(Template {
            code: "lembrete".to_owned(),
            channel: Channel::Sms,
            version: 1,
            subject: None,
            body: format!("Lembrete {n}."),
            variables: Vec::new(),
            ttl_ms: 0,
            approved: Default::default(),
        }),
    ]
}

/// Returns the tag of what stands in a setting's place.
async fn tag(store: &Store, tenant: TenantId, of: &Setting) -> Tag {
    let tag = match of {
        Setting::Rules(_) => store.rules(tenant).await.map(|it| it.tag),
        Setting::Calendar(_) => store.calendar(tenant).await.map(|it| it.tag),
        Setting::Charges(_) => store.charges(tenant).await.map(|it| it.tag),
        Setting::Retry(_) => store.retry(tenant).await.map(|it| it.tag),
        Setting::Sender(_) => store.senders(tenant).await.map(|it| it.tag),
        Setting::Template(template) => {
            let ask = Ask {
                after: None,
                limit: 1,
            };
            let read = store.list_template_versions(tenant, &template.code, &ask);
            read.await.map(|it| it.tag)
        }
        Setting::Profile(_) | Setting::CreditsBought(_) | Setting::FeedSilence(_) => {
            panic!("it is never read")
        }
    };
    tag.expect("a tag")
}

/// Puts every setting for the first time.
async fn put_all(store: &Store, tenant: TenantId) {
    for (at, setting) in settings(1).into_iter().enumerate() {
        let put = store.put_setting(tenant, edit(&format!("first {at}")), setting);
        assert_eq!(put.await, Ok(true));
    }
}

async fn of_two_who_edit_the_same_setting_one_is_the_first(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&database.store, scene.tenant);
    put_all(store, tenant).await;
    for n in 0..ROUNDS {
        let [ours, theirs] = [settings(2 * n + 2), settings(2 * n + 3)];
        for (at, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
            let read = tag(store, tenant, &ours).await;
            let put = |who: &str, setting: &Setting| {
                let edit = edit(&format!("{who} {n} {at}"));
                store.put_setting_if(tenant, edit, setting.clone(), Some(vec![read.clone()]))
            };
            let (one, other) = tokio::join!(put("one", &ours), put("other", &theirs));
            let first = match (one, other) {
                (Ok(true), Err(StoreError::Outdated)) => ours,
                (Err(StoreError::Outdated), Ok(true)) => theirs,
                both => panic!("{both:?}"),
            };
            let stands = tag(store, tenant, &first).await;
            assert_ne!(stands, read);
            // What the first one wrote stands: written again, it is the same.
            if !matches!(first, Setting::Template(_)) {
                let again = edit(&format!("again {n} {at}"));
                let put = store.put_setting(tenant, again, first.clone()).await;
                assert_eq!(put, Ok(true));
                assert_eq!(tag(store, tenant, &first).await, stands);
            }
        }
    }
}

async fn of_two_who_edit_the_same_campaign_one_is_the_first(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant, id) = (&database.store, scene.tenant, scene.campaign);
    for n in 0..ROUNDS {
        let read = store.campaign(tenant, id).await.expect("a campaign");
        let put = |who: &str| {
            let name = format!("{who} {n}");
            let (edit, tags) = (edit(&name), Some(vec![read.tag.clone()]));
            let content = NewCampaign {
                name,
                ..two_steps()
            };
            store.edit_campaign_if(tenant, id, edit, content, tags)
        };
        let (one, other) = tokio::join!(put("one"), put("other"));
        let (version, name) = match (one, other) {
            (Ok(version), Err(StoreError::Outdated)) => (version, format!("one {n}")),
            (Err(StoreError::Outdated), Ok(version)) => (version, format!("other {n}")),
            both => panic!("{both:?}"),
        };
        assert_eq!(version, read.what.version + 1);
        let stands = store.campaign(tenant, id).await.expect("a campaign");
        assert_eq!((stands.what.version, stands.what.name), (version, name));
    }
    let read = store.campaign(tenant, id).await.expect("a campaign");
    let paused = engine::facts::Saying::CampaignPaused { campaign: id };
    scene.say("pause", paused).await;
    let tags = Some(vec![read.tag]);
    let edited = store.edit_campaign_if(tenant, id, edit("late"), two_steps(), tags);
    assert_eq!(edited.await, Err(StoreError::Outdated), "its state counts");
}

async fn an_outdated_edit_leaves_nothing_and_a_known_one_is_not_judged_again(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&database.store, scene.tenant);
    put_all(store, tenant).await;
    let rows = async || {
        let inbox = database.numbers("SELECT count(*) FROM inbox").await;
        let audit = database.numbers("SELECT count(*) FROM audit").await;
        (inbox, audit)
    };
    for (at, setting) in settings(7).into_iter().enumerate() {
        let (read, before) = (tag(store, tenant, &setting).await, rows().await);
        let id = format!("edit {at}");
        let put =
            |tags: Vec<Tag>| store.put_setting_if(tenant, edit(&id), setting.clone(), Some(tags));
        let wrong = Tag::stated("wrong");
        assert_eq!(put(vec![wrong.clone()]).await, Err(StoreError::Outdated));
        assert_eq!(put(vec![]).await, Err(StoreError::Outdated));
        assert_eq!(tag(store, tenant, &setting).await, read);
        assert_eq!(rows().await, before);
        assert_eq!(put(vec![wrong.clone(), read]).await, Ok(true));
        // Made again under its id, it has been made, whatever it expects.
        assert_eq!(put(vec![wrong]).await, Ok(false));
    }
    let bought = Setting::CreditsBought(1);
    let tags = Some(vec![Tag::stated("any")]);
    let put = store.put_setting_if(tenant, edit("bought"), bought, tags);
    assert_eq!(put.await, Err(StoreError::Outdated), "it is never read");
}

async fn a_tag_changes_with_its_content_alone(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&database.store, scene.tenant);
    put_all(store, tenant).await;
    let tags = async || {
        let mut tags = Vec::new();
        for setting in settings(1) {
            tags.push(tag(store, tenant, &setting).await);
        }
        tags
    };
    for (at, setting) in settings(9).into_iter().enumerate() {
        let before = tags().await;
        let put = store.put_setting(tenant, edit(&format!("edit {at}")), setting);
        assert_eq!(put.await, Ok(true));
        let after = tags().await;
        let changed = before
            .iter()
            .zip(&after)
            .map(|(before, after)| before != after);
        let changed: Vec<usize> = changed
            .enumerate()
            .filter(|it| it.1)
            .map(|it| it.0)
            .collect();
        assert_eq!(changed, [at]);
    }
}
