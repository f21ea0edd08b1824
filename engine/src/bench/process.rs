//! What the process itself uses, as Linux tells it.

use std::fs;
use std::io;

use super::ground::BenchError;

/// The size of a page, in bytes.
const PAGE: i64 = 4_096;
/// The length of a tick of the processes' times, in milliseconds (`USER_HZ` is 100).
const TICK_MS: u64 = 10;

/// Returns the resident memory, in bytes.
pub(super) fn resident_bytes() -> Result<i64, BenchError> {
    Ok(field("/proc/self/statm", 1)? * PAGE)
}

/// Returns the processor time used so far, in milliseconds; the database's own is not in it.
pub(super) fn cpu_ms() -> Result<u64, BenchError> {
    // After the name in brackets, which may hold anything: `utime` and `stime`, fields 14 and 15.
    let ticks = field("/proc/self/stat", 13)? + field("/proc/self/stat", 14)?;
    Ok(ticks.unsigned_abs() * TICK_MS)
}

fn field(path: &str, no: usize) -> Result<i64, BenchError> {
    let text = fs::read_to_string(path).map_err(BenchError::Process)?;
    let (skipped, rest) = match text.rsplit_once(')') {
        Some((_, rest)) => (2, rest),
        None => (0, text.as_str()),
    };
    let value = rest.split_whitespace().nth(no - skipped);
    value
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| BenchError::Process(io::Error::from(io::ErrorKind::InvalidData)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_taken_is_seen() {
        let before = resident_bytes().expect("figures");
        let taken = vec![1_u8; 64 << 20];
        let after = resident_bytes().expect("figures");
        assert!(after - before > 32 << 20, "{}", after - before);
        drop(taken);
    }

    #[test]
    fn work_takes_time() {
        let before = cpu_ms().expect("figures");
        let mut mixed = 1_u64;
        while cpu_ms().expect("figures") == before {
            mixed = std::hint::black_box(mixed.wrapping_mul(31));
        }
    }
}
