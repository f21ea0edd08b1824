//! Clients and the bus: events come at least once, late, twice and out of order.

use schedules::id::{CampaignId, TenantId};
use schedules::time::{MINUTE_MS, SECOND_MS};

use super::{At, Event, World};
use crate::machine::input::FactBody;
use crate::sim::counters::Sometimes;
use crate::sim::journal::{Accepted, Write};
use crate::sim::plant::PlantedBug;

/// Events that would come so shortly before the end are left out: nothing could follow from them.
const LAST_MS: i64 = 15 * MINUTE_MS;

impl World {
    /// How long after its deadline an attempt counts as still under way: clocks differ.
    pub(super) fn settle_margin_ms(&self) -> i64 {
        SECOND_MS + 2 * self.draw.faults.skew_ms
    }

    /// Brings an event to a door, for the first time or again.
    pub(super) fn bring(&mut self, index: usize) {
        if self.now > self.draw.end.plus_ms(-LAST_MS) {
            return;
        }
        if self.bug == Some(PlantedBug::AckBeforeCommit) && !self.ops[index].acked {
            self.ops[index].acked = true;
            if self.refuses() {
                return;
            }
        }
        if self.refuses() {
            return self.bring_later(index);
        }
        let (tenant, event) = (self.ops[index].tenant, self.ops[index].event.clone());
        if !self.knows_subject(index) {
            // Not parked here: its sender comes again once the boletos are there.
            return self.after(MINUTE_MS, Event::Bring(index));
        }
        let margin_ms = self.settle_margin_ms();
        let Ok(accepted) = self.journal.accept(tenant, &event, margin_ms) else {
            return;
        };
        self.record(
            fact_name(&event.body),
            [tenant.0, index as i64, seq_of(accepted)],
        );
        self.count(index, accepted);
        self.hint_owners(index);
        let answer_lost = self.rng.per_mille(self.faults.answer_lost);
        if answer_lost {
            return self.bring_later(index);
        }
        self.ops[index].acked = true;
        if self.rng.per_mille(self.faults.duplicate) {
            let wait_ms = self
                .rng
                .pick(&[1, SECOND_MS, 30 * SECOND_MS, 30 * MINUTE_MS]);
            let wait_ms = self.rng.range(1, wait_ms);
            self.after(wait_ms, Event::Bring(index));
        }
    }

    pub(in crate::sim) fn knows_subject(&self, index: usize) -> bool {
        let op = &self.ops[index];
        if let FactBody::CampaignPaused { campaign }
        | FactBody::CampaignArchived { campaign }
        | FactBody::CampaignEdited { campaign }
        | FactBody::CampaignResumed { campaign } = op.event.body
        {
            return self.is_launched(op.tenant, campaign);
        }
        let (FactBody::BoletoPaid { boleto }
        | FactBody::BoletoCancelled { boleto }
        | FactBody::BoletoReopened { boleto }
        | FactBody::BoletoChanged { boleto, .. }) = op.event.body
        else {
            return true;
        };
        let rows = self.journal.tenants.get(&op.tenant);
        rows.is_some_and(|rows| rows.boletos.contains_key(&boleto))
    }

    fn is_launched(&self, tenant: TenantId, campaign: CampaignId) -> bool {
        let rows = self.journal.tenants.get(&tenant);
        let mut inbox = rows.into_iter().flat_map(|rows| rows.inbox.values());
        inbox.any(|row| row.fact.body == FactBody::CampaignLaunched { campaign })
    }

    fn bring_later(&mut self, index: usize) {
        let wait_ms = self.rng.pick(&[100, 2 * SECOND_MS, 30 * SECOND_MS]);
        let wait_ms = self.rng.range(1, wait_ms);
        self.after(wait_ms, Event::Bring(index));
    }

