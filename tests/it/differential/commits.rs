//! Draws the commits of owners, from what they may have read a while ago.

use std::collections::BTreeSet;

use actors::machine::change::{CameBack, Change, Claim, Enrolled, Harm, Moved, Ruled, Settled};
use actors::machine::input::{Abandoned, FactBody, Outcome};
use actors::ports::{Commit, Cursor};
use actors::sim::journal::{AttemptRow, EnrollmentRow};
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, EnrollmentId, ReminderId, TenantId};
use schedules::plan::Touch;
use schedules::stop::StopReason;
use schedules::time::HOUR_MS;
use schedules::verdict::{Reason, RuleRef, Ruling, Verdict};
use tests::scene::cursor;

use super::generator::Generator;
use super::operation::Act;
use super::reference::Reference;

impl Generator {
    pub(super) fn commit(&mut self, model: &Reference, tenant: TenantId) -> Act {
        let mut changes = self.facts_applied(model, tenant);
        if self.chance.percent(60) {
            changes.extend(self.enrolled(model, tenant));
        }
        if self.chance.percent(25) {
            changes.push(Change::SweepMoved(self.sweep(model, tenant)));
        }
        let sweeps: Vec<i64> = model.rows(tenant).sweeps.keys().copied().collect();
        if self.chance.percent(15)
            && let Some(seq) = self.chance.any(&sweeps)
        {
            changes.retain(|one| !matches!(one, Change::SweepMoved(_)));
            changes.push(Change::SweepEnded { seq });
        }
        changes.extend(self.about_enrollments(model, tenant));
        let stopped = self.stopped(model, tenant, &changes);
        changes.extend(stopped);
        Act::Commit(Commit {
            tenant,
            fence: self.fence(model, tenant),
            at: self.now,
            changes,
        })
    }

    /// Stops enrollments of an archived campaign, those that a page of its sweep had and others.
    fn stopped(&mut self, model: &Reference, tenant: TenantId, drawn: &[Change]) -> Vec<Change> {
        let rows = model.rows(tenant);
        let archived = rows.inbox.values().filter_map(|row| match row.fact.body {
            FactBody::CampaignArchived { campaign } => Some((row.fact.seq, campaign)),
            _ => None,
        });
        let Some((seq, campaign)) = self.chance.any(&archived.collect::<Vec<_>>()) else {
            return Vec::new();
        };
        let touched: BTreeSet<EnrollmentId> = drawn.iter().filter_map(Change::enrollment).collect();
        let of_campaign = rows.enrollments.values().filter(|row| {
            row.enrollment.campaign == campaign && !touched.contains(&row.enrollment.id)
        });
        let count = self.chance.range(0, 4) as usize;
        let stop = |row: &EnrollmentRow| Change::Stopped {
            enrollment: row.enrollment.id,
            seq,
        };
        of_campaign.take(count).map(stop).collect()
    }

    /// Sets a fact or an enrollment aside, whatever became of it before.
    pub(super) fn set_aside(&mut self, model: &Reference, tenant: TenantId) -> Act {
        let rows = model.rows(tenant);
        let waiting = rows.inbox.values();
        let seqs: Vec<i64> = waiting
            .filter(|row| !row.applied && row.dead.is_none())
            .map(|row| row.fact.seq)
            .collect();
        let enrollments: Vec<EnrollmentId> = rows.enrollments.keys().copied().collect();
        let harm = *self.chance.pick(&[Harm::Kills, Harm::Unreadable]);
        let fact = self.chance.any(&seqs);
        let enrollment = self.chance.any(&enrollments);
        let fact = fact.map(|seq| Change::FactSetAside { seq, harm });
        let enrollment = enrollment.map(|enrollment| Change::SetAside { enrollment, harm });
        Act::Commit(Commit {
            tenant,
            fence: self.fence(model, tenant),
            at: self.now,
            changes: fact.into_iter().chain(enrollment).collect(),
        })
    }

    fn facts_applied(&mut self, model: &Reference, tenant: TenantId) -> Vec<Change> {
        let rows = model.rows(tenant).inbox.values();
        let waiting = rows.filter(|row| !row.applied && row.dead.is_none());
        let count = self.chance.range(0, 4) as usize;
        let mut changes = Vec::new();
        for row in waiting.take(count) {
            let seq = row.fact.seq;
            let reason = match row.fact.body {
                FactBody::BoletoPaid { .. } => Some(StopReason::Paid),
                FactBody::BoletoCancelled { .. } => Some(StopReason::Cancelled),
                FactBody::ContactOptedOut { channel: None, .. } => Some(StopReason::OptedOut),
                _ => None,
            };
            changes.extend(reason.map(|reason| Change::StopRecorded { seq, reason }));
            changes.push(Change::FactApplied { seq });
        }
        changes
    }

