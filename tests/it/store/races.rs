//! The race of stop and claim (I1), thousands of times, and a control that shows it can be lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::machine::change::Change;
use engine::facts::{BoletoName, FactAnswer, Saying};
use engine::store::EnrollmentRecord;
use schedules::id::EnrollmentId;
use tests::database::{Database, Engine};
use tests::scene::{START, Scene, boleto, claim, opted_out};

use super::store_suite;

store_suite!(
    no_claim_commits_after_a_stop,
    the_race_notices_claims_that_do_not_heed_the_state,
    no_enrollment_outlives_an_opt_out_or_a_payment,
);

const BOLETOS: u32 = 2_400;
const STOPPERS: u32 = 8;
const CLAIMERS: usize = 2;
/// Those at the end are claimed only when every stop has been answered, however the race went.
const LATECOMERS: usize = 10;

/// When each stop had been answered, and each claim had been asked for and stood.
struct Race {
    stopped: BTreeMap<EnrollmentId, (Instant, u32)>,
    claimed: Vec<(EnrollmentId, Instant)>,
}

impl Race {
    /// Claims that were asked for only after the stop of their boleto had been answered.
    fn after_the_stop(&self) -> usize {
        let late = |(id, asked): &&(EnrollmentId, Instant)| {
            self.stopped
                .get(id)
                .is_some_and(|(answered, _)| asked > answered)
        };
        self.claimed.iter().filter(late).count()
    }

    /// Claims that stood although the stop had counted none in flight: it could not see them.
    fn behind_the_stops_back(&self) -> usize {
        let unseen = |(id, _): &&(EnrollmentId, Instant)| {
            self.stopped
                .get(id)
                .is_some_and(|(_, in_flight)| *in_flight == 0)
        };
        self.claimed.iter().filter(unseen).count()
    }
}

/// Runs stoppers and claimers over the same enrollments; the claimers come in another order.
async fn race(scene: &Scene, all: &[EnrollmentRecord]) -> Race {
    let all: Arc<[EnrollmentRecord]> = all.into();
    let stoppers = (0..STOPPERS).map(|stopper| {
        let (scene, all) = (scene.clone(), Arc::clone(&all));
        tokio::spawn(async move { stop_some(&scene, &all, stopper).await })
    });
    let claimers = (0..CLAIMERS).map(|claimer| {
        let (scene, all) = (scene.clone(), Arc::clone(&all));
        let racing = all.len() - LATECOMERS;
        tokio::spawn(async move { claim_some(&scene, &all[..racing], claimer).await })
    });
    let (stoppers, claimers): (Vec<_>, Vec<_>) = (stoppers.collect(), claimers.collect());
    let mut race = Race {
        stopped: BTreeMap::new(),
        claimed: Vec::new(),
    };
    for stopper in stoppers {
        race.stopped.extend(stopper.await.expect("a stopper"));
    }
    for claimer in claimers {
        race.claimed.extend(claimer.await.expect("a claimer"));
    }
    let latecomers = &all[all.len() - LATECOMERS..];
    race.claimed
        .extend(claim_in_batches(scene, latecomers.chunks(LATECOMERS)).await);
    race
}

async fn stop_some(
    scene: &Scene,
    all: &[EnrollmentRecord],
    stopper: u32,
) -> BTreeMap<EnrollmentId, (Instant, u32)> {
    let mut stopped = BTreeMap::new();
    for one in all.iter().skip(stopper as usize).step_by(STOPPERS as usize) {
        let boleto = BoletoName::Id(one.enrollment.boleto);
        let event = format!("stop {}", one.enrollment.id);
        let answer = scene.say(&event, Saying::BoletoPaid { boleto }).await;
        let FactAnswer::Applied { in_flight, .. } = answer else {
            panic!("{answer:?}")
        };
        stopped.insert(one.enrollment.id, (Instant::now(), in_flight));
    }
    stopped
}

/// Claims in small batches: one claimer walks with the stoppers, the other comes from the end and
/// finds their work done.
async fn claim_some(
    scene: &Scene,
    all: &[EnrollmentRecord],
    claimer: usize,
) -> Vec<(EnrollmentId, Instant)> {
    const BATCH: usize = 5;
    let half = all.len() / CLAIMERS;
    let mine = &all[claimer * half..(claimer + 1) * half];
    let mut batches: Vec<_> = mine.chunks(BATCH).collect();
    if claimer > 0 {
        batches.reverse();
    }
    claim_in_batches(scene, batches).await
}

