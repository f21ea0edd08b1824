//! The checker: reads a run's history and says which promise it broke.
//!
//! It knows the journal's rows, the log of commits and the provider's own log, and nothing of how
//! the machine thinks.

mod facts;
mod limits;
mod liveness;
mod rows;
mod stops;

use super::Violation;
use super::world::World;

/// The violations that are reported of one run; one is enough to fail.
const REPORTED_MAX: usize = 12;

/// Checks a run.
pub(super) fn check(world: &World) -> Vec<Violation> {
    let mut found = Found::default();
    for (invariant, what) in &world.history.wrong {
        found.add(invariant, what.clone());
    }
    stops::check(world, &mut found);
    limits::check(world, &mut found);
    rows::check(world, &mut found);
    facts::check(world, &mut found);
    if world.draw.mode == super::draw::Mode::Liveness && world.history.wrong.is_empty() {
        liveness::check(world, &mut found);
    }
    found.violations
}

/// What was found so far.
#[derive(Default)]
struct Found {
    violations: Vec<Violation>,
}

impl Found {
    fn add(&mut self, invariant: &'static str, what: String) {
        if self.violations.len() < REPORTED_MAX {
            self.violations.push(Violation { invariant, what });
        }
    }
}
