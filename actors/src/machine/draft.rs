//! A step in the making: what was decided so far, seen by what is decided next.
//!
//! The machine is borrowed immutably; what earlier inputs of the same step decided stands in the
//! draft, so that two reminders of one contact in one step still meet each other's caps.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schedules::cap::Tally;
use schedules::channel::Channel;
use schedules::id::{AttemptId, CampaignId, ContactId, EnrollmentId};
use schedules::time::Timestamp;
use schedules::verdict::{ContactEvents, PastSend};

use super::change::Change;
use super::effect::{Effect, Subject};
use super::{Machine, Paces};
use crate::ports::Mark;

/// What follows from a step's inputs.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// To be committed, all or none.
    pub changes: Vec<Change>,
    /// To leave after the commit.
    pub effects: Vec<Effect>,
    /// What memory learns from facts that are durable already, or holds for itself alone.
    pub notes: Vec<Note>,
}

impl Decision {
    /// Says whether there is nothing to commit.
    pub fn is_durably_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Something for memory only: a machine that is loaded again finds it in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Look at the enrollment later: it goes on waiting for its sender's pace, which has its
    /// record, or its campaign is gone.
    Defer(EnrollmentId, Timestamp),
    /// The subject's enrollments left the horizon.
    Forget(Subject),
    /// An active enrollment at this place must be in memory, or be read.
    Expect(Mark),
    /// Due enrollments must be read again from the start.
    ReadAgain,
    /// The settings must be read again before anything else is decided.
    SettingsStale,
    /// The tenant runs, or does not.
    Running(bool),
    /// A campaign is paused.
    CampaignPaused(CampaignId),
    /// The payment feed spoke.
    FeedHeard(Timestamp),
    /// A channel was barred for a contact (`true`), or is free again.
    Suppressed(ContactId, Channel, bool),
    /// A contact replied or promised to pay, and is who is meant (`true`), or perhaps another.
    Event(ContactId, ContactEvents, bool),
    /// The sweep goes on when the enrollment's attempt has its outcome.
    SweepWaits(i64, EnrollmentId),
    /// Messages went out on a channel at this instant.
    Paced(Channel, u32),
}

/// A step in the making.
pub(super) struct Draft<'m> {
    pub(super) machine: &'m Machine,
    pub(super) now: Timestamp,
    pub(super) decision: Decision,
    /// Enrollments that this step already moved: they are left alone until the next step.
    pub(super) touched: BTreeSet<EnrollmentId>,
    contact_sends: BTreeMap<ContactId, Vec<PastSend>>,
    campaign_tallies: BTreeMap<CampaignId, Tally>,
    tenant_tally: Cow<'m, Tally>,
    paces: Paces,
    sent: BTreeMap<Channel, u32>,
    /// Attempts whose outcome this step has followed.
    pub(super) settled: BTreeSet<AttemptId>,
    /// Messages that were claimed.
    pub(super) claims: usize,
    /// One touch is tried alone: no other goes out with it.
    pub(super) alone: bool,
}

impl<'m> Draft<'m> {
    pub(super) fn new(machine: &'m Machine, now: Timestamp) -> Self {
        Self {
            machine,
            now,
            decision: Decision::default(),
            touched: BTreeSet::new(),
            contact_sends: BTreeMap::new(),
            campaign_tallies: BTreeMap::new(),
            tenant_tally: Cow::Borrowed(machine.memory.tenant_tally()),
            paces: machine.credible_paces(now),
            sent: BTreeMap::new(),
            settled: BTreeSet::new(),
            claims: 0,
            alone: false,
        }
    }

    pub(super) fn conclude(mut self) -> Decision {
        let paced = self
            .sent
            .into_iter()
            .map(|(channel, sent)| Note::Paced(channel, sent));
        self.decision.notes.extend(paced);
        self.decision
    }

    pub(super) fn change(&mut self, change: Change) {
        if let Some(enrollment) = change.enrollment() {
            self.touched.insert(enrollment);
        }
        self.decision.changes.push(change);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    pub(super) fn note(&mut self, note: Note) {
        self.decision.notes.push(note);
    }

    /// Returns the contact's sends, those of this step included, oldest first.
    pub(super) fn sends_of(&self, contact: ContactId) -> &[PastSend] {
        match self.contact_sends.get(&contact) {
            Some(sends) => sends,
            None => self
                .machine
                .memory
                .contact(contact)
                .map_or(&[], |contact| &contact.sends),
        }
    }

    pub(super) fn campaign_tally(&self, campaign: CampaignId) -> &Tally {
        let before = || self.machine.memory.campaign_tally(campaign);
        self.campaign_tallies.get(&campaign).unwrap_or_else(before)
    }

    pub(super) fn tenant_tally(&self) -> &Tally {
        &self.tenant_tally
    }

    /// Returns the credits that are neither spent nor held, this step's claims included; what this
    /// step releases is free from the next on.
    pub(super) fn credits(&self) -> Option<i64> {
        let credits = self.machine.walks.tenant().credits?;
        let count = |claims: usize| i64::try_from(claims).unwrap_or(i64::MAX);
        // Those that were claimed before the tenant was metered hold none, and are not to be
        // released into credits that nobody bought.
        let in_flight = self.machine.in_flight.messages();
        #[cfg(feature = "sim")]
        let in_flight = match self.machine.flaws.credits_not_held {
            true => 0,
            false => in_flight,
        };
        let held = credits.held.max(count(in_flight));
        Some(credits.balance - held - count(self.claims))
    }

    /// Returns the first instant at which the channel's sender may send one more message.
    pub(super) fn pace_free_at(&self, channel: Channel) -> Timestamp {
        let state = self.paces.get(&channel).copied().unwrap_or_default();
        let sender = self.machine.walks.sender(channel);
        sender.map_or(Timestamp::MAX, |sender| {
            sender.pace.next_free_at(state, self.now)
        })
    }

    /// Counts a send of this step against everything that bounds it.
    pub(super) fn count_send(&mut self, contact: ContactId, send: PastSend) {
        self.count_against_caps(contact, send);
        self.take_pace(send.channel);
        *self.sent.entry(send.channel).or_default() += 1;
        self.claims += 1;
    }

    fn count_against_caps(&mut self, contact: ContactId, send: PastSend) {
        #[cfg(feature = "sim")]
        if self.machine.flaws.own_sends_uncounted {
            return;
        }
        self.note_send(contact, send);
        if self.machine.walks.tally_lookback_ms() > 0 {
            let tally = self.machine.memory.campaign_tally(send.campaign);
            let tally = self
                .campaign_tallies
                .entry(send.campaign)
                .or_insert_with(|| tally.clone());
            tally.add(send.at, 1);
            self.tenant_tally.to_mut().add(send.at, 1);
        }
    }

    /// Notes a send to a contact: the one of a companion counts for its boleto alone.
    pub(super) fn note_send(&mut self, contact: ContactId, send: PastSend) {
        let before = || {
            self.machine
                .memory
                .contact(contact)
                .map(|known| known.sends.clone())
        };
        let sends = self
            .contact_sends
            .entry(contact)
            .or_insert_with(|| before().unwrap_or_default());
        sends.push(send);
    }

    /// Takes one place of the channel's pace, for a send or for a reminder that waits its turn.
    pub(super) fn take_pace(&mut self, channel: Channel) {
        let Some(sender) = self.machine.walks.sender(channel) else {
            return;
        };
        let state = self.paces.entry(channel).or_default();
        *state = sender.pace.after(*state, self.now, 1);
    }
}
