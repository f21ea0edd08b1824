//! Links: what may stand as one in a message, and where one hides in a text that is none.
//!
//! Knows texts only; whether an address answers is not its business. Import and rendering ask
//! here both, so that nothing is accepted which cannot be sent.

/// The longest payment link, in bytes: a WhatsApp text takes no more.
pub const LINK_BYTES_MAX: usize = 1_024;

const SCHEME: &str = "https://";

/// Endings under which domains of digits alone are common; `2026.NF/001` is none of them.
const NUMBERED_ENDINGS: [&str; 14] = [
    "app", "br", "cc", "cn", "com", "info", "io", "me", "net", "org", "ru", "top", "vip", "xyz",
];

/// A text that is no payment link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// More than [`LINK_BYTES_MAX`].
    #[error("the link is too long")]
    MeasureLink,
    /// Not `https`, in whatever case.
    #[error("the link is not an https address")]
    ReadScheme,
    /// Blanks, letters with accents, or signs that could end the link in a message.
    #[error("the link has characters that an address has not")]
    ReadCharacter,
    /// No host with a dot in it, or something that could hide it.
    #[error("the link has no plain host")]
    ReadHost,
}

impl LinkError {
    /// Returns the stable name of the error, for the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MeasureLink => "link_length",
            Self::ReadScheme => "link_scheme",
            Self::ReadCharacter => "link_character",
            Self::ReadHost => "link_host",
        }
    }
}

/// Checks that a text is an https address with a plain host.
///
/// # Errors
/// The first [`LinkError`] found.
pub fn check_link(text: &str) -> Result<(), LinkError> {
    if text.len() > LINK_BYTES_MAX {
        return Err(LinkError::MeasureLink);
    }
    let rest = text
        .get(..SCHEME.len())
        .filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
        .map(|_| &text[SCHEME.len()..])
        .ok_or(LinkError::ReadScheme)?;
    // What RFC 3986 does not have could end an attribute or a link in a message.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte);
    if !rest.bytes().all(is_plain) {
        return Err(LinkError::ReadCharacter);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_plain_host(authority)
        .then_some(())
        .ok_or(LinkError::ReadHost)
}

/// Finds an address with a scheme, a `www.` or a path. A bare domain passes: companies are named
/// after theirs.
pub fn holds_link(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let word = word.to_lowercase();
        word.contains("://") || word.starts_with("www.") || has_host_and_path(&word)
    })
}

/// Reads `pague.example` or `pague.example:8443`: a user before it would hide the real host.
fn is_plain_host(authority: &str) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    host.contains('.')
        && host.split('.').all(is_label)
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(label: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.bytes().all(is_letter)
}

/// Finds `name.tld/`, but not `S.A./ME` or `2026.NF/001`.
fn has_host_and_path(word: &str) -> bool {
    let Some((host, _)) = word.split_once('/') else {
        return false;
    };
    let Some((name, ending)) = host.rsplit_once('.') else {
        return false;
    };
    name.ends_with(char::is_alphanumeric)
        && ending.len() >= 2
        && ending.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (name.contains(char::is_alphabetic) || NUMBERED_ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_https_in_any_case_with_a_host_that_nothing_hides() {
        for link in [
            "https://pague.example",
            "HTTPS://Pague.example:8443/b/1?x=2#y",
            "https://1.2.3.4/",
        ] {
            assert_eq!(check_link(link), Ok(()), "{link}");
        }
        for (link, error) in [
            ("http://pague.example", LinkError::ReadScheme),
            ("httpsé://", LinkError::ReadScheme),
            ("", LinkError::ReadScheme),
            ("https://pague.example/a b", LinkError::ReadCharacter),
            ("https://pague.example/\u{200b}", LinkError::ReadCharacter),
            (
                "https://pague.example\\@evil.example",
                LinkError::ReadCharacter,
            ),
            ("https://localhost", LinkError::ReadHost),
            ("https://", LinkError::ReadHost),
            ("https:///x.y", LinkError::ReadHost),
            ("https://.example", LinkError::ReadHost),
            ("https://bank.example@evil.example/", LinkError::ReadHost),
            ("https://bank.example:80@evil.example/", LinkError::ReadHost),
        ] {
            assert_eq!(check_link(link), Err(error), "{link}");
        }
        let long = format!("https://a.b/{}", "x".repeat(LINK_BYTES_MAX));
        assert_eq!(check_link(&long), Err(LinkError::MeasureLink));
    }

    #[test]
    fn a_numbered_document_is_told_from_a_numbered_domain() {
        for text in ["2026.NF/001", "12.2026.nfe/7", "1.2/3", "NF 2026.SP/1"] {
            assert!(!holds_link(text), "{text}");
        }
        for text in ["163.com/x", "123.com.br/pix", "NF bit.ly/1", "a9.nf/001"] {
            assert!(holds_link(text), "{text}");
        }
    }
}
