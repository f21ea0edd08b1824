//! The doors of a running node: what was claimed before a stop and has not begun never begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actors::clock::JumpClock;
use actors::lease::Leases;
use actors::machine::effect::{HandOver, Subject};
use actors::machine::input::{Abandoned, Outcome};
use actors::ports::Gateway;
use async_trait::async_trait;
use engine::boot::{Engine, Pace};
use engine::doors::Told;
use engine::facts::{ContactName, Saying};
use engine::store::{ContactChange, Import, NewBoleto, Point, Setting, StoreError};
use schedules::channel::Channel;
use schedules::template::{Approved, Template};
use tests::database::Database;
use tests::scene::{
    START, Scene, accepted, boleto, edit, new_tenant, opted_out, reference, reopened,
};
use tokio::sync::Semaphore;

use crate::store::store_suite;

store_suite!(
    a_stop_takes_back_what_has_not_begun,
    every_kill_switch_takes_back_what_has_not_begun,
    the_switch_of_the_engine_holds_whoever_comes,
    of_two_turns_of_the_engines_switch_the_later_counts_for_everybody,
    a_turn_that_was_overtaken_is_told_so,
    a_tenant_that_cannot_be_told_keeps_no_other_from_being_held,
    a_stop_settles_when_what_has_begun_may_end,
    an_import_that_meets_an_opt_out_takes_back_what_has_not_begun,
    an_import_that_is_told_again_answers_the_same,
    a_correction_that_changes_nothing_takes_nothing_back,
    an_event_id_that_was_used_stops_nothing_else,
);

/// A provider whose messages wait at the door until the test lets them in, and inside until it
/// lets them out.
struct Turnstile {
    at_the_door: Semaphore,
    let_in: Semaphore,
    inside: Semaphore,
    let_out: Semaphore,
    begun: AtomicU32,
}

impl Turnstile {
    fn shut() -> Arc<Self> {
        let none = || Semaphore::new(0);
        Arc::new(Self {
            at_the_door: none(),
            let_in: none(),
            inside: none(),
            let_out: none(),
            begun: AtomicU32::new(0),
        })
    }
}

async fn pass(semaphore: &Semaphore) {
    semaphore.acquire().await.expect("it stays open").forget();
}

#[async_trait]
impl Gateway for Turnstile {
    async fn hand_over(&self, _: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        self.at_the_door.add_permits(1);
        pass(&self.let_in).await;
        if !begin() {
            return Outcome::Abandoned {
                why: Abandoned::Stopped,
            };
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.inside.add_permits(1);
        pass(&self.let_out).await;
        accepted()
    }
}

/// A tenant with one message at the provider's door.
struct Door {
    database: Database,
    scene: Scene,
    engine: Engine,
    turnstile: Arc<Turnstile>,
}

impl Door {
    async fn with_one_waiting(database: Database) -> Self {
        let scene = Scene::set(&database.store).await;
        let template = Template {
            code: "lembrete".to_owned(),
            channel: Channel::Sms,
            version: 1,
            subject: None,
            body: "Seu boleto vence logo.".to_owned(),
            variables: Vec::new(),
            ttl_ms: 0,
            approved: Approved::default(),
        };
        let put =
            database
                .store
                .put_setting(scene.tenant, edit("template"), Setting::Template(template));
        put.await.expect("a template");
        scene.enroll(1, START).await;
        scene
            .say("out early", address_opted_out("ana@exemplo.com.br"))
            .await;
        let former = actors::lease::NodeId(format!("node-of-{}", scene.fence.shard.0));
        let released = database.store.release(&former, scene.fence).await;
        released.expect("the shard is free");
        let turnstile = Turnstile::shut();
        let gateway = Arc::clone(&turnstile) as Arc<dyn Gateway>;
        let clock = Arc::new(JumpClock::starting_at(START));
        let engine = Engine::start(database.store.clone(), gateway, clock, Pace::default())
            .expect("the engine starts");
        pass(&turnstile.at_the_door).await;
        Self {
            database,
            scene,
            engine,
            turnstile,
        }
    }

    async fn tell(&self, event_id: &str, saying: Saying) -> Told {
        let facts = [self.scene.fact(event_id, saying)];
        let told = self.engine.doors.tell(&facts).await;
        told.expect("an answer").remove(0)
    }