    fn enrolled(&mut self, model: &Reference, tenant: TenantId) -> Vec<Change> {
        let campaign = self.campaign(model, tenant);
        let names = &model.names[&tenant];
        let ids: Vec<BoletoId> = model.rows(tenant).boletos.keys().copied().collect();
        // A draft has no owner's attention yet.
        if ids.is_empty() || names.drafts.contains(&campaign) {
            return Vec::new();
        }
        let count = self.chance.range(1, 10);
        let mut boletos: Vec<BoletoId> = (0..count).map(|_| *self.chance.pick(&ids)).collect();
        // A store gives ids in this order.
        boletos.sort_unstable();
        let of = |boleto| self.enrollment_of(model, tenant, campaign, boleto);
        boletos.into_iter().map(of).collect()
    }

    fn enrollment_of(
        &mut self,
        model: &Reference,
        tenant: TenantId,
        campaign: CampaignId,
        boleto: BoletoId,
    ) -> Change {
        let next_at = self.now.plus_ms(self.chance.range(-2, 20) * HOUR_MS / 2);
        let mut to = cursor(self.chance.range(1, 2) as u8, next_at);
        if self.chance.percent(6) {
            (to.touch, to.next_at) = (None, None);
        }
        let reminder = ReminderId {
            enrollment: EnrollmentId(0),
            step_no: 7,
            occurrence: 0,
        };
        let passed = self.ruled(reminder, 0, to, Ruling::Skip, Reason::PassedAtPlanning);
        Change::Enrolled(Enrolled {
            campaign,
            boleto,
            contact: model.rows(tenant).boletos[&boleto].contact,
            cursor: to,
            passed: match self.chance.percent(30) {
                true => vec![passed],
                false => Vec::new(),
            },
        })
    }

    fn about_enrollments(&mut self, model: &Reference, tenant: TenantId) -> Vec<Change> {
        let rows: Vec<&EnrollmentRow> = model.rows(tenant).enrollments.values().collect();
        let attempts: Vec<&AttemptRow> = model.rows(tenant).attempts.values().collect();
        let (mut changes, mut met) = (Vec::new(), BTreeSet::new());
        for _ in 0..self.chance.range(0, 5) {
            if self.chance.percent(35)
                && let Some(attempt) = self.chance.any(&attempts)
            {
                if met.insert(attempt.claim.attempt.reminder.enrollment) {
                    let row =
                        model.rows(tenant).enrollments[&attempt.claim.attempt.reminder.enrollment];
                    changes.extend(self.outcome(attempt, &row));
                }
            } else if let Some(row) = self.chance.any(&rows)
                && met.insert(row.enrollment.id)
            {
                // A barred claim takes back what its step decided before it; no machine does both.
                let contact = &model.rows(tenant).contacts[&row.enrollment.contact].contact;
                let free = contact.suppressed.is_empty();
                changes.extend(self.decision(model, row, &attempts, free));
            }
        }
        changes
    }

    /// What follows from a due touch, or from a new plan.
    fn decision(
        &mut self,
        model: &Reference,
        row: &EnrollmentRow,
        attempts: &[&AttemptRow],
        free: bool,
    ) -> Vec<Change> {
        let id = row.enrollment.id;
        let moved = Moved {
            enrollment: id,
            to: self.next_cursor(row.enrollment.cursor),
        };
        let Some(touch) = row.enrollment.cursor.touch else {
            return vec![Change::Moved(moved)];
        };
        match self.chance.range(0, 19) {
            0..9 => vec![self.claim(row, touch, attempts)],
            9..12 => {
                let until = self.now.plus_ms(HOUR_MS);
                vec![self.ruled_row(row, touch, Ruling::Hold { until }, Reason::CapReached)]
            }
            12..14 => vec![self.ruled_row(row, touch, Ruling::Skip, Reason::Expired)],
            14 => vec![
                self.ruled_row(row, touch, Ruling::Skip, Reason::ConditionUnmet),
                Change::Finished { enrollment: id },
            ],
            15 => vec![Change::Finished { enrollment: id }],
            16 if free => vec![
                self.ruled_row(row, touch, Ruling::Skip, Reason::StepRemoved),
                self.claim(row, touch, attempts),
            ],
            17 if model.operations.is_multiple_of(2) => vec![Change::Moved(moved)],
            _ => vec![Change::Reactivated(moved)],
        }
    }

