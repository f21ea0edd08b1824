//! A rehearsal against the real thing: the same tenant, once in books in memory, once with an owner
//! that commits to the store on virtual time. What went out, and every verdict, must agree.

use std::collections::BTreeSet;

use actors::machine::change::Change;
use actors::machine::effect::Effect;
use actors::machine::input::Input;
use actors::machine::{Machine, Need, Paces};
use actors::ports::{Commit, Journal, Returned};
use chrono::NaiveTime;
use engine::facts::{Fact, Saying};
use engine::store::{NewBoleto, NewCampaign, Setting, Store, Whom};
use engine::whatif::load::{Asked, load};
use engine::whatif::{Event, Patience, World, rehearse};
use schedules::cadence::{Cadence, Step};
use schedules::channel::Channel;
use schedules::id::{CampaignId, ContactId};
use schedules::rule::{RuleBody, RulePack};
use schedules::template::{Template, Variable};
use schedules::time::{DAY_MS, Timestamp};
use tests::database::Database;
use tests::scene::{START, Scene, accepted, boleto, edit, new_tenant, opted_out, two_steps};

use super::store_suite;

store_suite!(
    what_is_rehearsed_is_what_happens,
    a_few_boletos_are_read_as_all_of_them_are,
);

/// How long both go on.
const UNTIL: Timestamp = START.plus_ms(40 * DAY_MS);
/// The rows of a page, fewer than there are.
const PAGE: u32 = 7;

/// Boletos of contacts who have up to three, due on several days around the start.
fn boletos() -> Vec<NewBoleto> {
    let one = |n: u32| {
        let plain = boleto(n, n / 3 + n % 2);
        NewBoleto {
            due_on: plain.due_on + chrono::Days::new(u64::from(n * 5 % 13)) - chrono::Days::new(6),
            amount_centavos: i64::from(n % 4) * 1_000,
            ..plain
        }
    };
    (0..24).map(one).collect()
}

fn template() -> Template {
    Template {
        code: "lembrete".to_owned(),
        channel: Channel::Sms,
        version: 1,
        subject: None,
        body: "Olá! O boleto {{reference}} de {{amount}} vence em {{due_on}}.".to_owned(),
        variables: vec![Variable::Reference, Variable::Amount, Variable::DueOn],
        ttl_ms: 0,
        approved: Default::default(),
    }
}

/// Five steps at different hours, one of them when the window is shut.
fn campaign() -> NewCampaign {
    let steps = [(-3, 9), (0, 22), (1, 9), (7, 12), (15, 9)];
    let steps = steps.into_iter().zip(0..).map(|((days, hour), no)| Step {
        expires_after_ms: 2 * DAY_MS,
        ..Step::on_calendar_day(
            no,
            days,
            NaiveTime::from_hms_opt(hour, 0, 0).expect("a time of day"),
            &[Channel::Email, Channel::Sms],
            "lembrete",
        )
    });
    NewCampaign {
        name: "Cobrança".to_owned(),
        cadence: Cadence::of(steps.collect(), 10),
    }
}

async fn set(database: &Database) -> (Scene, CampaignId) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant) = (&scene.store, scene.tenant);
    let mut rules = RulePack::brazil();
    // Who bills is said by templates of their own.
    rules
        .rules
        .retain(|rule| !matches!(rule.body, RuleBody::MandatoryText(_)));
    for (id, setting) in [
        ("rules", Setting::Rules(rules)),
        ("template", Setting::Template(template())),
        ("sender", Setting::Sender(new_tenant().senders.remove(0))),
    ] {
        store
            .put_setting(tenant, edit(id), setting)
            .await
            .expect("a setting");
    }
    scene.import("boletos", boletos()).await;
    scene.pay("paid", 2).await;
    scene.say("gone", opted_out(5, None)).await;
    scene.say("no sms", opted_out(4, Some(Channel::Sms))).await;
    let draft = store.create_campaign(tenant, edit("draft"), campaign());
    (scene.clone(), draft.await.expect("a draft"))
}

