//! One reminder with its records, out of all that is known of its boleto.

use chrono_tz::Tz;
use schedules::id::{ReminderId, TenantId};

use super::reminders::{Reminder, fold, next_of};
use crate::store::reads::History;
use crate::store::{Store, StoreError, Why};
use crate::why;

/// A reminder and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReminderStory {
    /// The reminder.
    pub reminder: Reminder,
    /// The records of its boleto that are about it.
    pub why: Why,
}

impl ReminderStory {
    /// Finds a reminder: one that was decided about, or the next of an enrollment.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is none.
    pub async fn find(store: &Store, tenant: TenantId, id: ReminderId) -> Result<Self, StoreError> {
        const ABSENT: StoreError = StoreError::Absent { what: "reminder" };
        let mut why = store.why_enrollment(tenant, id.enrollment).await?;
        why.enrollments
            .retain(|record| record.enrollment.id == id.enrollment);
        why.attempts.retain(|it| it.attempt.reminder == id);
        why.decisions.retain(|it| it.reminder == id);
        let enrollment = why.enrollments.first_mut().ok_or(ABSENT)?;
        why.stops
            .retain(|stop| enrollment.stopped_by == Some(stop.seq));
        let history = History {
            enrollment: enrollment.clone(),
            reference: why.boleto.boleto.reference.clone(),
            attempts: why.attempts.clone(),
            decisions: why.decisions.clone(),
        };
        if next_of(enrollment) != Some(id) {
            // What comes next is another reminder's story.
            enrollment.enrollment.cursor.touch = None;
        }
        let reminder = fold(&history).into_iter().find(|it| it.id == id);
        let reminder = reminder.ok_or(ABSENT)?;
        Ok(Self { reminder, why })
    }

    /// Tells it in plain words, one line a record; wall clocks are those of `zone`.
    pub fn told(&self, zone: Tz) -> Vec<String> {
        let lines = why::story(&self.why, zone);
        lines.iter().map(|line| line.trim().to_owned()).collect()
    }
}
