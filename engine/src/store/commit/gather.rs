//! What a set of commits comes to, before any of it is written.
//!
//! Changes of one enrollment are folded in their order: the last cursor stands. A claim whose
//! campaign or tenant does not run is refused, and what follows it for the same enrollment with
//! it; verdicts and cursors without a claim go through while a campaign is paused, so that
//! outcomes find their way.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use actors::machine::change::{
    Announcement, CameBack, Change, Claim, Enrolled, Harm, Moved, Ruled, Settled,
};
use actors::machine::input::Sweep;
use actors::ports::{Commit, Cursor};
use schedules::channel::Channel;
use schedules::id::{CampaignId, EnrollmentId, TenantId};
use schedules::stop::StopReason;
use schedules::time::Timestamp;

use crate::store::codec::channel_bit;
use crate::store::error::StoreError;

/// The longest time between a claim and its deadline; a subject's claims in flight are looked for
/// no further back than this.
pub(in crate::store) const CLAIM_LASTS_MAX_MS: i64 = 60_000;

/// What a commit may do.
#[derive(Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) running: bool,
    /// The channels that the tenant's kill switch holds, as bits.
    pub(super) channels_paused: i64,
    pub(super) metered: bool,
    /// Campaigns that are not archived, and whether they run.
    pub(super) campaigns: &'a HashMap<CampaignId, bool>,
}

/// Where an enrollment goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fold {
    pub(super) commit: usize,
    pub(super) tenant: TenantId,
    pub(super) at: Timestamp,
    pub(super) to: Option<Cursor>,
    pub(super) finished: bool,
    pub(super) reactivated: bool,
    /// The channel of its claim.
    pub(super) claims_on: Option<Channel>,
    /// The version of the contact that its claim is addressed to.
    pub(super) contact_version: Option<i64>,
}

/// Something of one commit.
pub(super) struct Of<'a, T> {
    pub(super) commit: usize,
    pub(super) tenant: TenantId,
    pub(super) at: Timestamp,
    pub(super) what: &'a T,
}

/// A fact that ended enrollments.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    pub(super) tenant: TenantId,
    pub(super) at: Timestamp,
    pub(super) seq: i64,
    pub(super) reason: StopReason,
}

/// An enrollment that its owner stops.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub(super) commit: usize,
    pub(super) tenant: TenantId,
    pub(super) at: Timestamp,
    pub(super) enrollment: EnrollmentId,
    pub(super) by: EndedBy,
}

/// Why an owner stops an enrollment.
#[derive(Clone, Copy)]
pub(super) enum EndedBy {
    /// The fact that archived its campaign.
    Archive(i64),
    /// It cannot go on with it.
    Harm(Harm),
}

impl EndedBy {
    pub(super) fn reason(self) -> StopReason {
        match self {
            EndedBy::Archive(_) => StopReason::CampaignArchived,
            EndedBy::Harm(_) => StopReason::SetAside,
        }
    }

    pub(super) fn fact(self) -> Option<i64> {
        match self {
            EndedBy::Archive(seq) => Some(seq),
            EndedBy::Harm(_) => None,
        }
    }
}

/// All that is to be written.
#[derive(Default)]
pub(super) struct Plan<'a> {
    pub(super) folds: BTreeMap<EnrollmentId, Fold>,
    pub(super) refused: BTreeSet<(usize, EnrollmentId)>,
    pub(super) claims: Vec<Of<'a, Claim>>,
    /// Decisions, and the enrollment they are about: a new one has its id from the database.
    pub(super) ruled: Vec<(EnrollmentId, Of<'a, Ruled>)>,
    /// Attempts that came to nothing; their records do not depend on what became of the
    /// enrollment, but say it.
    pub(super) came_back: Vec<Of<'a, CameBack>>,
    pub(super) enrolled: Vec<Of<'a, Enrolled>>,
    pub(super) settled: Vec<Of<'a, Settled>>,
    pub(super) applied: BTreeMap<i64, (TenantId, Timestamp)>,
    /// Facts that are dead letters.
    pub(super) dead: BTreeMap<i64, (TenantId, Timestamp, Harm)>,
    pub(super) stops: Vec<Stop>,
    pub(super) ended: Vec<Ended>,
    /// Tenants whose credits are counted.
    pub(super) metered: BTreeSet<TenantId>,
    pub(super) sweeps: BTreeMap<(TenantId, i64), &'a Sweep>,
    pub(super) sweeps_ended: Vec<(TenantId, i64)>,
    pub(super) announced: Vec<Of<'a, Announcement>>,
}

/// Returns the campaign whose status a change depends on.
pub(super) fn campaign_to_pin(change: &Change) -> Option<CampaignId> {
    match change {
        Change::Claimed(claim) => Some(claim.campaign),
        Change::Enrolled(enrolled) => Some(enrolled.campaign),
        _ => None,
    }
}

