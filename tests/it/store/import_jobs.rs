//! Files and requests of boletos as jobs: what became of them, part by part.

use chrono::NaiveDate;
use engine::store::{
    IMPORT_KEY_USED, ImportEnd, ImportName, ImportPart, ImportRecord, ImportState, NewBoleto,
    RefusedLine, StoreError,
};
use schedules::id::ImportId;
use schedules::time::DAY_MS;
use tests::database::Database;
use tests::scene::{START, Scene, boleto};

use super::store_suite;

store_suite!(
    a_part_counts_once_however_often_it_is_given,
    other_boletos_under_a_key_are_a_conflict_and_leave_its_job,
    a_job_goes_on_after_it_broke_off,
    refusals_are_kept_in_the_order_of_lines_and_up_to_a_bound,
    jobs_are_listed_the_newest_first_and_to_their_tenant_alone,
    a_job_leaves_after_its_time_with_what_was_refused_and_its_boletos_stay,
);

const TODAY: NaiveDate = match NaiveDate::from_ymd_opt(2026, 3, 2) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

fn name(key: &str) -> ImportName {
    ImportName {
        source: "test".to_owned(),
        key: key.to_owned(),
    }
}

fn refused(line: u64, error: &'static str) -> RefusedLine {
    RefusedLine {
        line,
        field: Some("phone".into()),
        error: error.into(),
    }
}

/// Returns a part with boletos `range`, on lines two apart, and one refused line after them.
fn part(key: &str, number: u32, range: std::ops::Range<u32>) -> (ImportPart, Vec<NewBoleto>) {
    let lines: Vec<u64> = range.clone().map(|n| u64::from(n) * 2 + 2).collect();
    let last = lines.last().copied().unwrap_or(1);
    let part = ImportPart {
        of: name(key),
        number,
        read_on: TODAY,
        lines,
        refused: vec![refused(last + 1, "phone_area_code")],
        end: None,
        at: START.plus_ms(number.into()),
    };
    (part, range.map(|n| boleto(n, n)).collect())
}

