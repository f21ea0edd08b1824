//! What is told of reminders: where each stands by its records, and those to come by the planner.

use actors::machine::change::{Change, Enrolled, Ruled};
use actors::machine::input::Outcome;
use actors::ports::Cursor;
use chrono::NaiveTime;
use engine::facts::Saying;
use engine::reads::{
    Reminder, ReminderState, ReminderStory, RemindersOf, Upcoming, UpcomingKey, reminders, upcoming,
};
use engine::store::reads::{Ask, EnrollmentsOf, Page};
use engine::store::{EnrollmentRecord, NewCampaign, StoreError};
use schedules::cadence::{Cadence, Step, When};
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::{ContactId, EnrollmentId, ReminderId};
use schedules::plan::{PlanInput, Progress, next_touch};
use schedules::time::{DAY_MS, Timestamp};
use schedules::verdict::{Reason, Ruling, Verdict};
use tests::database::Database;
use tests::scene::{
    START, Scene, accepted, attempt, boleto, came_back, claim, edit, new_tenant, settled,
};

use super::store_suite;

store_suite!(
    a_reminder_stands_where_its_last_record_leaves_it,
    reminders_are_turned_page_by_page_also_within_an_enrollment,
    a_reminder_is_told_with_its_own_records,
    what_is_to_come_is_what_the_planner_says,
);

async fn listed(scene: &Scene, of: &RemindersOf, limit: u32) -> Vec<Reminder> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let ask = Ask { after, limit };
        let page = reminders(&scene.store, scene.tenant, of, &ask).await;
        let page = page.expect("a page");
        assert!(page.items.len() <= limit as usize);
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

fn ruled(record: &EnrollmentRecord, ruling: Ruling, reason: Reason, to: Cursor) -> Change {
    Change::Ruled(Ruled {
        reminder: attempt(record, 0).reminder,
        try_no: 0,
        campaign_version: 1,
        rules_version: 1,
        at: START,
        slot_at: START,
        verdict: Verdict {
            ruling,
            reason,
            rule: None,
        },
        to,
    })
}

async fn a_reminder_stands_where_its_last_record_leaves_it(database: Database) {
    use ReminderState::{Cancelled, Dispatching, Expired, Failed, Scheduled, Sent, Skipped};
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(11, START).await;
    let later = START.plus_ms(60_000);
    let hold = Ruling::Hold { until: later };
    let on = || tests::scene::cursor(2, later);
    let unavailable = |one: &EnrollmentRecord| settled(attempt(one, 0), Outcome::Unavailable);
    let claimed = [1, 2, 3, 4, 5, 10].map(|n| claim(&all[n], 0, START));
    scene.commit(claimed.into()).await.expect("a commit");
    let changes = vec![
        settled(attempt(&all[2], 0), accepted()),
        settled(attempt(&all[3], 0), Outcome::Unknown),
        unavailable(&all[4]),
        came_back(&all[4], None),
        unavailable(&all[5]),
        came_back(&all[5], Some(Reason::RetriesExhausted)),
        ruled(&all[6], hold, Reason::Cooldown, held(&all[6], later)),
        ruled(&all[7], Ruling::Skip, Reason::Expired, on()),
        ruled(&all[8], Ruling::Skip, Reason::NoContactPoint, on()),
    ];
    scene.commit(changes).await.expect("a commit");
    scene.pay("paid", 9).await;
    scene.pay("paid in flight", 10).await;
    let expected = [
        (0, Scheduled),
        (1, Dispatching),
        (2, Sent),
        (3, Sent),
        (4, Scheduled),
        (5, Failed),
        (6, Scheduled),
        (7, Expired),
        (8, Skipped),
        (9, Cancelled),
        (10, Dispatching),
    ];
    let told = listed(&scene, &RemindersOf::default(), 100).await;
    let state = |id: ReminderId| told.iter().find(|it| it.id == id).map(|it| it.state);
    for (n, expected) in expected {
        let id = attempt(&all[n], 0).reminder;
        assert_eq!(state(id), Some(expected), "{n}");
        let of = RemindersOf {
            state: Some(expected),
            ..RemindersOf::default()
        };
        let same = listed(&scene, &of, 2).await;
        assert!(same.iter().any(|it| it.id == id), "{n}");
        assert!(same.iter().all(|it| it.state == expected), "{n}");
    }
    // What was passed over leaves the next one to come.
    let next = ReminderId {
        step_no: 2,
        ..attempt(&all[7], 0).reminder
    };
    assert_eq!(state(next), Some(Scheduled));
}

