//! I1, I2, I3, I14, I25: stops, keys and fences.

use std::collections::{BTreeMap, BTreeSet};

use schedules::id::{AttemptId, ReminderId, TenantId};
use schedules::time::Timestamp;

use super::Found;
use crate::machine::effect::Subject;
use crate::sim::journal::{AttemptRow, Logged};
use crate::sim::world::{HandedOver, World};

pub(super) fn check(world: &World, found: &mut Found) {
    no_claim_after_a_stop(world, found);
    for handed in &world.history.handed_over {
        hand_over_is_covered(world, handed, found);
    }
    what_was_taken_back_stays(world, found);
    each_key_begins_once(world, found);
    each_reminder_reaches_once(world, found);
    commits_are_fenced(world, found);
    accepted_attempts_were_handed_over(world, found);
}

fn attempt(world: &World, tenant: TenantId, attempt: AttemptId) -> Option<&AttemptRow> {
    world.journal.tenants.get(&tenant)?.attempts.get(&attempt)
}

/// I1, in the order of the commits.
fn no_claim_after_a_stop(world: &World, found: &mut Found) {
    let mut stopped: BTreeSet<(TenantId, Subject)> = BTreeSet::new();
    for logged in &world.journal.log {
        match logged {
            Logged::Stop {
                tenant, subject, ..
            } => {
                stopped.insert((*tenant, *subject));
            }
            Logged::Lifted {
                tenant, subject, ..
            } => {
                stopped.remove(&(*tenant, *subject));
            }
            Logged::Claimed {
                at,
                tenant,
                attempt: key,
                again,
            } => {
                if *again {
                    found.add("I3", format!("{key} was claimed again at {at}"));
                }
                let Some(row) = attempt(world, *tenant, *key) else {
                    continue;
                };
                let bars = |subject: &Subject| row.claim.concerns(*subject);
                let of = stopped.iter().filter(|(of, _)| of == tenant);
                if let Some((_, subject)) = of.clone().find(|(_, subject)| bars(subject)) {
                    found.add(
                        "I1",
                        format!("{key} was claimed at {at} after a stop of {subject:?}"),
                    );
                }
            }
            _ => {}
        }
    }
}

/// I2, I3 and I25 for one hand-over.
fn hand_over_is_covered(world: &World, handed: &HandedOver, found: &mut Found) {
    let (key, at) = (handed.attempt, handed.at);
    let Some(row) = attempt(world, handed.tenant, key) else {
        return found.add(
            "I25",
            format!("{key} was handed over at {at} without an attempt"),
        );
    };
    if row.committed_at > at {
        found.add(
            "I3",
            format!("{key} was handed over before its intent was on disk"),
        );
    }
    if handed.residual {
        return;
    }
    // A stop counts it as settled from then on, and answers that nothing is in flight.
    if row.settled_at.is_some_and(|settled_at| settled_at <= at) {
        found.add(
            "I2",
            format!("{key} began at {at}, after its outcome was recorded"),
        );
    }
    for logged in &world.journal.log {
        let Logged::Stop {
            at: stopped_at,
            tenant,
            subject,
            in_flight,
        } = logged
        else {
            continue;
        };
        let after = *stopped_at <= at && row.committed_at <= *stopped_at;
        if *tenant != handed.tenant || !after || !row.claim.concerns(*subject) {
            continue;
        }
        let allowed = in_flight.iter().any(|(of, by)| *of == key && at <= *by);
        if !allowed {
            let what = format!("{key} began at {at} after the stop of {subject:?} at {stopped_at}");
            found.add("I2", what);
        }
    }
}

/// I2: once the owner has heard of a stop and taken back what had not begun, none of it begins.
fn what_was_taken_back_stays(world: &World, found: &mut Found) {
    for (begun, tenant, attempt) in &world.history.taken_back {
        let mut later = world.history.handed_over[*begun..].iter();
        let began =
            later.find(|one| one.tenant == *tenant && one.attempt == *attempt && !one.residual);
        if let Some(began) = began {
            let what = format!("{attempt} began at {}, after it was taken back", began.at);
            found.add("I2", what);
        }
    }
}

/// I3: at most one hand-over begins under a key.
fn each_key_begins_once(world: &World, found: &mut Found) {
    let mut begun: BTreeSet<(TenantId, AttemptId)> = BTreeSet::new();
    for handed in &world.history.handed_over {
        if !begun.insert((handed.tenant, handed.attempt)) {
            found.add("I3", format!("{} was handed over twice", handed.attempt));
        }
    }
}

/// I3, for the one who reads it: no reminder arrives twice.
fn each_reminder_reaches_once(world: &World, found: &mut Found) {
    let mut taken: BTreeMap<(TenantId, ReminderId), Timestamp> = BTreeMap::new();
    for handed in &world.history.handed_over {
        let key = (handed.tenant, handed.attempt.reminder);
        if let Some(before) = taken.get(&key) {
            let what = format!("{} came at {before} and again at {}", key.1, handed.at);
            found.add("I3", what);
        }
        if handed.taken {
            taken.insert(key, handed.at);
        }
    }
}

/// I14 and I15: one life per epoch, epochs grow, and no commit under another one.
fn commits_are_fenced(world: &World, found: &mut Found) {
    let mut holders = BTreeMap::new();
    let mut highest = BTreeMap::new();
    for (shard, epoch, node, life) in &world.history.grants {
        let holder = holders.entry((shard, epoch)).or_insert((node, life));
        if *holder != (node, life) {
            found.add(
                "I14",
                format!("epoch {epoch} of shard {} had two owners", shard.0),
            );
        }
        let high = highest.entry(shard).or_insert(*epoch);
        if *epoch < *high {
            found.add(
                "I14",
                format!("epoch {epoch} of shard {} came back", shard.0),
            );
        }
        *high = *epoch;
    }
    let mut expires: BTreeMap<_, _> = BTreeMap::new();
    for logged in &world.journal.log {
        match logged {
            Logged::Step {
                at,
                shard,
                epoch,
                lease_epoch,
            } if epoch != lease_epoch => {
                let what =
                    format!("a commit under epoch {epoch} at {at}, the lease had {lease_epoch}");
                found.add("I14", format!("shard {}: {what}", shard.0));
            }
            Logged::Granted {
                shard,
                epoch,
                owner,
                ..
            } => {
                let before = expires.insert((*shard, *epoch), owner.clone());
                if before.is_some_and(|before| before != *owner) {
                    found.add(
                        "I15",
                        format!("two owners of shard {} at epoch {epoch}", shard.0),
                    );
                }
            }
            _ => {}
        }
    }
}

/// I25: what was recorded as accepted had been handed over.
fn accepted_attempts_were_handed_over(world: &World, found: &mut Found) {
    let taken: BTreeSet<(TenantId, AttemptId)> = world
        .history
        .handed_over
        .iter()
        .filter(|handed| handed.taken)
        .map(|handed| (handed.tenant, handed.attempt))
        .collect();
    for (tenant, rows) in &world.journal.tenants {
        for (key, row) in &rows.attempts {
            let outcome = row.settled.as_ref().map(|settled| settled.outcome.as_str());
            let was_taken = taken.contains(&(*tenant, *key));
            if outcome == Some("accepted") && !was_taken {
                found.add(
                    "I25",
                    format!("{key} was recorded as accepted, but nobody took it"),
                );
            }
            let says_no = matches!(
                outcome,
                Some("rejected" | "throttled" | "unavailable" | "abandoned")
            );
            if says_no && was_taken {
                found.add("I25", format!("{key} was taken, but is recorded otherwise"));
            }
        }
    }
}
