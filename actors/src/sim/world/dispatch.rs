//! The dispatcher and the providers: from a committed claim to the first byte and its outcome.
//!
//! The connection is open before the last check; check and write are one step, unless the run has
//! the residual fault: then a pause may fall between them.

use std::sync::Arc;

use schedules::id::AttemptId;
use schedules::time::{MINUTE_MS, SECOND_MS};

use super::owner::SLOW_MS;
use super::{At, Event, HandedOver, World};
use crate::machine::effect::{HandOver, Subject};
use crate::machine::input::{Abandoned, Outcome};
use crate::ports::{Fence, Returned};
use crate::sim::counters::Sometimes;
use crate::sim::plant::PlantedBug;

/// A hand-over in the dispatcher.
pub(super) struct Slot {
    message: Arc<HandOver>,
    fence: Fence,
    /// From this monotonic millisecond on it is too late.
    deadline_mono_ms: i64,
    withdrawn: bool,
    pub(super) begun: bool,
    outcome: Option<Outcome>,
}

impl Slot {
    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.message.attempts()
    }
}

/// What a provider does with a message.
struct Reply {
    taken: bool,
    outcome: Outcome,
    after_ms: i64,
}

impl World {
    pub(super) fn enqueue(&mut self, at: At, message: Arc<HandOver>, deadline_mono_ms: i64) {
        let node = &mut self.nodes[at.life.node];
        let Some(owner) = node.owners.get(&at.tenant) else {
            return;
        };
        let attempt = message.attempt;
        let slot = Slot {
            fence: owner.fence,
            message,
            deadline_mono_ms,
            withdrawn: false,
            begun: false,
            outcome: None,
        };
        node.slots.insert((at.tenant, attempt), slot);
        let slow = self.rng.per_mille(self.faults.queue_slow);
        let most_ms = if slow { SLOW_MS } else { 30 };
        let wait_ms = self.rng.range(0, most_ms);
        self.after(wait_ms, Event::Dispatch(at, attempt));
    }

    /// Gives up what has not begun for a subject.
    pub(super) fn withdraw(&mut self, at: At, subject: Subject) {
        let bug = self.bug;
        let node = &mut self.nodes[at.life.node];
        let begun = self.history.handed_over.len();
        let slots = node.slots.iter_mut();
        for ((_, attempt), slot) in slots.filter(|((tenant, _), _)| *tenant == at.tenant) {
            let message = &slot.message;
            if slot.begun || !message.concerns(subject) {
                continue;
            }
            let taken_back = (begun, at.tenant, *attempt);
            self.history.taken_back.push(taken_back);
            self.counters
                .hit_if(!message.companions.is_empty(), Sometimes::MergedWithdrawn);
            let of_lead = subject.covers(message.boleto, message.contact, message.campaign);
            slot.withdrawn |= of_lead || bug != Some(PlantedBug::CompanionNotWithdrawn);
        }
    }

    /// Checks a last time, and writes.
    pub(super) fn dispatch(&mut self, at: At, attempt: AttemptId) {
        let Some(slot) = self.slot(at, attempt) else {
            return;
        };
        if slot.begun {
            return;
        }
        if let Some(why) = self.objection(at, attempt) {
            return self.give_up(at, attempt, why);
        }
        if self.faults.residual && self.rng.per_mille(300) {
            if self.rng.per_mille(400) {
                self.pause(at.life.node);
            }
            return self.after(0, Event::Begin(at, attempt));
        }
        self.begin(at, attempt, false);
    }

    /// Writes after a pause that nobody noticed.
    pub(super) fn begin_late(&mut self, at: At, attempt: AttemptId) {
        let Some(slot) = self.slot(at, attempt) else {
            return;
        };
        if slot.begun {
            return;
        }
        let residual = self.objection(at, attempt).is_some();
        if residual {
            self.hit(Sometimes::Residual);
        }
        self.begin(at, attempt, residual);
    }

    fn slot(&mut self, at: At, attempt: AttemptId) -> Option<&mut Slot> {
        let node = &mut self.nodes[at.life.node];
        node.slots.get_mut(&(at.tenant, attempt))
    }

    /// Returns what speaks against a hand-over now.
    fn objection(&self, at: At, attempt: AttemptId) -> Option<Abandoned> {
        let node = &self.nodes[at.life.node];
        let slot = node.slots.get(&(at.tenant, attempt))?;
        if slot.withdrawn {
            return Some(Abandoned::Stopped);
        }
        if node.mono_ms(self.now) >= slot.deadline_mono_ms {
            return Some(Abandoned::TooLate);
        }
        (!node.trusts(slot.fence, self.now)).then_some(Abandoned::TrustLost)
    }

    fn give_up(&mut self, at: At, attempt: AttemptId, why: Abandoned) {
        self.hit(match why {
            Abandoned::Stopped => Sometimes::Withdrawn,
            Abandoned::TooLate => Sometimes::TooLate,
            // Circuits and drains are the engine's: nothing here objects by them.
            Abandoned::TrustLost | Abandoned::Draining | Abandoned::CircuitOpen => {
                Sometimes::TrustLost
            }
        });
        let outcome = Outcome::Abandoned { why };
        if let Some(slot) = self.slot(at, attempt) {
            slot.outcome = Some(outcome);
        }
        self.returned(at, attempt);
    }