    /// Waits until the database says so.
    async fn sees(&self, sql: &'static str, numbers: &[i64]) {
        let seen = tokio::time::timeout(Duration::from_secs(20), async {
            while self.database.numbers(sql).await != numbers {
                tokio::task::yield_now().await;
            }
        });
        seen.await.expect("it is seen");
    }

    /// Lets everything in and out, and returns how much went in once its outcomes are written.
    async fn let_go(&self) -> u32 {
        self.turnstile.let_in.add_permits(10);
        self.turnstile.let_out.add_permits(10);
        let written = tokio::time::timeout(Duration::from_secs(20), async {
            let open = "SELECT count(*) FROM attempts a WHERE NOT EXISTS (
                SELECT 1 FROM outcomes o WHERE o.enrollment_id = a.enrollment_id
                    AND o.step_no = a.step_no AND o.try_no = a.try_no)";
            while self.database.numbers(open).await != [0] {
                tokio::task::yield_now().await;
            }
        });
        written.await.expect("the outcome is written");
        self.turnstile.begun.load(Ordering::SeqCst)
    }
}

fn address_opted_out(address: &str) -> Saying {
    Saying::ContactOptedOut {
        contact: ContactName::Point(address.to_owned()),
        channel: None,
    }
}

async fn a_stop_takes_back_what_has_not_begun(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let paid = Saying::BoletoPaid {
        boleto: reference(0),
    };
    let subject = Subject::Boleto(door.scene.boleto_id(0).await);
    assert_eq!(door.tell("paid", paid).await, Told::Stopped { subject });
    assert_eq!(door.let_go().await, 0);
    door.engine.stop().await;
}

async fn every_kill_switch_takes_back_what_has_not_begun(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let campaign = door.scene.campaign;
    let channel = Channel::Sms;
    let other = Channel::Email;
    let told = door.tell("mail", Saying::ChannelPaused { channel: other });
    let subject = Subject::Channel(other);
    assert_eq!(told.await, Told::Stopped { subject });
    let pulls = [
        (Saying::ChannelPaused { channel }, Subject::Channel(channel)),
        (
            Saying::CampaignPaused { campaign },
            Subject::Campaign(campaign),
        ),
        (Saying::TenantPaused, Subject::Tenant),
        (Saying::TenantHeld, Subject::Tenant),
    ];
    // One after the other: what a switch gave back waits for the next as well.
    for (saying, subject) in pulls {
        let told = door.tell(saying.action(), saying.clone()).await;
        assert_eq!(told, Told::Stopped { subject }, "{}", saying.action());
    }
    assert_eq!(door.let_go().await, 0);
    let frees = [
        Saying::TenantReleased,
        Saying::TenantResumed,
        Saying::CampaignResumed { campaign },
    ];
    for saying in frees {
        assert_eq!(door.tell(saying.action(), saying).await, Told::Taken);
    }
    let held = "SELECT count(*) FROM decisions WHERE reason = 'channel_paused'";
    door.sees(held, &[1]).await;
    let free = Saying::ChannelResumed { channel };
    assert_eq!(door.tell("free", free).await, Told::Taken);
    door.sees(
        "SELECT count(*) FROM outcomes WHERE kind = 'accepted'",
        &[1],
    )
    .await;
    door.engine.stop().await;
}

async fn the_switch_of_the_engine_holds_whoever_comes(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let doors = &door.engine.doors;
    let told = doors.hold_engine(true, "test").await.expect("an answer");
    assert_eq!((told.tenants, told.in_flight), (1, 0));
    assert_eq!(door.let_go().await, 0);
    let store = &door.database.store;
    let late = store.create_tenant(&new_tenant(), START).await;
    let late = late.expect("a tenant");
    let runs = async |tenant| store.tenant(tenant).await.expect("a tenant").running;
    assert!(!runs(door.scene.tenant).await && !runs(late).await);
    door.tell("own", Saying::TenantPaused).await;
    let told = doors.hold_engine(false, "test").await.expect("an answer");
    assert_eq!(told.tenants, 2);
    assert!(runs(late).await);
    assert!(!runs(door.scene.tenant).await, "its own switch is on");
    door.engine.stop().await;
}

