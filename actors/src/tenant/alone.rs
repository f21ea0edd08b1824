//! Part by part: after a failure a tenant actor tries one thing at a time, and goes on without what
//! it has died of too often, or what nobody can read.

use actix::Context;

use super::TenantActor;
use super::setback::Setback;
use super::trial::{InHand, Trial};
use crate::machine::change::Harm;
use crate::machine::input::{Input, Part, Parts, SetAside};
use crate::observe::AlertKind;
use crate::ports::{DuePage, JournalError};

impl TenantActor {
    /// Works on the record of what made this tenant fail.
    pub(super) fn on_trial<R: Default>(&self, work: impl FnOnce(&mut Trial) -> R) -> R {
        self.slot.with_trial(self.number, work)
    }

    /// Returns how many rows are read at once.
    pub(super) fn page_max(&self, rows: u32) -> u32 {
        match self.on_trial(|trial| trial.tries_rows_alone()) {
            true => 1,
            false => rows,
        }
    }

    /// Takes one outcome that waits or, `with_due`, one enrollment that is due.
    pub(super) fn step_alone(&mut self, with_due: bool, ctx: &mut Context<Self>) {
        let mut returned = self.slot.returned();
        returned.truncate(1);
        if !returned.is_empty() {
            return self.step_unless_harmful(None, Input::Returned(returned), ctx);
        }
        let now = self.now();
        let due = || self.machine.as_ref()?.first_due(now);
        match with_due.then(due).flatten() {
            Some(enrollment) => self.step_unless_harmful(None, Input::Look(enrollment), ctx),
            None => self.count_idle_turn(),
        }
    }

    /// Closes claims that nobody is working on.
    pub(super) fn close(&mut self, ctx: &mut Context<Self>) {
        let alone = self.on_trial(|trial| trial.tries_rows_alone());
        let orphans = self.orphans.iter().copied();
        let some = orphans.take(if alone { 1 } else { usize::MAX });
        self.step_unless_harmful(None, Input::Orphaned(some.collect()), ctx);
    }

    /// Takes a page of due enrollments over.
    pub(super) fn admit(&mut self, page: DuePage, ctx: &mut Context<Self>) {
        if let Some(enrollment) = page.unreadable.first() {
            return self.set_aside(Part::Enrollment(*enrollment), Harm::Unreadable, None, ctx);
        }
        let rows = page.rows.iter().map(|row| row.enrollment.id);
        let parts = Parts::of(rows.map(Part::Enrollment));
        if let Some(part) = self.condemned(parts) {
            return self.set_aside(part, Harm::Kills, None, ctx);
        }
        let facts = false;
        self.on_trial(|trial| trial.begin(InHand { facts, parts }));
        self.on_machine(ctx, |machine| machine.admit(page));
        // It has only been read; whether it does harm is seen when it is looked at.
        self.on_trial(Trial::let_off);
    }

    /// Goes one step, without the part that nobody can read or that is condemned.
    pub(super) fn step_unless_harmful(
        &mut self,
        unreadable: Option<Part>,
        input: Input,
        ctx: &mut Context<Self>,
    ) {
        if let Some(part) = unreadable {
            return self.set_aside(part, Harm::Unreadable, None, ctx);
        }
        match self.condemned(input.parts()) {
            Some(part) => self.set_aside(part, Harm::Kills, Some(input), ctx),
            None => self.step(vec![input], ctx),
        }
    }

    fn condemned(&self, parts: Parts) -> Option<Part> {
        match parts {
            Parts::One(part) => self.on_trial(|trial| trial.condemns(part)).then_some(part),
            Parts::None | Parts::Many => None,
        }
    }

    fn set_aside(
        &mut self,
        part: Part,
        harm: Harm,
        instead_of: Option<Input>,
        ctx: &mut Context<Self>,
    ) {
        self.facts_wait = true;
        if !self.on_trial(|trial| trial.may_convict(part)) {
            return self.set_back(Setback::Journal(JournalError::Corrupt), ctx);
        }
        let aside = SetAside {
            part,
            harm,
            instead_of: instead_of.map(Box::new),
        };
        self.step(vec![Input::SetAside(aside)], ctx);
    }

    /// Notes that a part became a dead letter.
    pub(super) fn was_set_aside(&self, part: Part) {
        self.slot.convict(self.number, part);
        self.shared
            .alert(Some(self.slot.tenant), AlertKind::SetAside(part));
    }
}
