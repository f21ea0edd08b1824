//! One step of a tenant: decide, commit, conclude, let effects go.
//!
//! Messages are announced to the dispatcher before their claims are committed, so that a stop whose
//! commit comes later always meets them. Whatever ends a step early drops the announcement, and
//! with it the messages.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{ActorContext, Context};
use schedules::id::AttemptId;
use schedules::time::Timestamp;

use super::setback::Setback;
use super::trial::{Kind, Trial};
use super::{PAUSE_MS, REFUSED_MAX, STREAK_MAX, TenantActor};
use crate::dispatch::Announced;
#[cfg(test)]
use crate::fake::holds::Point;
use crate::machine::change::{Change, Harm};
use crate::machine::effect::Effect;
use crate::machine::input::{Abandoned, Input, Outcome, Part, Parts};
use crate::machine::{Decision, Machine};
use crate::ports::{Commit, Committed, JournalError, Returned};
use crate::supervision::slot::Post;

/// What a step takes in, to be let go when it is durable.
#[derive(Debug, Default)]
struct TakenIn {
    facts: usize,
    returned: usize,
    orphans: usize,
    aside: Option<(Vec<Part>, Harm)>,
}

/// A step between its decision and its end.
struct Pending {
    decision: Decision,
    announced: Announced,
    taken_in: TakenIn,
}

impl TenantActor {
    /// Takes the outcomes that wait and, `with_due`, what is due, in one step.
    pub(super) fn step_on(&mut self, with_due: bool, ctx: &mut Context<Self>) {
        if self.on_trial(|trial| trial.tries_alone(Kind::Rows)) {
            return self.step_alone(with_due, ctx);
        }
        let mut inputs = Vec::with_capacity(2);
        let returned = self.slot.returned();
        if !returned.is_empty() {
            inputs.push(Input::Returned(returned));
        }
        if with_due {
            inputs.push(Input::Tick);
        }
        self.step(inputs, ctx);
    }

    /// Decides what follows from the inputs, and commits it.
    pub(super) fn step(&mut self, inputs: Vec<Input>, ctx: &mut Context<Self>) {
        let now = self.now();
        let taken_in = TakenIn::of(&inputs);
        let parts = inputs.iter().map(Input::parts).reduce(Parts::and);
        self.take_in_hand(taken_in.kind(), parts.unwrap_or(Parts::None));
        #[cfg(test)]
        let (faults, tenant) = (Arc::clone(&self.shared.faults), self.slot.tenant);
        let decide = |machine: &mut Option<Machine>| {
            #[cfg(test)]
            if let Some(machine) = machine {
                faults.strike(tenant, &inputs, machine.due(now));
            }
            machine.as_ref().map(|machine| machine.decide(&inputs, now))
        };
        let Some(Some(decision)) = self.guarded(ctx, decide) else {
            return;
        };
        // A thread that was held meanwhile has lost its tenants to others.
        if !self.slot.is_acted_for_by(self.number) {
            return ctx.stop();
        }
        #[cfg(test)]
        self.pass(Point::Decided);
        let pending = Pending {
            announced: self.announce(&decision),
            decision,
            taken_in,
        };
        if pending.decision.is_durably_empty() {
            self.conclude(pending, &Committed::default(), ctx);
            return self.count_idle_turn();
        }
        let commit = Commit {
            tenant: self.slot.tenant,
            fence: self.tenure.fence(),
            at: now,
            changes: pending.decision.changes.clone(),
        };
        let journal = Arc::clone(&self.shared.ports.journal);
        let commit = async move { journal.commit(commit).await };
        #[cfg(test)]
        self.pass(Point::Announced);
        self.call(
            ctx,
            JournalError::Unknown,
            commit,
            |actor, ctx, committed| {
                #[cfg(test)]
                actor.pass(Point::Concluding);
                actor.worked_at = actor.now();
                actor.count_refusals(&pending.decision, &committed);
                actor.unsealed_since.get_or_insert(actor.worked_at);
                actor.conclude(pending, &committed, ctx);
            },
        );
    }

    fn announce(&self, decision: &Decision) -> Announced {
        let messages = decision.effects.iter().filter_map(|effect| match effect {
            Effect::HandOver(message) => Some(Arc::clone(message)),
            Effect::Withdraw(_) | Effect::GiveBack(_) => None,
        });
        let dispatcher = &self.shared.dispatcher;
        dispatcher.announce(&self.tenure, self.number, messages)
    }

