//! The fenced commit: one step of one owner, all or none, without what a stop has ended.

use std::collections::BTreeSet;

use schedules::id::{EnrollmentId, TenantId};
use schedules::stop::StopReason;
use schedules::time::Timestamp;
use schedules::verdict::{Reason, Verdict};

use super::rows::{AttemptRow, EnrollmentRow, EnrollmentState, Logged, TenantRows};
use super::{PlantedBug, SimJournal};
use crate::machine::change::{CameBack, Change, Claim, Enrolled, Harm, Ruled};
use crate::ports::{Commit, Committed, Enrollment, Fence, JournalError};

impl SimJournal {
    /// Makes the changes of a step durable, as [`crate::ports::Journal::commit`] says.
    ///
    /// # Errors
    /// [`JournalError::Fenced`], [`JournalError::Absent`].
    pub fn commit(&mut self, commit: &Commit) -> Result<Committed, JournalError> {
        self.check_fence(commit.tenant, commit.fence)?;
        self.apply_unfenced(commit)
    }

    /// Looks at the lease and the tenant's shard, as the first statement of a commit does.
    ///
    /// # Errors
    /// [`JournalError::Fenced`].
    pub fn check_fence(&self, tenant: TenantId, fence: Fence) -> Result<(), JournalError> {
        let looks = self.bug != Some(PlantedBug::NoFenceCheck);
        let shard = self.tenants.get(&tenant).map(|rows| rows.shard);
        let elsewhere = shard.is_some_and(|shard| shard != fence.shard);
        match looks && (elsewhere || self.is_fenced(fence)) {
            true => Err(JournalError::Fenced),
            false => Ok(()),
        }
    }

    /// Applies a commit whose lease was looked at; [`SimJournal::commit`] does both at one instant.
    ///
    /// # Errors
    /// As [`SimJournal::commit`].
    pub fn apply_unfenced(&mut self, commit: &Commit) -> Result<Committed, JournalError> {
        let now = self.now;
        let Some(rows) = self.tenants.get_mut(&commit.tenant) else {
            return Err(JournalError::Absent);
        };
        let mut step = Step {
            tenant: commit.tenant,
            epoch: commit.fence.epoch,
            now,
            rows,
            log: &mut self.log,
            last_enrollment: &mut self.last_enrollment,
            refused: BTreeSet::new(),
            holds: self.bug != Some(PlantedBug::CreditsNotHeld),
            each_pays: self.bug == Some(PlantedBug::CompanionPays),
        };
        for change in &commit.changes {
            step.change(change);
        }
        let refused = step.refused;
        self.log.push(Logged::Step {
            at: now,
            shard: commit.fence.shard,
            epoch: commit.fence.epoch,
            lease_epoch: self
                .leases
                .get(&commit.fence.shard)
                .map_or(0, |it| it.epoch),
        });
        Ok(Committed {
            refused: refused.into_iter().collect(),
        })
    }
}

/// A commit under way.
struct Step<'a> {
    tenant: TenantId,
    epoch: i64,
    now: Timestamp,
    rows: &'a mut TenantRows,
    log: &'a mut Vec<Logged>,
    last_enrollment: &'a mut i64,
    refused: BTreeSet<EnrollmentId>,
    /// Attempts in flight hold their credits.
    holds: bool,
    /// So do those that go out in the message of another.
    each_pays: bool,
}

