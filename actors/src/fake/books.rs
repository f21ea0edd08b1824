//! What the fake journal keeps of one tenant.

use std::collections::{BTreeMap, BTreeSet};

use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, ContactId, EnrollmentId, TenantId};
use schedules::plan::Touch;
use schedules::time::{DAY_MS, Timestamp};

use super::fixtures;
use crate::machine::change::{Change, Claim, Enrolled};
use crate::machine::input::{FactBody, InboxFact, Outcome, Part, Sweep};
use crate::ports::{
    Candidate, Cursor, DuePage, DueRow, Enrollment, InboxPage, Mark, PageRequest, Settings,
    Snapshot, SweepPage,
};

const CHANNELS: [Channel; 1] = [Channel::Whatsapp];

/// One tenant's rows.
pub(crate) struct Books {
    pub(crate) settings: Settings,
    pub(crate) active: BTreeMap<EnrollmentId, Enrollment>,
    pub(crate) inbox: Vec<InboxFact>,
    pub(crate) applied: BTreeSet<i64>,
    pub(crate) sweeps: BTreeMap<i64, Sweep>,
    /// Boletos that a sweep may enroll, and those that were enrolled.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) enrolled: Vec<Enrolled>,
    /// A claim of it contradicts what is stored.
    pub(crate) contradicted: Option<EnrollmentId>,
    pub(crate) dead: Vec<Part>,
    /// What nobody can read.
    pub(crate) smudged: BTreeSet<Part>,
    pub(crate) claims: BTreeMap<AttemptId, (Claim, Option<Outcome>)>,
    pub(crate) seals: usize,
}

impl Books {
    pub(super) fn open(tenant: TenantId, now: Timestamp) -> Self {
        let step = fixtures::step(0, 0, &CHANNELS);
        Self {
            settings: fixtures::settings(tenant, now, vec![step], &CHANNELS),
            active: BTreeMap::new(),
            inbox: Vec::new(),
            applied: BTreeSet::new(),
            sweeps: BTreeMap::new(),
            candidates: Vec::new(),
            enrolled: Vec::new(),
            contradicted: None,
            dead: Vec::new(),
            smudged: BTreeSet::new(),
            claims: BTreeMap::new(),
            seals: 0,
        }
    }

    /// Adds an enrollment whose one touch is due at `at`; boleto and contact have the same number.
    pub(crate) fn remind(&mut self, id: i64, at: Timestamp) {
        let touch = Touch {
            step_no: 0,
            occurrence: 0,
            slot_at: at,
            expires_at: at.plus_ms(DAY_MS),
        };
        let enrollment = Enrollment {
            id: EnrollmentId(id),
            campaign: fixtures::CAMPAIGN,
            boleto: BoletoId(id),
            contact: ContactId(id),
            cursor: Cursor {
                touch: Some(touch),
                next_at: Some(at),
                ..Cursor::default()
            },
        };
        self.active.insert(enrollment.id, enrollment);
    }

    pub(super) fn stop(&mut self, boleto: BoletoId) {
        self.active
            .retain(|_, enrollment| enrollment.boleto != boleto);
    }

    pub(crate) fn say(&mut self, body: FactBody, now: Timestamp) {
        let seq = i64::try_from(self.inbox.len()).unwrap() + 1;
        self.inbox.push(InboxFact {
            seq,
            event_id: format!("event-{seq}"),
            occurred_at: now,
            received_at: now,
            body,
        });
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let unsettled = self
            .claims
            .values()
            .filter(|(_, outcome)| outcome.is_none());
        Snapshot {
            settings: self.settings.clone(),
            unsettled: unsettled.map(|(claim, _)| claim.clone()).collect(),
            tallies: Vec::new(),
            sweeps: self.sweeps.values().cloned().collect(),
        }
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &InboxFact> {
        let done = |seq: &i64| self.applied.contains(seq) || self.dead.contains(&Part::Fact(*seq));
        self.inbox.iter().filter(move |fact| !done(&fact.seq))
    }

    pub(super) fn inbox_page(&self, limit: usize) -> InboxPage {
        let (unreadable, facts): (Vec<_>, Vec<_>) = self
            .waiting()
            .take(limit)
            .cloned()
            .partition(|fact| self.smudged.contains(&Part::Fact(fact.seq)));
        InboxPage {
            facts,
            unreadable: unreadable.iter().map(|fact| fact.seq).collect(),
        }
    }

    /// Returns the active rows in the order of their marks.
    fn marks(&self) -> BTreeMap<Mark, &Enrollment> {
        let marked = |row: &'_ Enrollment| {
            let next_at = row.cursor.next_at?;
            let enrollment = row.id;
            Some(Mark {
                next_at,
                enrollment,
            })
        };
        self.active
            .values()
            .filter_map(|row| Some((marked(row)?, row)))
            .collect()
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.marks().keys().next().map(|mark| mark.next_at)
    }