    fn begin(&mut self, at: At, attempt: AttemptId, residual: bool) {
        let reply = self.reply();
        let now = self.now;
        let Some(slot) = self.slot(at, attempt) else {
            return;
        };
        slot.begun = true;
        slot.outcome = Some(reply.outcome);
        let message = Arc::clone(&slot.message);
        let reminder = attempt.reminder;
        let step = i64::from(reminder.step_no) * 100 + i64::from(attempt.try_no);
        let parts = i64::try_from(message.companions.len()).unwrap_or(i64::MAX);
        let step = step + parts * 100_000;
        self.record("BEGIN", [at.tenant.0, reminder.enrollment.0, step]);
        self.count_begin(at, &message);
        let parts = message.parts().map(|(part, boleto)| HandedOver {
            at: now,
            tenant: at.tenant,
            attempt: part,
            lead: Some(attempt).filter(|lead| *lead != part),
            boleto,
            contact: message.contact,
            campaign: message.campaign,
            channel: message.channel,
            taken: reply.taken,
            residual,
        });
        self.history.handed_over.extend(parts);
        self.after(reply.after_ms, Event::Returned(at, attempt));
    }

    /// Draws what the provider does; what it does not answer in time is unknown to the node.
    fn reply(&mut self) -> Reply {
        let timeout_ms = self.draw.gateway_timeout_ms;
        let accepted = Outcome::Accepted {
            provider_ref: String::new(),
        };
        let quick_ms = self.rng.range(5, 400);
        let (taken, outcome, after_ms) = match self.rng.per_mille(self.faults.provider) {
            false => (true, accepted, quick_ms),
            true => match self.rng.range(0, 9) {
                0 => {
                    let code = "refused".to_owned();
                    (false, Outcome::Rejected { code }, quick_ms)
                }
                1 => {
                    let retry_after_ms = Some(self.rng.range(1, 90) * SECOND_MS);
                    (false, Outcome::Throttled { retry_after_ms }, quick_ms)
                }
                2 => {
                    let for_ms = self.rng.range(1, 48 * 60) * MINUTE_MS;
                    let code = "held".to_owned();
                    (false, Outcome::Held { for_ms, code }, quick_ms)
                }
                3..=5 => (false, Outcome::Unavailable, quick_ms),
                6 => (true, Outcome::Unknown, timeout_ms),
                7 => (false, Outcome::Unknown, timeout_ms),
                8 => (true, Outcome::Unknown, quick_ms),
                _ => (true, accepted, self.rng.range(SECOND_MS, timeout_ms)),
            },
        };
        if taken && outcome == Outcome::Unknown {
            self.hit(Sometimes::ResponseLost);
        }
        Reply {
            taken,
            outcome,
            after_ms,
        }
    }

    /// Brings an outcome to the tenant's owner, if it is still here.
    pub(super) fn returned(&mut self, at: At, attempt: AttemptId) {
        let now = self.now;
        let bug = self.bug;
        let Some(slot) = self.slot(at, attempt) else {
            return;
        };
        let Some(outcome) = slot.outcome.take() else {
            return;
        };
        if bug == Some(PlantedBug::UnknownResent) && outcome == Outcome::Unknown {
            slot.begun = false;
            return self.after(100, Event::Dispatch(at, attempt));
        }
        let node = &mut self.nodes[at.life.node];
        let Some(slot) = node.slots.remove(&(at.tenant, attempt)) else {
            return;
        };
        let wall = node.wall(now);
        let Some(owner) = node.owners.get_mut(&at.tenant) else {
            return;
        };
        let message = slot.message;
        let returned = message.attempts().map(|attempt| Returned {
            attempt,
            at: wall,
            outcome: outcome.clone(),
        });
        owner.returned.extend(returned);
        self.advance(at);
    }

    fn count_begin(&mut self, at: At, message: &HandOver) {
        if !message.companions.is_empty() {
            self.hit(Sometimes::Merged);
        }
        if message.attempt.try_no > 0 {
            self.count_retry(at, message);
        }
        let rows = self.journal.tenants.get(&at.tenant);
        let Some(rows) = rows else {
            return;
        };
        let zone = rows
            .contacts
            .get(&message.contact)
            .and_then(|row| row.contact.zones.first());
        let Some(zone) = zone.copied() else {
            return;
        };
        let day_ms = schedules::time::DAY_MS;
        let before = self.now.plus_ms(-day_ms / 2).offset_ms(zone);
        let after = self.now.plus_ms(day_ms / 2).offset_ms(zone);
        match before.cmp(&after) {
            std::cmp::Ordering::Less => self.hit(Sometimes::GapDay),
            std::cmp::Ordering::Greater => self.hit(Sometimes::FoldDay),
            std::cmp::Ordering::Equal => {}
        }
        let racing = self.journal.log.iter().rev().take(40).any(|logged| {
            matches!(logged, crate::sim::journal::Logged::Stop { tenant, subject, in_flight, .. }
                if *tenant == at.tenant
                    && message.concerns(*subject)
                    && in_flight.iter().any(|(attempt, _)| *attempt == message.attempt))
        });
        if racing {
            self.hit(Sometimes::BeganWithinSettledBy);
        }
    }

    fn count_retry(&mut self, at: At, message: &HandOver) {
        let before = self.history.handed_over.iter().rev().find(|one| {
            one.tenant == at.tenant && one.attempt.reminder == message.attempt.reminder
        });
        match before.map(|one| one.channel == message.channel) {
            Some(true) => self.hit(Sometimes::Retried),
            Some(false) => self.hit(Sometimes::NextChannel),
            None => {}
        }
    }
}