impl Job<'_> {
    async fn give(&self, (part, boletos): (ImportPart, Vec<NewBoleto>)) -> ImportId {
        let store = &self.0.store;
        let given = store.import_part(self.0.tenant, part, boletos).await;
        given.expect("an import").job
    }

    async fn exists(&self, id: ImportId) -> bool {
        match self.0.store.import(self.0.tenant, id).await {
            Ok(_) => true,
            Err(StoreError::Absent { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn record(&self, id: ImportId) -> ImportRecord {
        let record = self.0.store.import(self.0.tenant, id).await;
        record.expect("a job")
    }
}

/// A tenant that imports.
struct Job<'a>(&'a Scene);

/// Returns lines, accepted, unchanged, refused.
fn counts(record: &ImportRecord) -> [u64; 4] {
    let ImportRecord {
        lines,
        accepted,
        unchanged,
        refused,
        ..
    } = record;
    [*lines, *accepted, *unchanged, *refused]
}

async fn a_part_counts_once_however_often_it_is_given(database: Database) {
    let scene = Scene::set(&database.store).await;
    let job = Job(&scene);
    let id = job.give(part("k", 0, 0..3)).await;
    assert_eq!(counts(&job.record(id).await), [4, 3, 0, 1]);
    assert_eq!(job.give(part("k", 0, 0..3)).await, id);
    let record = job.record(id).await;
    assert_eq!(counts(&record), [4, 3, 0, 1]);
    assert_eq!(
        (record.state, record.key.as_str()),
        (ImportState::Running, "k")
    );
    let (mut last, boletos) = part("k", 1, 2..5);
    last.end = Some(ImportEnd::Done);
    for _ in 0..2 {
        job.give((last.clone(), boletos.clone())).await;
        // The first of the part is there already.
        let record = job.record(id).await;
        assert_eq!(counts(&record), [8, 5, 1, 2]);
        assert_eq!(record.state, ImportState::Done);
        // A job that is done stays so while its file is given again.
        job.give(part("k", 0, 0..3)).await;
        assert_eq!(job.record(id).await.state, ImportState::Done);
    }
    let refusals = database
        .numbers("SELECT count(*) FROM import_refusals")
        .await;
    assert_eq!(refusals, [2]);
}

async fn other_boletos_under_a_key_are_a_conflict_and_leave_its_job(database: Database) {
    let scene = Scene::set(&database.store).await;
    let job = Job(&scene);
    let id = job.give(part("k", 0, 0..3)).await;
    let mut others = vec![part("k", 0, 0..4), part("k", 0, 1..4), part("k", 0, 0..3)];
    // Also where only a line differs that was refused, or the end.
    others[2].0.refused[0].error = "phone_length".into();
    let mut shorter = part("k", 0, 0..3);
    shorter.0.end = Some(ImportEnd::Done);
    others.push(shorter);
    for (part, boletos) in others {
        let given = database.store.import_part(scene.tenant, part, boletos);
        let conflict = StoreError::Conflict {
            what: IMPORT_KEY_USED,
        };
        assert_eq!(given.await, Err(conflict));
    }
    assert_eq!(counts(&job.record(id).await), [4, 3, 0, 1]);
    // A key is its caller's: under another's source it is another job.
    let (mut part, boletos) = part("k", 0, 5..7);
    part.of.source = "another".to_owned();
    assert_ne!(job.give((part, boletos)).await, id);
}

async fn a_job_goes_on_after_it_broke_off(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (job, store) = (Job(&scene), &database.store);
    let id = job.give(part("k", 0, 0..3)).await;
    let break_off = async |key: &str| {
        let job = name(key);
        let broken = store.break_off_import(scene.tenant, &job, "RG-IMPORT-001", START);
        broken.await.expect("a note");
    };
    break_off("k").await;
    break_off("nobody's").await;
    let record = job.record(id).await;
    assert_eq!(record.state, ImportState::BrokeOff);
    assert_eq!(record.broke_off.as_deref(), Some("RG-IMPORT-001"));
    let later = |number, range| {
        let (mut part, boletos) = part("k", number, range);
        part.read_on = TODAY.succ_opt().expect("a day");
        (part, boletos)
    };
    job.give(later(0, 0..3)).await;
    let record = job.record(id).await;
    assert_eq!(
        (record.state, record.broke_off),
        (ImportState::Running, None)
    );
    let found = store.import_of(scene.tenant, &name("k")).await;
    assert_eq!(found.expect("a job").map(|job| job.read_on), Some(TODAY));
    let (mut last, boletos) = later(1, 3..4);
    last.end = Some(ImportEnd::BrokeOff("RG-IMPORT-007"));
    job.give((last, boletos)).await;
    let record = job.record(id).await;
    assert_eq!(counts(&record), [6, 4, 0, 2]);
    assert_eq!(record.broke_off.as_deref(), Some("RG-IMPORT-007"));
    // What ended by itself is no longer broken off from outside.
    break_off("k").await;
    let code = job.record(id).await.broke_off;
    assert_eq!(code.as_deref(), Some("RG-IMPORT-007"));
}

async fn refusals_are_kept_in_the_order_of_lines_and_up_to_a_bound(database: Database) {
    let scene = Scene::set(&database.store).await;
    let (job, store) = (Job(&scene), &database.store);
    scene.import("before", vec![boleto(1, 9)]).await;
    let (mut many, mut boletos) = part("k", 0, 0..3);
    boletos[1].amount_centavos += 1;
    many.refused = (0..9_000).map(|n| refused(100 + n, "a")).collect();
    let id = job.give((many.clone(), boletos)).await;
    let page = async |after, limit| {
        let page = store.import_refusals(scene.tenant, id, after, limit).await;
        page.expect("a page")
    };
    let first = page(0, 2).await;
    assert_eq!(first[0].0, 1);
    let by_store = RefusedLine {
        line: 4,
        field: None,
        error: "reference_taken".into(),
    };
    assert_eq!(first[0].1, by_store);
    assert_eq!(first[1], (2, refused(100, "a")));
    many.number = 1;
    many.lines.clear();
    job.give((many, Vec::new())).await;
    assert_eq!(counts(&job.record(id).await), [18_003, 2, 0, 18_001]);
    let kept = database
        .numbers("SELECT count(*) FROM import_refusals")
        .await;
    assert_eq!(kept, [10_000]);
    assert_eq!(page(9_999, 10).await.len(), 1);
    assert_eq!(page(10_000, 10).await, []);
}

async fn jobs_are_listed_the_newest_first_and_to_their_tenant_alone(database: Database) {
    let scene = Scene::set(&database.store).await;
    let stranger = Scene::set(&database.store).await;
    let (job, store) = (Job(&scene), &database.store);
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(job.give(part(key, 0, 0..1)).await);
    }
    let theirs = Job(&stranger).give(part("a", 0, 0..1)).await;
    let list = async |scene: &Scene, before, limit| {
        let page = store.imports(scene.tenant, before, limit).await;
        let page = page.expect("a page").into_iter();
        page.map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&scene, None, 2).await, [ids[2], ids[1]]);
    assert_eq!(list(&scene, Some(ids[1]), 2).await, [ids[0]]);
    assert_eq!(list(&stranger, None, 9).await, [theirs]);
    let absent = StoreError::Absent { what: "import" };
    assert_eq!(store.import(stranger.tenant, ids[0]).await, Err(absent));
    let refusals = store.import_refusals(stranger.tenant, ids[0], 0, 9).await;
    assert_eq!(refusals, Ok(Vec::new()));
}

