//! What makes the actor of a tenant fail: after a step that ended badly its inputs are tried part
//! by part, and a part of which the actor dies alone, again and again, is to be set aside.
//!
//! It belongs to the slot, so that it outlives the actor. It knows identifiers only; instants are
//! monotonic milliseconds.

use std::collections::BTreeMap;

use schedules::time::HOUR_MS;

use crate::machine::change::Harm;
use crate::machine::input::{Part, Parts};

/// How often the actor may die of a part that is tried alone before the part is set aside.
const DEATHS_MAX: u32 = 3;
/// How often parts may be set aside in one session: more of them are not to blame each for itself,
/// and the tenant comes to rest in quarantine.
const CONVICTIONS_MAX: u32 = 3;
/// How many steps are taken part by part after a failure: as many as a page or a batch has.
const STEPS_ALONE: u32 = 500;
/// How long after the last failure a session ends, however few steps there were.
const SESSION_MS: i64 = HOUR_MS;

/// What kind of work is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A step with facts.
    Facts,
    /// Another step.
    Rows,
    /// Taking a page of due enrollments over.
    Page,
}

/// What is being worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InHand {
    /// The kind of work.
    pub(crate) kind: Kind,
    /// The parts.
    pub(crate) parts: Parts,
}

/// The record of parts under suspicion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trial {
    in_hand: Option<InHand>,
    deaths: BTreeMap<Part, u32>,
    /// By kind.
    sessions: [Session; 3],
}

/// How long parts of a kind are still tried one by one, and how often some were set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Session {
    steps: u32,
    convictions: u32,
    ends_mono_ms: i64,
}

impl Trial {
    /// Says whether work of this kind is done part by part.
    pub(crate) fn tries_alone(&self, kind: Kind) -> bool {
        self.sessions[kind as usize].steps > 0
    }

    /// Notes what is being worked on.
    pub(crate) fn begin(&mut self, in_hand: InHand, mono_ms: i64) {
        for kind in [Kind::Facts, Kind::Rows, Kind::Page] {
            if self.sessions[kind as usize].ends_mono_ms <= mono_ms {
                self.close(kind);
            }
        }
        self.in_hand = Some(in_hand);
    }

    /// Notes that what was worked on did no harm this time.
    ///
    /// Its deaths stand until the session ends: a row may wait its turn well, and kill when that
    /// has come.
    pub(crate) fn acquit(&mut self) {
        let Some(InHand { kind, parts }) = self.in_hand.take() else {
            return;
        };
        let session = &mut self.sessions[kind as usize];
        if parts == Parts::None || session.steps == 0 {
            return;
        }
        session.steps -= 1;
        if session.steps == 0 {
            self.close(kind);
        }
    }

    /// Notes that what was worked on has nothing to do with how it ended.
    pub(crate) fn let_off(&mut self) {
        self.in_hand = None;
    }

    /// Notes that the actor died, or the work cannot go on, of what was worked on.
    ///
    /// Says whether the death is put down to one part, which is set aside if it goes on like that.
    pub(crate) fn blame(&mut self, mono_ms: i64) -> bool {
        let Some(InHand { kind, parts }) = self.in_hand.take() else {
            return false;
        };
        if parts == Parts::None {
            return false;
        }
        let session = &mut self.sessions[kind as usize];
        session.steps = STEPS_ALONE;
        session.ends_mono_ms = mono_ms + SESSION_MS;
        match parts {
            Parts::One(part) => {
                *self.deaths.entry(part).or_default() += 1;
                self.may_convict(part)
            }
            Parts::None | Parts::Many => false,
        }
    }

    /// Says whether the part is to be set aside for the deaths that it has caused.
    pub(crate) fn condemns(&self, part: Part) -> bool {
        let deaths = self.deaths.get(&part).copied().unwrap_or_default();
        deaths >= DEATHS_MAX && self.may_convict(part)
    }

    /// Says whether a part that does harm may be set aside.
    pub(crate) fn may_convict(&self, part: Part) -> bool {
        self.sessions[part.kind() as usize].convictions < CONVICTIONS_MAX
    }

    /// Notes that parts of one page or step were set aside.
    pub(crate) fn convict(&mut self, parts: &[Part], harm: Harm, mono_ms: i64) {
        let Some(first) = parts.first() else {
            return;
        };
        self.deaths.retain(|part, _| !parts.contains(part));
        let session = &mut self.sessions[first.kind() as usize];
        session.convictions += 1;
        session.ends_mono_ms = mono_ms + SESSION_MS;
        if harm == Harm::Kills {
            session.steps = STEPS_ALONE;
        }
    }

    fn close(&mut self, kind: Kind) {
        self.sessions[kind as usize] = Session::default();
        if kind != Kind::Page {
            self.deaths.retain(|part, _| part.kind() != kind);
        }
    }
}