/// Turns of the switch that race: when all are answered, every tenant is as the last one said, and
/// whoever was overtaken knows it.
async fn of_two_turns_of_the_engines_switch_the_later_counts_for_everybody(database: Database) {
    const ROUNDS: usize = 25;
    let door = Door::with_one_waiting(database).await;
    for round in 0..ROUNDS {
        let turns = [true, false, true, false].map(|held| {
            let doors = door.engine.doors.clone();
            tokio::spawn(async move { doors.hold_engine(held, "test").await })
        });
        let mut overtaken = 0;
        for told in futures::future::join_all(turns).await {
            let told = told.expect("a turn").expect("an answer");
            overtaken += u32::from(told.overtaken);
        }
        assert!(overtaken < 4, "the last one is never overtaken");
        let otherwise = "SELECT count(*) FROM tenants t, engine_switch s WHERE t.held <> s.held";
        let otherwise = door.database.numbers(otherwise).await;
        assert_eq!(otherwise, [0], "round {round}");
    }
    door.engine.stop().await;
}

/// Whoever turns the switch here, somebody elsewhere turns it right after.
async fn a_turn_that_was_overtaken_is_told_so(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let elsewhere = match door.database.engine {
        tests::database::Engine::Sqlite => {
            "CREATE TRIGGER elsewhere AFTER UPDATE OF turn ON engine_switch
             BEGIN UPDATE engine_switch SET turn = turn + 1; END"
        }
        tests::database::Engine::Postgres => {
            "CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN UPDATE engine_switch SET turn = turn + 1; RETURN NULL; END';
             CREATE TRIGGER elsewhere AFTER UPDATE ON engine_switch
             FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION elsewhere()"
        }
    };
    door.database.tamper(elsewhere).await;
    let told = door.engine.doors.hold_engine(true, "test").await;
    let told = told.expect("an answer");
    assert!(told.overtaken, "{told:?}");
    assert_eq!(door.database.numbers("SELECT held FROM tenants").await, [0]);
    assert_eq!(door.let_go().await, 1, "nobody was held");
    door.engine.stop().await;
}

/// A row that nobody can write stands for one that somebody else holds for too long.
async fn a_tenant_that_cannot_be_told_keeps_no_other_from_being_held(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let store = &door.database.store;
    for _ in 0..2 {
        store
            .create_tenant(&new_tenant(), START)
            .await
            .expect("a tenant");
    }
    let fail = match door.database.engine {
        tests::database::Engine::Sqlite => {
            "CREATE TRIGGER held_up BEFORE UPDATE OF held ON tenants WHEN new.id = 2
             BEGIN SELECT RAISE(ABORT, 'held up'); END"
        }
        tests::database::Engine::Postgres => {
            "CREATE FUNCTION held_up() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RAISE EXCEPTION USING ERRCODE = ''lock_not_available''; END';
             CREATE TRIGGER held_up BEFORE UPDATE OF held ON tenants
             FOR EACH ROW WHEN (new.id = 2) EXECUTE FUNCTION held_up()"
        }
    };
    door.database.tamper(fail).await;
    let told = door.engine.doors.hold_engine(true, "test").await;
    assert!(told.is_err(), "{told:?}");
    let held = "SELECT held FROM tenants ORDER BY id";
    assert_eq!(door.database.numbers(held).await, [1, 0, 1]);
    assert_eq!(door.let_go().await, 0);
    let mend = match door.database.engine {
        tests::database::Engine::Sqlite => "DROP TRIGGER held_up",
        tests::database::Engine::Postgres => "DROP TRIGGER held_up ON tenants",
    };
    door.database.tamper(mend).await;
    let told = door.engine.doors.hold_engine(true, "test").await;
    assert_eq!(told.expect("an answer").tenants, 3, "the same call goes on");
    assert_eq!(door.database.numbers(held).await, [1, 1, 1]);
    door.engine.stop().await;
}