    pub(super) fn due_page(&self, request: PageRequest) -> DuePage {
        let marks = self.marks();
        let after = |mark: &Mark| *mark > request.after;
        let due: Vec<_> = marks
            .iter()
            .filter(|(mark, _)| after(mark) && mark.next_at <= request.until)
            .take(request.limit as usize)
            .collect();
        let end = Mark {
            next_at: request.until,
            enrollment: EnrollmentId(i64::MAX),
        };
        let full = due.len() == request.limit as usize;
        let read_to = if full { *due[due.len() - 1].0 } else { end };
        let smudged = |row: &&Enrollment| self.smudged.contains(&Part::Enrollment(row.id));
        DuePage {
            unreadable: due
                .iter()
                .map(|(_, row)| **row)
                .filter(smudged)
                .map(|row| row.id)
                .collect(),
            contacts: due
                .iter()
                .map(|(_, row)| fixtures::contact(row.contact))
                .collect(),
            rows: due
                .iter()
                .filter(|(_, row)| !smudged(row))
                .map(|(_, row)| DueRow {
                    enrollment: ***row,
                    boleto: fixtures::boleto(row.boleto),
                })
                .collect(),
            ahead: Vec::new(),
            read_to,
            next_after_at: marks
                .keys()
                .find(|mark| **mark > read_to)
                .map(|mark| mark.next_at),
        }
    }

    /// Returns candidates, whatever the sweep is about.
    pub(super) fn sweep_page(&self, sweep: &Sweep, limit: usize) -> SweepPage {
        let ahead = |one: &&Candidate| one.boleto.0 > sweep.after;
        let page: Vec<Candidate> = self.candidates.iter().filter(ahead).cloned().collect();
        let last = page.len() <= limit;
        let candidates: Vec<Candidate> = page.into_iter().take(limit).collect();
        SweepPage {
            read_to: candidates.last().map_or(sweep.after, |one| one.boleto.0),
            candidates,
            last,
            ..SweepPage::default()
        }
    }

    pub(super) fn contradicts(&self, changes: &[Change]) -> bool {
        let claimed = |change: &Change| match change {
            Change::Claimed(claim) => Some(claim.attempt.reminder.enrollment),
            _ => None,
        };
        let mut claimed = changes.iter().filter_map(claimed);
        claimed.any(|one| Some(one) == self.contradicted)
    }

    /// Follows the changes, and returns the enrollments that were not active any more.
    pub(super) fn follow(&mut self, changes: &[Change]) -> Vec<EnrollmentId> {
        let names = changes.iter().filter_map(Change::enrollment);
        let refused: BTreeSet<EnrollmentId> =
            names.filter(|id| !self.active.contains_key(id)).collect();
        for change in changes {
            match change.enrollment() {
                Some(id) if refused.contains(&id) => {}
                _ => self.follow_one(change),
            }
        }
        refused.into_iter().collect()
    }

    fn follow_one(&mut self, change: &Change) {
        match change {
            Change::FactApplied { seq } => {
                assert!(self.applied.insert(*seq), "fact {seq} was applied twice");
            }
            Change::Claimed(claim) => {
                let before = self.claims.insert(claim.attempt, (claim.clone(), None));
                assert!(before.is_none(), "an attempt was claimed twice");
                self.move_to(claim.attempt.reminder.enrollment, claim.to);
            }
            Change::Ruled(ruled) => self.move_to(ruled.reminder.enrollment, ruled.to),
            Change::CameBack(back) => self.move_to(back.reminder.enrollment, back.to),
            Change::Moved(moved) => self.move_to(moved.enrollment, moved.to),
            Change::Finished { enrollment } => drop(self.active.remove(enrollment)),
            Change::FactSetAside { seq, .. } => self.dead.push(Part::Fact(*seq)),
            Change::SetAside { enrollment, .. } => {
                self.active.remove(enrollment);
                self.dead.push(Part::Enrollment(*enrollment));
            }
            Change::SweepMoved(sweep) => drop(self.sweeps.insert(sweep.seq, sweep.clone())),
            Change::SweepEnded { seq } => drop(self.sweeps.remove(seq)),
            Change::Enrolled(enrolled) => self.enrolled.push(enrolled.clone()),
            Change::Settled(settled) => {
                let claim = self.claims.get_mut(&settled.attempt).expect("a claim");
                claim.1.get_or_insert_with(|| settled.outcome.clone());
            }
            _ => {}
        }
    }

    fn move_to(&mut self, enrollment: EnrollmentId, to: Cursor) {
        if let Some(row) = self.active.get_mut(&enrollment) {
            row.cursor = to;
        }
    }
}