/// Returns the cursor of an enrollment whose touch is held.
fn held(record: &EnrollmentRecord, until: Timestamp) -> Cursor {
    Cursor {
        next_at: Some(until),
        ..record.enrollment.cursor
    }
}

async fn reminders_are_turned_page_by_page_also_within_an_enrollment(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(60, START).await;
    let later = START.plus_ms(60_000);
    let skip = |one: &EnrollmentRecord| {
        let to = tests::scene::cursor(2, later);
        ruled(one, Ruling::Skip, Reason::PassedAtPlanning, to)
    };
    let changes = all.iter().map(skip).collect();
    scene.commit(changes).await.expect("a commit");
    let whole = listed(&scene, &RemindersOf::default(), 200).await;
    assert_eq!(whole.len(), 120);
    assert!(whole.is_sorted_by(|a, b| a.id < b.id));
    // Three a page: it ends within an enrollment every other time.
    assert_eq!(listed(&scene, &RemindersOf::default(), 3).await, whole);
    let one = all[7].enrollment;
    let of = RemindersOf {
        enrollments: EnrollmentsOf {
            boleto: Some(one.boleto),
            ..EnrollmentsOf::default()
        },
        state: None,
    };
    let its: Vec<_> = whole.iter().filter(|it| it.boleto == one.boleto).collect();
    assert_eq!(listed(&scene, &of, 1).await.iter().collect::<Vec<_>>(), its);
    assert!(its.iter().all(|it| it.reference == "NF-7"));
}

async fn a_reminder_is_told_with_its_own_records(database: Database) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(2, START).await;
    let first = attempt(&all[0], 0);
    let claimed = vec![claim(&all[0], 0, START), claim(&all[1], 0, START)];
    scene.commit(claimed).await.expect("a commit");
    let outcome = vec![settled(first, accepted())];
    scene.commit(outcome).await.expect("a commit");
    let find = async |id| ReminderStory::find(&scene.store, scene.tenant, id).await;
    let found = find(first.reminder).await.expect("a reminder");
    assert_eq!(found.reminder.state, ReminderState::Sent);
    assert_eq!(found.reminder.reference, "NF-0");
    let of: Vec<_> = found.why.attempts.iter().map(|it| it.attempt).collect();
    assert_eq!(of, [first]);
    let told = found.told(chrono_tz::America::Sao_Paulo);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[2].ends_with("aceita pelo provedor."), "{told:?}");
    let never = ReminderId {
        step_no: 9,
        ..first.reminder
    };
    let nobodys = ReminderId {
        enrollment: EnrollmentId(0),
        ..first.reminder
    };
    for id in [never, nobodys] {
        let absent = find(id).await.err();
        assert!(matches!(absent, Some(StoreError::Absent { .. })));
    }
    let other = scene.store.create_tenant(&new_tenant(), START).await;
    let other = other.expect("a tenant");
    let elsewhere = ReminderStory::find(&scene.store, other, first.reminder).await;
    assert!(matches!(elsewhere, Err(StoreError::Absent { .. })));
}

/// Two steps that fall once and one that comes back every day at nine.
fn daily() -> NewCampaign {
    let nine = NaiveTime::from_hms_opt(9, 0, 0).expect("a time of day");
    let once = |no, days| Step::on_calendar_day(no, days, nine, &[Channel::Sms], "lembrete");
    let again = Step {
        when: When::Recurrence {
            cron: "0 9 * * *".parse().expect("a recurrence"),
            from_days: 2,
            occurrences_max: 5,
        },
        ..once(3, 0)
    };
    NewCampaign {
        name: "Diária".to_owned(),
        cadence: Cadence::of(vec![once(1, -3), once(2, 1), again], 20),
    }
}

