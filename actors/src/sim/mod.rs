//! Deterministic simulation of the tenant machine among failing things.
//!
//! The same machine, lease logic and restart policy as in production run on virtual time against a
//! journal, doors, providers and nodes in memory, under faults that a seed draws. A checker reads
//! the history afterwards. Everything is one thread and one generator: a seed says it all.
//!
//! See `docs/simulation.md` for what is modelled and what is not.

mod check;
mod counters;
mod draw;
pub mod journal;
mod plant;
mod rng;
mod tenants;
mod trace;
mod workload;
mod world;

#[cfg(test)]
mod tests;

use std::fmt;

pub use counters::{Counters, Sometimes};
pub use draw::Mode;
pub use plant::PlantedBug;

use self::draw::Draw;
use self::rng::Rng;
use self::world::World;

/// What a run is given besides its seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The mode; drawn from the seed when there is none.
    pub mode: Option<Mode>,
    /// A bug that the checker must find.
    pub bug: Option<PlantedBug>,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, as RELIABILITY numbers it, or the part that broke.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was broken; empty when all is well.
    pub violations: Vec<Violation>,
    /// What was met.
    pub counters: Counters,
    /// A hash over everything that happened, in order.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// How many hand-overs began.
    pub hand_overs: u64,
    /// The last lines of the trace.
    pub tail: String,
}

/// Plays one seed and checks it.
pub fn run(seed: u64, options: Options) -> Report {
    let mut rng = Rng::new(seed);
    let draw = Draw::new(&mut rng, options.mode);
    let mut world = World::new(rng, draw, options.bug);
    world.play();
    let violations = check::check(&world);
    Report {
        seed,
        violations,
        counters: world.counters.clone(),
        hash: world.trace.hash(),
        events: world.events,
        hand_overs: world.history.handed_over.len() as u64,
        tail: world.trace.tail(),
    }
}

/// Plays one seed twice; two runs that differ are a violation, too.
pub fn run_twice(seed: u64, options: Options) -> Report {
    let mut first = run(seed, options);
    let second = run(seed, options);
    if (first.hash, first.events) != (second.hash, second.events) {
        first.violations.push(Violation {
            invariant: "determinism",
            what: format!("two runs: {:x} and {:x}", first.hash, second.hash),
        });
    }
    first
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} broke:", self.seed)?;
        for violation in &self.violations {
            writeln!(f, "  {}: {}", violation.invariant, violation.what)?;
        }
        writeln!(f, "the last of {} events:", self.events)?;
        write!(f, "{}", self.tail)?;
        let seed = self.seed;
        writeln!(
            f,
            "replay: SIM_SEED={seed} cargo test -p tests --test it simulation"
        )
    }
}
