//! Part by part: after a failure a tenant actor tries one thing at a time, and goes on without what
//! it has died of too often, or what nobody can read.

use actix::Context;

use super::TenantActor;
use super::setback::Setback;
use super::trial::{InHand, Kind, Trial};
use crate::machine::change::Harm;
use crate::machine::input::{Input, Part, Parts, SetAside};
use crate::observe::AlertKind;
use crate::ports::{Committed, DuePage, InboxPage, JournalError, SweepPage};

/// How many rows of a page may be unreadable while they are more than the others.
const UNREADABLE_MAX: usize = 10;

impl TenantActor {
    /// Works on the record of what made this tenant fail.
    pub(super) fn on_trial<R: Default>(&self, work: impl FnOnce(&mut Trial) -> R) -> R {
        self.slot.with_trial(self.number, work)
    }

    /// Returns how many rows are read at once for this kind of work.
    pub(super) fn page_max(&self, kind: Kind, rows: u32) -> u32 {
        match self.on_trial(|trial| trial.tries_alone(kind)) {
            true => 1,
            false => rows,
        }
    }

    /// Notes what is being worked on.
    pub(super) fn take_in_hand(&self, kind: Kind, parts: Parts) {
        let mono_ms = self.shared.ports.clock.monotonic_ms();
        self.on_trial(|trial| trial.begin(InHand { kind, parts }, mono_ms));
    }

    /// Takes one outcome that waits or, `with_due`, one enrollment that is due.
    pub(super) fn step_alone(&mut self, with_due: bool, ctx: &mut Context<Self>) {
        let mut returned = self.slot.returned();
        returned.truncate(1);
        if !returned.is_empty() {
            return self.step_unless_harmful(Input::Returned(returned), ctx);
        }
        let now = self.now();
        let due = || self.machine.as_ref()?.first_due(now);
        match with_due.then(due).flatten() {
            Some(enrollment) => self.step_unless_harmful(Input::Look(enrollment), ctx),
            None => self.count_idle_turn(),
        }
    }

    /// Closes claims that nobody is working on.
    pub(super) fn close(&mut self, ctx: &mut Context<Self>) {
        let alone = self.on_trial(|trial| trial.tries_alone(Kind::Rows));
        let orphans = self.orphans.iter().copied();
        let some = orphans.take(if alone { 1 } else { usize::MAX });
        self.step_unless_harmful(Input::Orphaned(some.collect()), ctx);
    }

    /// Follows the facts of a page.
    pub(super) fn follow(&mut self, page: InboxPage, ctx: &mut Context<Self>) {
        let unreadable = page.unreadable.into_iter().map(Part::Fact).collect();
        let (readable, facts) = (page.facts.len(), Input::Facts(page.facts));
        match self.unless_spoilt(unreadable, readable, ctx) {
            Some(None) if readable > 0 => self.step_unless_harmful(facts, ctx),
            Some(Some(aside)) => self.step(vec![aside], ctx),
            _ => {}
        }
    }

    /// Follows a page of a sweep.
    pub(super) fn swept(&mut self, seq: i64, mut page: SweepPage, ctx: &mut Context<Self>) {
        let unreadable = std::mem::take(&mut page.unreadable);
        let (readable, rows) = (page.parts(seq).count(), Input::Swept(seq, page));
        match self.unless_spoilt(unreadable, readable, ctx) {
            Some(None) => self.step_unless_harmful(rows, ctx),
            // In one step: the page is behind the sweep then.
            Some(Some(aside)) => self.step(vec![aside, rows], ctx),
            None => {}
        }
    }

    /// Takes a page of due enrollments over.
    pub(super) fn admit(&mut self, mut page: DuePage, ctx: &mut Context<Self>) {
        let unreadable = std::mem::take(&mut page.unreadable);
        let unreadable = unreadable.into_iter().map(Part::Enrollment).collect();
        match self.unless_spoilt(unreadable, page.rows.len(), ctx) {
            Some(None) => {}
            Some(Some(aside)) => return self.step(vec![aside], ctx),
            None => return,
        }
        let rows = page.rows.iter().map(|row| row.enrollment.id);
        let parts = Parts::of(rows.map(Part::Enrollment));
        if let Some(part) = self.condemned(parts) {
            return self.set_aside(part, None, ctx);
        }
        self.take_in_hand(Kind::Page, parts);
        self.on_machine(ctx, |machine| machine.admit(page));
        self.on_trial(Trial::acquit);
    }

    /// Returns what sets the unreadable rows of a page aside, if there are any; nothing when they
    /// are so many that the page as a whole is corrupt.
    fn unless_spoilt(
        &mut self,
        parts: Vec<Part>,
        readable: usize,
        ctx: &mut Context<Self>,
    ) -> Option<Option<Input>> {
        let Some(first) = parts.first() else {
            return Some(None);
        };
        self.facts_wait = true;
        let spoilt = parts.len() > UNREADABLE_MAX && parts.len() > readable;
        if spoilt || !self.on_trial(|trial| trial.may_convict(*first)) {
            self.set_back(Setback::Journal(JournalError::Corrupt), ctx);
            return None;
        }
        Some(Some(Input::SetAside(SetAside {
            parts,
            harm: Harm::Unreadable,
            instead_of: None,
        })))
    }

    /// Goes one step, without the part that is condemned.
    fn step_unless_harmful(&mut self, input: Input, ctx: &mut Context<Self>) {
        match self.condemned(input.parts()) {
            Some(part) => self.set_aside(part, Some(input), ctx),
            None => self.step(vec![input], ctx),
        }
    }

    fn condemned(&self, parts: Parts) -> Option<Part> {
        match parts {
            Parts::One(part) => self.on_trial(|trial| trial.condemns(part)).then_some(part),
            Parts::None | Parts::Many => None,
        }
    }

    fn set_aside(&mut self, part: Part, instead_of: Option<Input>, ctx: &mut Context<Self>) {
        self.facts_wait = true;
        let aside = SetAside {
            parts: vec![part],
            harm: Harm::Kills,
            instead_of: instead_of.map(Box::new),
        };
        self.step(vec![Input::SetAside(aside)], ctx);
    }

    /// Notes that parts became dead letters; those that had ended already did not.
    pub(super) fn were_set_aside(&mut self, parts: &[Part], harm: Harm, committed: &Committed) {
        let stands = |part: &&Part| match part {
            Part::Enrollment(enrollment) => committed.refused.binary_search(enrollment).is_err(),
            Part::Fact(_) | Part::Boleto { .. } => true,
        };
        let parts: Vec<Part> = parts.iter().filter(stands).copied().collect();
        let mono_ms = self.shared.ports.clock.monotonic_ms();
        self.slot.convict(self.number, &parts, harm, mono_ms);
        for part in &parts {
            let what = AlertKind::SetAside(*part);
            self.shared.alert(Some(self.slot.tenant), what);
        }
        if parts.iter().any(|part| matches!(part, Part::Fact(_))) {
            // What the fact would have told memory is in the journal.
            self.machine = None;
        }
    }
}
