//! Chance that can be had again: the same seed gives the same moments.

/// A small generator (SplitMix64, Steele, Lea and Flood 2014).
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) const fn of(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns a number in `0..sides`.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % sides
    }
}
