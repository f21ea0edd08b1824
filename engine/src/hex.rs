//! Bytes as hexadecimal digits, in the one form that is written and taken: small letters.

/// Writes bytes, two digits each.
pub fn written(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads as many bytes; none when the text has more, fewer, or anything but digits and small
/// letters up to `f`.
pub fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

const fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_nothing_else_is_taken() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = written(&bytes);
        assert_eq!(read::<256>(&text).map(Vec::from), Some(bytes));
        for text in ["", "0", "000", "0000", "+0", "0G", "AF", " 0", "\u{e9}"] {
            assert_eq!(read::<1>(text), None, "{text}");
        }
    }
}
