//! I8, I11, I16: what is stored adds up.

use std::collections::{BTreeMap, BTreeSet};

use schedules::id::{ReminderId, TenantId};
use schedules::verdict::Ruling;

use super::Found;
use crate::sim::journal::{AttemptRow, EnrollmentRow, EnrollmentState, TenantRows};
use crate::sim::world::World;

pub(super) fn check(world: &World, found: &mut Found) {
    for (tenant, rows) in &world.journal.tenants {
        credits_add_up(world, *tenant, rows, found);
        finals_are_final(rows, found);
        parts_fare_alike(rows, found);
        for row in rows.enrollments.values() {
            done_steps_are_explained(rows, row, found);
        }
    }
}

/// I8: the ledger is what was bought and spent, and the holds are what is in flight.
fn credits_add_up(world: &World, tenant: TenantId, rows: &TenantRows, found: &mut Found) {
    let Some(credits) = rows.settings.tenant.credits else {
        return;
    };
    let bought = world
        .history
        .bought
        .get(&tenant)
        .copied()
        .unwrap_or_default();
    let messages = || {
        let attempts = rows.attempts.values();
        attempts.filter(|row| row.claim.lead.is_none())
    };
    let settled = messages().filter_map(|row| row.settled.as_ref());
    let spent = settled.filter(|settled| settled.outcome.counts()).count() as i64;
    if credits.balance != bought - spent {
        let balance = credits.balance;
        found.add(
            "I8",
            format!("tenant {tenant}: {bought} bought, {spent} spent, {balance} left"),
        );
    }
    let open = messages().filter(|row| row.settled.is_none()).count() as i64;
    if credits.held != open {
        let held = credits.held;
        found.add(
            "I8",
            format!("tenant {tenant}: {held} held for {open} attempts in flight"),
        );
    }
}

/// The boletos of one message are one contact's, of one step, and have one outcome.
fn parts_fare_alike(rows: &TenantRows, found: &mut Found) {
    for (key, row) in &rows.attempts {
        let Some(lead) = row.claim.lead else {
            continue;
        };
        let kind = |row: &AttemptRow| row.settled.as_ref().map(|it| it.outcome.as_str());
        let lead_row = rows.attempts.get(&lead);
        // One that was refused never left, and neither did this; its key may have been used since.
        let Some(other) = lead_row.filter(|other| other.claim.at == row.claim.at) else {
            if kind(row) == Some("accepted") {
                found.add("I25", format!("{key} went out with {lead}, which did not"));
            }
            continue;
        };
        let of = |row: &AttemptRow| {
            let claim = &row.claim;
            let step_no = claim.touch.step_no;
            (
                claim.contact,
                claim.campaign,
                step_no,
                claim.channel,
                claim.deadline_at,
            )
        };
        if of(row) != of(other) || other.claim.lead.is_some() || kind(row) != kind(other) {
            let outcomes = (kind(row), kind(other));
            found.add("I11", format!("{key} is no part of {lead}: {outcomes:?}"));
        }
    }
}

/// I11: a reminder that was given up or skipped is not tried again.
fn finals_are_final(rows: &TenantRows, found: &mut Found) {
    let mut skipped: BTreeMap<ReminderId, u16> = BTreeMap::new();
    for ruled in rows
        .rulings
        .iter()
        .filter(|it| it.verdict.ruling == Ruling::Skip)
    {
        if skipped.insert(ruled.reminder, ruled.try_no).is_some() {
            found.add("I11", format!("{} was skipped twice", ruled.reminder));
        }
    }
    for (key, row) in &rows.attempts {
        let outcome = row.settled.as_ref().map(|settled| &settled.outcome);
        let counts = outcome.is_none_or(|outcome| outcome.counts());
        if counts && skipped.contains_key(&key.reminder) {
            found.add("I11", format!("{} was skipped and sent", key.reminder));
        }
    }
}

/// I11: a step that will not be walked again was sent, skipped, or met a stop on its way.
fn done_steps_are_explained(rows: &TenantRows, row: &EnrollmentRow, found: &mut Found) {
    if row.ever_stopped {
        return;
    }
    let enrollment = row.enrollment;
    let of = |reminder: &ReminderId| reminder.enrollment == enrollment.id;
    let ruled: BTreeSet<u8> = rows
        .rulings
        .iter()
        .filter(|ruled| of(&ruled.reminder) && ruled.verdict.ruling == Ruling::Skip)
        .map(|ruled| ruled.reminder.step_no)
        .collect();
    let sent: BTreeSet<u8> = rows
        .attempts
        .values()
        .filter(|row| of(&row.claim.attempt.reminder))
        .filter(|row| {
            let outcome = row.settled.as_ref().map(|settled| &settled.outcome);
            outcome.is_none_or(|outcome| outcome.counts())
        })
        .map(|row| row.claim.attempt.reminder.step_no)
        .collect();
    for step in enrollment.cursor.progress.done.iter() {
        if !ruled.contains(&step) && !sent.contains(&step) {
            let id = enrollment.id;
            found.add(
                "I11",
                format!("step {step} of {id} is done, but nothing says how"),
            );
        }
    }
    if row.state == EnrollmentState::Finished && enrollment.cursor.touch.is_some() {
        found.add(
            "I11",
            format!("{} is finished with a touch to come", enrollment.id),
        );
    }
}
