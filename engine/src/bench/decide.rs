//! `regua bench decide`: what one due reminder costs the pure machine, every gate included.

use std::time::{Duration, Instant};

use actors::machine::input::{Input, Outcome};
use actors::machine::{Machine, change::Change};
use actors::ports::{Committed, Returned, Snapshot};
use schedules::id::TenantId;
use schedules::time::MINUTE_MS;
use serde::Serialize;

use super::synthetic;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct DecideFigure {
    /// How many due reminders were decided.
    pub due_items: usize,
    /// Nanoseconds of `decide` per due reminder: gates, plan of the next step, rendered text.
    pub decide_ns_per_item: f64,
    /// Nanoseconds of `conclude` per due reminder: memory follows the commit.
    pub conclude_ns_per_item: f64,
    /// Nanoseconds of `decide` per outcome.
    pub outcome_ns_per_item: f64,
}

/// Decides `due_items` due reminders of one tenant, every one of its own contact.
pub fn run(due_items: usize) -> DecideFigure {
    let settings = synthetic::settings(TenantId(1));
    let page = synthetic::due_page(&settings, due_items as i64);
    let snapshot = Snapshot {
        settings,
        unsettled: Vec::new(),
        tallies: Vec::new(),
        sweeps: Vec::new(),
    };
    let now = synthetic::due_at();
    let mut machine = Machine::restore(snapshot, None, now.plus_ms(-MINUTE_MS));
    machine.admit(page);
    let mut spent = [Duration::ZERO; 3];
    let mut decided = 0;
    while machine.is_due(now) {
        let claims = step(&mut machine, &[Input::Tick], &mut spent[0..2]);
        decided += claims.len();
        step(&mut machine, &[Input::Returned(claims)], &mut spent[2..3]);
    }
    let per_item = |time: Duration| time.as_nanos() as f64 / decided.max(1) as f64;
    DecideFigure {
        due_items: decided,
        decide_ns_per_item: per_item(spent[0]),
        conclude_ns_per_item: per_item(spent[1]),
        outcome_ns_per_item: per_item(spent[2]),
    }
}

/// Makes one step, adds its times up, and returns the outcomes that its claims will have.
fn step(machine: &mut Machine, inputs: &[Input], spent: &mut [Duration]) -> Vec<Returned> {
    let now = synthetic::due_at();
    let began = Instant::now();
    let decision = machine.decide(inputs, now);
    spent[0] += began.elapsed();
    let accepted = || Outcome::Accepted {
        provider_ref: String::new(),
    };
    let claims = decision.changes.iter().filter_map(|change| match change {
        Change::Claimed(claim) => Some(Returned {
            attempt: claim.attempt,
            at: now,
            outcome: accepted(),
        }),
        _ => None,
    });
    let claims = claims.collect();
    let began = Instant::now();
    machine.conclude(decision, &Committed::default(), now);
    if let Some(conclude) = spent.get_mut(1) {
        *conclude += began.elapsed();
    }
    claims
}