impl Step<'_> {
    fn change(&mut self, change: &Change) {
        if let Some(enrollment) = change.enrollment()
            && !self.admits(change, enrollment)
        {
            self.refused.insert(enrollment);
            if let Change::CameBack(back) = change {
                self.conclude(back);
            }
            return;
        }
        match change {
            Change::FactApplied { seq } => {
                if let Some(row) = self.rows.inbox.get_mut(seq) {
                    row.applied = true;
                }
            }
            Change::FactSetAside { seq, harm } => {
                if let Some(row) = self.rows.inbox.get_mut(seq) {
                    row.dead = Some(*harm);
                }
            }
            Change::Enrolled(enrolled) => self.enroll(enrolled),
            Change::Claimed(claim) => self.claim(claim),
            Change::Ruled(ruled) => {
                self.rows.rulings.push(ruled.clone());
                self.row(ruled.reminder.enrollment).enrollment.cursor = ruled.to;
            }
            Change::CameBack(back) => self.came_back(back),
            Change::Moved(moved) => self.row(moved.enrollment).enrollment.cursor = moved.to,
            Change::Reactivated(moved) => {
                let row = self.row(moved.enrollment);
                row.enrollment.cursor = moved.to;
                row.state = EnrollmentState::Active;
                row.stopped_by = None;
            }
            Change::Settled(settled) => {
                if let Some(row) = self.rows.attempts.get_mut(&settled.attempt)
                    && row.settled.is_none()
                {
                    row.settled = Some(settled.clone());
                    row.settled_at = Some(self.now);
                    if row.claim.lead.is_none() || self.each_pays {
                        self.move_credits(-i64::from(settled.outcome.counts()), -1);
                    }
                }
            }
            Change::Finished { enrollment } => {
                self.row(*enrollment).state = EnrollmentState::Finished;
            }
            Change::Stopped { enrollment, seq } => {
                self.row(*enrollment).stopped_by = Some(*seq);
                self.end(*enrollment, StopReason::CampaignArchived, true);
            }
            Change::SetAside { enrollment, harm } => {
                let readable = *harm != Harm::Unreadable;
                self.end(*enrollment, StopReason::SetAside, readable);
            }
            Change::StopRecorded { seq, reason } => self.record_stop(*seq, *reason),
            Change::SweepMoved(sweep) => {
                self.rows.sweeps.insert(sweep.seq, sweep.clone());
            }
            Change::SweepEnded { seq } => {
                self.rows.sweeps.remove(seq);
            }
            Change::Announced(_) => {}
        }
    }

    /// Says whether a change of an enrollment still holds: a stop or a pause may have come first.
    fn admits(&self, change: &Change, enrollment: EnrollmentId) -> bool {
        if self.refused.contains(&enrollment) {
            return false;
        }
        let Some(row) = self.rows.enrollments.get(&enrollment) else {
            return false;
        };
        match change {
            Change::Reactivated(_) => match row.state {
                EnrollmentState::Stopped(_) => self.rows.may_go_on(row),
                // Another sweep came first: its cursor may be under way already.
                EnrollmentState::Active | EnrollmentState::Finished => false,
            },
            Change::Claimed(claim) => {
                row.state == EnrollmentState::Active && self.runs(row) && !self.bars(claim)
            }
            Change::SetAside { .. } => {
                let aside = EnrollmentState::Stopped(StopReason::SetAside);
                row.state != EnrollmentState::Finished && row.state != aside
            }
            _ => row.state == EnrollmentState::Active,
        }
    }

    /// Stops an enrollment, with the cancel record of its next touch if it can be read and was not
    /// stopped before.
    fn end(&mut self, enrollment: EnrollmentId, reason: StopReason, readable: bool) {
        let row = self.row(enrollment);
        let before = std::mem::replace(&mut row.state, EnrollmentState::Stopped(reason));
        row.ever_stopped = true;
        if readable && before == EnrollmentState::Active {
            let record = cancelled(self.rows.enrollments.get(&enrollment), reason, self.now);
            self.rows.rulings.extend(record);
        }
    }

    /// Says whether the contact opted out of the claim's channel, or the tenant paused it.
    fn bars(&self, claim: &Claim) -> bool {
        let contact = self.rows.contacts.get(&claim.contact);
        let paused = &self.rows.settings.tenant.paused_channels;
        contact.is_some_and(|row| row.contact.suppressed.contains(&claim.channel))
            || paused.contains(&claim.channel)
    }

    fn runs(&self, row: &EnrollmentRow) -> bool {
        let settings = &self.rows.settings;
        let of = |id| {
            settings
                .campaigns
                .iter()
                .find(move |it| it.campaign.id == id)
        };
        settings.tenant.running && of(row.enrollment.campaign).is_some_and(|it| it.running)
    }

    /// Only called with enrollments that [`Step::admits`] has found.
    fn row(&mut self, enrollment: EnrollmentId) -> &mut EnrollmentRow {
        self.rows
            .enrollments
            .get_mut(&enrollment)
            .expect("an enrollment that was found")
    }

    fn came_back(&mut self, back: &CameBack) {
        self.row(back.reminder.enrollment).enrollment.cursor = back.to;
        if let Some(reason) = back.failed {
            self.rows.rulings.push(back.ruled(Verdict::skip(reason)));
        }
    }

    /// Writes what became of a touch that gets no other look: it has failed for good, whatever
    /// came first, or a stop has kept it from that look.
    fn conclude(&mut self, back: &CameBack) {
        if let Some(reason) = back.failed {
            self.rows.rulings.push(back.ruled(Verdict::skip(reason)));
            return;
        }
        let row = self.rows.enrollments.get(&back.reminder.enrollment);
        if let Some(EnrollmentState::Stopped(reason)) = row.map(|row| row.state) {
            let record = back.ruled(Verdict::cancel(Reason::Stopped(reason)));
            self.rows.rulings.push(record);
        }
    }

    fn move_credits(&mut self, balance: i64, held: i64) {
        if let Some(credits) = &mut self.rows.settings.tenant.credits {
            credits.balance += balance;
            credits.held += if self.holds { held } else { 0 };
        }
    }

    fn claim(&mut self, claim: &Claim) {
        if claim.lead.is_none() || self.each_pays {
            self.move_credits(0, 1);
        }
        let again = self.rows.attempts.contains_key(&claim.attempt);
        self.log.push(Logged::Claimed {
            at: self.now,
            tenant: self.tenant,
            attempt: claim.attempt,
            again,
        });
        let row = AttemptRow {
            claim: claim.clone(),
            epoch: self.epoch,
            committed_at: self.now,
            settled: None,
            settled_at: None,
        };
        self.rows.attempts.entry(claim.attempt).or_insert(row);
        self.row(claim.attempt.reminder.enrollment)
            .enrollment
            .cursor = claim.to;
    }

    fn enroll(&mut self, enrolled: &Enrolled) {
        let known = self.rows.enrollments.values().any(|row| {
            let one = row.enrollment;
            (one.campaign, one.boleto) == (enrolled.campaign, enrolled.boleto)
        });
        let campaigns = &self.rows.settings.campaigns;
        let archived = !campaigns
            .iter()
            .any(|state| state.campaign.id == enrolled.campaign);
        let reachable = self.rows.may_be_reminded(enrolled.boleto, enrolled.contact);
        if known || archived || !reachable {
            return;
        }
        *self.last_enrollment += 1;
        let id = EnrollmentId(*self.last_enrollment);
        let enrollment = Enrollment {
            id,
            campaign: enrolled.campaign,
            boleto: enrolled.boleto,
            contact: enrolled.contact,
            cursor: enrolled.cursor,
        };
        let state = match enrolled.cursor.touch {
            Some(_) => EnrollmentState::Active,
            None => EnrollmentState::Finished,
        };
        let row = EnrollmentRow {
            enrollment,
            state,
            stopped_by: None,
            ever_stopped: false,
        };
        self.rows.enrollments.insert(id, row);
        for passed in &enrolled.passed {
            let mut ruled = passed.clone();
            ruled.reminder.enrollment = id;
            self.rows.rulings.push(ruled);
        }
    }

    /// Writes a cancel record for every touch that the fact has ended.
    fn record_stop(&mut self, seq: i64, reason: StopReason) {
        // One that was set aside since has this record to come all the same.
        let ends = [reason, StopReason::SetAside].map(EnrollmentState::Stopped);
        let stopped = self
            .rows
            .enrollments
            .values()
            .filter(|row| row.stopped_by == Some(seq) && ends.contains(&row.state));
        let records: Vec<Ruled> = stopped
            .filter_map(|row| cancelled(Some(row), reason, self.now))
            .collect();
        self.rows.rulings.extend(records);
    }
}

/// Returns the cancel record of the touch that was next, if there was one.
fn cancelled(row: Option<&EnrollmentRow>, reason: StopReason, now: Timestamp) -> Option<Ruled> {
    let enrollment = row?.enrollment;
    let touch = enrollment.cursor.touch?;
    Some(Ruled {
        reminder: schedules::id::ReminderId {
            enrollment: enrollment.id,
            step_no: touch.step_no,
            occurrence: touch.occurrence,
        },
        try_no: enrollment.cursor.try_no,
        campaign_version: 0,
        rules_version: 0,
        at: now,
        slot_at: touch.slot_at,
        verdict: Verdict::cancel(Reason::Stopped(reason)),
        to: enrollment.cursor,
    })
}

impl CameBack {
    fn ruled(&self, verdict: Verdict) -> Ruled {
        Ruled {
            reminder: self.reminder,
            try_no: self.try_no,
            campaign_version: self.campaign_version,
            rules_version: self.rules_version,
            at: self.at,
            slot_at: self.slot_at,
            verdict,
            to: self.to,
        }
    }
}
