//! Texts within addresses and forms.

/// Writes a text as one segment of a path, or one value of a form (RFC 3986, section 2.1).
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_one_segment_or_value() {
        assert_eq!(escaped("Loja-1_a.b~c"), "Loja-1_a.b~c");
        assert_eq!(escaped("a/../b c?é"), "a%2F..%2Fb%20c%3F%C3%A9");
    }
}
