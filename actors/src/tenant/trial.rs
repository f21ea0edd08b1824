//! What makes the actor of a tenant fail: after a step that ended badly its inputs are tried part
//! by part, and a part of which the actor dies alone, again and again, is to be set aside.
//!
//! It belongs to the slot, so that it outlives the actor. It knows identifiers only.

use std::collections::BTreeMap;

use crate::machine::input::{Part, Parts};

/// How often the actor may die of a part that is tried alone before the part is set aside.
const DEATHS_MAX: u32 = 3;
/// How many parts may be set aside while parts are tried one by one: more of them are not to blame
/// each for itself, and the tenant comes to rest in quarantine.
const CONVICTIONS_MAX: u32 = 3;
/// How many steps are taken part by part after a failure: as many as a page or a batch has.
const STEPS_ALONE: u32 = 500;

/// What a step, or the reading of a page, has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InHand {
    /// There are facts in it.
    pub(crate) facts: bool,
    /// The parts.
    pub(crate) parts: Parts,
}

/// The record of parts under suspicion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trial {
    in_hand: Option<InHand>,
    deaths: BTreeMap<Part, u32>,
    facts: Session,
    rows: Session,
}

/// How long parts of a kind are still tried one by one, and how many were set aside meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Session {
    steps: u32,
    convictions: u32,
}

impl Trial {
    /// Says whether the next fact is tried alone.
    pub(crate) fn tries_facts_alone(&self) -> bool {
        self.facts.steps > 0
    }

    /// Says whether everything else is tried row by row.
    pub(crate) fn tries_rows_alone(&self) -> bool {
        self.rows.steps > 0
    }

    /// Notes what is being worked on.
    pub(crate) fn begin(&mut self, in_hand: InHand) {
        self.in_hand = Some(in_hand);
    }

    /// Notes that what was worked on did no harm this time.
    ///
    /// Its deaths stand until the session ends: a row may wait its turn well, and kill when that
    /// has come.
    pub(crate) fn acquit(&mut self) {
        let Some(InHand { facts, parts }) = self.in_hand.take() else {
            return;
        };
        let session = self.session(facts);
        if parts == Parts::None || session.steps == 0 {
            return;
        }
        session.steps -= 1;
        if session.steps == 0 {
            *session = Session::default();
            self.deaths.retain(|part, _| part.is_fact() != facts);
        }
    }

    /// Notes that what was worked on has nothing to do with how it ended.
    pub(crate) fn let_off(&mut self) {
        self.in_hand = None;
    }

    /// Notes that the actor died, or the work cannot go on, of what was worked on.
    pub(crate) fn blame(&mut self) {
        let Some(InHand { facts, parts }) = self.in_hand.take() else {
            return;
        };
        if let Parts::One(part) = parts {
            *self.deaths.entry(part).or_default() += 1;
        }
        if parts != Parts::None {
            self.session(facts).steps = STEPS_ALONE;
        }
    }

    /// Says whether the part is to be set aside for the deaths that it has caused.
    pub(crate) fn condemns(&self, part: Part) -> bool {
        let deaths = self.deaths.get(&part).copied().unwrap_or_default();
        deaths >= DEATHS_MAX && self.may_convict(part)
    }

    /// Says whether a part that does harm may be set aside.
    pub(crate) fn may_convict(&self, part: Part) -> bool {
        let session = if part.is_fact() {
            self.facts
        } else {
            self.rows
        };
        session.convictions < CONVICTIONS_MAX
    }

    /// Notes that the part was set aside.
    pub(crate) fn convict(&mut self, part: Part) {
        self.deaths.remove(&part);
        let session = self.session(part.is_fact());
        session.convictions += 1;
        session.steps = STEPS_ALONE;
    }

    fn session(&mut self, facts: bool) -> &mut Session {
        match facts {
            true => &mut self.facts,
            false => &mut self.rows,
        }
    }
}

impl Part {
    const fn is_fact(self) -> bool {
        matches!(self, Part::Fact(_))
    }
}

#[cfg(test)]
mod tests {
    use schedules::id::EnrollmentId;

    use super::*;

    fn fact(seq: i64) -> InHand {
        InHand {
            facts: true,
            parts: Parts::One(Part::Fact(seq)),
        }
    }

    fn rows(parts: Parts) -> InHand {
        InHand {
            facts: false,
            parts,
        }
    }

    fn row(id: i64) -> Part {
        Part::Enrollment(EnrollmentId(id))
    }

    fn dies(trial: &mut Trial, in_hand: InHand) {
        trial.begin(in_hand);
        trial.blame();
    }

    fn lives(trial: &mut Trial, in_hand: InHand) {
        trial.begin(in_hand);
        trial.acquit();
    }

    #[test]
    fn after_a_bad_batch_its_kind_is_tried_alone_for_as_long_as_a_batch() {
        let mut trial = Trial::default();
        dies(&mut trial, rows(Parts::Many));
        assert!(trial.tries_rows_alone() && !trial.tries_facts_alone());
        for id in 0..i64::from(STEPS_ALONE) {
            assert!(trial.tries_rows_alone());
            lives(&mut trial, rows(Parts::One(row(id))));
            lives(&mut trial, fact(id));
        }
        assert!(!trial.tries_rows_alone());
    }

    #[test]
    fn a_part_is_condemned_by_the_deaths_it_caused_alone_and_by_no_others() {
        let mut trial = Trial::default();
        dies(&mut trial, rows(Parts::Many));
        for _ in 0..DEATHS_MAX {
            assert!(!trial.condemns(row(4)));
            dies(&mut trial, rows(Parts::One(row(4))));
        }
        assert!(trial.condemns(row(4)) && !trial.condemns(row(3)));
        trial.convict(row(4));
        assert!(!trial.condemns(row(4)));
    }

    #[test]
    fn a_part_that_kills_now_and_then_is_condemned_all_the_same() {
        let mut trial = Trial::default();
        for _ in 0..DEATHS_MAX {
            dies(&mut trial, rows(Parts::One(row(1))));
            lives(&mut trial, rows(Parts::One(row(1))));
        }
        assert!(trial.condemns(row(1)));
    }

    #[test]
    fn what_was_let_off_is_not_blamed_later() {
        let mut trial = Trial::default();
        trial.begin(fact(1));
        trial.let_off();
        trial.blame();
        assert_eq!(trial, Trial::default());
    }

    #[test]
    fn when_one_after_the_other_does_harm_none_is_to_blame() {
        let mut trial = Trial::default();
        for id in 0..i64::from(CONVICTIONS_MAX) {
            assert!(trial.may_convict(row(id)));
            trial.convict(row(id));
            // That it waited well for what killed it is no sign of innocence.
            lives(&mut trial, rows(Parts::One(row(9))));
        }
        (0..DEATHS_MAX).for_each(|_| dies(&mut trial, rows(Parts::One(row(9)))));
        assert!(!trial.condemns(row(9)));
        assert!(trial.may_convict(Part::Fact(1)), "facts are another matter");
        for _ in 0..STEPS_ALONE {
            lives(&mut trial, rows(Parts::One(row(10))));
        }
        assert!(trial.may_convict(row(9)), "so many did no harm");
    }

    #[test]
    fn a_record_ends_with_the_steps_that_are_taken_alone() {
        let mut trial = Trial::default();
        (0..DEATHS_MAX).for_each(|_| dies(&mut trial, rows(Parts::One(row(1)))));
        for id in 2..i64::from(STEPS_ALONE) + 2 {
            lives(&mut trial, rows(Parts::One(row(id))));
        }
        assert!(!trial.condemns(row(1)) && !trial.tries_rows_alone());
    }
}
