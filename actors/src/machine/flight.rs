//! Claims without an outcome, and how many messages they are.

use std::collections::BTreeMap;

use schedules::id::{AttemptId, EnrollmentId, ReminderId};

use super::change::Claim;

/// What is in flight.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    claims: BTreeMap<AttemptId, Claim>,
    /// Those that go out in the message of another.
    companions: usize,
}

impl Flight {
    pub(super) fn insert(&mut self, claim: Claim) {
        self.companions += usize::from(claim.lead.is_some());
        let before = self.claims.insert(claim.attempt, claim);
        self.companions -= usize::from(before.is_some_and(|claim| claim.lead.is_some()));
    }

    pub(super) fn remove(&mut self, attempt: AttemptId) -> Option<Claim> {
        let claim = self.claims.remove(&attempt)?;
        self.companions -= usize::from(claim.lead.is_some());
        Some(claim)
    }

    pub(super) fn get(&self, attempt: AttemptId) -> Option<&Claim> {
        self.claims.get(&attempt)
    }

    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> + Clone {
        self.claims.values()
    }

    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.claims.keys().copied()
    }

    /// Returns how many claims there are.
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Returns how many messages there are: each holds a credit, and is one hand-over.
    pub(super) fn messages(&self) -> usize {
        self.claims.len() - self.companions
    }

    /// Says whether an attempt of the enrollment is among them.
    pub(super) fn is_of(&self, enrollment: EnrollmentId) -> bool {
        let first = AttemptId {
            reminder: ReminderId {
                enrollment,
                step_no: 0,
                occurrence: 0,
            },
            try_no: 0,
        };
        let next = self.claims.range(first..).next();
        next.is_some_and(|(attempt, _)| attempt.reminder.enrollment == enrollment)
    }
}
