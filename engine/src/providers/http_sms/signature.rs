//! Our signature of a request: who has the key knows that it is ours, and how old it is.
//!
//! `v1=` and the hexadecimal HMAC-SHA256 (RFC 2104) of the instant, a full stop and the body, byte
//! for byte; the instant is in Unix seconds, and goes along in a header of its own.

use hmac::{Hmac, KeyInit, Mac};
use schedules::time::{SECOND_MS, Timestamp};
use sha2::Sha256;

use crate::hex;

/// A signature and its instant, as they stand in headers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) timestamp: String,
    pub(super) signature: String,
}

/// Signs a body. A key of any length is one for HMAC; nothing is returned if that were not so.
pub(super) fn signed(key: &[u8], body: &[u8], now: Timestamp) -> Option<Signed> {
    let timestamp = now.unix_ms().div_euclid(SECOND_MS).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let signature = format!("v1={}", hex::written(&mac.finalize().into_bytes()));
    Some(Signed {
        timestamp,
        signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_instant_and_body() {
        let now = Timestamp::from_unix_ms(1_800_000_000_999);
        let signed = signed(b"key", b"{\"to\":\"+55\"}", now).expect("a signature");
        assert_eq!(signed.timestamp, "1800000000");
        // printf '1800000000.{"to":"+55"}' | openssl dgst -sha256 -hmac key
        let expected = "v1=fe290b220f9a98d368a275135b68b66cd090004e2d442739258dab0676048dac";
        assert_eq!(signed.signature, expected);
    }
}
