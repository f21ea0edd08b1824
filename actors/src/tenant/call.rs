//! Journal calls of a tenant actor: one at a time, off the actor's thread; the wait is bounded.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use futures::FutureExt;
use tokio::sync::oneshot;

use super::setback::Setback;
use super::trial::Kind;
use super::{INBOX_PAGE_MAX, TenantActor};
use schedules::id::AttemptId;

use crate::machine::{CLOCKS_APART_MAX_MS, Machine, Need};
use crate::ports::{JournalError, PageRequest, Snapshot};

/// How many rows of a sweep are read at once.
const SWEEP_PAGE_MAX: u32 = 500;

impl TenantActor {
    /// Runs a journal call on the runtime, and goes on with `then` when it succeeded.
    ///
    /// The slot's gate is held until the call has ended, whoever has asked for it and however long
    /// he waited: nothing is loaded while a commit may still happen. Places in the gate's line are
    /// taken in the order of the calls, so a new life loads after the last call of the former one,
    /// and a former one that thaws later calls no more.
    ///
    /// `late` is what a call is taken for that takes too long.
    pub(super) fn call<T: Send + 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        late: JournalError,
        call: impl Future<Output = Result<T, JournalError>> + Send + 'static,
        then: impl FnOnce(&mut Self, &mut Context<Self>, T) + 'static,
    ) {
        self.set_calling(true);
        let answer = self.begin(call);
        let (tenant, clock, limit_ms) = (
            self.slot.tenant,
            Arc::clone(&self.shared.ports.clock),
            self.shared.config.journal_call_ms,
        );
        let answered = async move {
            tokio::select! {
                answer = answer => answer,
                () = clock.elapse(limit_ms) => {
                    tracing::error!(tenant = tenant.0, limit_ms, "journal call takes too long");
                    Ok(Err(late))
                }
            }
        };
        ctx.spawn(answered.into_actor(self).map(move |answer, actor, ctx| {
            actor.set_calling(false);
            actor.pulse.inside.store(true, Ordering::SeqCst);
            match answer {
                Ok(Ok(value)) => {
                    actor.setbacks = 0;
                    then(actor, ctx, value);
                }
                Ok(Err(error)) => actor.set_back(Setback::Journal(error), ctx),
                Err(_) => actor.set_back(Setback::Panicked, ctx),
            }
            actor.pump(ctx);
        }));
    }

    /// Begins a call when its turn has come, unless nobody waits for it any more by then.
    fn begin<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, JournalError>> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, JournalError>> {
        let (mut reply, answer) = oneshot::channel();
        let mut turn = Box::pin(Arc::clone(&self.slot.gate).lock_owned());
        // The first look takes the place in the line.
        let taken = turn.as_mut().now_or_never();
        let token = self.shared.activity.token();
        let (slot, number) = (Arc::clone(&self.slot), self.number);
        self.shared.runtime.spawn(async move {
            let _token = token;
            let turn = match taken {
                Some(turn) => turn,
                None => tokio::select! {
                    turn = turn => turn,
                    () = reply.closed() => return,
                },
            };
            if !slot.is_acted_for_by(number) {
                return;
            }
            let answer = call.await;
            drop(turn);
            drop(reply.send(answer));
        });
        answer
    }

    fn set_calling(&mut self, calling: bool) {
        self.calling = calling;
        self.pulse.calling.store(calling, Ordering::SeqCst);
    }

    pub(super) fn load(&mut self, ctx: &mut Context<Self>) {
        // The time in a line of many tenants does not count against the call's own.
        self.set_calling(true);
        let turn = Arc::clone(&self.shared.loads).acquire_owned();
        ctx.spawn(turn.into_actor(self).map(|turn, actor, ctx| {
            let (journal, tenant) = (Arc::clone(&actor.shared.ports.journal), actor.slot.tenant);
            let load = async move {
                let _turn = turn;
                journal.load(tenant).await
            };
            actor.call(
                ctx,
                JournalError::Retryable,
                load,
                |actor, ctx, snapshot| {
                    actor.restore(snapshot, ctx);
                },
            );
        }));
    }

    /// Starts from a snapshot. What neither the dispatcher nor the slot knows of its unsettled
    /// claims, nobody is working on; the dispatcher is asked first, because an outcome is in the
    /// slot before its message leaves the dispatcher.
    fn restore(&mut self, snapshot: Snapshot, ctx: &mut Context<Self>) {
        let (paces, now) = (self.slot.paces(), self.now());
        let restored = self.guarded(ctx, |_| Machine::restore(snapshot, paces, now));
        let Some(machine) = restored else {
            return;
        };
        #[cfg(test)]
        self.pass(crate::fake::holds::Point::Restoring);
        let handed_over = self
            .shared
            .dispatcher
            .inherit(self.slot.tenant, self.number);
        let returned = self.slot.returned_attempts();
        let known =
            |attempt: &AttemptId| handed_over.contains(attempt) || returned.contains(attempt);
        let orphans = machine.claims().filter(|claim| !known(&claim.attempt));
        let lasts = orphans.clone().map(|claim| claim.deadline_at).max();
        self.orphaned_at = lasts.unwrap_or_default().plus_ms(CLOCKS_APART_MAX_MS);
        self.orphans = orphans.map(|claim| claim.attempt).collect();
        self.machine = Some(machine);
        self.facts_wait = true;
        self.worked_at = self.now();
    }

    /// Reads waiting facts, and lets the machine follow them.
    pub(super) fn drain(&mut self, ctx: &mut Context<Self>) {
        let (journal, tenant) = (Arc::clone(&self.shared.ports.journal), self.slot.tenant);
        let limit = self.page_max(Kind::Facts, INBOX_PAGE_MAX);
        let asked_mono_ms = self.shared.ports.clock.monotonic_ms();
        // Before the call: a hint during it is about facts that the page may not have.
        self.facts_wait = false;
        let page = async move { journal.inbox_page(tenant, limit).await };
        self.call(
            ctx,
            JournalError::Retryable,
            page,
            move |actor, ctx, page| {
                let more = page.facts.len() + page.unreadable.len() >= limit as usize;
                actor.facts_wait |= more;
                if !more {
                    actor.drained_mono_ms = asked_mono_ms;
                }
                actor.follow(page, ctx);
            },
        );
    }

    /// Reads what the machine lacks.
    pub(super) fn read(&mut self, need: Need, ctx: &mut Context<Self>) {
        let (journal, tenant) = (Arc::clone(&self.shared.ports.journal), self.slot.tenant);
        match need {
            Need::Reload => self.load(ctx),
            Need::Settings => {
                let settings = async move { journal.settings(tenant).await };
                self.call(
                    ctx,
                    JournalError::Retryable,
                    settings,
                    |actor, ctx, settings| {
                        actor.on_machine(ctx, |machine| machine.adopt(settings));
                    },
                );
            }
            Need::DuePage(request) => {
                let request = PageRequest {
                    limit: self.page_max(Kind::Page, request.limit),
                    ..request
                };
                let page = async move { journal.due_page(tenant, request).await };
                self.call(ctx, JournalError::Retryable, page, |actor, ctx, page| {
                    actor.admit(page, ctx);
                });
            }
            Need::Sweep(sweep) => {
                let (seq, limit) = (sweep.seq, self.page_max(Kind::Rows, SWEEP_PAGE_MAX));
                let page = async move { journal.sweep_page(tenant, &sweep, limit).await };
                self.call(
                    ctx,
                    JournalError::Retryable,
                    page,
                    move |actor, ctx, page| actor.swept(seq, page, ctx),
                );
            }
        }
    }

    /// Seals what was committed until now; what is committed meanwhile cannot be: calls are
    /// sequential.
    pub(super) fn seal(&mut self, ctx: &mut Context<Self>) {
        let (journal, tenant) = (Arc::clone(&self.shared.ports.journal), self.slot.tenant);
        let fence = self.tenure.fence();
        let seal = async move { journal.seal_audit(tenant, fence).await };
        self.call(ctx, JournalError::Unknown, seal, |actor, _, ()| {
            actor.unsealed_since = None
        });
    }
}
