//! What the owner's commits do, and what they refuse.

use actors::machine::change::{Change, Moved, Ruled};
use actors::machine::input::Outcome;
use actors::ports::{Cursor, Fence, Journal, JournalError};
use engine::facts::{BoletoName, FactAnswer, Saying};
use engine::store::Setting;
use schedules::channel::Channel;
use schedules::id::ReminderId;
use schedules::verdict::{Reason, RuleRef, Ruling, Verdict};
use tests::database::Database;
use tests::scene::{
    START, Scene, accepted, attempt, came_back, claim, cursor, edit, loaded, new_tenant, reference,
    settled,
};

use super::store_suite;

store_suite!(
    a_claim_stands_once_and_moves_the_cursor,
    a_key_that_was_used_fails_the_commit,
    a_claim_after_a_stop_is_refused_and_leaves_no_attempt,
    a_claim_of_a_paused_campaign_is_refused_and_its_verdicts_are_not,
    a_claim_is_refused_as_long_as_a_kill_switch_is_on,
    a_commit_under_an_old_epoch_is_fenced_and_the_others_go_through,
    a_second_outcome_changes_nothing,
    a_verdict_is_recorded_with_its_rule,
    credits_are_held_released_and_never_overdrawn,
    an_attempt_that_a_stop_overtook_leaves_its_touch_a_cancel_record,
    a_touch_that_failed_for_good_says_so_whatever_came_first,
    announcements_reach_the_outbox_and_the_audit,
    two_commits_of_one_tenant_at_once_both_stand,
);

async fn a_claim_stands_once_and_moves_the_cursor(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(3, START).await;
    let changes = all.iter().map(|one| claim(one, 0, START)).collect();
    assert_eq!(scene.commit(changes).await.expect("a commit").refused, []);
    for (before, after) in all.iter().zip(scene.enrollments().await) {
        assert_eq!(
            after.enrollment.cursor,
            Cursor {
                next_at: None,
                ..before.enrollment.cursor
            }
        );
        assert_eq!(after.state, "active");
    }
    let snapshot = database.store.load(scene.tenant).await.expect("a snapshot");
    let claims = snapshot
        .unsettled
        .into_iter()
        .map(Change::Claimed)
        .collect::<Vec<_>>();
    assert_eq!(
        claims,
        all.iter()
            .map(|one| loaded(&claim(one, 0, START)))
            .collect::<Vec<_>>()
    );
}

async fn a_key_that_was_used_fails_the_commit(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    scene
        .commit(vec![claim(&all[0], 0, START)])
        .await
        .expect("a commit");
    let again = vec![claim(&all[1], 0, START), claim(&all[0], 0, START)];
    assert_eq!(scene.commit(again).await, Err(JournalError::Conflict));
    assert_eq!(database.numbers("SELECT count(*) FROM attempts").await, [1]);
}

async fn a_claim_after_a_stop_is_refused_and_leaves_no_attempt(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(3, START).await;
    scene.pay("paid", 1).await;
    let committed = scene
        .commit(all.iter().map(|one| claim(one, 0, START)).collect())
        .await;
    let stopped = all[1].enrollment.id;
    assert_eq!(committed.expect("a commit").refused, [stopped]);
    let attempts = database
        .numbers("SELECT enrollment_id FROM attempts ORDER BY 1")
        .await;
    assert_eq!(attempts, [all[0].enrollment.id.0, all[2].enrollment.id.0]);
}

async fn a_claim_of_a_paused_campaign_is_refused_and_its_verdicts_are_not(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    scene
        .say(
            "pause",
            Saying::CampaignPaused {
                campaign: scene.campaign,
            },
        )
        .await;
    let changes = vec![claim(&all[0], 0, START), Change::Ruled(hold(&all[1]))];
    let committed = scene.commit(changes).await.expect("a commit");
    assert_eq!(committed.refused, [all[0].enrollment.id]);
    assert_eq!(database.numbers("SELECT count(*) FROM attempts").await, [0]);
    assert_eq!(
        database.numbers("SELECT count(*) FROM decisions").await,
        [1]
    );
}

