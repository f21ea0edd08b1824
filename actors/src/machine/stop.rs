//! Facts that end or bar reminders: paid, cancelled, opted out, paused, archived.
//!
//! The door has already stopped the enrollments in the journal (no claim of theirs can commit);
//! here the owner drops what has not begun, releases its credits and records what was cancelled.
//! An archived campaign may have any number of them: a sweep stops them page by page, and its
//! status holds off their claims until then.

use schedules::stop::StopReason;

use super::change::Change;
use super::draft::{Draft, Note};
use super::effect::Effect;
use super::input::{FactBody, InboxFact, SweepKind};

impl Draft<'_> {
    /// Follows one fact.
    pub(super) fn fact(&mut self, fact: &InboxFact) {
        if fact.body.is_of_payment() {
            self.note(Note::FeedHeard(fact.received_at));
        }
        if !self.stopping_fact(fact) {
            self.control_fact(fact);
        }
        self.change(Change::FactApplied { seq: fact.seq });
    }

    /// Follows a fact that stops its subject for good or until it is taken back.
    fn stopping_fact(&mut self, fact: &InboxFact) -> bool {
        let reason = match fact.body {
            FactBody::BoletoPaid { .. } => StopReason::Paid,
            FactBody::BoletoCancelled { .. } => StopReason::Cancelled,
            FactBody::ContactOptedOut { channel: None, .. } => StopReason::OptedOut,
            FactBody::CampaignArchived { campaign } => {
                self.sweep(fact, SweepKind::StopCampaign { campaign });
                return self.let_go(fact);
            }
            _ => return false,
        };
        self.change(Change::StopRecorded {
            seq: fact.seq,
            reason,
        });
        self.let_go(fact)
    }

    fn let_go(&mut self, fact: &InboxFact) -> bool {
        for subject in fact.body.subjects() {
            self.note(Note::Forget(subject));
            self.effect(Effect::Withdraw(subject));
        }
        true
    }
}

impl FactBody {
    /// Says whether only the payment feed can have said this.
    pub fn is_of_payment(&self) -> bool {
        matches!(
            self,
            FactBody::BoletoPaid { .. }
                | FactBody::BoletoCancelled { .. }
                | FactBody::BoletoReopened { .. }
                | FactBody::BoletoChanged { .. }
                | FactBody::FeedHeard
        )
    }
}