    fn next_cursor(&mut self, from: Cursor) -> Cursor {
        let next_at = self.now.plus_ms(self.chance.range(-1, 30) * HOUR_MS);
        Cursor {
            try_no: from.try_no + 1,
            ..cursor(self.chance.range(1, 2) as u8, next_at)
        }
    }

    /// At times an attempt goes out in the message of another.
    fn lead(&mut self, attempts: &[&AttemptRow]) -> Option<AttemptId> {
        let lead = self.chance.any(attempts)?.claim.attempt;
        self.chance.percent(25).then_some(lead)
    }

    /// Claims a touch; at times under a key that was used.
    fn claim(&mut self, row: &EnrollmentRow, touch: Touch, attempts: &[&AttemptRow]) -> Change {
        let from = row.enrollment.cursor;
        let enrollment = row.enrollment.id;
        let of_row = |one: &&&AttemptRow| one.claim.attempt.reminder.enrollment == enrollment;
        let used = attempts.iter().find(of_row).map(|one| one.claim.attempt);
        let reminder = reminder(row, touch);
        let fresh = AttemptId {
            reminder,
            try_no: from.try_no,
        };
        let mut to = self.next_cursor(from);
        if self.chance.percent(50) {
            to.next_at = None;
        }
        Change::Claimed(Claim {
            attempt: match (used, self.chance.percent(10)) {
                (Some(used), true) => used,
                _ => fresh,
            },
            lead: self.lead(attempts),
            boleto: row.enrollment.boleto,
            contact: row.enrollment.contact,
            contact_version: 1,
            campaign: row.enrollment.campaign,
            campaign_version: 1,
            rules_version: 2,
            template: "lembrete".to_owned(),
            template_version: 3,
            channel: *self.chance.pick(&[Channel::Sms, Channel::Email]),
            at: self.now,
            deadline_at: self.now.plus_ms(self.chance.range(1, 60) * 1_000),
            touch,
            from,
            to,
        })
    }

    fn ruled_row(
        &mut self,
        row: &EnrollmentRow,
        touch: Touch,
        ruling: Ruling,
        reason: Reason,
    ) -> Change {
        let to = self.next_cursor(row.enrollment.cursor);
        let try_no = row.enrollment.cursor.try_no;
        Change::Ruled(self.ruled(reminder(row, touch), try_no, to, ruling, reason))
    }

    fn ruled(
        &mut self,
        reminder: ReminderId,
        try_no: u16,
        to: Cursor,
        ruling: Ruling,
        reason: Reason,
    ) -> Ruled {
        let rule = RuleRef {
            code: "cap.tenant".to_owned(),
            version: 1,
        };
        Ruled {
            reminder,
            try_no,
            campaign_version: 1,
            rules_version: 2,
            at: self.now,
            slot_at: self.now.plus_ms(-HOUR_MS),
            verdict: Verdict {
                ruling,
                reason,
                rule: (reason == Reason::CapReached).then_some(rule),
            },
            to,
        }
    }

    /// What becomes of an attempt, at times of one that has its outcome.
    fn outcome(&mut self, attempt: &AttemptRow, row: &EnrollmentRow) -> Vec<Change> {
        let outcome = match self.chance.range(0, 10) {
            0..5 => Outcome::Accepted {
                provider_ref: format!("ref {}", self.now.unix_ms()),
            },
            5 => Outcome::Unknown,
            6 => Outcome::Rejected {
                code: "invalid".to_owned(),
            },
            7 => Outcome::Throttled {
                retry_after_ms: Some(5_000),
            },
            8 => Outcome::Unavailable,
            9 => Outcome::Held {
                for_ms: 86_400_000,
                code: "131049".to_owned(),
            },
            _ => Outcome::Abandoned {
                why: Abandoned::Stopped,
            },
        };
        let counts = outcome.counts();
        let settled = Change::Settled(Settled {
            attempt: attempt.claim.attempt,
            at: self.now,
            outcome,
            companion: attempt.claim.lead.is_some(),
        });
        if counts || attempt.settled.is_some() {
            return vec![settled];
        }
        let back = Change::CameBack(CameBack {
            reminder: attempt.claim.attempt.reminder,
            try_no: attempt.claim.attempt.try_no + 1,
            campaign_version: 4,
            rules_version: 5,
            at: self.now,
            slot_at: attempt.claim.touch.slot_at,
            failed: self.chance.percent(40).then_some(Reason::RetriesExhausted),
            to: self.next_cursor(row.enrollment.cursor),
        });
        vec![settled, back]
    }
}

fn reminder(row: &EnrollmentRow, touch: Touch) -> ReminderId {
    ReminderId {
        enrollment: row.enrollment.id,
        step_no: touch.step_no,
        occurrence: touch.occurrence,
    }
}