impl<'a> Plan<'a> {
    /// Adds the changes of one commit.
    pub(super) fn add(
        &mut self,
        at: usize,
        commit: &'a Commit,
        standing: Standing<'_>,
    ) -> Result<(), StoreError> {
        if standing.metered {
            self.metered.insert(commit.tenant);
        }
        for change in &commit.changes {
            match change {
                Change::Claimed(claim) => self.claim(at, commit, claim, standing)?,
                Change::Ruled(ruled) => {
                    let enrollment = ruled.reminder.enrollment;
                    if self.fold(at, commit, enrollment, |fold| fold.to = Some(ruled.to)) {
                        self.ruled.push((enrollment, of(at, commit, ruled)));
                    }
                }
                Change::CameBack(back) => {
                    let enrollment = back.reminder.enrollment;
                    self.fold(at, commit, enrollment, |fold| fold.to = Some(back.to));
                    self.came_back.push(of(at, commit, back));
                }
                Change::Moved(Moved { enrollment, to }) => {
                    self.fold(at, commit, *enrollment, |fold| fold.to = Some(*to));
                }
                Change::Reactivated(Moved { enrollment, to }) => {
                    self.fold(at, commit, *enrollment, |fold| {
                        fold.to = Some(*to);
                        fold.reactivated = true;
                    });
                }
                Change::Finished { enrollment } => {
                    self.fold(at, commit, *enrollment, |fold| fold.finished = true);
                }
                Change::Enrolled(enrolled)
                    if standing.campaigns.contains_key(&enrolled.campaign) =>
                {
                    self.enrolled.push(of(at, commit, enrolled));
                }
                Change::Enrolled(_) => {}
                other => self.add_other(at, commit, other),
            }
        }
        Ok(())
    }

    fn add_other(&mut self, at: usize, commit: &'a Commit, change: &'a Change) {
        let tenant = commit.tenant;
        match change {
            Change::Settled(settled) => self.settled.push(of(at, commit, settled)),
            Change::FactApplied { seq } => {
                self.applied.insert(*seq, (tenant, commit.at));
            }
            Change::FactSetAside { seq, harm } => {
                self.dead.insert(*seq, (tenant, commit.at, *harm));
            }
            Change::StopRecorded { seq, reason } => self.stops.push(Stop {
                tenant,
                at: commit.at,
                seq: *seq,
                reason: *reason,
            }),
            Change::Stopped { enrollment, seq } => {
                self.end(at, commit, *enrollment, EndedBy::Archive(*seq));
            }
            Change::SetAside { enrollment, harm } => {
                self.end(at, commit, *enrollment, EndedBy::Harm(*harm));
            }
            Change::SweepMoved(sweep) => {
                self.sweeps.insert((tenant, sweep.seq), sweep);
            }
            Change::SweepEnded { seq } => self.sweeps_ended.push((tenant, *seq)),
            Change::Announced(what) => self.announced.push(of(at, commit, what)),
            // Those about enrollments are dealt with before.
            _ => {}
        }
    }

    fn end(&mut self, at: usize, commit: &Commit, enrollment: EnrollmentId, by: EndedBy) {
        self.ended.push(Ended {
            commit: at,
            tenant: commit.tenant,
            at: commit.at,
            enrollment,
            by,
        });
    }

    fn claim(
        &mut self,
        at: usize,
        commit: &'a Commit,
        claim: &'a Claim,
        standing: Standing<'_>,
    ) -> Result<(), StoreError> {
        if claim.deadline_at.since(claim.at) > CLAIM_LASTS_MAX_MS {
            return Err(StoreError::Conflict {
                what: "a claim lasts too long",
            });
        }
        let enrollment = claim.attempt.reminder.enrollment;
        let campaign_runs = standing
            .campaigns
            .get(&claim.campaign)
            .copied()
            .unwrap_or_default();
        let channel_paused = standing.channels_paused & channel_bit(claim.channel) != 0;
        if !standing.running || channel_paused || !campaign_runs {
            self.refused.insert((at, enrollment));
        } else if self.fold(at, commit, enrollment, |fold| {
            fold.to = Some(claim.to);
            fold.claims_on = Some(claim.channel);
            fold.contact_version = Some(claim.contact_version);
        }) {
            self.claims.push(of(at, commit, claim));
        }
        Ok(())
    }

    /// Folds a change into its enrollment; returns false when that is refused already.
    fn fold(
        &mut self,
        at: usize,
        commit: &Commit,
        enrollment: EnrollmentId,
        change: impl FnOnce(&mut Fold),
    ) -> bool {
        if self.refused.contains(&(at, enrollment)) {
            return false;
        }
        let fresh = Fold {
            commit: at,
            tenant: commit.tenant,
            at: commit.at,
            ..Fold::default()
        };
        change(self.folds.entry(enrollment).or_insert(fresh));
        true
    }

    /// Says whether the changes of an enrollment stand.
    pub(super) fn stands(&self, commit: usize, enrollment: EnrollmentId) -> bool {
        !self.refused.contains(&(commit, enrollment))
    }

    /// Refuses the enrollments that a stop came before.
    pub(super) fn leave_out_all_but(&mut self, kept: &HashSet<EnrollmentId>) {
        let lost = self.folds.iter().filter(|(id, _)| !kept.contains(id));
        self.refused
            .extend(lost.map(|(id, fold)| (fold.commit, *id)));
        let folds = &self.folds;
        let stands = |id: &EnrollmentId| kept.contains(id) || !folds.contains_key(id);
        self.claims
            .retain(|claim| stands(&claim.what.attempt.reminder.enrollment));
        self.ruled.retain(|(enrollment, _)| stands(enrollment));
    }
}

pub(super) fn of<'a, T>(commit_no: usize, commit: &Commit, what: &'a T) -> Of<'a, T> {
    Of {
        commit: commit_no,
        tenant: commit.tenant,
        at: commit.at,
        what,
    }
}
