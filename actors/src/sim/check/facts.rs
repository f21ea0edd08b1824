//! I10 and I16: what was answered is durable, and what ended stays ended.

use std::collections::{BTreeMap, BTreeSet};

use schedules::id::{BoletoId, ContactId, TenantId};
use schedules::time::Timestamp;

use super::Found;
use crate::machine::input::FactBody;
use crate::sim::journal::{BoletoStatus, Logged};
use crate::sim::world::World;

pub(super) fn check(world: &World, found: &mut Found) {
    acknowledged_events_are_kept(world, found);
    statuses_follow_their_events(world, found);
}

/// I10.
fn acknowledged_events_are_kept(world: &World, found: &mut Found) {
    for op in world.ops.iter().filter(|op| op.acked) {
        let rows = world.journal.tenants.get(&op.tenant);
        let kept = rows.is_some_and(|rows| rows.event_ids.contains_key(&op.event.event_id));
        if !kept {
            found.add(
                "I10",
                format!("{} was acknowledged and is gone", op.event.event_id),
            );
        }
    }
}

/// What the events of a subject say of it, each counted once, in the order of their commits.
#[derive(Clone, Copy)]
struct Said {
    open: bool,
    at: Timestamp,
}

fn statuses_follow_their_events(world: &World, found: &mut Found) {
    let mut boletos: BTreeMap<(TenantId, BoletoId), Said> = BTreeMap::new();
    let mut contacts: BTreeMap<(TenantId, ContactId), Said> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for logged in &world.journal.log {
        let Logged::Fact {
            tenant,
            event_id,
            occurred_at,
            body,
            ..
        } = logged
        else {
            continue;
        };
        if !seen.insert((*tenant, event_id)) {
            found.add("I10", format!("{event_id} was accepted twice"));
        }
        match body {
            FactBody::BoletoPaid { boleto } | FactBody::BoletoCancelled { boleto } => {
                say(&mut boletos, (*tenant, *boleto), false, *occurred_at);
            }
            FactBody::BoletoReopened { boleto } => {
                say(&mut boletos, (*tenant, *boleto), true, *occurred_at);
            }
            FactBody::ContactOptedOut { channel: None, .. } => {
                for contact in body.contacts() {
                    say(&mut contacts, (*tenant, contact), false, *occurred_at);
                }
            }
            FactBody::ContactOptedIn { channel: None, .. } => {
                for contact in body.contacts() {
                    say(&mut contacts, (*tenant, contact), true, *occurred_at);
                }
            }
            _ => {}
        }
    }
    for ((tenant, boleto), said) in boletos {
        let row = world
            .journal
            .tenants
            .get(&tenant)
            .and_then(|rows| rows.boletos.get(&boleto));
        let open = row.map(|row| row.status == BoletoStatus::Open);
        if open.is_some_and(|open| open != said.open) {
            found.add(
                "I16",
                format!("{boleto} is open: {open:?}, its events say {}", said.open),
            );
        }
    }
    for ((tenant, contact), said) in contacts {
        let row = world
            .journal
            .tenants
            .get(&tenant)
            .and_then(|rows| rows.contacts.get(&contact));
        let reachable = row.map(|row| !row.opted_out);
        if reachable.is_some_and(|reachable| reachable != said.open) {
            found.add(
                "I16",
                format!("{contact} is reachable: {reachable:?}, events say otherwise"),
            );
        }
    }
}

/// An end always counts; what takes it back counts unless it is older than the end, or than the
/// latest of the ends since the last taking back.
fn say<K: Ord>(said: &mut BTreeMap<K, Said>, of: K, open: bool, at: Timestamp) {
    let before = said.entry(of).or_insert(Said {
        open: true,
        at: Timestamp::default(),
    });
    match (before.open, open) {
        (true, true) => {}
        (false, true) if at < before.at => {}
        (false, true) => before.open = true,
        (true, false) => (before.open, before.at) = (false, at),
        (false, false) => before.at = before.at.max(at),
    }
}