async fn what_is_rehearsed_is_what_happens(database: Database) {
    let (scene, campaign) = set(&database).await;
    // The other campaign of the tenant, which runs already.
    let mut owner = Owner::of(&scene, START).await;
    owner.work(START.plus_ms(1)).await;
    let edited =
        scene
            .store
            .edit_campaign(scene.tenant, scene.campaign, edit("other"), two_steps());
    edited.await.expect("a version");
    owner.work(START.plus_ms(2)).await;
    owner.lines.clear();
    let now = owner.now;
    let asked = Asked {
        tenant: scene.tenant,
        campaign,
        version: None,
        whom: Whom::All(100),
    };
    let loaded = load(&scene.store, &asked, now).await.expect("it is read");
    let mut rehearsed = Vec::new();
    let endless = Patience::endless();
    rehearse(
        loaded.world,
        now,
        UNTIL,
        &endless,
        &mut |event| match event {
            Event::Sent(at, message) => rehearsed.push(format!(
                "{at} {} {} {} {}",
                message.campaign, message.boleto, message.attempt.reminder.step_no, message.channel
            )),
            Event::Ruled(of, ruled) => rehearsed.push(format!(
                "{} {} {} {} {:?}",
                ruled.at, of.campaign, of.boleto, ruled.reminder.step_no, ruled.verdict
            )),
            Event::Enrolled(_) => {}
        },
    );
    let launched = Fact {
        received_at: now,
        ..scene.fact("go", Saying::CampaignLaunched { campaign })
    };
    scene
        .store
        .commit_facts(&[launched])
        .await
        .expect("a launch");
    owner.work(UNTIL).await;
    let (of_it, sent) = (format!(" {campaign} "), " sms");
    let messages = rehearsed.iter().filter(|line| line.contains(&of_it));
    let messages = messages.filter(|line| line.ends_with(sent)).count();
    assert!(messages > 20, "{messages}: {rehearsed:#?}");
    assert!(rehearsed.iter().any(|line| line.contains("cap.contact")));
    rehearsed.sort();
    owner.lines.sort();
    assert_eq!(rehearsed, owner.lines);
}

/// What of a world is compared: boletos and whether they are in, enrollments, contacts.
fn shown(world: &World, contacts: &BTreeSet<ContactId>) -> String {
    let mine = |id: &ContactId| contacts.contains(id);
    let boletos = world.boletos.iter().filter(|one| mine(&one.contact));
    let boletos = boletos.map(|one| (one.boleto.reference.clone(), one.boleto.due_on, one.is_in));
    let standing = world.standing.iter().filter(|one| mine(&one.contact));
    let known = world.contacts.iter().filter(|one| mine(&one.id));
    let known = known.map(|one| {
        (
            one.id,
            one.phone.clone(),
            one.suppressed.clone(),
            one.sends.len(),
        )
    });
    let known: BTreeSet<_> = known.map(|one| format!("{one:?}")).collect();
    format!(
        "{:#?}",
        (
            boletos.collect::<Vec<_>>(),
            standing.collect::<Vec<_>>(),
            known
        )
    )
}

async fn a_few_boletos_are_read_as_all_of_them_are(database: Database) {
    let (scene, draft) = set(&database).await;
    let mut owner = Owner::of(&scene, START).await;
    owner.work(START.plus_ms(10 * DAY_MS)).await;
    let now = owner.now;
    let read = async |campaign, whom| {
        let asked = Asked {
            tenant: scene.tenant,
            campaign,
            version: None,
            whom,
        };
        load(&scene.store, &asked, now).await.expect("it is read")
    };
    let ids = [scene.boleto_id(3).await, scene.boleto_id(2).await];
    for campaign in [scene.campaign, draft] {
        let all = read(campaign, Whom::All(100)).await;
        let few = read(campaign, Whom::Of(ids.to_vec())).await;
        let contacts: BTreeSet<_> = few.meant.values().map(|one| one.contact).collect();
        assert_eq!(contacts.len(), 2);
        assert_eq!(shown(&few.world, &contacts), shown(&all.world, &contacts));
        let bars: Vec<_> = few.meant.values().map(|one| one.bar.clone()).collect();
        assert_eq!(bars, [Some("paid".to_owned()), None]);
        let newest = read(campaign, Whom::Newest(1)).await;
        let expected = match campaign == draft {
            true => vec![scene.boleto_id(23).await],
            false => Vec::new(),
        };
        assert_eq!(newest.meant.into_keys().collect::<Vec<_>>(), expected);
        let less = read(campaign, Whom::All(5)).await;
        assert_eq!((less.world.boletos.len(), less.truncated), (5, true));
    }
    let elsewhere = Scene::set(&database.store).await;
    let named = Whom::Of(ids.to_vec());
    let theirs = elsewhere.store.meant(elsewhere.tenant, draft, &named);
    assert!(theirs.await.expect("the database answers").is_empty());
}