/// Enrolls boletos `0..count` as the planner does.
async fn planned(
    scene: &Scene,
    cadence: &Cadence,
    count: u32,
) -> Vec<(EnrollmentRecord, Vec<i64>)> {
    let calendar = Calendar::brazil();
    let input = |progress| PlanInput {
        cadence,
        calendar: &calendar,
        zone: chrono_tz::America::Sao_Paulo,
        due_on: boleto(0, 0).due_on,
        amount_centavos: boleto(0, 0).amount_centavos,
        progress,
    };
    scene
        .import("chunk", (0..count).map(|n| boleto(n, n)).collect())
        .await;
    let progress = Progress::beginning_at(START);
    let touch = next_touch(&input(progress)).expect("something is to come");
    let mut changes = Vec::new();
    for n in 0..count {
        changes.push(Change::Enrolled(Enrolled {
            campaign: scene.campaign,
            boleto: scene.boleto_id(n).await,
            contact: ContactId(0),
            cursor: Cursor {
                progress,
                touch: Some(touch),
                next_at: Some(touch.slot_at.plus_ms(i64::from(n))),
                ..Cursor::default()
            },
            passed: Vec::new(),
        }));
    }
    scene.commit(changes).await.expect("a commit");
    let touches = schedules::plan::upcoming(&input(progress), 100);
    let slots: Vec<i64> = touches.iter().map(|it| it.slot_at.unix_ms()).collect();
    let all = scene.enrollments().await.into_iter();
    all.map(|one| (one, slots.clone())).collect()
}

async fn coming(scene: &Scene, until: Timestamp, limit: u32) -> Vec<Upcoming> {
    let (mut seen, mut after) = (Vec::new(), None::<UpcomingKey>);
    loop {
        let ask = Ask { after, limit };
        let page = upcoming(&scene.store, scene.tenant, until, &ask).await;
        let Page { items, next } = page.expect("a page");
        assert!(items.len() <= limit as usize);
        seen.extend(items);
        after = next;
        if after.is_none() {
            return seen;
        }
    }
}

async fn what_is_to_come_is_what_the_planner_says(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (store, tenant, content) = (&database.store, scene.tenant, daily());
    let campaign = store.create_campaign(tenant, edit("daily"), content.clone());
    let campaign = campaign.await.expect("a campaign");
    scene.say("go", Saying::CampaignLaunched { campaign }).await;
    let scene = Scene { campaign, ..scene };
    let all = planned(&scene, &content.cadence, 60).await;
    let until = START.plus_ms(31 * DAY_MS);
    let whole = coming(&scene, until, 200).await;
    assert_eq!(all[0].1.len(), 7, "two steps and five occurrences");
    assert_eq!(whole.len(), 60 * 7);
    for (n, (one, slots)) in all.iter().enumerate() {
        let id = one.enrollment.id;
        let its: Vec<_> = whole
            .iter()
            .filter(|it| it.reminder.enrollment == id)
            .collect();
        let shown: Vec<i64> = its.iter().map(|it| it.slot_at.unix_ms()).collect();
        assert_eq!(shown, *slots);
        // The next one is looked at when its row says so.
        let held_ms = its[0].at.since(its[0].slot_at);
        assert_eq!(held_ms, i64::try_from(n).expect("a number"));
        assert!(its[1..].iter().all(|it| it.at == it.slot_at));
    }
    // However long its pages are: they end within enrollments, too.
    for limit in [1, 5] {
        assert_eq!(coming(&scene, until, limit).await, whole, "{limit}");
    }
    let two = Timestamp::from_unix_ms(all[0].1[1]);
    assert_eq!(coming(&scene, two, 200).await.len(), 120);
    let first = Timestamp::from_unix_ms(all[0].1[0]);
    assert_eq!(coming(&scene, first.plus_ms(-1), 200).await, []);
    scene.pay("paid", 0).await;
    assert_eq!(coming(&scene, until, 200).await.len(), 59 * 7);
    scene.say("all", Saying::TenantHeld).await;
    assert_eq!(coming(&scene, until, 200).await, []);
    scene.say("on", Saying::TenantReleased).await;
    assert_eq!(coming(&scene, until, 200).await.len(), 59 * 7);
    scene.say("hold", Saying::CampaignPaused { campaign }).await;
    assert_eq!(coming(&scene, until, 200).await, []);
}