impl Part {
    const fn kind(self) -> Kind {
        match self {
            Part::Fact(_) => Kind::Facts,
            Part::Enrollment(_) | Part::Boleto { .. } => Kind::Rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use schedules::id::EnrollmentId;

    use super::*;

    fn fact(seq: i64) -> InHand {
        InHand {
            kind: Kind::Facts,
            parts: Parts::One(Part::Fact(seq)),
        }
    }

    fn rows(parts: Parts) -> InHand {
        InHand {
            kind: Kind::Rows,
            parts,
        }
    }

    fn one(id: i64) -> InHand {
        rows(Parts::One(row(id)))
    }

    fn row(id: i64) -> Part {
        Part::Enrollment(EnrollmentId(id))
    }

    fn dies(trial: &mut Trial, in_hand: InHand) -> bool {
        trial.begin(in_hand, 0);
        trial.blame(0)
    }

    fn lives(trial: &mut Trial, in_hand: InHand) {
        trial.begin(in_hand, 0);
        trial.acquit();
    }

    #[test]
    fn after_a_bad_batch_its_kind_is_tried_alone_for_as_long_as_a_batch() {
        let mut trial = Trial::default();
        assert!(!dies(&mut trial, rows(Parts::Many)), "the tenant's failure");
        assert!(!trial.tries_alone(Kind::Facts) && !trial.tries_alone(Kind::Page));
        for id in 0..i64::from(STEPS_ALONE) {
            assert!(trial.tries_alone(Kind::Rows));
            lives(&mut trial, one(id));
            lives(&mut trial, fact(id));
        }
        assert!(!trial.tries_alone(Kind::Rows));
    }

    #[test]
    fn a_part_is_condemned_by_the_deaths_it_caused_alone_and_by_no_others() {
        let mut trial = Trial::default();
        dies(&mut trial, rows(Parts::Many));
        for _ in 0..DEATHS_MAX {
            assert!(!trial.condemns(row(4)));
            assert!(dies(&mut trial, one(4)), "the part's failure");
        }
        assert!(trial.condemns(row(4)) && !trial.condemns(row(3)));
        trial.convict(&[row(4)], Harm::Kills, 0);
        assert!(!trial.condemns(row(4)));
    }

    #[test]
    fn a_part_that_kills_now_and_then_is_condemned_all_the_same() {
        let mut trial = Trial::default();
        for _ in 0..DEATHS_MAX {
            dies(&mut trial, one(1));
            lives(&mut trial, one(1));
        }
        assert!(trial.condemns(row(1)));
    }

    #[test]
    fn what_was_let_off_is_not_blamed_later() {
        let mut trial = Trial::default();
        trial.begin(fact(1), 0);
        trial.let_off();
        assert!(!trial.blame(0));
        assert_eq!(trial, Trial::default());
    }

    #[test]
    fn when_one_after_the_other_does_harm_none_is_to_blame() {
        let mut trial = Trial::default();
        for id in 0..i64::from(CONVICTIONS_MAX) {
            assert!(trial.may_convict(row(id)));
            trial.convict(&[row(id), row(100 + id)], Harm::Kills, 0);
            // That it waited well for what killed it is no sign of innocence.
            lives(&mut trial, one(9));
        }
        (0..DEATHS_MAX).for_each(|_| assert!(!dies(&mut trial, one(9))));
        assert!(!trial.condemns(row(9)));
        let other = Part::Fact(1);
        assert!(trial.may_convict(other), "facts are another matter");
        (0..STEPS_ALONE).for_each(|_| lives(&mut trial, one(10)));
        assert!(trial.may_convict(row(9)), "so many did no harm");
    }

    #[test]
    fn a_session_ends_an_hour_after_the_last_failure() {
        let mut trial = Trial::default();
        dies(&mut trial, one(1));
        trial.convict(&[Part::Fact(1)], Harm::Unreadable, HOUR_MS / 2);
        trial.begin(rows(Parts::None), HOUR_MS - 1);
        assert!(trial.tries_alone(Kind::Rows));
        trial.begin(rows(Parts::None), HOUR_MS);
        assert!(!trial.tries_alone(Kind::Rows) && trial.deaths.is_empty());
        assert_eq!(trial.sessions[Kind::Facts as usize].convictions, 1);
        trial.begin(rows(Parts::None), 3 * HOUR_MS / 2);
        assert_eq!(trial.sessions, <[Session; 3]>::default());
    }

    #[test]
    fn what_nobody_can_read_slows_nothing_down() {
        let mut trial = Trial::default();
        trial.convict(&[row(1), row(2)], Harm::Unreadable, 0);
        assert!(!trial.tries_alone(Kind::Rows));
    }
}
