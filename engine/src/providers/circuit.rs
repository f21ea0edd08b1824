//! When a provider that fails is left alone, and when it is tried again: a value, and its clock an
//! argument.
//!
//! closed → open after so many failures in a row → one probe → closed, or open again.

use super::provider::Health;

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitLimits {
    /// After so many failures in a row it opens.
    pub failures_max: u32,
    /// How long it stays open before a message may probe, in milliseconds.
    pub pause_ms: i64,
}

/// What a provider has shown of itself lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        /// In a row, up to now.
        failures: u32,
    },
    Open {
        /// On the monotonic clock.
        until_ms: i64,
    },
    /// A message is under way that decides.
    Probing,
}

/// How a message was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Like any other.
    Free,
    /// As the one that decides.
    Probe,
}

/// A circuit opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It opened.
    Opened,
    /// It closed.
    Closed,
}

impl Default for Circuit {
    fn default() -> Self {
        Self(State::Closed { failures: 0 })
    }
}

impl Circuit {
    /// Lets a message through, or not; `now_ms` is of the monotonic clock.
    pub fn enter(&mut self, now_ms: i64) -> Option<Passage> {
        match self.0 {
            State::Closed { .. } => Some(Passage::Free),
            State::Open { until_ms } if now_ms >= until_ms => {
                self.0 = State::Probing;
                Some(Passage::Probe)
            }
            State::Open { .. } | State::Probing => None,
        }
    }

    /// Learns what became of a message that was let through.
    pub fn learn(
        &mut self,
        limits: CircuitLimits,
        passage: Passage,
        health: Health,
        now_ms: i64,
    ) -> Option<Turn> {
        let open = State::Open {
            until_ms: now_ms.saturating_add(limits.pause_ms),
        };
        let (state, turn) = match (self.0, passage, health) {
            (State::Closed { .. }, Passage::Free, Health::Well) => {
                (State::Closed { failures: 0 }, None)
            }
            (State::Closed { failures }, Passage::Free, Health::Failed)
                if failures.saturating_add(1) < limits.failures_max =>
            {
                let failures = failures + 1;
                (State::Closed { failures }, None)
            }
            (State::Closed { .. }, Passage::Free, Health::Failed | Health::Broken) => {
                (open, Some(Turn::Opened))
            }
            (State::Probing, Passage::Probe, Health::Well) => {
                (State::Closed { failures: 0 }, Some(Turn::Closed))
            }
            (State::Probing, Passage::Probe, Health::Failed | Health::Broken) => (open, None),
            // A stop came before the probe: the next message is one.
            (State::Probing, Passage::Probe, Health::Unasked) => {
                (State::Open { until_ms: now_ms }, None)
            }
            // What began before the circuit opened decides nothing any more.
            (state, _, _) => (state, None),
        };
        self.0 = state;
        turn
    }

    /// Says whether there is nothing to remember of it.
    pub fn is_fresh(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::Health::{Broken, Failed, Unasked, Well};
    use super::*;

    const LIMITS: CircuitLimits = CircuitLimits {
        failures_max: 3,
        pause_ms: 100,
    };

    /// One letter a state.
    fn shown(circuit: Circuit, now_ms: i64) -> char {
        match circuit.0 {
            State::Closed { .. } => 'c',
            State::Open { until_ms } if now_ms < until_ms => 'o',
            State::Open { .. } => 'h',
            State::Probing => 'p',
        }
    }

    #[test]
    fn a_circuit_opens_probes_and_closes_as_the_table_says() {
        // Each row: messages one after another, 10 ms apart; the states after each of them.
        let table: [(&[Health], &str); 7] = [
            (&[Failed, Failed, Well, Failed, Failed], "ccccc"),
            (&[Failed, Failed, Failed], "cco"),
            (&[Failed, Unasked, Failed, Unasked, Failed], "cccco"),
            (&[Broken], "o"),
            (&[Well, Broken, Well], "coo"),
            (&[Well, Unasked], "cc"),
            (&[Failed, Failed, Broken, Failed], "ccoo"),
        ];
        for (healths, expected) in table {
            let mut circuit = Circuit::default();
            let states: String = (0..)
                .zip(healths)
                .map(|(n, health)| {
                    if let Some(passage) = circuit.enter(n * 10) {
                        circuit.learn(LIMITS, passage, *health, n * 10);
                    }
                    shown(circuit, n * 10)
                })
                .collect();
            assert_eq!(states, expected, "{healths:?}");
        }
    }

    #[test]
    fn one_message_probes_after_the_pause_and_decides() {
        let table = [
            (Well, Some(Turn::Closed), 'c'),
            (Failed, None, 'o'),
            (Broken, None, 'o'),
            (Unasked, None, 'h'),
        ];
        for (health, turn, state) in table {
            let mut circuit = Circuit::default();
            let opened = circuit.learn(LIMITS, Passage::Free, Broken, 0);
            assert_eq!(opened, Some(Turn::Opened));
            assert_eq!(circuit.enter(99), None);
            assert_eq!(circuit.enter(100), Some(Passage::Probe));
            assert_eq!(circuit.enter(100_000), None, "one at a time");
            assert_eq!(circuit.learn(LIMITS, Passage::Probe, health, 150), turn);
            assert_eq!(shown(circuit, 150), state);
        }
    }

    #[test]
    fn what_began_before_the_circuit_opened_decides_nothing() {
        let mut circuit = Circuit::default();
        circuit.learn(LIMITS, Passage::Free, Broken, 0);
        for health in [Well, Failed, Broken, Unasked] {
            assert_eq!(circuit.learn(LIMITS, Passage::Free, health, 50), None);
            assert_eq!(circuit.enter(99), None, "{health:?}");
        }
        assert_eq!(circuit.enter(100), Some(Passage::Probe));
        assert_eq!(circuit.learn(LIMITS, Passage::Free, Well, 100), None);
        assert_eq!(circuit.enter(100), None, "the probe is under way");
    }
}
