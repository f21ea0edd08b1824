//! `kill -9` at any moment, two hundred times during the demo's work: nothing acknowledged is
//! lost, nothing is handed over twice.
//!
//! The binary is killed at moments drawn from a seed, from its first milliseconds on, and started
//! again in the same data folder. Then it goes undisturbed to the end, judges itself, and is judged
//! here over its notebook and its database by other means.

mod history;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde_json::Value;
use tempfile::TempDir;
use tests::binary::{self, Running};
use tests::chance::Chance;

use history::History;

/// Demos that are killed side by side.
const LANES: u64 = 4;
/// How often each demo of a lane is killed: some hardly get away from their first day.
const KILLS_A_DEMO: [u32; 4] = [4, 8, 14, 24];
const KILLS_A_LANE: u32 = 50;
/// So many lives of a demo end in their first moments, while its stage is being set.
const YOUNG: u32 = 3;
/// About how long the notebook of a whole demo is: moments are spread over it.
const NOTEBOOK_BYTES: u64 = 250_000;
/// No observation takes longer, in looks of a millisecond.
const LOOKS_MAX: u64 = 20_000;

#[test]
fn two_hundred_kills_lose_no_acknowledged_stop_and_hand_nothing_over_twice() {
    binary::regua();
    let (kills, at_work) = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || kill_demos(lane)))
            .collect();
        let ended = lanes.into_iter().map(|lane| lane.join().expect("a lane"));
        ended.fold((0, 0), |sum, lane| (sum.0 + lane.0, sum.1 + lane.1))
    });
    assert_eq!(kills, 200);
    assert!(
        at_work >= 100,
        "only {at_work} kills met a demo that had handed anything over"
    );
}

/// Kills one demo after the other, and judges each when it has come to its end. Returns how many
/// kills there were, and how many of them after the first hand-over of their demo.
fn kill_demos(lane: u64) -> (u32, u32) {
    let mut chance = Chance::new(lane);
    let (mut left, mut at_work) = (KILLS_A_LANE, 0);
    for (seed, wanted) in (1_000 * (lane + 1)..).zip(KILLS_A_DEMO.into_iter().cycle()) {
        let demo = Demo::new(seed);
        let mut kills = 0;
        while kills < wanted.min(left) {
            let moment = Moment::drawn(&mut chance, kills, wanted);
            let Some(history) = demo.history_when_killed(moment) else {
                break;
            };
            kills += 1;
            at_work += u32::from(!history.hand_overs.is_empty());
        }
        demo.ends_well(kills);
        left -= kills;
        if left == 0 {
            break;
        }
    }
    (KILLS_A_LANE - left, at_work)
}

/// When a life ends.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many milliseconds after its start.
    After(u64),
    /// When its notebook has grown by so many bytes.
    Grown(u64),
    /// Right after it has acknowledged a stop.
    Acknowledged,
}

impl Moment {
    /// Draws how life number `life` of a demo ends that is to have `lives` short ones.
    fn drawn(chance: &mut Chance, life: u32, lives: u32) -> Self {
        match chance.below(8) {
            _ if life < YOUNG => Self::After(chance.below(400)),
            0 => Self::After(chance.below(150)),
            1 => Self::After(chance.below(600)),
            2 => Self::Grown(1 + chance.below(400)),
            3 => Self::Acknowledged,
            _ => Self::Grown(1 + chance.below(2 * NOTEBOOK_BYTES / u64::from(lives))),
        }
    }
}

struct Demo {
    seed: String,
    folder: TempDir,
}

impl Demo {
    fn new(seed: u64) -> Self {
        Self {
            seed: seed.to_string(),
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self) -> [&str; 6] {
        let folder = self.folder.path().to_str().expect("utf-8");
        ["demo", "--seed", &self.seed, "--data", folder, "--json"]
    }

    /// Starts the demo, kills it and reads its notebook; `None` when its 45 days were over before.
    fn history_when_killed(&self, moment: Moment) -> Option<History> {
        let notebook = self.path("notebook.jsonl");
        let before = length(&notebook);
        let log = self.path("killed.log");
        let mut life = Running::start(&self.arguments(), &log);
        let mut looks = 0;
        binary::observe(LOOKS_MAX, || {
            looks += 1;
            let reached = match moment {
                Moment::After(looks_max) => looks > looks_max,
                Moment::Grown(bytes) => length(&notebook) >= before + bytes,
                Moment::Acknowledged => text_from(&notebook, before).contains("StopAcknowledged"),
            };
            reached || life.has_ended()
        });
        life.0.kill().expect("a child of ours");
        let ended = life.0.wait().expect("a child of ours");
        if ended.signal() != Some(9) {
            let log = std::fs::read_to_string(&log).expect("a log");
            assert!(
                ended.success(),
                "seed {}: {moment:?}: {ended}: {log}",
                self.seed
            );
            return None;
        }
        Some(History::read(&notebook)).filter(|history| history.reached_ms() < ends_at_ms())
    }

    /// Goes on to the end, and is judged.
    fn ends_well(&self, kills: u32) {
        let seed = &self.seed;
        let output = binary::run(&self.arguments());
        let told = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("seed {seed}: no report after {kills} kills: {told}"));
        let findings = report["findings"].as_object().expect("findings");
        assert!(
            !findings.is_empty() && findings.values().all(|count| count == 0),
            "seed {seed}, {kills} kills: {findings:?}"
        );
        assert!(
            output.status.success(),
            "seed {seed}, {kills} kills: {told}"
        );
        assert_eq!(report["tenants"][0]["imported"], 182, "seed {seed}");
        assert_eq!(report["tenants"][1]["imported"], 170, "seed {seed}");

        let history = History::read(&self.path("notebook.jsonl"));
        assert!(history.reached_ms() >= ends_at_ms(), "seed {seed}");
        assert!(
            history.cut_lines <= kills,
            "seed {seed}: {} lines",
            history.cut_lines
        );
        assert!(
            history.stops.len() > 100 && history.hand_overs.len() > 800,
            "seed {seed}"
        );
        let mut faults = history.faults();
        faults.extend(history.faults_beside(&self.path("regua.db")));
        assert!(faults.is_empty(), "seed {seed}, {kills} kills: {faults:#?}");
    }
}

/// The end of the demo's 45 days, from midnight of 9 November 2026 in São Paulo on.
fn ends_at_ms() -> i64 {
    let first = NaiveDate::from_ymd_opt(2026, 11, 9).expect("a date");
    let begins_at = first.and_hms_opt(3, 0, 0).expect("an hour").and_utc();
    begins_at.timestamp_millis() + 45 * 86_400_000
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn text_from(path: &Path, from: u64) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let new = bytes.get(usize::try_from(from).expect("a length")..);
    String::from_utf8_lossy(new.unwrap_or_default()).into_owned()
}
