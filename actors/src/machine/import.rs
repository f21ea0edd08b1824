//! Sweeps that enroll: open boletos become enrollments, with what had passed recorded as skipped.

use schedules::cadence::StepSet;
use schedules::id::EnrollmentId;
use schedules::plan::{Progress, Touch, passed_steps};
use schedules::verdict::{Reason, Ruling, Verdict};

use super::change::{Announcement, Change, Enrolled, Ruled};
use super::draft::Draft;
use super::due::reminder;
use super::input::{Sweep, SweepKind};
use super::walk::{PlanSubject, Walk};
use crate::ports::{Candidate, Cursor, SweepPage};

impl<'m> Draft<'m> {
    /// Follows one page of a sweep.
    pub(super) fn swept(&mut self, seq: i64, page: &SweepPage) {
        let Some(sweep) = self.machine.sweeps.get(&seq) else { return };
        for candidate in &page.candidates {
            self.enroll(sweep.kind, candidate);
        }
        for standing in &page.standing {
            self.replan(standing);
        }
        if !page.last {
            let on = Sweep { after: page.read_to, ..sweep.clone() };
            return self.change(Change::SweepMoved(on));
        }
        self.change(Change::SweepEnded { seq });
        if let SweepKind::EnrollCampaign { campaign } = sweep.kind {
            self.change(Change::Announced(Announcement::CampaignEnrolled(campaign)));
        }
    }

    fn enroll(&mut self, kind: SweepKind, candidate: &Candidate) {
        let walks = &self.machine.walks;
        match kind {
            SweepKind::EnrollCampaign { campaign } => {
                if let Some(walk) = walks.walk(campaign) {
                    self.enroll_in(walk, candidate);
                }
            }
            _ => walks.walks().for_each(|walk| self.enroll_in(walk, candidate)),
        }
    }

    fn enroll_in(&mut self, walk: &'m Walk, candidate: &Candidate) {
        let calendar = &self.machine.walks.tenant().calendar;
        let subject = PlanSubject {
            due_on: candidate.due_on,
            amount_centavos: candidate.amount_centavos,
            zone: candidate.zone,
        };
        let fresh = walk.plan_input(calendar, subject, Progress::default());
        let passed = passed_steps(&fresh, self.now);
        let progress = Progress { done: passed, ..Progress::default() };
        let cursor = walk.cursor_at(calendar, subject, progress);
        let passed = self.passed_over(walk, passed, cursor);
        self.change(Change::Enrolled(Enrolled {
            campaign: walk.state.campaign.id,
            boleto: candidate.boleto,
            contact: candidate.contact,
            cursor,
            passed,
        }));
    }

    /// Records the steps whose time had passed; the journal puts the enrollment's id in.
    fn passed_over(&self, walk: &Walk, passed: StepSet, to: Cursor) -> Vec<Ruled> {
        let steps = walk.state.campaign.cadence.steps.iter();
        steps
            .filter(|step| passed.contains(step.no))
            .map(|step| {
                let touch = Touch { step_no: step.no, ..Touch::default() };
                self.ruled_expired(walk, reminder(EnrollmentId(0), touch), touch, to)
            })
            .collect()
    }

    pub(super) fn ruled_expired(
        &self,
        walk: &Walk,
        reminder: schedules::id::ReminderId,
        touch: Touch,
        to: Cursor,
    ) -> Ruled {
        Ruled {
            reminder,
            try_no: 0,
            campaign_version: walk.state.campaign.version,
            rules_version: self.machine.walks.tenant().rules.version,
            at: self.now,
            slot_at: touch.slot_at,
            verdict: Verdict { ruling: Ruling::Skip, reason: Reason::PassedAtEnrollment, rule: None },
            to,
        }
    }
}
