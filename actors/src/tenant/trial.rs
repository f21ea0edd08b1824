//! Which fact makes the machine panic: facts that were in a step that panicked are tried one by
//! one, and one that panics alone three times is set aside.
//!
//! It belongs to the slot, so that it outlives the actor. It knows sequence numbers only.

use std::collections::BTreeMap;

/// How often a fact may make the machine panic before it is set aside.
pub(crate) const PANICS_MAX: u32 = 3;

/// The record of facts under suspicion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trial {
    /// Facts up to this one are tried alone.
    alone_until: Option<i64>,
    panics: BTreeMap<i64, u32>,
}

impl Trial {
    /// Says whether the next fact is tried alone.
    pub(crate) fn is_on(&self) -> bool {
        self.alone_until.is_some()
    }

    /// Notes that a step with these facts panicked.
    pub(crate) fn panicked(&mut self, facts: &[i64]) {
        match facts {
            [] => {}
            [fact] => {
                *self.panics.entry(*fact).or_default() += 1;
                self.alone_until = self.alone_until.max(Some(*fact));
            }
            [.., last] => self.alone_until = self.alone_until.max(Some(*last)),
        }
    }

    /// Says whether the fact is to be set aside.
    pub(crate) fn condemns(&self, fact: i64) -> bool {
        self.panics
            .get(&fact)
            .is_some_and(|panics| *panics >= PANICS_MAX)
    }

    /// Notes that these facts are done with, applied or set aside.
    pub(crate) fn done(&mut self, facts: &[i64]) {
        self.panics.retain(|fact, _| !facts.contains(fact));
        if self.alone_until <= facts.last().copied() {
            self.alone_until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_a_step_that_panicked_are_tried_alone() {
        let mut trial = Trial::default();
        trial.panicked(&[3, 4, 5]);
        assert!(trial.is_on());
        trial.done(&[3]);
        trial.done(&[4]);
        assert!(trial.is_on());
        trial.done(&[5]);
        assert!(!trial.is_on());
    }

    #[test]
    fn a_fact_is_condemned_by_its_own_panics_only() {
        let mut trial = Trial::default();
        trial.panicked(&[3, 4]);
        for _ in 0..PANICS_MAX {
            assert!(!trial.condemns(4));
            trial.panicked(&[4]);
        }
        assert!(trial.condemns(4));
        assert!(!trial.condemns(3));
        trial.done(&[4]);
        assert!(!trial.condemns(4));
        assert!(!trial.is_on());
    }
}