async fn claim_in_batches<'a>(
    scene: &Scene,
    batches: impl IntoIterator<Item = &'a [EnrollmentRecord]>,
) -> Vec<(EnrollmentId, Instant)> {
    let mut claimed = Vec::new();
    for some in batches {
        // In another order than the stops: whoever locks row by row would meet them head-on.
        let changes: Vec<Change> = some.iter().rev().map(|one| claim(one, 0, START)).collect();
        let asked = Instant::now();
        let refused = scene.commit(changes).await.expect("a commit").refused;
        let ids = some.iter().map(|one| one.enrollment.id);
        claimed.extend(ids.filter(|id| !refused.contains(id)).map(|id| (id, asked)));
    }
    claimed
}

async fn set(database: &Database) -> (Scene, Vec<EnrollmentRecord>) {
    let scene = Scene::set(&database.store).await;
    let all = scene.enroll(BOLETOS, START).await;
    (scene, all)
}

async fn no_claim_commits_after_a_stop(database: Database) {
    let (scene, all) = set(&database).await;
    let race = race(&scene, &all).await;
    assert_eq!(race.stopped.len(), all.len());
    assert_eq!(race.after_the_stop(), 0);
    assert_eq!(race.behind_the_stops_back(), 0);
    // Every claim that the database holds was answered, and none besides.
    let attempts = database
        .numbers("SELECT enrollment_id FROM attempts")
        .await
        .len();
    assert_eq!(attempts, race.claimed.len());
    // Both sides won some: the race took place.
    assert!(
        attempts > 0 && attempts < all.len(),
        "{attempts} of {}",
        all.len()
    );
}

/// The same race on a database that forgets stops: enrollments become active again behind the
/// store's back. What the race above calls zero is found.
async fn the_race_notices_claims_that_do_not_heed_the_state(database: Database) {
    let forget = match database.engine {
        Engine::Sqlite => {
            "CREATE TRIGGER forgetful AFTER UPDATE OF state ON enrollments
             WHEN new.state = 'stopped'
             BEGIN UPDATE enrollments SET state = 'active' WHERE id = new.id; END"
        }
        Engine::Postgres => {
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN NEW.state := OLD.state; RETURN NEW; END';
             CREATE TRIGGER forgetful BEFORE UPDATE OF state ON enrollments
             FOR EACH ROW WHEN (new.state = 'stopped') EXECUTE FUNCTION forget()"
        }
    };
    let (scene, all) = set(&database).await;
    database.tamper(forget).await;
    let race = race(&scene, &all).await;
    assert!(race.after_the_stop() >= LATECOMERS);
    assert!(race.behind_the_stops_back() >= LATECOMERS);
}

/// Enrolling and stopping at once: whichever comes first, nothing active is left of what stopped.
async fn no_enrollment_outlives_an_opt_out_or_a_payment(database: Database) {
    let scene = Scene::set(&database.store).await;
    let count = 600;
    scene
        .import("chunk", (0..count).map(|n| boleto(n, n)).collect())
        .await;
    let mut changes = Vec::new();
    for n in 0..count {
        changes.push(scene.enrolled(scene.boleto_id(n).await, START));
    }
    let stopper = |every: u32| {
        let scene = scene.clone();
        tokio::spawn(async move {
            for n in (every..count).step_by(2) {
                let saying = if every == 0 {
                    opted_out(n, None)
                } else {
                    Saying::BoletoPaid {
                        boleto: tests::scene::reference(n),
                    }
                };
                scene.say(&format!("stop {n}"), saying).await;
            }
        })
    };
    let stoppers = [stopper(0), stopper(1)];
    for some in changes.chunks(10) {
        scene.commit(some.to_vec()).await.expect("a commit");
    }
    for stopper in stoppers {
        let stopped = tokio::time::timeout(Duration::from_secs(120), stopper).await;
        stopped.expect("the stopper ends").expect("a stopper");
    }
    let active = scene
        .enrollments()
        .await
        .into_iter()
        .filter(|one| one.state == "active");
    assert_eq!(active.count(), 0);
}
