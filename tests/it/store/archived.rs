//! The end of a campaign, of any number of enrollments.

use std::collections::BTreeMap;

use actors::machine::change::Change;
use actors::machine::input::{Sweep, SweepKind};
use actors::ports::Journal;
use engine::facts::{FactAnswer, Saying};
use schedules::stop::StopReason;
use tests::database::Database;
use tests::scene::{START, Scene};

use super::store_suite;

store_suite!(an_archived_campaign_is_closed_page_by_page);

async fn an_archived_campaign_is_closed_page_by_page(database: Database) {
    let scene = Scene::set(&database.store).await;
    let other = scene.campaign;
    scene.enroll(3, START).await;
    let scene = scene.with_another_campaign().await;
    let enrolled = [0, 1, 2].map(async |n| scene.enrolled(scene.boleto_id(n).await, START));
    let enrolled = futures::future::join_all(enrolled).await;
    scene.commit(enrolled).await.expect("a commit");
    let mut facts = BTreeMap::new();
    for campaign in [other, scene.campaign] {
        let archived = Saying::CampaignArchived { campaign };
        let told = scene.say(&format!("end of {campaign}"), archived).await;
        let FactAnswer::Applied { seq, .. } = told else {
            panic!("a stop")
        };
        facts.insert(campaign, seq);
    }
    let request = super::pages::request(START, 10);
    let due = database.store.due_page(scene.tenant, request).await;
    assert_eq!(due.expect("a page").rows, []);
    for (campaign, seq) in &facts {
        let mut sweep = Sweep {
            seq: *seq,
            kind: SweepKind::StopCampaign {
                campaign: *campaign,
            },
            after: i64::MIN,
        };
        let mut pages = Vec::new();
        loop {
            let page = database.store.sweep_page(scene.tenant, &sweep, 2).await;
            let page = page.expect("a page");
            let ended = page.standing.iter().map(|one| Change::Stopped {
                enrollment: one.enrollment.id,
                seq: *seq,
            });
            scene.commit(ended.collect()).await.expect("a commit");
            pages.push(page.standing.len());
            sweep.after = page.read_to;
            if page.last {
                break;
            }
        }
        assert_eq!(pages, [2, 1]);
    }
    for one in scene.enrollments().await {
        let seq = facts[&one.enrollment.campaign];
        assert_eq!(
            (one.stopped, one.stopped_by),
            (Some(StopReason::CampaignArchived), Some(seq))
        );
    }
    let cancelled = "SELECT count(*) FROM decisions WHERE reason = 'stopped.campaign_archived'";
    assert_eq!(database.numbers(cancelled).await, [6]);
}
