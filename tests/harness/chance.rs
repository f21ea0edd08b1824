//! Chance that can be had again: the same seed gives the same run.

use schedules::mix::SplitMix;

/// The only source of chance of a test.
pub struct Chance(SplitMix);

impl Chance {
    /// Begins with a seed.
    pub const fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed ^ 0xD1FF_0000_5EED_0001))
    }

    /// Draws a number in `0..sides`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0.below(sides)
    }

    /// Draws from `low` to `high`, both included.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        self.0.between(low, high)
    }

    /// Says yes so many times in a hundred.
    pub fn percent(&mut self, times: i64) -> bool {
        self.range(0, 99) < times
    }

    /// Picks one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Picks one, if there is any.
    pub fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        match of.is_empty() {
            true => None,
            false => Some(self.pick(of).clone()),
        }
    }
}