/// An owner with nothing around it: each message is accepted at once.
struct Owner {
    store: Store,
    scene: Scene,
    machine: Machine,
    now: Timestamp,
    lines: Vec<String>,
}

impl Owner {
    async fn of(scene: &Scene, now: Timestamp) -> Self {
        let store = scene.store.clone();
        let snapshot = store.load(scene.tenant).await.expect("a snapshot");
        Self {
            machine: Machine::restore(snapshot, Some(Paces::new()), now),
            scene: scene.clone(),
            store,
            now,
            lines: Vec::new(),
        }
    }

    /// Works off facts, sweeps and what is due until an instant.
    async fn work(&mut self, until: Timestamp) {
        let facts = self.store.inbox_page(self.scene.tenant, 100).await;
        let facts = facts.expect("the database answers").facts;
        if !facts.is_empty() {
            self.step(vec![Input::Facts(facts)]).await;
        }
        while self.now < until {
            let (store, tenant) = (&self.store, self.scene.tenant);
            match self.machine.need(self.now) {
                Some(Need::DuePage(mut request)) => {
                    request.limit = PAGE;
                    let page = store.due_page(tenant, request).await;
                    self.machine.admit(page.expect("a page"));
                }
                Some(Need::Sweep(sweep)) => {
                    let page = store.sweep_page(tenant, &sweep, PAGE).await;
                    let page = page.expect("a page");
                    self.step(vec![Input::Swept(sweep.seq, page)]).await;
                }
                Some(Need::Settings) => {
                    let settings = store.settings(tenant).await;
                    self.machine.adopt(settings.expect("settings"));
                }
                Some(Need::Reload) => {
                    let snapshot = store.load(tenant).await.expect("a snapshot");
                    self.machine = Machine::restore(snapshot, Some(Paces::new()), self.now);
                }
                None if self.machine.is_due(self.now) => self.step(vec![Input::Tick]).await,
                None => match self.machine.next_wake_at(self.now) {
                    Some(at) => self.now = at.min(until),
                    None => self.now = until,
                },
            }
        }
    }

    async fn step(&mut self, mut inputs: Vec<Input>) {
        while !inputs.is_empty() {
            let decision = self.machine.decide(&inputs, self.now);
            let commit = Commit {
                tenant: self.scene.tenant,
                fence: self.scene.fence,
                at: self.now,
                changes: decision.changes.clone(),
            };
            let committed = self.store.commit(commit).await.expect("a commit");
            self.note(&decision.changes).await;
            let effects = self.machine.conclude(decision, &committed, self.now);
            let sent = effects.iter().filter_map(|effect| match effect {
                Effect::HandOver(message) => Some(message),
                Effect::Withdraw(_) | Effect::GiveBack(_) => None,
            });
            let mut returned = Vec::new();
            for message in sent {
                self.lines.push(format!(
                    "{} {} {} {} {}",
                    self.now,
                    message.campaign,
                    message.boleto,
                    message.attempt.reminder.step_no,
                    message.channel
                ));
                returned.push(Returned {
                    attempt: message.attempt,
                    at: self.now,
                    outcome: accepted(),
                });
            }
            inputs = match returned.is_empty() {
                true => Vec::new(),
                false => vec![Input::Returned(returned)],
            };
        }
    }

    async fn note(&mut self, changes: &[Change]) {
        let all = self.scene.enrollments().await;
        for change in changes {
            let Change::Ruled(ruled) = change else {
                continue;
            };
            let id = ruled.reminder.enrollment;
            let mut found = all.iter().filter(|one| one.enrollment.id == id);
            let of = found.next().expect("its enrollment").enrollment;
            self.lines.push(format!(
                "{} {} {} {} {:?}",
                ruled.at, of.campaign, of.boleto, ruled.reminder.step_no, ruled.verdict
            ));
        }
    }
}
