//! A launch confirms an estimate, as long as nothing came in that could add to it.

use engine::facts::{Fact, FactAnswer, Saying};
use engine::store::reads::Ask;
use engine::store::{ContactChange, Kept, NewCampaign, Point, Profile, Setting, Whom};
use engine::whatif::load::{Asked, load};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{CampaignId, TenantId};
use schedules::rule::RulePack;
use schedules::time::{DAY_MS, HOUR_MS, Timestamp};
use sqlx::{Connection, PgConnection};
use tests::database::{Database, Engine, on};
use tests::scene::{
    START, Scene, boleto, edit, new_tenant, opted_in, opted_out, reference, reopened, two_steps,
};

use super::store_suite;

store_suite!(
    what_adds_to_an_estimate_ends_it_and_what_takes_away_does_not,
    an_estimate_confirms_its_own_campaign_version_and_day,
    a_launch_that_is_told_again_is_known_whatever_came_in_since,
);

/// The channel that is held when an estimate is made.
const PAUSED: Channel = Channel::Sms;

/// A tenant with a draft, and four boletos of which one was paid and one contact opted out.
struct Draft {
    scene: Scene,
    campaign: CampaignId,
}

impl Draft {
    async fn set(database: &Database) -> Self {
        let scene = Scene::set(&database.store).await;
        let boletos = (0..4).map(|n| boleto(n, n)).collect();
        scene.import("first", boletos).await;
        scene.pay("paid", 0).await;
        scene.say("gone", opted_out(1, None)).await;
        let paused = Saying::ChannelPaused { channel: PAUSED };
        scene.say("off", paused).await;
        let draft = scene
            .store
            .create_campaign(scene.tenant, edit("draft"), two_steps());
        let campaign = draft.await.expect("a draft");
        Self { scene, campaign }
    }

    /// Keeps an estimate under a hash, made at the start.
    async fn estimate(&self, hash: &str) {
        let store = &self.scene.store;
        let asked = Asked {
            tenant: self.scene.tenant,
            campaign: self.campaign,
            version: None,
            whom: Whom::All(10),
        };
        let loaded = load(store, &asked, START).await.expect("it is read");
        let kept = Kept {
            tenant: self.scene.tenant,
            campaign: self.campaign,
            version: loaded.version,
            hash: hash.to_owned(),
            seen: loaded.seen,
            made_at: START,
            good_until: START.plus_ms(DAY_MS),
        };
        store.keep_estimate(kept).await.expect("it is kept");
    }

    async fn launch(&self, id: &str, hash: &str, at: Timestamp) -> Option<FactAnswer> {
        self.launch_of(self.scene.tenant, id, hash, at).await
    }

    async fn launch_of(
        &self,
        tenant: TenantId,
        id: &str,
        hash: &str,
        at: Timestamp,
    ) -> Option<FactAnswer> {
        let campaign = self.campaign;
        let fact = Fact {
            tenant,
            received_at: at,
            ..self.scene.fact(id, Saying::CampaignLaunched { campaign })
        };
        let launched = self.scene.store.launch(&fact, hash).await;
        launched.expect("the database answers")
    }

    async fn put(&self, id: &str, setting: Setting) {
        let put = self
            .scene
            .store
            .put_setting(self.scene.tenant, edit(id), setting);
        assert!(put.await.expect("the setting is taken"));
    }

    async fn edit_it(&self, id: &str) {
        let content = NewCampaign {
            name: "Outra".to_owned(),
            ..two_steps()
        };
        let Scene { store, tenant, .. } = &self.scene;
        let edited = store.edit_campaign(*tenant, self.campaign, edit(id), content);
        edited.await.expect("a new version");
    }

    /// Does one of the things that may add messages.
    async fn add(&self, which: usize) {
        let scene = &self.scene;
        match which {
            0 => _ = scene.import("more", vec![boleto(9, 9)]).await,
            1 => _ = scene.say("open", reopened(0)).await,
            2 => {
                let changed = Saying::BoletoChanged {
                    boleto: reference(2),
                    amount_centavos: 1,
                    due_on: boleto(2, 2).due_on,
                };
                _ = scene.say("changed", changed).await;
            }
            3 => _ = scene.say("back", opted_in(1, None)).await,
            4 => self.put("rules", Setting::Rules(RulePack::brazil())).await,
            5 => {
                self.put("calendar", Setting::Calendar(Calendar::brazil()))
                    .await
            }
            6 => self.put("charges", Setting::Charges(None)).await,
            7 => {
                let sender = new_tenant().senders.remove(0);
                self.put("sender", Setting::Sender(sender)).await;
            }
            8 => self.edit_it("edit").await,
            9 => {
                let resumed = Saying::ChannelResumed { channel: PAUSED };
                _ = scene.say("on", resumed).await;
            }
            10 => {
                let profile = Profile {
                    name: "Escola Boreal".to_owned(),
                    document: None,
                    address: None,
                };
                self.put("profile", Setting::Profile(profile)).await;
            }
            11 => self.correct_a_contact().await,
            _ => _ = scene.clone().with_another_campaign().await,
        }
    }

    /// Gives somebody an address.
    async fn correct_a_contact(&self) {
        let address = Point {
            address: "ana@example.com".to_owned(),
            canonical: "ana@example.com".to_owned(),
        };
        let change = ContactChange {
            email: Some(Some(address)),
            ..ContactChange::default()
        };
        self.change_a_contact("contact", change).await;
    }

