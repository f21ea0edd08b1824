//! The deterministic simulation: thousands of seeds, the seeds that once failed, and the planted
//! bugs that show that the checker sees.
//!
//! `SIM_SEED=7` plays one seed and prints its trace; `SIM_SEEDS=30000` plays so many;
//! `SIM_FROM=50000` begins elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actors::sim::{Counters, Options, PlantedBug, Report, Sometimes, run, run_twice};

/// The seeds of one run in CI: about a minute on two cores.
const SEEDS: u64 = 2_000;
/// Within so many seeds every planted bug must be found.
const SEEDS_A_BUG: u64 = 2_000;
/// The seeds that failed once, or that are the first to show a bug that was mended.
const PINNED: &str = include_str!("seeds.txt");

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

/// What a set of runs came to.
#[derive(Default)]
struct Summary {
    failed: Vec<Report>,
    counters: Counters,
    seeds: u64,
    events: u64,
    hand_overs: u64,
}

impl Summary {
    fn add(&mut self, report: Report) {
        self.counters.add(&report.counters);
        self.seeds += 1;
        self.events += report.events;
        self.hand_overs += report.hand_overs;
        if !report.violations.is_empty() {
            self.failed.push(report);
        }
    }
}

/// Plays seeds on every core, each of them twice.
fn play(seeds: &[u64]) -> Summary {
    let (next, summary) = (AtomicU64::new(0), Mutex::new(Summary::default()));
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            let report = run_twice(*seed, Options::default());
            summary.lock().expect("no thread panics").add(report);
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    summary.into_inner().expect("no thread panics")
}

fn fail_on_the_first(mut failed: Vec<Report>) {
    failed.sort_by_key(|report| report.seed);
    if let Some(first) = failed.first() {
        panic!("{} seeds failed; the first:\n{first}", failed.len());
    }
}

fn print_figures(summary: &Summary, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    let rate = summary.seeds as f64 / seconds;
    println!(
        "{} seeds, each twice, in {seconds:.1} s ({rate:.0}/s): {} events, {} hand-overs",
        summary.seeds, summary.events, summary.hand_overs
    );
    for what in Sometimes::ALL {
        println!("  {what:?}: {}", summary.counters.of(*what));
    }
}

#[test]
fn every_promise_is_kept_on_every_seed() {
    if let Some(seed) = from_environment("SIM_SEED") {
        let report = run_twice(seed, Options::default());
        println!("{report}");
        return fail_on_the_first(Vec::from_iter(
            Some(report).filter(|report| !report.violations.is_empty()),
        ));
    }
    let began = Instant::now();
    let from = from_environment("SIM_FROM").unwrap_or_default();
    let count = from_environment("SIM_SEEDS").unwrap_or(SEEDS);
    let summary = play(&Vec::from_iter(from..from + count));
    print_figures(&summary, began);
    if count >= SEEDS {
        let never = summary.counters.never();
        assert!(never.is_empty(), "the runs never met {never:?}");
        assert!(summary.hand_overs > 10 * count, "{}", summary.hand_overs);
    }
    fail_on_the_first(summary.failed);
}

#[test]
fn the_seeds_that_once_failed_keep_every_promise() {
    let lines = PINNED
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let seeds: Vec<u64> = lines
        .filter(|word| !word.starts_with('#'))
        .map(|word| word.parse().expect("a seed"))
        .collect();
    assert!(!seeds.is_empty());
    fail_on_the_first(play(&seeds).failed);
}

#[test]
fn every_planted_bug_is_found() {
    let mut survivors = Vec::new();
    for bug in PlantedBug::ALL {
        let options = Options {
            bug: Some(bug),
            ..Options::default()
        };
        let found = (0..SEEDS_A_BUG)
            .map(|seed| run(seed, options))
            .find(|report| !report.violations.is_empty());
        match found {
            Some(report) => {
                let (seeds, first) = (report.seed + 1, &report.violations[0]);
                println!(
                    "{bug:?}: {seeds} seeds, {}: {}",
                    first.invariant, first.what
                );
            }
            None => survivors.push(bug),
        }
    }
    assert!(survivors.is_empty(), "nobody noticed {survivors:?}");
}
