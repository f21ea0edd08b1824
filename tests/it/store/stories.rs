//! What a reader of the code feared, as cases: shared addresses, one channel, late and retold
//! facts.

use actors::machine::change::Change;
use actors::machine::effect::Subject;
use actors::machine::input::{FactBody, InboxFact};
use engine::bus::envelope::Envelope;
use engine::facts::{ContactName, Fact, FactAnswer, Saying};
use engine::store::{EnrollmentRecord, Point, Standing};
use schedules::channel::Channel;
use schedules::reference::Reference;
use tests::database::Database;
use tests::scene::{
    START, Scene, boleto, claim, contact, opted_in, opted_out, reference, reopened,
};

use super::store_suite;

store_suite!(
    an_opt_out_by_a_shared_address_stops_everyone_who_has_it,
    an_address_that_opted_out_is_barred_under_another_phone,
    a_claim_on_a_channel_that_was_opted_out_of_is_refused,
    a_channel_that_is_allowed_again_can_be_claimed,
    a_word_from_before_a_channel_was_barred_frees_nothing,
    a_stop_that_is_told_again_finds_its_subject,
    a_stop_that_was_taken_back_does_not_hold_when_it_is_told_again,
    events_of_two_sources_never_meet,
    a_campaign_that_is_launched_twice_is_launched_once,
    a_reopening_from_before_the_payment_comes_too_late,
    a_changed_boleto_loses_the_line_of_its_old_amount,
    a_reopened_boleto_that_was_never_enrolled_is_a_candidate,
    a_payment_in_another_spelling_finds_its_boleto,
);

fn address(text: &str) -> Option<Point> {
    Some(Point {
        address: text.to_owned(),
        canonical: text.to_owned(),
    })
}

fn opt_out(contact: ContactName, channel: Option<Channel>) -> Saying {
    Saying::ContactOptedOut { contact, channel }
}

async fn an_opt_out_by_a_shared_address_stops_everyone_who_has_it(database: Database) {
    let scene = Scene::set(&database.store).await;
    let mut chunk: Vec<_> = (0..3).map(|n| boleto(n, n)).collect();
    chunk[0].contact.email = address("casal@exemplo.com.br");
    chunk[1].contact.email = address("casal@exemplo.com.br");
    scene.import("file", chunk).await;
    let enrolled = [0, 1, 2].map(async |n| scene.enrolled(scene.boleto_id(n).await, START));
    let enrolled = futures::future::join_all(enrolled).await;
    scene.commit(enrolled).await.expect("a commit");
    let both = ContactName::Point("casal@exemplo.com.br".to_owned());
    let answer = scene.say("out", opt_out(both, None)).await;
    let FactAnswer::Applied { subject, also, .. } = answer else {
        panic!("not applied")
    };
    assert_eq!(also.len(), 1);
    assert_ne!(subject, also[0]);
    let states: Vec<_> = scene
        .enrollments()
        .await
        .into_iter()
        .map(|one| one.state)
        .collect();
    assert_eq!(states, ["stopped", "stopped", "active"]);
}

fn claim_by_email(record: &EnrollmentRecord) -> Change {
    let Change::Claimed(mut claimed) = claim(record, 0, START) else {
        unreachable!("a claim is one")
    };
    claimed.channel = Channel::Email;
    Change::Claimed(claimed)
}

async fn an_address_that_opted_out_is_barred_under_another_phone(database: Database) {
    let scene = Scene::set(&database.store).await;
    let [mut former, mut later, other] = [0, 1, 2].map(|n| boleto(n, n));
    former.contact.email = address("casal@exemplo.com.br");
    later.contact.email = address("casal@exemplo.com.br");
    scene.import("former", vec![former]).await;
    scene.say("out", opt_out(contact(0), None)).await;
    scene.import("later", vec![later, other]).await;
    let enrolled = [1, 2].map(async |n| scene.enrolled(scene.boleto_id(n).await, START));
    let enrolled = futures::future::join_all(enrolled).await;
    scene.commit(enrolled).await.expect("a commit");
    let all = scene.enrollments().await;
    let by_email = all.iter().map(claim_by_email).collect();
    let committed = scene.commit(by_email).await.expect("a commit");
    assert_eq!(committed.refused, [all[0].enrollment.id]);
}

async fn a_claim_on_a_channel_that_was_opted_out_of_is_refused(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    scene
        .say("out", opt_out(contact(0), Some(Channel::Sms)))
        .await;
    let claims = all.iter().map(|one| claim(one, 0, START)).collect();
    let committed = scene.commit(claims).await.expect("a commit");
    assert_eq!(committed.refused, [all[0].enrollment.id]);
    assert_eq!(
        scene.enrollments().await[0].state,
        "active",
        "other channels stay open"
    );
}

