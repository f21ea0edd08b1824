//! Numbers that look like chance and can be had again: `SplitMix64` (Steele, Lea and Flood 2014).
//!
//! For jitter, spreading and made-up data; never for secrets.

/// What the state grows by: the golden ratio in 64 bits.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Mixes a number, so that neighbours come far apart; the same one always comes to the same.
pub const fn mixed(number: u64) -> u64 {
    let word = number.wrapping_add(GAMMA);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A row of mixed numbers: the same seed gives the same row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMix(u64);

impl SplitMix {
    /// Begins a row.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub const fn draw(&mut self) -> u64 {
        let drawn = mixed(self.0);
        self.0 = self.0.wrapping_add(GAMMA);
        drawn
    }

    /// Returns a number in `0..sides`, and 0 when there are none.
    pub const fn below(&mut self, sides: u64) -> u64 {
        // The bias of a modulus over 64 bits is far below what anybody could measure.
        let sides = if sides == 0 { 1 } else { sides };
        self.draw() % sides
    }

    /// Returns a number from `low` to `high`, both included.
    pub const fn between(&mut self, low: i64, high: i64) -> i64 {
        let sides = (high - low).unsigned_abs() + 1;
        low + self.below(sides).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // Source: the reference implementation of Vigna, seed 1234567.
        let mut row = SplitMix::new(1_234_567);
        let drawn = [row.draw(), row.draw(), row.draw()];
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_draw_keeps_its_bounds() {
        let mut row = SplitMix::new(7);
        assert!((0..1_000).all(|_| (-3..=4).contains(&row.between(-3, 4))));
        assert_eq!(row.below(0), 0);
        assert!((0..1_000).any(|_| row.between(0, 1) == 1));
    }
}
