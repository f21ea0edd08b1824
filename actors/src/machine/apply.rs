//! Memory follows the journal: one arm per change, one per note.

use schedules::id::EnrollmentId;
use schedules::time::Timestamp;
use schedules::verdict::Reason;

use super::change::{Change, Settled};
use super::draft::Note;
use super::effect::Subject;
use super::{HORIZON_MS, Machine, Paces};
use crate::ports::Cursor;

impl Machine {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Claimed(claim) => {
                let enrollment = claim.attempt.reminder.enrollment;
                self.memory.count_send(claim.contact, claim.as_send());
                self.move_credits(0, i64::from(claim.lead.is_none()));
                self.in_flight.insert(claim.clone());
                self.memory.moved(enrollment, claim.to, true);
            }
            Change::Ruled(ruled) => {
                let (enrollment, to) = (ruled.reminder.enrollment, ruled.to);
                match ruled.verdict.reason {
                    // A turn beyond the horizon, as after a window has shut, is read again then.
                    Reason::SenderPace if to.is_at_by(ruled.at.plus_ms(HORIZON_MS)) => {
                        self.memory.waits_its_turn(enrollment, to);
                    }
                    reason if reason.ends_by_an_event() => {
                        self.memory.held(enrollment, to, reason);
                    }
                    _ => self.moved(enrollment, to),
                }
            }
            Change::CameBack(back) => self.moved(back.reminder.enrollment, back.to),
            Change::Moved(moved) | Change::Reactivated(moved) => {
                self.moved(moved.enrollment, moved.to);
            }
            Change::Finished { enrollment }
            | Change::Stopped { enrollment, .. }
            | Change::SetAside { enrollment, .. } => {
                self.memory.drop_entry(*enrollment);
            }
            Change::Settled(settled) => self.settled(settled),
            Change::Enrolled(enrolled) => self.memory.expect_new(enrolled.cursor.next_at),
            Change::SweepMoved(sweep) => {
                self.sweep_waits.remove(&sweep.seq);
                self.sweeps.insert(sweep.seq, sweep.clone());
            }
            Change::SweepEnded { seq } => {
                self.sweep_waits.remove(seq);
                self.sweeps.remove(seq);
            }
            Change::FactApplied { .. }
            | Change::FactSetAside { .. }
            | Change::StopRecorded { .. }
            | Change::Announced(_) => {}
        }
    }

    fn moved(&mut self, enrollment: EnrollmentId, to: Cursor) {
        let busy = self.is_in_flight(enrollment);
        self.memory.moved(enrollment, to, busy);
    }

    fn settled(&mut self, settled: &Settled) {
        let Some(claim) = self.in_flight.remove(settled.attempt) else {
            return;
        };
        if claim.lead.is_none() {
            self.move_credits(-i64::from(settled.outcome.counts()), -1);
        }
        if !settled.outcome.counts() {
            self.memory.refund_send(claim.contact, claim.as_send());
        }
        self.memory.release(claim.attempt.reminder.enrollment);
        self.memory
            .prune(settled.at.plus_ms(-self.walks.tally_lookback_ms()));
    }

    /// Returns what the senders sent lately, as far as the clock agrees.
    pub(super) fn credible_paces(&self, now: Timestamp) -> Paces {
        let paces = self.paces.iter().map(|(channel, state)| {
            let sender = self.walks.sender(*channel);
            let state = sender.map_or(*state, |sender| sender.pace.credible(*state, now));
            (*channel, state)
        });
        paces.collect()
    }

    fn move_credits(&mut self, balance: i64, held: i64) {
        #[cfg(feature = "sim")]
        let held = if self.flaws.credits_not_held { 0 } else { held };
        if let Some(credits) = &mut self.walks.tenant_mut().credits {
            // As the journal does: what is released was perhaps claimed before there were credits.
            credits.balance = (credits.balance + balance).max(0);
            credits.held = (credits.held + held).max(0);
        }
    }

    pub(super) fn note(&mut self, note: Note, now: Timestamp) {
        match note {
            Note::Defer(enrollment, until) => self.memory.defer(enrollment, until),
            Note::Forget(subject) => self.memory.forget(subject),
            Note::Expect(place) => self.memory.expect(place),
            Note::ReadAgain => self.memory.read_again(),
            Note::SettingsStale => self.settings_stale = true,
            Note::Running(running) => self.walks.tenant_mut().running = running,
            Note::CampaignPaused(campaign) => {
                self.memory.forget(Subject::Campaign(campaign));
            }
            Note::FeedHeard(at) => {
                let feed = &mut self.walks.tenant_mut().feed;
                feed.heard_at = feed.heard_at.max(at);
                self.memory.wake(Reason::PaymentFeedStale);
            }
            Note::Suppressed(contact, channel, barred) => {
                self.memory.change_contact(contact, |contact| {
                    contact.suppressed.retain(|one| *one != channel);
                    if barred {
                        contact.suppressed.push(channel);
                    }
                });
            }
            Note::Event(contact, events, confirms) => {
                self.memory.change_contact(contact, |contact| {
                    let known = &mut contact.events;
                    known.replied_at = known.replied_at.max(events.replied_at);
                    known.promised_at = known.promised_at.max(events.promised_at);
                    contact.confirmed |= confirms;
                })
            }
            Note::SweepWaits(seq, enrollment) => {
                self.sweep_waits.insert(seq, enrollment);
            }
            Note::Paced(channel, sent) => {
                if let Some(sender) = self.walks.sender(channel) {
                    let state = self.paces.entry(channel).or_default();
                    let credible = sender.pace.credible(*state, now);
                    *state = sender.pace.after(credible, now, sent);
                }
            }
        }
    }
}