async fn a_job_leaves_after_its_time_with_what_was_refused_and_its_boletos_stay(
    database: Database,
) {
    const KEEP_MS: i64 = 30 * DAY_MS;
    let scene = Scene::set(&database.store).await;
    let job = Job(&scene);
    let old = job.give(part("old", 0, 0..3)).await;
    let (mut long, boletos) = part("long", 0, 3..4);
    long.refused = (0..4_500).map(|n| refused(n, "phone_kind")).collect();
    let long = job.give((long, boletos)).await;
    let (mut young, boletos) = part("young", 0, 4..6);
    young.at = START.plus_ms(1);
    let young = job.give((young, boletos)).await;
    let forget = |after_ms: i64| scene.store.forget_imports(START.plus_ms(after_ms), KEEP_MS);
    assert_eq!(forget(KEEP_MS - 1).await, Ok(0));
    let counts = "SELECT count(*) FROM import_refusals";
    assert_eq!(database.numbers(counts).await, [4_502]);
    // A report is long: it leaves bit by bit, and its job with the last of it.
    let mut forgotten = Vec::new();
    while job.exists(long).await {
        forgotten.push(forget(KEEP_MS).await.expect("the database answers"));
        assert!(forgotten.len() < 5, "{forgotten:?}");
    }
    assert_eq!(forgotten.iter().sum::<u64>(), 2);
    assert!(forgotten.len() > 1, "{forgotten:?}");
    assert!(!job.exists(old).await && job.exists(young).await);
    assert_eq!(database.numbers(counts).await, [1]);
    assert_eq!(forget(KEEP_MS).await, Ok(0));
    let boletos = "SELECT count(*) FROM boletos";
    assert_eq!(database.numbers(boletos).await, [6]);
    // The same file under the same key is another job, of which everything is there.
    let again = job.give(part("old", 0, 0..3)).await;
    assert_ne!(again, old);
    assert_eq!(counts_of(&job.record(again).await), [0, 3]);
    assert_eq!(database.numbers(boletos).await, [6]);
}

/// Returns accepted and unchanged.
fn counts_of(record: &ImportRecord) -> [u64; 2] {
    [record.accepted, record.unchanged]
}