async fn a_stop_settles_when_what_has_begun_may_end(database: Database) {
    let door = Door::with_one_waiting(database).await;
    door.turnstile.let_in.add_permits(1);
    pass(&door.turnstile.inside).await;
    let out = opted_out(0, None);
    let told = door.tell("out", out).await;
    let Told::Settling {
        in_flight: 1,
        settled_by,
        ..
    } = told
    else {
        panic!("{told:?}")
    };
    assert!(settled_by > START);
    assert_eq!(door.let_go().await, 1);
    door.engine.stop().await;
}

fn second_chunk() -> (Import, Vec<NewBoleto>) {
    let import = Import {
        key: "second".to_owned(),
        source: "test".to_owned(),
        at: START,
    };
    let mut boleto = boleto(1, 0);
    boleto.contact.email = Some(Point {
        address: "ana@exemplo.com.br".to_owned(),
        canonical: "ana@exemplo.com.br".to_owned(),
    });
    (import, vec![boleto])
}

/// Who opted out by an address turns out to be the contact whose message waits.
async fn an_import_that_meets_an_opt_out_takes_back_what_has_not_begun(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let (import, chunk) = second_chunk();
    let imported = door.engine.doors.import(door.scene.tenant, import, chunk);
    let outcome = imported.await.expect("the import");
    assert!(matches!(outcome.matched[..], [Subject::Contact(_)]));
    assert_eq!(door.let_go().await, 0);
    door.engine.stop().await;
}

async fn an_import_that_is_told_again_answers_the_same(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let (import, chunk) = second_chunk();
        let imported = door.engine.doors.import(door.scene.tenant, import, chunk);
        outcomes.push(imported.await.expect("the import"));
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[1].matched.len(), 1);
    assert_eq!(door.let_go().await, 0);
    door.engine.stop().await;
}

async fn a_correction_that_changes_nothing_takes_nothing_back(database: Database) {
    let door = Door::with_one_waiting(database).await;
    let contact = door.scene.enrollments().await[0].enrollment.contact;
    let named = |name: &str| ContactChange {
        name: Some(name.to_owned()),
        ..ContactChange::default()
    };
    for (id, change, expected, told) in [
        ("same", named("Contato 0"), None, Ok(false)),
        (
            "late",
            named("Ana"),
            Some(vec![]),
            Err(StoreError::Outdated),
        ),
    ] {
        let (doors, tenant) = (&door.engine.doors, door.scene.tenant);
        let edited = doors.edit_contact(tenant, contact, edit(id), change, expected);
        assert_eq!(edited.await, told);
    }
    assert_eq!(door.let_go().await, 1);
    let abandoned = "SELECT count(*) FROM outcomes WHERE kind = 'abandoned'";
    assert_eq!(door.database.numbers(abandoned).await, [0]);
    door.engine.stop().await;
}

/// A payment provider that gives several payments one event id must not hear that all of them
/// stopped something.
async fn an_event_id_that_was_used_stops_nothing_else(database: Database) {
    let door = Door::with_one_waiting(database).await;
    door.scene
        .import("more", vec![boleto(1, 1), boleto(2, 2)])
        .await;
    let paid = |n| Saying::BoletoPaid {
        boleto: reference(n),
    };
    let facts = [0, 1, 9].map(|n| door.scene.fact("evt_1", paid(n)));
    let told = door.engine.doors.tell(&facts).await.expect("answers");
    let subject = Subject::Boleto(door.scene.boleto_id(0).await);
    assert_eq!(told[0], Told::Stopped { subject });
    assert_eq!(told[1..], [Told::Conflict, Told::Conflict]);
    assert_eq!(door.tell("evt_1", paid(2)).await, Told::Conflict);
    assert_eq!(
        door.tell("evt_1", paid(0)).await,
        Told::Stopped { subject },
        "told again"
    );
    let reopened = reopened(0);
    assert_eq!(door.tell("evt_1", reopened).await, Told::Conflict);
    let by_sms = |channel| opted_out(1, channel);
    let told = door.tell("evt_2", by_sms(Some(Channel::Sms))).await;
    assert!(matches!(told, Told::Stopped { .. }));
    assert_eq!(door.tell("evt_2", by_sms(None)).await, Told::Conflict);
    let open = "SELECT count(*) FROM boletos WHERE status = 'open'";
    assert_eq!(door.database.numbers(open).await, [2]);
    assert_eq!(door.let_go().await, 0);
    door.engine.stop().await;
}