async fn a_channel_that_is_allowed_again_can_be_claimed(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.import("file", vec![boleto(0, 0)]).await;
    scene
        .say("out", opt_out(contact(0), Some(Channel::Sms)))
        .await;
    let enrolled = scene.enrolled(scene.boleto_id(0).await, START);
    scene.commit(vec![enrolled]).await.expect("a commit");
    let all = scene.enrollments().await;
    let refused = scene
        .commit(vec![claim(&all[0], 0, START)])
        .await
        .expect("a commit")
        .refused;
    assert_eq!(
        refused,
        [all[0].enrollment.id],
        "who enters later is barred, too"
    );
    let channel = Some(Channel::Sms);
    scene.say("in", opted_in(0, channel)).await;
    let refused = scene
        .commit(vec![claim(&all[0], 0, START)])
        .await
        .expect("a commit")
        .refused;
    assert_eq!(refused, []);
}

async fn a_word_from_before_a_channel_was_barred_frees_nothing(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(1, START).await;
    let say = async |ms, is_out, channel| {
        let (contact, channel) = (contact(0), Some(channel));
        let saying = match is_out {
            true => Saying::ContactOptedOut { contact, channel },
            false => Saying::ContactOptedIn { contact, channel },
        };
        let fact = Fact {
            occurred_at: START.plus_ms(ms),
            ..scene.fact(&format!("{saying:?} at {ms}"), saying)
        };
        let told = database.store.commit_facts(&[fact]).await.expect("answers");
        assert!(matches!(told[0], FactAnswer::Applied { .. }));
        let barred = database.numbers("SELECT barred FROM enrollments").await;
        let kept = "SELECT count(*) FROM suppressions";
        (barred[0], database.numbers(kept).await[0])
    };
    assert_eq!(say(10, true, Channel::Sms).await, (2, 1));
    assert_eq!(say(7, true, Channel::Sms).await, (2, 1));
    assert_eq!(say(9, false, Channel::Sms).await, (2, 1));
    assert_eq!(say(10, true, Channel::Email).await, (2 | 4, 2));
    assert_eq!(say(10, false, Channel::Sms).await, (4, 1));
    assert_eq!(say(12, false, Channel::Email).await, (0, 0));
}

async fn a_stop_that_is_told_again_finds_its_subject(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    scene
        .commit(vec![claim(&all[0], 0, START)])
        .await
        .expect("a commit");
    scene.pay("paid", 0).await;
    assert_eq!(scene.pay("paid", 0).await, FactAnswer::Duplicate);
    let again = scene.fact(
        "paid",
        Saying::BoletoPaid {
            boleto: reference(0),
        },
    );
    let standing = database.store.standing(&again).await.expect("an answer");
    let Standing::Of(subjects, (in_flight, _)) = standing else {
        panic!("{standing:?}");
    };
    assert_eq!(subjects, [Subject::Boleto(all[0].enrollment.boleto)]);
    assert_eq!(in_flight, 1);
}

async fn a_stop_that_was_taken_back_does_not_hold_when_it_is_told_again(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(1, START).await;
    let (campaign, channel) = (scene.campaign, Channel::Sms);
    let sms = Some(channel);
    let paid = Saying::BoletoPaid {
        boleto: reference(0),
    };
    let pairs = [
        (paid, reopened(0)),
        (opted_out(0, None), opted_in(0, None)),
        (opted_out(0, sms), opted_in(0, sms)),
        (
            Saying::CampaignPaused { campaign },
            Saying::CampaignResumed { campaign },
        ),
        (
            Saying::ChannelPaused { channel },
            Saying::ChannelResumed { channel },
        ),
        (Saying::TenantPaused, Saying::TenantResumed),
        (Saying::TenantHeld, Saying::TenantReleased),
    ];
    for (n, (stop, back)) in pairs.into_iter().enumerate() {
        let id = format!("stop {n}");
        scene.say(&id, stop.clone()).await;
        let again = scene.fact(&id, stop);
        let standing = async || database.store.standing(&again).await.expect("an answer");
        assert!(matches!(standing().await, Standing::Of(..)), "{id}");
        scene.say(&format!("back {n}"), back).await;
        assert_eq!(standing().await, Standing::Lifted, "{id}");
    }
}

async fn events_of_two_sources_never_meet(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(2, START).await;
    let paid = |source: &str, n| Fact {
        source: source.to_owned(),
        ..scene.fact(
            "1001",
            Saying::BoletoPaid {
                boleto: reference(n),
            },
        )
    };
    let told = database
        .store
        .commit_facts(&[paid("bank", 0), paid("pix", 1)])
        .await;
    let told = told.expect("answers");
    assert!(
        told.iter()
            .all(|answer| matches!(answer, FactAnswer::Applied { .. }))
    );
    assert!(
        scene
            .enrollments()
            .await
            .iter()
            .all(|one| one.state == "stopped")
    );
}

