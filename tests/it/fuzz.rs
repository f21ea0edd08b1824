//! Every parser on inputs that nobody should send: none panics, and what is taken is taken again
//! in the form that it was brought into.
//!
//! Inputs are good ones that were spoiled. A failing case prints its seed, and runs alone when
//! `REGUA_FUZZ_SEED` says it.

mod api;
mod documents;
mod files;
mod spoil;
mod texts;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tests::chance::Chance;

/// Where the seeds of all runs begin, so that a run can be had again.
const FIRST_SEED: u64 = 0x5EED_0000;

/// Runs a case on so many seeds; each says whether its input was taken.
///
/// # Panics
/// With the seed of the first case that panicked, or when nothing was taken or nothing refused: a
/// run that never gets into a parser shows nothing.
fn each(what: &str, count: u64, case: impl Fn(&mut Chance) -> bool) {
    let one = std::env::var("REGUA_FUZZ_SEED").ok();
    let one: Option<u64> = one.and_then(|seed| seed.parse().ok());
    if let Some(seed) = one {
        case(&mut Chance::new(seed));
        return;
    }
    let mut taken = 0;
    for seed in FIRST_SEED..FIRST_SEED + count {
        let ran = catch_unwind(AssertUnwindSafe(|| case(&mut Chance::new(seed))));
        match ran {
            Ok(was_taken) => taken += u64::from(was_taken),
            Err(_) => panic!("{what}: REGUA_FUZZ_SEED={seed} fails"),
        }
    }
    assert!(
        taken > 0 && taken < count,
        "{what}: {taken} of {count} taken"
    );
}