    fn count(&mut self, index: usize, accepted: Accepted) {
        let op = &self.ops[index];
        match accepted {
            Accepted::Duplicate => return self.hit(Sometimes::DuplicateFact),
            Accepted::Stale(_) => self.counters.hit(Sometimes::StaleReopen),
            Accepted::New(_) => {}
        }
        if let Some(Write::TopUp(more)) = op.event.write {
            *self.history.bought.entry(op.tenant).or_default() += more;
        }
        let (tenant, body) = (op.tenant, op.event.body.clone());
        let in_flight = self.nodes.iter().any(|node| {
            let mut slots = node.slots.keys();
            slots.any(|(of, _)| *of == tenant)
        });
        match body {
            FactBody::CampaignEdited { .. } if in_flight => self.hit(Sometimes::EditedInFlight),
            FactBody::CampaignPaused { .. }
            | FactBody::ChannelPaused { .. }
            | FactBody::TenantPaused
            | FactBody::TenantHeld
                if in_flight =>
            {
                self.hit(Sometimes::PausedInFlight);
            }
            FactBody::ContactOptedOut { channel: None, .. } => self.hit(Sometimes::OptOutStopped),
            FactBody::BoletosImported { .. }
                if self.now > self.draw.start.plus_ms(HALF_HOUR_MS) =>
            {
                self.hit(Sometimes::ImportedLater);
            }
            _ => {}
        }
        if let Some(crate::sim::journal::Logged::Stop { in_flight, .. }) = self.last_stop()
            && !in_flight.is_empty()
        {
            self.hit(Sometimes::StopRacedClaim);
        }
    }

    fn last_stop(&self) -> Option<&crate::sim::journal::Logged> {
        self.journal.log.last()
    }

    /// Tells every node that believes it owns the tenant.
    fn hint_owners(&mut self, index: usize) {
        let tenant = self.ops[index].tenant;
        let shard = self.shard_of(tenant);
        for node in 0..self.nodes.len() {
            let life = self.nodes[node].this_life();
            if !self.nodes[node].up || !self.nodes[node].trust.contains_key(&shard) {
                continue;
            }
            if self.rng.per_mille(self.faults.hint_lost) {
                self.hit(Sometimes::HintLost);
                continue;
            }
            let wait_ms = self.rng.pick(&[1, 20, 500]);
            let wait_ms = self.rng.range(1, wait_ms);
            self.after(wait_ms, Event::Hint(At { life, tenant }));
        }
    }
}

const HALF_HOUR_MS: i64 = 30 * MINUTE_MS;

fn seq_of(accepted: Accepted) -> i64 {
    match accepted {
        Accepted::New(seq) => seq,
        Accepted::Stale(seq) => -seq,
        Accepted::Duplicate => 0,
    }
}

fn fact_name(body: &FactBody) -> &'static str {
    match body {
        FactBody::BoletoPaid { .. } => "door: paid",
        FactBody::BoletoCancelled { .. } => "door: cancelled",
        FactBody::BoletoReopened { .. } => "door: reopened",
        FactBody::BoletoChanged { .. } => "door: changed",
        FactBody::ContactOptedOut { .. } => "door: opted out",
        FactBody::ContactOptedIn { .. } => "door: opted in",
        FactBody::ContactChanged { .. } => "door: contact changed",
        FactBody::ContactReplied { .. } => "door: replied",
        FactBody::ContactPromised { .. } => "door: promised",
        FactBody::BoletosImported { .. } => "door: imported",
        FactBody::CampaignLaunched { .. } => "door: launched",
        FactBody::CampaignEdited { .. } => "door: edited",
        FactBody::CampaignPaused { .. } => "door: paused",
        FactBody::CampaignResumed { .. } => "door: resumed",
        FactBody::CampaignArchived { .. } => "door: archived",
        FactBody::SettingsChanged => "door: settings",
        FactBody::CalendarChanged => "door: calendar",
        FactBody::ChannelPaused { .. } => "door: channel paused",
        FactBody::ChannelResumed { .. } => "door: channel resumed",
        FactBody::TenantPaused => "door: tenant paused",
        FactBody::TenantResumed => "door: tenant resumed",
        FactBody::TenantHeld => "door: tenant held",
        FactBody::TenantReleased => "door: tenant released",
        FactBody::FeedHeard => "door: feed",
    }
}
