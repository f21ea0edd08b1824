//! The only source of chance of a run: one small generator a seed.

/// A `SplitMix64` generator (Steele, Lea and Flood, 2014).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0xD1FF_0000_5EED_0001)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Draws from `low` to `high`, both included.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low).unsigned_abs() + 1;
        low + (self.next() % span) as i64
    }

    /// Says yes so many times in a hundred.
    pub fn percent(&mut self, times: i64) -> bool {
        self.range(0, 99) < times
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[(self.next() % of.len() as u64) as usize]
    }

    /// Picks one, if there is any.
    pub fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        match of.is_empty() {
            true => None,
            false => Some(self.pick(of).clone()),
        }
    }
}