async fn a_claim_is_refused_as_long_as_a_kill_switch_is_on(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let one = all[0].enrollment.id;
    let refused = async || {
        let committed = scene.commit(vec![claim(&all[0], 0, START)]).await;
        committed.expect("a commit").refused
    };
    let channel = Channel::Sms;
    let switches = [
        (Saying::TenantPaused, Saying::TenantResumed),
        (Saying::TenantHeld, Saying::TenantReleased),
        (
            Saying::ChannelPaused { channel },
            Saying::ChannelResumed { channel },
        ),
    ];
    let say = async |saying: &Saying| {
        let answer = scene.say(saying.action(), saying.clone()).await;
        assert!(matches!(answer, FactAnswer::Applied { .. }), "{answer:?}");
    };
    for (on, _) in &switches {
        say(on).await;
    }
    for (_, off) in &switches {
        assert_eq!(refused().await, [one], "before {}", off.action());
        say(off).await;
    }
    let channel = Channel::Email;
    let saying = Saying::ChannelPaused { channel };
    scene.say("another channel", saying).await;
    assert_eq!(refused().await, []);
}

async fn a_commit_under_an_old_epoch_is_fenced_and_the_others_go_through(database: Database) {
    let (one, mut old) = (
        Scene::set(&database.store).await,
        Scene::set(&database.store).await,
    );
    let (ones, olds) = (one.enroll(1, START).await, old.enroll(1, START).await);
    old.fence = Fence {
        epoch: old.fence.epoch - 1,
        ..old.fence
    };
    let commits = futures::future::join_all((0..8).map(|n| {
        let (scene, record) = if n % 2 == 0 {
            (&one, &ones[0])
        } else {
            (&old, &olds[0])
        };
        scene.commit(vec![claim(record, n, START)])
    }));
    for (n, result) in commits.await.into_iter().enumerate() {
        assert_eq!(result.is_ok(), n % 2 == 0);
        assert!(n % 2 == 0 || result == Err(JournalError::Fenced));
    }
    let tenants = database
        .numbers("SELECT DISTINCT tenant_id FROM attempts")
        .await;
    assert_eq!(tenants, [one.tenant.0]);
}

async fn a_second_outcome_changes_nothing(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let key = attempt(&all[0], 0);
    scene
        .commit(vec![claim(&all[0], 0, START)])
        .await
        .expect("a commit");
    scene
        .commit(vec![settled(key, accepted())])
        .await
        .expect("a commit");
    scene
        .commit(vec![settled(key, Outcome::Unknown)])
        .await
        .expect("a commit");
    let id = all[0].enrollment.id;
    let why = database
        .store
        .why_enrollment(scene.tenant, id)
        .await
        .expect("why");
    assert_eq!(why.attempts[0].outcome, Some((START, accepted())));
}

fn hold(record: &engine::store::EnrollmentRecord) -> Ruled {
    let touch = record.enrollment.cursor.touch.expect("a touch is next");
    Ruled {
        reminder: ReminderId {
            enrollment: record.enrollment.id,
            step_no: touch.step_no,
            occurrence: touch.occurrence,
        },
        try_no: 0,
        campaign_version: 1,
        rules_version: 4,
        at: START,
        slot_at: touch.slot_at,
        verdict: Verdict {
            ruling: Ruling::Hold {
                until: START.plus_ms(60_000),
            },
            reason: Reason::CapReached,
            rule: Some(RuleRef {
                code: "cap.contact.day".to_owned(),
                version: 2,
            }),
        },
        to: cursor(1, START.plus_ms(60_000)),
    }
}

async fn a_verdict_is_recorded_with_its_rule(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    scene
        .commit(vec![Change::Ruled(hold(&all[0]))])
        .await
        .expect("a commit");
    let id = all[0].enrollment.id;
    let why = database
        .store
        .why_enrollment(scene.tenant, id)
        .await
        .expect("why");
    let decision = &why.decisions[0];
    let until = START.plus_ms(60_000);
    assert_eq!(
        (decision.ruling, decision.reason),
        (Ruling::Hold { until }, Reason::CapReached)
    );
    assert_eq!(decision.rule, Some(("cap.contact.day".to_owned(), 2)));
    assert_eq!(
        why.enrollments[0].enrollment.cursor,
        cursor(1, START.plus_ms(60_000))
    );
}

