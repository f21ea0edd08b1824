//! Codes: the names that tenants give to rules and templates, for decision records and steps.
//!
//! They stand in logs, addresses and file names, so they are plain; what they name is not known
//! here.

/// The longest code, in characters.
pub const CODE_CHARS_MAX: usize = 64;

/// A text that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// There is none.
    #[error("code is empty")]
    FindText,
    /// More than [`CODE_CHARS_MAX`] characters.
    #[error("code is longer than {CODE_CHARS_MAX} characters")]
    MeasureText,
    /// Something else than ASCII letters, digits, `_`, `-` and `.`.
    #[error("code has characters other than letters, digits, '_', '-' and '.'")]
    ReadCharacter,
}

/// Checks that a text is a code: 1 to 64 ASCII letters, digits, `_`, `-` and `.`.
///
/// # Errors
/// The first [`CodeError`] found.
pub fn check_code(text: &str) -> Result<(), CodeError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if text.is_empty() {
        Err(CodeError::FindText)
    } else if !text.bytes().all(is_plain) {
        Err(CodeError::ReadCharacter)
    } else if text.len() > CODE_CHARS_MAX {
        Err(CodeError::MeasureText)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_1_to_64_plain_characters() {
        for code in [
            "a",
            "cap.contact.rolling_24h",
            "lembrete-1",
            &"x".repeat(64),
        ] {
            assert_eq!(check_code(code), Ok(()), "{code}");
        }
        assert_eq!(check_code(""), Err(CodeError::FindText));
        assert_eq!(check_code(&"x".repeat(65)), Err(CodeError::MeasureText));
        for code in ["a b", "a\n", "ação", "a/b", "a:b", "\u{200b}", "{{a}}"] {
            assert_eq!(check_code(code), Err(CodeError::ReadCharacter), "{code}");
        }
    }
}
