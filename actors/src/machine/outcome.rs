//! Outcomes of hand-overs: what is final, what is tried again, and on which channel.

use schedules::id::AttemptId;
use schedules::retry::RetryPolicy;
use schedules::time::{MINUTE_MS, SECOND_MS, Timestamp};
use schedules::verdict::Reason;

use super::change::{CameBack, Change, Claim, Settled};
use super::draft::Draft;
use super::input::{Abandoned, Outcome};
use super::walk::PlanSubject;
use crate::ports::{Cursor, Returned};

/// The shortest pause before a hand-over that did not begin is tried again, jitter aside,
/// whatever the tenant's policy says.
const PAUSE_MIN_MS: i64 = SECOND_MS;
/// The longest pause before it, where the engine itself was what it waited for.
const PAUSE_MAX_MS: i64 = MINUTE_MS;
/// The longest pause before it, where its provider is left alone: that may last for hours, and each
/// look is a row.
const CIRCUIT_PAUSE_MAX_MS: i64 = 15 * MINUTE_MS;

impl<'m> Draft<'m> {
    /// Follows one outcome; one that is known already changes nothing.
    pub(super) fn returned(&mut self, returned: &Returned) {
        let Some(claim) = self.machine.in_flight.get(returned.attempt) else {
            return;
        };
        self.settle(claim, returned.outcome.clone());
    }

    /// Closes claims that nobody is working on: whether they were handed over is unknown, and they
    /// are never handed over again by themselves.
    pub(super) fn orphaned(&mut self, attempts: &[AttemptId]) {
        for attempt in attempts {
            if let Some(claim) = self.machine.in_flight.get(*attempt) {
                self.settle(claim, Outcome::Unknown);
            }
        }
    }

    /// Settles one claim. The parts of a merged message have the same outcome, each by its own key:
    /// what follows is drawn, tried alone and set aside for each by itself.
    fn settle(&mut self, claim: &'m Claim, outcome: Outcome) {
        if !self.settled.insert(claim.attempt) {
            return;
        }
        self.follow(claim, &outcome);
        let settled = Settled {
            attempt: claim.attempt,
            at: self.now,
            outcome,
            companion: claim.lead.is_some(),
        };
        self.change(Change::Settled(settled));
    }

    fn follow(&mut self, claim: &'m Claim, outcome: &Outcome) {
        match outcome {
            Outcome::Accepted { .. } | Outcome::Unknown => {
                self.finish_if_done(claim.attempt.reminder.enrollment, claim.to);
            }
            // A stopped enrollment refuses the move; one whose stop is over is looked at again.
            Outcome::Abandoned {
                why: Abandoned::Stopped,
            } => self.go_back(claim, claim.from, self.now),
            Outcome::Abandoned {
                why: Abandoned::CircuitOpen,
            } => self.wait_for_provider(claim),
            Outcome::Abandoned { .. } => self.put_off(claim),
            Outcome::Throttled {
                retry_after_ms: Some(asked_ms),
            } if self.machine.walks.tenant().retry.is_beyond(*asked_ms) => {
                self.wait_out(claim, *asked_ms);
            }
            Outcome::Throttled { retry_after_ms } => self.retry(claim, *retry_after_ms),
            Outcome::Held { for_ms, .. } => self.wait_out(claim, *for_ms),
            Outcome::Unavailable => self.retry(claim, None),
            Outcome::Rejected { .. } => self.next_channel(claim, Reason::ProviderRejected),
        }
    }

    /// Looks at the touch again after a pause that grows with its tries: what a slow provider, or a
    /// node that is leaving, could not begin in time, it could not begin any sooner at once.
    fn put_off(&mut self, claim: &'m Claim) {
        // At its expiry the gates pass it over.
        let expires_at = claim.touch.expires_at;
        let at = self.after_a_pause(claim, PAUSE_MAX_MS);
        let at = at.map_or(expires_at, |at| at.min(expires_at));
        self.go_back(claim, claim.from, at);
    }

    /// Waits for a provider that is left alone, as long as the touch can wait; then it is the next
    /// channel's turn.
    fn wait_for_provider(&mut self, claim: &'m Claim) {
        match self.after_a_pause(claim, CIRCUIT_PAUSE_MAX_MS) {
            Some(at) if at < claim.touch.expires_at => self.go_back(claim, claim.from, at),
            _ => self.next_channel(claim, Reason::RetriesExhausted),
        }
    }

    fn after_a_pause(&self, claim: &Claim, longest_ms: i64) -> Option<Timestamp> {
        let policy = &self.machine.walks.tenant().retry;
        let patient = RetryPolicy {
            first_ms: policy.first_ms.max(PAUSE_MIN_MS),
            // Tries of other touches count as well: the pause must not outgrow this one's day.
            longest_ms: policy.longest_ms.clamp(PAUSE_MIN_MS, longest_ms),
            tries_max: u16::MAX,
        };
        let seed = jitter_seed(claim);
        patient.next_at(self.now, claim.attempt.try_no, seed, None)
    }

