//! Sweeps that enroll: open boletos become enrollments, with what had passed recorded as skipped.

use chrono_tz::Tz;
use schedules::cadence::StepSet;
use schedules::id::{EnrollmentId, ReminderId};
use schedules::plan::{Progress, passed_steps};
use schedules::stop::StopReason;
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
                self.change(Change::Stopped {
                    enrollment,
                    seq,
                    reason: StopReason::CampaignArchived,
                });
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
        if let SweepKind::ReplanContact { also, .. } = &sweep.kind
            && let Some((next, rest)) = also.split_first()
        {
            let on = Sweep {
                seq,
                kind: SweepKind::ReplanContact {
                    contact: *next,
                    also: rest.to_vec(),
                },
                after: i64::MIN,
            };
            return self.change(Change::SweepMoved(on));
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
        let walks = &self.machine.walks;
        match kind {
            SweepKind::EnrollCampaign { campaign } => {
                if let Some(walk) = walks.walk(*campaign) {
                    self.enroll_in(walk, candidate);
                }
            }
            _ => walks
                .walks()
                .for_each(|walk| self.enroll_in(walk, candidate)),
        }
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
        let passed = self.passed_over(walk, EnrollmentId(0), passed, cursor);
        self.change(Change::Enrolled(Enrolled {
            campaign: walk.state.campaign.id,
            boleto: candidate.boleto,
            contact: candidate.contact,
            cursor,
            passed,
        }));
    }

    /// Records the steps whose day had passed when they could first have been walked.
    ///
    /// For a new enrollment the journal puts the id in.
    pub(super) fn passed_over(
        &self,
        walk: &Walk,
        enrollment: EnrollmentId,
        passed: StepSet,
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
            verdict: Verdict::skip(Reason::PassedAtPlanning),
            to,
        };
        passed.iter().map(ruled).collect()
    }
}

/// Returns the instant right before the local day of `now`: what falls on that day still goes out.
pub(super) fn start_of_day(now: Timestamp, zone: Tz) -> Timestamp {
    day_start(zone, now.local_date(zone)).plus_ms(-1)
}
