//! Sweeps that plan again: after an edit, a new calendar, a new due date, a reopened boleto.

use schedules::plan::{Progress, passed_steps};
use schedules::time::Timestamp;
use schedules::verdict::{Reason, Verdict};

use super::change::{Change, Moved};
use super::draft::{Draft, Note};
use super::import::start_of_day;
use super::walk::PlanSubject;
use crate::ports::{Cursor, Mark, Standing};

impl Draft<'_> {
    /// Plans one enrollment again; what is done stays done.
    pub(super) fn replan(&mut self, standing: &Standing) {
        let enrollment = standing.enrollment;
        let Some(walk) = self.machine.walks.walk(enrollment.campaign) else {
            return;
        };
        let calendar = &self.machine.walks.tenant().calendar;
        let subject = PlanSubject {
            due_on: standing.due_on,
            amount_centavos: standing.amount_centavos,
            zone: standing.zone,
        };
        let progress = enrollment.cursor.progress;
        // A touch that is due or held is still to come, even if its slot was yesterday.
        let waiting = enrollment
            .cursor
            .touch
            .map_or(Timestamp::MAX, |touch| touch.slot_at);
        let begins = start_of_day(self.now, subject.zone).min(waiting.plus_ms(-1));
        let input = walk.plan_input(calendar, subject, progress);
        let passed = passed_steps(&input, begins);
        let after_at = progress.after_at.max(begins);
        let progress = Progress {
            after_at,
            done: progress.done.union(passed),
            ..progress
        };
        let planned = walk.cursor_at(calendar, subject, progress);
        let to = keep_place(enrollment.cursor, planned);
        if standing.stopped {
            self.change(Change::Reactivated(Moved {
                enrollment: enrollment.id,
                to,
            }));
        } else if to != enrollment.cursor {
            self.change(Change::Moved(Moved {
                enrollment: enrollment.id,
                to,
            }));
        }
        if let Some(next_at) = to.next_at {
            // A fact may have let go of it: its boleto has other values now.
            self.note(Note::Expect(Mark {
                next_at,
                enrollment: enrollment.id,
            }));
        }
        let verdict = Verdict::skip(Reason::PassedAtPlanning);
        for ruled in self.passed_over(walk, enrollment.id, passed, &verdict, to) {
            self.change(Change::Ruled(ruled));
        }
        if self.touched.contains(&enrollment.id) {
            self.finish_if_done(enrollment.id, to);
        }
    }
}

/// Keeps channel, tries and hold of a touch that is still the next one. The keys of earlier tries
/// stay used in any case: an edit may put off a reminder that was tried, and bring it back later.
fn keep_place(before: Cursor, planned: Cursor) -> Cursor {
    if before.touch.is_some() && before.touch == planned.touch {
        return Cursor {
            progress: planned.progress,
            ..before
        };
    }
    Cursor {
        try_no: before.try_no,
        ..planned
    }
}
