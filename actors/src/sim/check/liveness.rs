//! I12 and I23: once faults have stopped, everything due comes to its end and nothing lingers.

use schedules::id::TenantId;
use schedules::plan::{PlanInput, next_touch};
use schedules::time::{MINUTE_MS, Timestamp};

use super::Found;
use crate::ports::CampaignState;
use crate::sim::journal::{BoletoStatus, EnrollmentRow, EnrollmentState, TenantRows};
use crate::sim::world::World;

/// How long after the last fault or event anything may still be under way.
const BOUND_MS: i64 = 10 * MINUTE_MS;

pub(super) fn check(world: &World, found: &mut Found) {
    for (index, op) in world.ops.iter().enumerate().filter(|(_, op)| !op.acked) {
        if world.knows_subject(index) && op.at <= world.draw.end.plus_ms(-2 * BOUND_MS) {
            found.add(
                "I10",
                format!("{} was never acknowledged", op.event.event_id),
            );
        }
    }
    for (tenant, rows) in &world.journal.tenants {
        nothing_waits(world, *tenant, rows, found);
        everyone_is_enrolled(*tenant, rows, found);
        for row in rows.enrollments.values() {
            goes_on(world, *tenant, rows, row, found);
        }
    }
}

fn nothing_waits(world: &World, tenant: TenantId, rows: &TenantRows, found: &mut Found) {
    let latest = world.now.plus_ms(-BOUND_MS);
    for row in rows.inbox.values().filter(|row| !row.applied) {
        if row.fact.received_at < latest {
            let name = &row.fact.event_id;
            found.add("I23", format!("tenant {tenant}: {name} was never applied"));
        }
    }
    for (key, row) in rows
        .attempts
        .iter()
        .filter(|(_, row)| row.settled.is_none())
    {
        if row.committed_at < latest {
            found.add(
                "I23",
                format!("{key} has no outcome since {}", row.committed_at),
            );
        }
    }
    for (seq, sweep) in &rows.sweeps {
        let since = rows.inbox.get(seq).map(|row| row.fact.received_at);
        if since.is_some_and(|since| since < latest) {
            found.add(
                "I23",
                format!("tenant {tenant}: sweep {:?} never ended", sweep.kind),
            );
        }
    }
}

/// I12: every open boleto that had the time is enrolled in every campaign.
fn everyone_is_enrolled(tenant: TenantId, rows: &TenantRows, found: &mut Found) {
    if !rows.sweeps.is_empty() || rows.inbox.values().any(|row| !row.applied) {
        return;
    }
    let open = rows
        .boletos
        .values()
        .filter(|row| row.status == BoletoStatus::Open);
    let reachable = open.filter(|row| {
        let contact = rows.contacts.get(&row.contact);
        contact.is_some_and(|contact| !contact.opted_out)
    });
    for boleto in reachable {
        for state in &rows.settings.campaigns {
            let known = rows.enrollments.values().any(|row| {
                let one = row.enrollment;
                (one.boleto, one.campaign) == (boleto.boleto.id, state.campaign.id)
            });
            if !known {
                let (id, campaign) = (boleto.boleto.id, state.campaign.id);
                found.add("I12", format!("tenant {tenant}: {id} is not in {campaign}"));
            }
        }
    }
}

fn goes_on(
    world: &World,
    tenant: TenantId,
    rows: &TenantRows,
    row: &EnrollmentRow,
    found: &mut Found,
) {
    let id = row.enrollment.id;
    let campaigns = &rows.settings.campaigns;
    let state = campaigns
        .iter()
        .find(|it| it.campaign.id == row.enrollment.campaign);
    let Some(state) = state else {
        return;
    };
    let settled = rows.sweeps.is_empty() && rows.inbox.values().all(|row| row.applied);
    match row.state {
        EnrollmentState::Active => {}
        EnrollmentState::Finished => return,
        EnrollmentState::Stopped(reason) => {
            let open = rows.boletos.get(&row.enrollment.boleto);
            let open = open.is_some_and(|boleto| boleto.status == BoletoStatus::Open);
            let contact = rows.contacts.get(&row.enrollment.contact);
            if settled && open && contact.is_some_and(|contact| !contact.opted_out) {
                found.add(
                    "I12",
                    format!("{id} is stopped ({reason:?}), but nothing stops it"),
                );
            }
            return;
        }
    }
    let in_flight = rows.attempts.values().any(|attempt| {
        attempt.settled.is_none() && attempt.claim.attempt.reminder.enrollment == id
    });
    let cursor = row.enrollment.cursor;
    if cursor.touch.is_none() && !in_flight {
        return found.add("I12", format!("{id} is active, but nothing comes"));
    }
    let runs = state.running && rows.settings.tenant.running;
    let late = cursor
        .next_at
        .is_some_and(|at| at < world.now.plus_ms(-BOUND_MS));
    if runs && late && !in_flight {
        let at = cursor.next_at.unwrap_or_default();
        found.add("I12", format!("tenant {tenant}: {id} is due since {at}"));
    }
    if settled && !in_flight {
        stands_where_planned(rows, row, state, found);
    }
}

/// I12: once every edit is followed, a cursor stands at the touch that the planner names.
fn stands_where_planned(
    rows: &TenantRows,
    row: &EnrollmentRow,
    state: &CampaignState,
    found: &mut Found,
) {
    let enrollment = row.enrollment;
    let boleto = rows.boletos.get(&enrollment.boleto);
    let zone = rows
        .contacts
        .get(&enrollment.contact)
        .and_then(|it| it.contact.zones.first());
    let (Some(boleto), Some(zone)) = (boleto, zone) else {
        return;
    };
    let planned = next_touch(&PlanInput {
        cadence: &state.campaign.cadence,
        calendar: &rows.settings.tenant.calendar,
        zone: *zone,
        due_on: boleto.boleto.due_on,
        amount_centavos: boleto.boleto.amount_centavos,
        progress: enrollment.cursor.progress,
    });
    let slot = |touch: Option<schedules::plan::Touch>| {
        touch.map(|it| (it.step_no, it.occurrence, it.slot_at))
    };
    if slot(planned) != slot(enrollment.cursor.touch) {
        let at = |touch: Option<schedules::plan::Touch>| {
            touch.map_or(Timestamp::default(), |touch| touch.slot_at)
        };
        let (id, is, should) = (enrollment.id, at(enrollment.cursor.touch), at(planned));
        found.add(
            "I12",
            format!("{id} waits for {is}, the plan says {should}"),
        );
    }
}