    async fn change_a_contact(&self, id: &str, change: ContactChange) {
        let Scene { store, tenant, .. } = &self.scene;
        let ask = Ask {
            after: None,
            limit: 1,
        };
        let page = store.list_contacts(*tenant, &ask).await.expect("a page");
        let contact = page.items[0].id;
        let edited = store.edit_contact(*tenant, contact, edit(id), change, None);
        assert!(edited.await.expect("a change").changed);
    }

    /// Does what only takes messages away, or changes what they say.
    async fn take_away(&self) {
        self.scene.pay("paid too", 2).await;
        self.scene.say("gone too", opted_out(3, None)).await;
        self.scene.say("feed", Saying::FeedHeard).await;
        let channel = Channel::Email;
        let paused = Saying::ChannelPaused { channel };
        self.scene.say("channel", paused).await;
        self.put("credits", Setting::CreditsBought(5)).await;
        let name = Some("Ana Lima".to_owned());
        let change = ContactChange {
            name,
            ..ContactChange::default()
        };
        self.change_a_contact("name", change).await;
    }
}

const ADDITIONS: usize = 13;

async fn what_adds_to_an_estimate_ends_it_and_what_takes_away_does_not(database: Database) {
    let draft = Draft::set(&database).await;
    for which in 0..ADDITIONS {
        let hash = format!("hash {which}");
        draft.estimate(&hash).await;
        draft.add(which).await;
        let refused = draft.launch(&format!("no {which}"), &hash, START).await;
        assert_eq!(refused, None, "addition {which}");
    }
    let told = database
        .texts("SELECT event_id FROM inbox WHERE event_id LIKE 'no %'")
        .await;
    assert_eq!(
        told,
        Vec::<String>::new(),
        "nothing is kept of a refused launch"
    );
    draft.estimate("last").await;
    draft.take_away().await;
    let launched = draft.launch("yes", "last", START).await;
    assert!(
        matches!(launched, Some(FactAnswer::Applied { .. })),
        "{launched:?}"
    );
    let again = draft.launch("yes 2", "last", START).await;
    assert!(
        matches!(again, Some(FactAnswer::Unchanged { .. })),
        "it runs: {again:?}"
    );
    let kept = database.texts("SELECT hash FROM estimates").await;
    assert_eq!(kept, Vec::<String>::new(), "a campaign is launched once");
}

async fn an_estimate_confirms_its_own_campaign_version_and_day(database: Database) {
    let draft = Draft::set(&database).await;
    assert_eq!(draft.launch("a", "made up", START).await, None);
    draft.estimate("hash").await;
    assert_eq!(draft.launch("b", "HASH", START).await, None);
    let tomorrow = START.plus_ms(DAY_MS);
    assert_eq!(draft.launch("c", "hash", tomorrow).await, None);
    let other = Scene::set(&database.store).await;
    let elsewhere = draft.launch_of(other.tenant, "d", "hash", START).await;
    assert_eq!(
        elsewhere,
        Some(FactAnswer::Unknown),
        "no campaign of that tenant"
    );
    let store = &draft.scene.store;
    let second = store.create_campaign(draft.scene.tenant, edit("second"), two_steps());
    let of_another = Draft {
        campaign: second.await.expect("a draft"),
        scene: draft.scene.clone(),
    };
    assert_eq!(of_another.launch("e", "hash", START).await, None);
    let launched = draft.launch("f", "hash", START.plus_ms(HOUR_MS)).await;
    assert!(
        matches!(launched, Some(FactAnswer::Applied { .. })),
        "{launched:?}"
    );
}

/// In a clustered database an older transaction may be open while newer ones are done: what those
/// added was seen, and what that one will have added was not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_tells_what_it_saw_from_what_an_open_transaction_adds() {
    on(Engine::Postgres, |database| async move {
        let run = async |session: &mut PgConnection, sql: &'static str| {
            let done = sqlx::raw_sql(sql).execute(session).await;
            done.expect("the statement runs");
        };
        let open = || async {
            let session = PgConnection::connect(database.url()).await;
            let mut session = session.expect("a connection");
            run(&mut session, "BEGIN; SELECT txid_current()").await;
            session
        };
        let mut import = open().await;
        let draft = Draft::set(&database).await;
        draft.estimate("blind").await;
        let imported = "INSERT INTO audit (tenant_id, at, actor, action, subject, detail)
            VALUES (1, 0, 'test', 'boletos.imported', 'imp_9', '{}'); COMMIT";
        run(&mut import, imported).await;
        assert_eq!(draft.launch("no", "blind", START).await, None);
        let mut older = open().await;
        draft.add(0).await;
        draft.estimate("seeing").await;
        let launched = draft.launch("go", "seeing", START).await;
        assert!(
            matches!(launched, Some(FactAnswer::Applied { .. })),
            "{launched:?}"
        );
        run(&mut older, "ROLLBACK").await;
    })
    .await;
}

async fn a_launch_that_is_told_again_is_known_whatever_came_in_since(database: Database) {
    let draft = Draft::set(&database).await;
    draft.estimate("hash").await;
    let launched = draft.launch("go", "hash", START).await;
    assert!(
        matches!(launched, Some(FactAnswer::Applied { .. })),
        "{launched:?}"
    );
    draft.edit_it("edit").await;
    let again = draft.launch("go", "hash", START.plus_ms(3 * DAY_MS)).await;
    assert_eq!(again, Some(FactAnswer::Duplicate));
}