async fn credits_are_held_released_and_never_overdrawn(database: Database) {
    let mut tenant = new_tenant();
    tenant.credits = Some(2);
    let scene = Scene::set_with(&database.store, &tenant).await;
    let all = scene.enroll(4, START).await;
    let credits = async || {
        let settings = database
            .store
            .settings(scene.tenant)
            .await
            .expect("settings");
        settings
            .tenant
            .credits
            .map(|credits| (credits.balance, credits.held))
    };
    scene.pay("paid", 1).await;
    // The refused claim holds nothing.
    let changes = vec![claim(&all[0], 0, START), claim(&all[1], 0, START)];
    scene.commit(changes).await.expect("a commit");
    assert_eq!(credits().await, Some((2, 1)));
    let overdraft = vec![claim(&all[2], 0, START), claim(&all[3], 0, START)];
    assert_eq!(scene.commit(overdraft).await, Err(JournalError::Conflict));
    assert_eq!(credits().await, Some((2, 1)));
    let outcome = settled(attempt(&all[0], 0), accepted());
    scene
        .commit(vec![outcome.clone(), outcome])
        .await
        .expect("a commit");
    assert_eq!(credits().await, Some((1, 0)));
    scene
        .commit(vec![claim(&all[2], 0, START)])
        .await
        .expect("a commit");
    let refund = settled(attempt(&all[2], 0), Outcome::Unavailable);
    scene.commit(vec![refund]).await.expect("a commit");
    assert_eq!(credits().await, Some((1, 0)));
    let bought = Setting::CreditsBought(10);
    database
        .store
        .put_setting(scene.tenant, edit("bought"), bought)
        .await
        .expect("an edit");
    assert_eq!(credits().await, Some((11, 0)));
}

async fn an_attempt_that_a_stop_overtook_leaves_its_touch_a_cancel_record(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let claims = all.iter().map(|one| claim(one, 0, START)).collect();
    scene.commit(claims).await.expect("a commit");
    let boleto = BoletoName::Id(all[0].enrollment.boleto);
    scene.say("paid", Saying::BoletoPaid { boleto }).await;
    let backs = all.iter().map(|one| came_back(one, None)).collect();
    let committed = scene.commit(backs).await.expect("a commit");
    assert_eq!(committed.refused, [all[0].enrollment.id]);
    let cancelled = "SELECT enrollment_id || ' ' || step_no || ' ' || ruling || ' ' || reason \
                     FROM decisions ORDER BY id";
    let expected = format!("{} 1 cancel stopped.paid", all[0].enrollment.id.0);
    assert_eq!(database.texts(cancelled).await, [expected]);
}

async fn a_touch_that_failed_for_good_says_so_whatever_came_first(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let claims = all.iter().map(|one| claim(one, 0, START)).collect();
    scene.commit(claims).await.expect("a commit");
    let boleto = BoletoName::Id(all[0].enrollment.boleto);
    scene.say("paid", Saying::BoletoPaid { boleto }).await;
    let failed = Some(Reason::ProviderRejected);
    let backs = all.iter().map(|one| came_back(one, failed)).collect();
    scene.commit(backs).await.expect("a commit");
    let records = "SELECT ruling || ' ' || reason FROM decisions";
    assert_eq!(database.texts(records).await, ["skip provider_rejected"; 2]);
    let topics = "SELECT topic FROM outbox";
    assert_eq!(database.texts(topics).await, ["reminder.failed"; 2]);
}

async fn announcements_reach_the_outbox_and_the_audit(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(1, START).await;
    let id = all[0].enrollment.id;
    let changes = vec![Change::Finished { enrollment: id }];
    scene.commit(changes).await.expect("a commit");
    assert_eq!(scene.enrollments().await[0].state, "finished");
    let page = database.store.outbox_page(10).await.expect("a page");
    assert_eq!(
        (page.len(), page[0].topic.as_str()),
        (1, "enrollment.finished")
    );
    assert_eq!(database.store.published(&[page[0].id], START).await, Ok(1));
    assert_eq!(database.store.published(&[page[0].id], START).await, Ok(0));
    assert_eq!(database.store.outbox_page(10).await, Ok(Vec::new()));
    let audited = "SELECT subject FROM audit WHERE action = 'enrollment.finished'";
    assert_eq!(database.texts(audited).await, [id.to_string()]);
}

async fn two_commits_of_one_tenant_at_once_both_stand(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(8, START).await;
    let commits = all
        .iter()
        .map(|one| scene.commit(vec![claim(one, 0, START)]));
    for committed in futures::future::join_all(commits).await {
        assert_eq!(committed.expect("a commit").refused, []);
    }
    let moved = Moved {
        enrollment: all[0].enrollment.id,
        to: cursor(2, START),
    };
    scene
        .commit(vec![Change::Moved(moved)])
        .await
        .expect("a commit");
    assert_eq!(
        scene.enrollments().await[0].enrollment.cursor,
        cursor(2, START)
    );
    assert_eq!(database.numbers("SELECT count(*) FROM attempts").await, [8]);
    let unknown = Saying::BoletoPaid {
        boleto: reference(99),
    };
    assert_eq!(
        scene.say("late", unknown).await,
        engine::facts::FactAnswer::Parked
    );
}
