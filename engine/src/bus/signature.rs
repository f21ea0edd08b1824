//! The signature of an event: HMAC-SHA256 (RFC 2104) over what the event says and when it was
//! signed, under a key of its tenant.
//!
//! What is signed is, each after its length in bytes as 8 bytes big-endian: `regua event 1`, the
//! signing instant in Unix milliseconds as decimal digits, `binary` or `structured`, then the
//! event's id, source, type, tenant and time as they stand in it, and the body's bytes. No two
//! events give the same bytes.

use hmac::Mac as _;
use schedules::time::{MINUTE_MS, SECOND_MS, Timestamp};

use crate::hex;
use crate::keys::keyed;

/// What the signature is for.
const PURPOSE: &str = "regua event 1";
/// For how long after it was signed an event is taken, besides the time that nobody listened.
pub const PAST_MS: i64 = 5 * MINUTE_MS;
/// How far ahead the publisher's clock may be.
pub const FUTURE_MS: i64 = 60 * SECOND_MS;
const BYTES: usize = 32;

/// A publisher's key.
pub type Key = [u8; BYTES];

/// What of an event is signed, as it is written in it.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// When it was signed, in Unix milliseconds.
    pub at_ms: i64,
    /// The mode, then the attributes: id, source, type, tenant, time.
    pub attributes: [&'a str; 6],
    /// The body.
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// Returns the signature, as 64 hexadecimal digits with small letters.
    pub fn sign(&self, key: &Key) -> String {
        hex::written(&self.mac(key).finalize().into_bytes())
    }

    /// Says whether a signature is the event's, in the same time wherever it differs.
    pub fn is_signed_by(&self, key: &Key, signature: &str) -> bool {
        let bytes = hex::read::<BYTES>(signature);
        bytes.is_some_and(|bytes| self.mac(key).verify_slice(&bytes).is_ok())
    }

    /// Says whether it was signed in time. `listening_since` is an instant up to which all that was
    /// published is known to have been taken: an event that waited while nobody listened is not
    /// late by that.
    ///
    /// # Errors
    /// [`OutOfTime`].
    pub fn is_in_time(&self, now: Timestamp, listening_since: Timestamp) -> Result<(), OutOfTime> {
        let since = listening_since.min(now).unix_ms();
        if self.at_ms < since.saturating_sub(PAST_MS) {
            return Err(OutOfTime::Late);
        }
        if self.at_ms > now.unix_ms().saturating_add(FUTURE_MS) {
            return Err(OutOfTime::Early);
        }
        Ok(())
    }

    fn mac(&self, key: &Key) -> hmac::Hmac<sha2::Sha256> {
        let mut mac = keyed(key);
        let at = self.at_ms.to_string();
        let mut add = |part: &[u8]| {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        };
        add(PURPOSE.as_bytes());
        add(at.as_bytes());
        self.attributes.iter().for_each(|it| add(it.as_bytes()));
        add(self.body);
        mac
    }
}

/// Why an event's signature does not count, though it may be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTime {
    /// It was signed too long ago.
    Late,
    /// It says that it was signed in the future.
    Early,
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [9; BYTES];

    fn signed<'a>(attributes: [&'a str; 6], body: &'a [u8]) -> Signed<'a> {
        Signed {
            at_ms: 1_000_000,
            attributes,
            body,
        }
    }

    const EVENT: [&str; 6] = [
        "binary",
        "e1",
        "erp",
        "boleto.paid",
        "ten_1",
        "2026-11-22T12:00:00Z",
    ];

    #[test]
    fn nothing_that_is_signed_can_be_changed() {
        let one = signed(EVENT, b"{}");
        let signature = one.sign(&KEY);
        assert!(one.is_signed_by(&KEY, &signature));
        assert!(!one.is_signed_by(&[8; BYTES], &signature));
        for place in 0..EVENT.len() {
            let mut other = EVENT;
            other[place] = "x";
            assert!(
                !signed(other, b"{}").is_signed_by(&KEY, &signature),
                "{place}"
            );
        }
        assert!(!signed(EVENT, b"{} ").is_signed_by(&KEY, &signature));
        let later = Signed {
            at_ms: 1_000_001,
            ..one
        };
        assert!(!later.is_signed_by(&KEY, &signature));
        // Nor moved from one part into the next.
        let moved = [EVENT[0], "e", "1erp", EVENT[3], EVENT[4], EVENT[5]];
        assert!(!signed(moved, b"{}").is_signed_by(&KEY, &signature));
    }

    #[test]
    fn what_is_no_signature_is_none() {
        let one = signed(EVENT, b"{}");
        let right = one.sign(&KEY);
        let signs = right.replace(|c: char| c.is_ascii_hexdigit(), "+");
        let others = [
            &right[..63],
            &format!("{right}0"),
            &right.to_uppercase(),
            &signs,
        ];
        for text in others.into_iter().chain(["", "00", "é"]) {
            assert!(!one.is_signed_by(&KEY, text), "{text}");
        }
    }

    #[test]
    fn an_event_is_in_time_for_five_minutes_and_for_as_long_as_nobody_listened() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_000_000 + ms);
        let one = signed(EVENT, b"{}");
        let listening = |now: i64, since: i64| one.is_in_time(at(now), at(since));
        assert_eq!(listening(PAST_MS, PAST_MS), Ok(()));
        assert_eq!(listening(PAST_MS + 1, PAST_MS + 1), Err(OutOfTime::Late));
        assert_eq!(listening(9 * PAST_MS, PAST_MS), Ok(()));
        assert_eq!(listening(9 * PAST_MS, PAST_MS + 1), Err(OutOfTime::Late));
        assert_eq!(listening(-FUTURE_MS, 0), Ok(()));
        assert_eq!(listening(-FUTURE_MS - 1, 0), Err(OutOfTime::Early));
    }
}
