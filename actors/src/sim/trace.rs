//! What happened, as a hash over everything and the last lines in full.

use std::collections::VecDeque;
use std::fmt::Write;

/// How many lines a violation shows.
const TAIL_LINES: usize = 120;

/// One thing that happened: when, what, and three numbers that say to whom.
#[derive(Clone, Copy, Debug)]
struct Line {
    at_ms: i64,
    what: &'static str,
    numbers: [i64; 3],
}

/// The trace of one run.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    hash: u64,
    tail: VecDeque<Line>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hash: 0xCBF2_9CE4_8422_2325,
            tail: VecDeque::new(),
        }
    }
}

impl Trace {
    pub(super) fn record(&mut self, at_ms: i64, what: &'static str, numbers: [i64; 3]) {
        self.mix(what.as_bytes());
        self.mix(&at_ms.to_le_bytes());
        for number in numbers {
            self.mix(&number.to_le_bytes());
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(Line {
            at_ms,
            what,
            numbers,
        });
    }

    /// FNV-1a, 64 bits.
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn tail(&self) -> String {
        let mut text = String::new();
        for line in &self.tail {
            let at = schedules::time::Timestamp::from_unix_ms(line.at_ms);
            let [a, b, c] = line.numbers;
            let _ = writeln!(text, "  {at} {:<24} {a} {b} {c}", line.what);
        }
        text
    }
}
