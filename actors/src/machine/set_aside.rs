//! Going on without what does harm: it becomes a dead letter, and an operator hears of it.

use schedules::cadence::StepSet;
use schedules::id::{AttemptId, BoletoId, ContactId, EnrollmentId};
use schedules::stop::StopReason;
use schedules::verdict::{Reason, Verdict};

use super::change::{Announcement, Change, Enrolled, Harm, Settled};
use super::draft::Draft;
use super::input::{Input, Outcome, Part, SetAside, Sweep};
use crate::ports::Cursor;

impl Draft<'_> {
    pub(super) fn set_aside(&mut self, aside: &SetAside) {
        // Nothing is drawn from the outcomes: that may be what does the harm.
        for (attempt, outcome) in aside.outcomes() {
            let claim = self.machine.in_flight.get(attempt);
            let companion = claim.is_some_and(|claim| claim.lead.is_some());
            self.change(Change::Settled(Settled {
                attempt,
                at: self.now,
                outcome,
                companion,
            }));
        }
        let harm = aside.harm;
        for part in &aside.parts {
            match *part {
                Part::Fact(seq) => self.change(Change::FactSetAside { seq, harm }),
                Part::Enrollment(enrollment) => {
                    self.change(Change::SetAside { enrollment, harm });
                }
                Part::Boleto {
                    sweep,
                    boleto,
                    contact,
                } => self.set_boleto_aside(sweep, boleto, contact, harm),
            }
        }
    }

    /// Enrolls a boleto for which nothing is planned, so that it is seen what came of it, and goes
    /// on after it.
    fn set_boleto_aside(&mut self, seq: i64, boleto: BoletoId, contact: ContactId, harm: Harm) {
        let Some(sweep) = self.machine.sweeps.get(&seq) else {
            return;
        };
        let cancelled = Verdict::cancel(Reason::Stopped(StopReason::SetAside));
        for walk in self.walks_of(&sweep.kind) {
            let steps = &walk.state.campaign.cadence.steps;
            let all = steps
                .iter()
                .fold(StepSet::default(), |all, step| all.with(step.no));
            let nowhere = Cursor::default();
            self.change(Change::Enrolled(Enrolled {
                campaign: walk.state.campaign.id,
                boleto,
                contact,
                cursor: nowhere,
                passed: self.passed_over(walk, EnrollmentId(0), all, &cancelled, nowhere),
            }));
        }
        // What nobody can read is passed over with the rest of its page.
        if harm == Harm::Kills {
            self.change(Change::SweepMoved(Sweep {
                after: boleto.0,
                ..sweep.clone()
            }));
        }
        self.change(Change::Announced(Announcement::BoletoSetAside(
            boleto, harm,
        )));
    }
}

impl SetAside {
    fn outcomes(&self) -> Vec<(AttemptId, Outcome)> {
        match self.instead_of.as_deref() {
            Some(Input::Returned(all)) => all
                .iter()
                .map(|one| (one.attempt, one.outcome.clone()))
                .collect(),
            Some(Input::Orphaned(attempts)) => attempts
                .iter()
                .map(|attempt| (*attempt, Outcome::Unknown))
                .collect(),
            _ => Vec::new(),
        }
    }
}
