//! Sweeps that enroll: open boletos become enrollments, with what had passed recorded as skipped.

use chrono_tz::Tz;
use schedules::cadence::StepSet;
use schedules::id::{EnrollmentId, ReminderId};
use schedules::plan::{Progress, passed_steps};
use schedules::time::{Timestamp, day_start};
use schedules::verdict::{Reason, Verdict};

use super::change::{Announcement, Change, Enrolled, Ruled};
use super::draft::{Draft, Note};
use super::input::{Sweep, SweepKind};
use super::walk::{PlanSubject, Walk};
use crate::ports::{Candidate, Cursor, SweepPage};

impl<'m> Draft<'m> {
    /// Follows one page of a sweep.
    pub(super) fn swept(&mut self, seq: i64, page: &SweepPage) {
        let Some(sweep) = self.machine.sweeps.get(&seq) else {
            return;
        };
        for candidate in &page.candidates {
            self.enroll(&sweep.kind, candidate);
        }
        for standing in &page.standing {
            let enrollment = standing.enrollment.id;
            // It has nowhere to go back to: an open outcome finds it stopped.
            if matches!(sweep.kind, SweepKind::StopCampaign { .. }) {
                self.change(Change::Stopped { enrollment, seq });
                continue;
            }
            if self.touched.contains(&enrollment) || self.machine.is_in_flight(enrollment) {
                return self.wait_for_outcome(sweep, enrollment);
            }
            self.replan(standing);
        }
        if !page.last {
            let on = Sweep {
                after: page.read_to,
                ..sweep.clone()
            };
            return self.change(Change::SweepMoved(on));
        }
        if let Some(kind) = sweep.kind.next() {
            return self.change(Change::SweepMoved(Sweep {
                seq,
                kind,
                after: i64::MIN,
            }));
        }
        self.change(Change::SweepEnded { seq });
        if let SweepKind::EnrollCampaign { campaign } = sweep.kind {
            self.change(Change::Announced(Announcement::CampaignEnrolled(campaign)));
        }
    }

    /// Stops a sweep before an enrollment whose outcome is open: that may take the cursor back, and
    /// what was planned in between would be lost.
    fn wait_for_outcome(&mut self, sweep: &Sweep, enrollment: EnrollmentId) {
        self.note(Note::SweepWaits(sweep.seq, enrollment));
        let on = Sweep {
            after: enrollment.0 - 1,
            ..sweep.clone()
        };
        self.change(Change::SweepMoved(on));
    }

    fn enroll(&mut self, kind: &SweepKind, candidate: &Candidate) {
        for walk in self.walks_of(kind) {
            self.enroll_in(walk, candidate);
        }
    }

    /// Returns the campaigns that a sweep enrolls in.
    pub(super) fn walks_of(&self, kind: &SweepKind) -> impl Iterator<Item = &'m Walk> + use<'m> {
        let only = match kind {
            SweepKind::EnrollCampaign { campaign } => Some(*campaign),
            _ => None,
        };
        let wanted = move |walk: &&Walk| only.is_none_or(|only| walk.state.campaign.id == only);
        self.machine.walks.walks().filter(wanted)
    }

    fn enroll_in(&mut self, walk: &'m Walk, candidate: &Candidate) {
        let calendar = &self.machine.walks.tenant().calendar;
        let subject = PlanSubject {
            due_on: candidate.due_on,
            amount_centavos: candidate.amount_centavos,
            zone: candidate.zone,
        };
        let progress = Progress::beginning_at(start_of_day(self.now, subject.zone));
        let input = walk.plan_input(calendar, subject, progress);
        let passed = passed_steps(&input, progress.after_at);
        let progress = Progress {
            done: progress.done.union(passed),
            ..progress
        };
        let cursor = walk.cursor_at(calendar, subject, progress);
        let verdict = Verdict::skip(Reason::PassedAtPlanning);
        let passed = self.passed_over(walk, EnrollmentId(0), passed, &verdict, cursor);
        self.change(Change::Enrolled(Enrolled {
            campaign: walk.state.campaign.id,
            boleto: candidate.boleto,
            contact: candidate.contact,
            cursor,
            passed,
        }));
    }

    /// Records the steps that are not walked: their day had passed when they could first have been.
    ///
    /// For a new enrollment the journal puts the id in.
    pub(super) fn passed_over(
        &self,
        walk: &Walk,
        enrollment: EnrollmentId,
        passed: StepSet,
        verdict: &Verdict,
        to: Cursor,
    ) -> Vec<Ruled> {
        let ruled = |step_no: u8| Ruled {
            reminder: ReminderId {
                enrollment,
                step_no,
                occurrence: 0,
            },
            try_no: 0,
            campaign_version: walk.state.campaign.version,
            rules_version: self.machine.walks.tenant().rules.version,
            at: self.now,
            slot_at: self.now,
            verdict: verdict.clone(),
            to,
        };
        passed.iter().map(ruled).collect()
    }
}

impl SweepKind {
    /// Returns what follows when the last page was done.
    fn next(&self) -> Option<SweepKind> {
        match self {
            SweepKind::ReplanBoleto { boleto } => Some(SweepKind::EnrollBoleto { boleto: *boleto }),
            SweepKind::ReplanContact { contact, also } => Some(SweepKind::EnrollContact {
                contact: *contact,
                also: also.clone(),
            }),
            SweepKind::EnrollContact { also, .. } => {
                let (contact, also) = also.split_first()?;
                Some(SweepKind::ReplanContact {
                    contact: *contact,
                    also: also.to_vec(),
                })
            }
            _ => None,
        }
    }
}

/// Returns the instant right before the local day of `now`: what falls on that day still goes out.
pub(super) fn start_of_day(now: Timestamp, zone: Tz) -> Timestamp {
    day_start(zone, now.local_date(zone)).plus_ms(-1)
}
