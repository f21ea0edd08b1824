//! The checksum that closes a BR Code: CRC-16/CCITT-FALSE over the UTF-8 bytes before it.

use super::BrCodeError;

const TAG_AND_LENGTH: &str = "6304";
const DIGITS: usize = 4;

/// Checks that a text ends with field 63 and that it holds the checksum of all before.
pub(super) fn check(code: &str) -> Result<(), BrCodeError> {
    let at = code.len().saturating_sub(DIGITS);
    let (guarded, written) = code.split_at_checked(at).ok_or(BrCodeError::FindChecksum)?;
    let is_hex = written.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !guarded.ends_with(TAG_AND_LENGTH) {
        return Err(BrCodeError::FindChecksum);
    }
    let written = u16::from_str_radix(written, 16).ok();
    (written == Some(crc16(guarded.as_bytes())))
        .then_some(())
        .ok_or(BrCodeError::CheckSum)
}

/// Computes CRC-16/CCITT-FALSE: polynomial 0x1021, first value 0xFFFF.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_the_catalogues_check_text_is_29b1() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
    }

    #[test]
    fn a_text_without_a_whole_checksum_has_none() {
        for text in [
            "",
            "6",
            "6304",
            "63041D3",
            "6304é3D",
            "63041D3G",
            "+6304+123",
        ] {
            assert_eq!(check(text), Err(BrCodeError::FindChecksum), "{text}");
        }
    }
}
