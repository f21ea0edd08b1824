//! Calls to the database: they travel, are refused, arrive, and their answers may be lost.

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::{At, Event, Life, World};
use crate::lease::NodeId;
use crate::machine::change::Change;
use crate::machine::input::{InboxFact, Sweep};
use crate::ports::{
    Commit, Committed, DuePage, Fence, JournalError, PageRequest, Settings, ShardId, Snapshot,
    SweepPage,
};
use crate::sim::counters::Sometimes;
use crate::sim::plant::PlantedBug;

/// How many facts an inbox page has.
const INBOX_ROWS: u32 = 4;

/// A call under way.
pub(super) struct Call {
    life: Life,
    tenant: Option<TenantId>,
    request: Request,
    answer: Option<Answer>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Load,
    Settings,
    DuePage(PageRequest),
    Inbox,
    Sweep(Sweep),
    Commit(Box<Commit>),
    Renew {
        name: NodeId,
        began_ms: i64,
    },
    LookAhead {
        shards: Vec<ShardId>,
        until: Timestamp,
    },
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Failed(JournalError),
    Loaded(Box<Snapshot>),
    Settings(Box<Settings>),
    DuePage(DuePage),
    Inbox(Vec<InboxFact>),
    Sweep(i64, SweepPage),
    Committed(Committed),
    Grants(Vec<(ShardId, Option<Fence>)>),
    Ahead(Vec<(TenantId, Timestamp)>),
}

impl World {
    pub(super) fn call(&mut self, life: Life, tenant: Option<TenantId>, request: Request) -> u64 {
        self.last_call += 1;
        let call = Call {
            life,
            tenant,
            request,
            answer: None,
        };
        self.calls.insert(self.last_call, call);
        let latency_ms = self.latency();
        self.after(latency_ms, Event::Arrive(self.last_call));
        self.last_call
    }

    fn latency(&mut self) -> i64 {
        let most_ms = match self.rng.per_mille(900) {
            true => self.faults.latency_ms.min(10),
            false => self.faults.latency_ms,
        };
        self.rng.range(1, most_ms.max(1))
    }

    pub(super) fn is_database_down(&self) -> bool {
        self.now < self.database_back_at
    }

    /// Says whether a call that has arrived is refused.
    pub(super) fn refuses(&mut self) -> bool {
        self.is_database_down() || self.rng.per_mille(self.faults.unavailable)
    }

    pub(super) fn arrive(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let (life, tenant, request) = (call.life, call.tenant, call.request.clone());
        if self.refuses() {
            return self.answer_with(id, Answer::Failed(JournalError::Retryable));
        }
        let answer = match (request, tenant) {
            (Request::Renew { name, .. }, _) => Answer::Grants(self.grant(life, &name)),
            (Request::LookAhead { shards, until }, _) => {
                Answer::Ahead(self.journal.look_ahead(&shards, until))
            }
            (Request::Commit(commit), _) => return self.commit_arrives(id, &commit),
            (request, Some(tenant)) => self.read(tenant, &request),
            _ => Answer::Failed(JournalError::Absent),
        };
        self.answer_with(id, answer);
    }

    fn read(&mut self, tenant: TenantId, request: &Request) -> Answer {
        let journal = &self.journal;
        let answer = match request {
            Request::Load => journal.load(tenant).map(|it| Answer::Loaded(Box::new(it))),
            Request::Settings => journal
                .settings(tenant)
                .map(|it| Answer::Settings(Box::new(it))),
            Request::DuePage(request) => {
                let limit = self.draw.page_rows.min(request.limit);
                journal
                    .due_page(tenant, PageRequest { limit, ..*request })
                    .map(Answer::DuePage)
            }
            Request::Inbox => journal.inbox_page(tenant, INBOX_ROWS).map(Answer::Inbox),
            Request::Sweep(sweep) => journal
                .sweep_page(tenant, sweep, self.draw.page_rows)
                .map(|page| Answer::Sweep(sweep.seq, page)),
            _ => Err(JournalError::Absent),
        };
        answer.unwrap_or_else(Answer::Failed)
    }

    fn commit_arrives(&mut self, id: u64, commit: &Commit) {
        if self.rng.per_mille(self.faults.commit_lost) {
            self.hit(Sometimes::CommitLost);
            return self.answer_with(id, Answer::Failed(JournalError::Unknown));
        }
        if let Err(error) = self.journal.check_fence(commit.tenant, commit.fence) {
            self.hit(Sometimes::CommitFenced);
            self.record("fenced", [commit.tenant.0, commit.fence.epoch, 0]);
            return self.answer_with(id, Answer::Failed(error));
        }
        if self.bug == Some(PlantedBug::FenceNotPinned) {
            let rest_ms = self.latency();
            return self.after(rest_ms, Event::Apply(id));
        }
        self.commit_applies(id, commit);
    }

    /// Applies a commit whose lease was looked at a while ago.
    pub(super) fn apply_late(&mut self, id: u64) {
        let request = self.calls.get(&id).map(|call| call.request.clone());
        if let Some(Request::Commit(commit)) = request {
            self.commit_applies(id, &commit);
        }
    }

