//! The same random operations through the model of the journal and through the real stores: every
//! answer and everything that can be seen must be the same.
//!
//! `DIFF_SEED=7` plays one seed; `DIFF_SEEDS=1000` plays so many on each engine. A failing seed
//! prints itself, what differs and the operations that came last.
//!
//! Where the model is deliberately simpler (see `docs/simulation.md`), it is made up for here:
//! * Names, merged contacts, keys of imports, parked facts and drafts stand in `reference` and
//!   `doors`, before the model's own doors. A fact that changes no status ([`Unchanged`]) stands
//!   in the model's inbox as applied.
//! * A key used twice and a hold without a credit are noted by the model and refused by a store:
//!   what the model did is taken back.
//! * A stop's cancel records have no versions in the model; what is finished has no next instant;
//!   tallies are compared as far back as the rules look, and claims without outcome for an hour.
//! * The model's look-ahead names tenants with claims in flight, too; the port promises only due
//!   enrollments, facts and sweeps, and that is what is compared.
//! * Facts of one call have no order among themselves, and parked ones keep the place in the inbox
//!   at which they came.
//! * Tenants are metered from their beginning or not at all; leases end by being given back; a
//!   claim or a decision about an enrollment is drawn once in a commit, as a machine makes them.
//!
//! [`Unchanged`]: engine::facts::FactAnswer::Unchanged

mod commits;
mod doors;
mod generator;
mod ids;
mod operation;
mod real;
mod reference;
mod seen;
mod view;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use generator::Generator;
use operation::Operation;
use real::Real;
use reference::Reference;
use tests::database::{Database, Engine, on};

const SEEDS_ON_SQLITE: u64 = 30;
const SEEDS_ON_POSTGRES: u64 = 12;
/// Within so many seeds a store that forgets stops must be noticed.
const SEEDS_TO_NOTICE: u64 = 10;
const OPERATIONS: usize = 220;
/// Everything is looked at after so many operations.
const LOOK_EVERY: usize = 10;
const TAIL: usize = 12;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

fn seeds(of_engine: u64) -> Vec<u64> {
    match from_environment("DIFF_SEED") {
        Some(seed) => vec![seed],
        None => (0..from_environment("DIFF_SEEDS").unwrap_or(of_engine)).collect(),
    }
}

/// What the answers of a set of seeds must show: without it they compare nothing.
const MEETS: [&str; 13] = [
    "refused [Enr",
    "refused []",
    "Fenced",
    "Conflict",
    "Absent",
    "None",
    "duplicate",
    "parked",
    "unchanged",
    "unknown",
    "in flight until Some",
    "ReferenceTaken",
    "false",
];

/// Plays one seed; returns the answers, or what differs.
async fn play(seed: u64, mut real: Real) -> Result<String, String> {
    let (mut generator, mut model) = (Generator::new(seed), Reference::default());
    let mut done: Vec<Operation> = Vec::new();
    let mut answers = String::new();
    for number in 1..=OPERATIONS {
        let operation = generator.next(&model);
        done.push(operation.clone());
        let expected = model.apply(&operation);
        let answered = real.apply(&operation, &model).await;
        if expected != answered {
            let what = format!("answers:\n  model: {expected}\n  store: {answered}");
            return Err(report(seed, &done, &[what]));
        }
        answers += &answered;
        let rests = model.journal.tenants.len() == 3;
        if rests && (number % LOOK_EVERY == 0 || number == OPERATIONS) {
            let look = generator.look(&model);
            let expected = model.see(&look);
            let differences = expected.differences(&real.see(&look, &model).await);
            if !differences.is_empty() {
                return Err(report(seed, &done, &differences));
            }
        }
    }
    let differences = model
        .see_boletos()
        .differences(&real.see_boletos(&model).await);
    match differences.is_empty() {
        true => Ok(answers),
        false => Err(report(seed, &done, &differences)),
    }
}

fn report(seed: u64, done: &[Operation], differences: &[String]) -> String {
    let tail = done
        .iter()
        .enumerate()
        .skip(done.len().saturating_sub(TAIL));
    let tail: String = tail
        .map(|(at, one)| format!("  {}: {one:?}\n", at + 1))
        .collect();
    format!(
        "DIFF_SEED={seed} differs after operation {}:\n{}\nthe last operations:\n{tail}",
        done.len(),
        differences.join("\n")
    )
}

async fn play_on(engine: Engine, seeds: Vec<u64>) {
    let (tell, told) = std::sync::mpsc::channel();
    let played = seeds.len();
    for seed in seeds {
        let tell = tell.clone();
        on(engine, move |database: Database| async move {
            match play(seed, Real::new(database)).await {
                Ok(answers) => tell.send(answers).expect("the test waits"),
                Err(difference) => panic!("{difference}"),
            }
        })
        .await;
    }
    let answers: String = told.try_iter().collect();
    for word in MEETS {
        // One seed alone need not meet everything.
        assert!(played < 5 || answers.contains(word), "{word} was never met");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_does_what_the_model_does() {
    play_on(Engine::Sqlite, seeds(SEEDS_ON_SQLITE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_does_what_the_model_does() {
    play_on(Engine::Postgres, seeds(SEEDS_ON_POSTGRES)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgets_every_twentieth_stop_is_noticed() {
    let (tell, told) = std::sync::mpsc::channel();
    let stops = Arc::new(AtomicU32::new(0));
    for seed in 0..SEEDS_TO_NOTICE {
        let (tell, stops) = (tell.clone(), Arc::clone(&stops));
        on(Engine::Sqlite, move |database: Database| async move {
            let outcome = play(seed, Real::forgetting(database, 20, stops)).await;
            tell.send(outcome).expect("the test waits");
        })
        .await;
        if told.recv().expect("an outcome").is_err() {
            return;
        }
    }
    panic!("forgotten stops were not noticed in {SEEDS_TO_NOTICE} seeds");
}