    /// Looks at the touch again once its provider would take it; that is no try of the channel,
    /// since nothing failed. One that would expire meanwhile goes to the next channel at once, and
    /// is too late where there is none: nobody refused it.
    fn wait_out(&mut self, claim: &'m Claim, for_ms: i64) {
        let at = self.now.plus_ms(for_ms.max(PAUSE_MIN_MS));
        match at < claim.touch.expires_at {
            true => self.go_back(claim, claim.from, at),
            false => self.next_channel(claim, Reason::Expired),
        }
    }

    fn retry(&mut self, claim: &'m Claim, retry_after_ms: Option<i64>) {
        let failed_try = claim.from.channel_tries;
        let policy = &self.machine.walks.tenant().retry;
        let seed = jitter_seed(claim);
        match policy.next_at(self.now, failed_try, seed, retry_after_ms) {
            Some(at) if at < claim.touch.expires_at => {
                self.go_back(
                    claim,
                    Cursor {
                        channel_tries: failed_try.saturating_add(1),
                        ..claim.from
                    },
                    at,
                );
            }
            _ => self.next_channel(claim, Reason::RetriesExhausted),
        }
    }

    fn next_channel(&mut self, claim: &'m Claim, reason: Reason) {
        let walk = self.machine.walks.walk(claim.campaign);
        let step = walk.and_then(|walk| walk.step(claim.touch.step_no));
        // Whoever the contact is, the channels are the same.
        let channels = step.map(|step| step.channels(true)).unwrap_or_default();
        let place = channels
            .iter()
            .position(|(channel, _)| *channel == claim.channel);
        let next = place.map(|place| place + 1);
        match next.filter(|next| *next < channels.len()) {
            Some(next) => {
                let channel_from = u8::try_from(next).unwrap_or(u8::MAX);
                let from = Cursor {
                    channel_from,
                    channel_tries: 0,
                    ..claim.from
                };
                self.go_back(claim, from, self.now);
            }
            None => self.fail(claim, reason),
        }
    }

    /// Looks at the touch again, under a new attempt key, as long as there is one; one that was
    /// brought forward, at its slot at the earliest.
    fn go_back(&mut self, claim: &'m Claim, from: Cursor, at: Timestamp) {
        let Some(try_no) = claim.attempt.try_no.checked_add(1) else {
            return self.fail(claim, Reason::RetriesExhausted);
        };
        let to = Cursor {
            try_no,
            next_at: Some(at.max(claim.touch.slot_at)),
            ..from
        };
        self.came_back(claim, None, to);
    }

    /// Ends the touch: it reached nobody, and no channel is left.
    fn fail(&mut self, claim: &'m Claim, reason: Reason) {
        let try_no = claim.attempt.try_no.saturating_add(1);
        let to = match self.cursor_unsent(claim) {
            Some(to) => to,
            // What would come next is not in memory: it is read, and given up there.
            None if try_no > claim.attempt.try_no => {
                return self.came_back(claim, None, nowhere_left(claim, try_no, self.now));
            }
            None => claim.to,
        };
        let to = Cursor { try_no, ..to };
        self.came_back(claim, Some(reason), to);
        self.finish_if_done(claim.attempt.reminder.enrollment, to);
    }

    fn came_back(&mut self, claim: &'m Claim, failed: Option<Reason>, to: Cursor) {
        self.change(Change::CameBack(CameBack {
            reminder: claim.attempt.reminder,
            try_no: claim.attempt.try_no.saturating_add(1),
            campaign_version: claim.campaign_version,
            rules_version: self.machine.walks.tenant().rules.version,
            at: self.now,
            slot_at: claim.touch.slot_at,
            failed,
            to,
        }));
    }

    /// Returns the cursor after the touch if it had not been sent: it does not count against the
    /// campaign's maximum, so a step that the maximum had cut off may come after all. Nothing is
    /// returned when the enrollment is not in memory.
    fn cursor_unsent(&self, claim: &Claim) -> Option<Cursor> {
        let machine = self.machine;
        let walk = machine.walks.walk(claim.campaign)?;
        let entry = machine.memory.entry(claim.attempt.reminder.enrollment)?;
        let contact = machine.memory.contact(claim.contact)?;
        let subject = PlanSubject {
            due_on: entry.boleto.due_on,
            amount_centavos: entry.boleto.amount_centavos,
            zone: super::due::zone_of(contact),
        };
        let (calendar, from) = (&machine.walks.tenant().calendar, claim.from.progress);
        Some(walk.cursor_after(calendar, subject, from, &claim.touch, false))
    }

    pub(super) fn finish_if_done(
        &mut self,
        enrollment: schedules::id::EnrollmentId,
        cursor: Cursor,
    ) {
        if cursor.touch.is_none() {
            self.change(Change::Finished { enrollment });
        }
    }
}

/// Returns what sets the pause of a claim apart from those of others; the parts of one message come
/// back together.
fn jitter_seed(claim: &Claim) -> u64 {
    let attempt = claim.lead.unwrap_or(claim.attempt);
    attempt.reminder.enrollment.0.unsigned_abs()
}

/// Returns the claimed touch again, with no channel left to try.
fn nowhere_left(claim: &Claim, try_no: u16, now: Timestamp) -> Cursor {
    Cursor {
        try_no,
        channel_from: u8::MAX,
        channel_tries: 0,
        next_at: Some(now),
        ..claim.from
    }
}
