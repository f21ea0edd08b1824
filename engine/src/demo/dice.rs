//! The demo's only source of chance: the same seed gives the same data, campaign and events.

use schedules::mix::SplitMix;

/// Throws that the seed decides.
#[derive(Clone, Debug)]
pub(super) struct Dice(SplitMix);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed))
    }

    /// Returns a number in `0..sides`.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0.below(sides)
    }

    /// Returns a number from `from` to `to`, both included.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        self.0.between(from, to)
    }

    /// Says yes in `percent` of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.below(items.len() as u64) as usize;
        &items[index]
    }

    /// Returns `count` digits.
    pub(super) fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }
}