    fn commit_applies(&mut self, id: u64, commit: &Commit) {
        let result = self.journal.apply_unfenced(commit);
        for change in &commit.changes {
            self.record_change(commit, change);
        }
        self.check_credits(commit.tenant);
        let answer = match result {
            Ok(_) if self.rng.per_mille(self.faults.answer_lost) => {
                self.hit(Sometimes::CommitAppliedAnswerLost);
                Answer::Failed(JournalError::Unknown)
            }
            Ok(committed) => Answer::Committed(committed),
            Err(error) => Answer::Failed(error),
        };
        self.answer_with(id, answer);
    }

    fn record_change(&mut self, commit: &Commit, change: &Change) {
        let tenant = commit.tenant.0;
        match change {
            Change::Claimed(claim) => {
                let reminder = claim.attempt.reminder;
                let step = i64::from(reminder.step_no) * 100 + i64::from(claim.attempt.try_no);
                self.record("claim", [tenant, reminder.enrollment.0, step]);
                let forward = claim.lead.is_some() && claim.touch.slot_at > claim.at;
                self.counters.hit_if(forward, Sometimes::BroughtForward);
            }
            Change::Ruled(ruled) => {
                let step = i64::from(ruled.reminder.step_no);
                let why = ruled.verdict.reason.code();
                self.record(why, [tenant, ruled.reminder.enrollment.0, step]);
                self.count_ruling(&ruled.verdict);
            }
            Change::Settled(settled) => {
                let reminder = settled.attempt.reminder;
                let step = i64::from(reminder.step_no) * 100 + i64::from(settled.attempt.try_no);
                let what = settled.outcome.as_str();
                self.record(what, [tenant, reminder.enrollment.0, step]);
            }
            Change::Moved(moved) => {
                let at = moved.to.next_at.map_or(0, Timestamp::unix_ms);
                self.record("moved", [tenant, moved.enrollment.0, at]);
            }
            Change::Reactivated(moved) => {
                self.hit(Sometimes::Reactivated);
                self.record("reactivated", [tenant, moved.enrollment.0, 0]);
            }
            Change::FactApplied { seq } => self.record("fact applied", [tenant, *seq, 0]),
            Change::Finished { enrollment } => self.record("finished", [tenant, enrollment.0, 0]),
            Change::SweepMoved(sweep) => {
                self.record("sweep", [tenant, sweep.seq, sweep.after]);
                if sweep.after > i64::MIN {
                    self.hit(Sometimes::LongSweep);
                }
            }
            Change::SweepEnded { seq } => self.record("sweep ended", [tenant, *seq, 0]),
            Change::Enrolled(enrolled) => {
                self.record("enrolled", [tenant, enrolled.boleto.0, enrolled.campaign.0]);
            }
            Change::CameBack(back) => {
                let at = back.to.next_at.map_or(0, Timestamp::unix_ms);
                self.record("came back", [tenant, back.reminder.enrollment.0, at]);
                if back.failed.is_some() {
                    self.hit(Sometimes::ReminderFailed);
                }
            }
            _ => {}
        }
    }

    fn count_ruling(&mut self, verdict: &schedules::verdict::Verdict) {
        use schedules::verdict::Reason;
        let what = match verdict.reason {
            Reason::CapReached => Sometimes::CapHeld,
            Reason::Cooldown => Sometimes::CooldownHeld,
            Reason::OutsideSendWindow => Sometimes::WindowHeld,
            Reason::CreditsExhausted => Sometimes::CreditsHeld,
            Reason::SenderPace => Sometimes::PaceHeld,
            Reason::PaymentFeedStale => Sometimes::FeedHeld,
            Reason::Expired => Sometimes::Expired,
            _ => return,
        };
        self.hit(what);
    }

    /// I8, at every commit.
    fn check_credits(&mut self, tenant: TenantId) {
        let rows = self.journal.tenants.get(&tenant);
        let Some(credits) = rows.and_then(|rows| rows.settings.tenant.credits) else {
            return;
        };
        if credits.held < 0 || credits.balance < credits.held {
            let what = format!(
                "tenant {tenant} holds {} of {}",
                credits.held, credits.balance
            );
            self.wrong("I8", what);
        }
    }

    fn answer_with(&mut self, id: u64, answer: Answer) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.answer = Some(answer);
        }
        let latency_ms = self.latency();
        self.after(latency_ms, Event::Answer(id));
    }

    /// Brings an answer to the node that asked, if it still lives.
    pub(super) fn answer(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let (life, node) = (call.life, &mut self.nodes[call.life.node]);
        if node.lives(life) && node.paused {
            node.held.push(Event::Answer(id));
            return;
        }
        let lives = node.lives(life);
        let Some(call) = self.calls.remove(&id).filter(|_| lives) else {
            return;
        };
        let answer = call
            .answer
            .unwrap_or(Answer::Failed(JournalError::Retryable));
        match (call.request, call.tenant) {
            (Request::Renew { began_ms, .. }, _) => self.renewed(life, began_ms, answer),
            (Request::LookAhead { .. }, _) => {
                if let Answer::Ahead(tenants) = answer {
                    self.looked_ahead(life, tenants);
                }
            }
            (request, Some(tenant)) => self.answered(At { life, tenant }, id, &request, answer),
            _ => {}
        }
    }
}