    /// Counts a commit of which nothing stood many times over: what it was based on is read again
    /// at once, and if it reads as before, it is decided as before.
    fn count_refusals(&mut self, decision: &Decision, committed: &Committed) {
        let stood = |change: &Change| {
            let enrollment = change.enrollment();
            enrollment.is_none_or(|one| committed.refused.binary_search(&one).is_err())
        };
        if decision.changes.iter().any(stood) {
            self.streak = 0;
        } else {
            self.streak += STREAK_MAX / REFUSED_MAX;
        }
    }

    /// Counts a turn that made nothing durable; there are not many of them without a pause.
    pub(super) fn count_idle_turn(&mut self) {
        self.streak += 1;
        if self.streak >= STREAK_MAX {
            tracing::error!(
                tenant = self.slot.tenant.0,
                "machine decides without getting on"
            );
            self.blocked_until = Some(self.now().plus_ms(PAUSE_MS));
        }
    }

    /// Brings the machine to what is durable, and lets the effects go.
    fn conclude(&mut self, pending: Pending, committed: &Committed, ctx: &mut Context<Self>) {
        let Pending {
            decision,
            announced,
            taken_in,
        } = pending;
        let now = self.now();
        let conclude = |machine: &mut Option<Machine>| {
            machine
                .as_mut()
                .map(|machine| machine.conclude(decision, committed, now))
        };
        let Some(Some(effects)) = self.guarded(ctx, conclude) else {
            return;
        };
        self.slot.settle(self.number, taken_in.returned);
        self.remember_paces();
        self.orphans
            .drain(..taken_in.orphans.min(self.orphans.len()));
        self.on_trial(Trial::acquit);
        let mut durable = BTreeSet::<AttemptId>::new();
        for effect in effects {
            match effect {
                Effect::HandOver(message) => drop(durable.insert(message.attempt)),
                Effect::Withdraw(subject) => {
                    self.shared.dispatcher.withdraw(self.slot.tenant, subject);
                }
                Effect::GiveBack(attempts) => self.give_back(attempts, now),
            }
        }
        #[cfg(test)]
        self.pass(Point::Releasing);
        announced.release(&durable);
        if let Some((parts, harm)) = taken_in.aside {
            self.were_set_aside(&parts, harm, committed);
        }
    }

    /// Lets claims come back as if a stop had met their message: it never goes out.
    fn give_back(&self, attempts: Vec<AttemptId>, at: Timestamp) {
        let returned = attempts.into_iter().map(|attempt| Returned {
            attempt,
            at,
            outcome: Outcome::Abandoned {
                why: Abandoned::Stopped,
            },
        });
        let returned = Post::Returned(returned.collect());
        self.shared.post(&self.slot, returned);
    }

    /// Leaves to the next life what the senders sent.
    pub(super) fn remember_paces(&self) {
        if let Some(machine) = &self.machine {
            self.slot.remember_paces(self.number, machine.paces());
        }
    }

    /// Changes the machine outside a step.
    pub(super) fn on_machine(
        &mut self,
        ctx: &mut Context<Self>,
        change: impl FnOnce(&mut Machine),
    ) {
        self.count_idle_turn();
        self.guarded(ctx, |machine| machine.as_mut().map(change));
    }

    /// Runs the machine's code; a panic in it sets the tenant back.
    pub(super) fn guarded<R>(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Option<Machine>) -> R,
    ) -> Option<R> {
        let machine = &mut self.machine;
        let done = catch_unwind(AssertUnwindSafe(|| work(machine)));
        if done.is_err() {
            self.set_back(Setback::Panicked, ctx);
        }
        done.ok()
    }
}

impl TakenIn {
    fn of(inputs: &[Input]) -> Self {
        let mut taken_in = Self::default();
        inputs.iter().for_each(|input| taken_in.add(input));
        taken_in
    }

    fn add(&mut self, input: &Input) {
        match input {
            Input::Facts(facts) => self.facts += facts.len(),
            Input::Returned(returned) => self.returned += returned.len(),
            Input::Orphaned(orphans) => self.orphans += orphans.len(),
            Input::SetAside(aside) => {
                self.aside = Some((aside.parts.clone(), aside.harm));
                aside.instead_of.iter().for_each(|input| self.add(input));
            }
            Input::Swept(..) | Input::Tick | Input::Look(_) => {}
        }
    }

    fn kind(&self) -> Kind {
        match self.facts {
            0 => Kind::Rows,
            _ => Kind::Facts,
        }
    }
}