async fn a_payment_in_another_spelling_finds_its_boleto(database: Database) {
    let scene = Scene::set(&database.store).await;
    let mut new = boleto(0, 0);
    new.reference = Reference::parse("Pra\u{e7}a 1")
        .expect("a reference")
        .into();
    scene.import("file", vec![new]).await;
    let paid = Envelope {
        id: "paid".to_owned(),
        source: "bank".to_owned(),
        kind: "boleto.paid".to_owned(),
        tenant: scene.tenant,
        time: START,
        data: serde_json::json!({ "reference": " Prac\u{327}a 1 " }),
    };
    let paid = paid.to_fact(START).expect("a fact");
    let answers = database.store.commit_facts(&[paid]).await.expect("answers");
    assert!(matches!(answers[..], [FactAnswer::Applied { .. }]));
    let status = "SELECT status FROM boletos";
    assert_eq!(database.texts(status).await, ["paid"]);
}

async fn a_campaign_that_is_launched_twice_is_launched_once(database: Database) {
    let scene = Scene::set(&database.store).await;
    let launches = async || {
        let facts = scene.inbox().await;
        let launch = |fact: &&InboxFact| matches!(fact.body, FactBody::CampaignLaunched { .. });
        facts.iter().filter(launch).count()
    };
    assert_eq!(launches().await, 1);
    let campaign = scene.campaign;
    let again = Saying::CampaignLaunched { campaign };
    let told = [
        scene.say("launch", again.clone()).await,
        scene.say("launch again", again).await,
    ];
    let unchanged = FactAnswer::Unchanged {
        subject: Subject::Campaign(campaign),
    };
    assert_eq!(told, [FactAnswer::Duplicate, unchanged]);
    assert_eq!(
        launches().await,
        1,
        "the owner enrolls nobody a second time"
    );
}

async fn a_reopening_from_before_the_payment_comes_too_late(database: Database) {
    let scene = Scene::set(&database.store).await;
    scene.enroll(1, START).await;
    let at = |event_id: &str, saying, occurred_at| Fact {
        occurred_at,
        ..scene.fact(event_id, saying)
    };
    let paid = at(
        "paid",
        Saying::BoletoPaid {
            boleto: reference(0),
        },
        START.plus_ms(10),
    );
    let reopened = |event_id, ms| at(event_id, reopened(0), START.plus_ms(ms));
    let status = "SELECT status FROM boletos";
    database.store.commit_facts(&[paid]).await.expect("answers");
    database
        .store
        .commit_facts(&[reopened("early", 5)])
        .await
        .expect("answers");
    assert_eq!(database.texts(status).await, ["paid"]);
    database
        .store
        .commit_facts(&[reopened("late", 20)])
        .await
        .expect("answers");
    assert_eq!(database.texts(status).await, ["open"]);
}

async fn a_changed_boleto_loses_the_line_of_its_old_amount(database: Database) {
    let scene = Scene::set(&database.store).await;
    let mut new = boleto(0, 0);
    new.digitable_line = Some("0".repeat(47));
    new.pix_code = Some("0002".to_owned());
    let due_on = new.due_on;
    scene.import("file", vec![new]).await;
    let changed = |amount_centavos| Saying::BoletoChanged {
        boleto: reference(0),
        amount_centavos,
        due_on,
    };
    scene.say("changed", changed(777)).await;
    let older = Fact {
        occurred_at: START.plus_ms(-1),
        ..scene.fact("older", changed(555))
    };
    database
        .store
        .commit_facts(&[older])
        .await
        .expect("answers");
    let left = "SELECT amount_centavos FROM boletos \
                WHERE digitable_line IS NULL AND pix_code IS NULL";
    assert_eq!(database.numbers(left).await, [777]);
}

async fn a_reopened_boleto_that_was_never_enrolled_is_a_candidate(database: Database) {
    use actors::machine::input::{Sweep, SweepKind};
    use actors::ports::Journal;
    let scene = Scene::set(&database.store).await;
    scene.import("file", vec![boleto(0, 0)]).await;
    let boleto = scene.boleto_id(0).await;
    let sweep = Sweep {
        seq: 1,
        kind: SweepKind::EnrollBoleto { boleto },
        after: i64::MIN,
    };
    let page = database
        .store
        .sweep_page(scene.tenant, &sweep, 10)
        .await
        .expect("a page");
    assert_eq!(page.candidates.len(), 1);
    scene.pay("paid", 0).await;
    let page = database
        .store
        .sweep_page(scene.tenant, &sweep, 10)
        .await
        .expect("a page");
    assert!(page.candidates.is_empty() && page.last);
}
