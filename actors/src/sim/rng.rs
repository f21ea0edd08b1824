//! The only source of chance in a simulation: one small generator per seed, nothing global.

use schedules::mix::SplitMix;

/// A generator that is tiny, and the same on every machine.
#[derive(Clone, Debug)]
pub(super) struct Rng(SplitMix);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed ^ 0x5EED_0F2E_6A11_D00D))
    }

    /// Splits off a generator whose draws do not disturb this one.
    pub(super) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.draw()
    }

    /// Draws from `low` to `high`, both included.
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low).unsigned_abs() + 1;
        low + i64::try_from(self.next() % span).unwrap_or_default()
    }

    /// Says yes so many times in a thousand.
    pub(super) fn per_mille(&mut self, times: i64) -> bool {
        self.range(0, 999) < times
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// Draws an index below `len`, which is not 0.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % (len.max(1) as u64)).unwrap_or_default()
    }
}
