//! What makes the actor of a tenant fail: after a step that ended badly its inputs are tried part
//! by part, and a part of which the actor dies alone, again and again, is to be set aside.
//!
//! It belongs to the slot, so that it outlives the actor. It knows identifiers only.

use std::collections::BTreeMap;

use crate::machine::input::{Part, Parts};

/// How often the actor may die of a part that is tried alone before the part is set aside.
const DEATHS_MAX: u32 = 3;
/// How many parts may be set aside with none in between that does no harm: more of them are not to
/// blame one by one, and the tenant comes to rest in quarantine.
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
    /// How many steps with facts, and how many others, are still taken part by part.
    facts_alone: u32,
    rows_alone: u32,
    convictions: u32,
}

impl Trial {
    /// Says whether the next fact is tried alone.
    pub(crate) fn tries_facts_alone(&self) -> bool {
        self.facts_alone > 0
    }

    /// Says whether everything else is tried row by row.
    pub(crate) fn tries_rows_alone(&self) -> bool {
        self.rows_alone > 0
    }

    /// Notes what is being worked on.
    pub(crate) fn begin(&mut self, in_hand: InHand) {
        self.in_hand = Some(in_hand);
    }

    /// Notes that what was worked on does no harm.
    pub(crate) fn acquit(&mut self) {
        let Some(InHand { facts, parts }) = self.in_hand.take() else {
            return;
        };
        if let Parts::One(part) = parts {
            self.deaths.remove(&part);
        }
        if parts != Parts::None {
            self.convictions = 0;
            self.step_alone(facts);
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
        match parts {
            Parts::None => {}
            _ if facts => self.facts_alone = STEPS_ALONE,
            _ => self.rows_alone = STEPS_ALONE,
        }
    }

    /// Says whether the part is to be set aside for the deaths that it has caused.
    pub(crate) fn condemns(&self, part: Part) -> bool {
        let deaths = self.deaths.get(&part).copied().unwrap_or_default();
        deaths >= DEATHS_MAX && self.may_convict()
    }

    /// Says whether a part that does harm may be set aside.
    pub(crate) fn may_convict(&self) -> bool {
        self.convictions < CONVICTIONS_MAX
    }

    /// Notes that the part was set aside.
    pub(crate) fn convict(&mut self, part: Part) {
        self.deaths.remove(&part);
        self.convictions += 1;
    }

    /// Those whose turn does not come for so long are gone, and their record with them.
    fn step_alone(&mut self, facts: bool) {
        let left = match facts {
            true => &mut self.facts_alone,
            false => &mut self.rows_alone,
        };
        if *left == 1 {
            self.deaths
                .retain(|part, _| matches!(part, Part::Fact(_)) != facts);
        }
        *left = left.saturating_sub(1);
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
    fn a_part_that_was_worked_on_well_starts_anew() {
        let mut trial = Trial::default();
        (1..DEATHS_MAX).for_each(|_| dies(&mut trial, fact(1)));
        lives(&mut trial, fact(1));
        dies(&mut trial, fact(1));
        assert!(!trial.condemns(Part::Fact(1)));
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
            assert!(trial.may_convict());
            trial.convict(row(id));
        }
        (0..DEATHS_MAX).for_each(|_| dies(&mut trial, rows(Parts::One(row(9)))));
        assert!(!trial.condemns(row(9)));
        lives(&mut trial, rows(Parts::One(row(10))));
        assert!(trial.condemns(row(9)), "an innocent one was found");
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
