//! Links: what may stand as one in a message, and where one hides in a text that is none.
//!
//! Knows texts only; whether an address answers is not its business. Import and rendering ask
//! here both, so that nothing is accepted which cannot be sent.

use unicode_normalization::UnicodeNormalization as _;

/// The longest payment link, in bytes: a WhatsApp text takes no more.
pub const LINK_BYTES_MAX: usize = 1_024;

const SCHEME: &str = "https://";

/// What ends the host of an address, and parts one word from the next in a name.
const PART_ENDS: [char; 3] = ['/', '?', '#'];

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

/// Finds an address with a scheme, a `www.`, a path or a query, however wide its letters are. A
/// bare domain passes: companies are named after theirs.
pub fn holds_link(text: &str) -> bool {
    if text.chars().all(is_of_no_link) {
        return false;
    }
    // Programs that open links read these letters as the plain ones, and this stop as a dot.
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let folded = folded.replace('\u{3002}', ".");
    folded.split_whitespace().any(|word| {
        let mut parts = word.split(PART_ENDS).peekable();
        let mut has_host = false;
        while let Some(part) = parts.next() {
            let written = part.trim_start_matches(|sign: char| !sign.is_alphanumeric());
            has_host |= written.starts_with("www.");
            // What nothing follows is a bare domain at most.
            has_host |= parts.peek().is_some() && is_host_of_link(part);
        }
        has_host || word.contains("://")
    })
}

/// Tells letters, digits and signs of names that no folding turns into what a link needs: a dot, or
/// what ends a host. Most names have nothing else.
const fn is_of_no_link(sign: char) -> bool {
    match sign {
        '.' | '/' | '?' | '#' => false,
        // ASCII, and the letters of Latin-1 and its first two extensions.
        '\0'..='\u{7F}' | '\u{C0}'..='\u{24F}' => true,
        _ => false,
    }
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

/// Recognises `name.tld`, with or without a port, but not the `S.A.` of `S.A./ME` or the
/// `2026.NF` of `2026.NF/001`.
fn is_host_of_link(part: &str) -> bool {
    let host = match part.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => part,
    };
    let host = host.trim_end_matches('.');
    if is_ipv4(host) {
        return true;
    }
    let Some((name, ending)) = host.rsplit_once('.') else {
        return false;
    };
    let is_ending = ending.starts_with("xn--") || ending.chars().all(char::is_alphabetic);
    name.ends_with(char::is_alphanumeric)
        && ending.chars().count() >= 2
        && is_ending
        && (name.contains(char::is_alphabetic) || NUMBERED_ENDINGS.contains(&ending))
}

/// Recognises four numbers of a byte each.
fn is_ipv4(host: &str) -> bool {
    let is_byte = |number: &str| {
        number.parse::<u8>().is_ok() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    host.split('.').count() == 4 && host.split('.').all(is_byte)
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
    fn a_link_is_found_however_its_host_is_dressed() {
        for text in [
            "evil.com/pix",
            "evil.com:8080/pix",
            "evil.com./pix",
            "evil.com.:80/pix",
            "evil.рф/pix",
            "evil.xn--p1ai/pix",
            "1.2.3.4/pix",
            "1.2.3.4:80/pix",
            "c/evil.com/pix",
            "evil.com?pix=1",
            "evil.com#pix",
            "ｅｖｉｌ.ｃｏｍ/pix",
            "evil。com／pix",
            "ｈｔｔｐｓ：／／evil.com",
            "(www.evil.com)",
            "c/www.evil.com",
        ] {
            assert!(holds_link(text), "{text}");
        }
    }

    #[test]
    fn what_is_of_no_link_folds_to_nothing_that_a_link_needs() {
        let passed = ('\0'..=char::MAX).filter(|sign| is_of_no_link(*sign));
        for sign in passed {
            let folded: String = sign.nfkc().flat_map(char::to_lowercase).collect();
            assert!(
                !folded.contains(['.', '/', '?', '#', '\u{3002}']),
                "{sign:?}"
            );
        }
        assert!("João da Silva & Cia 7".chars().all(is_of_no_link));
    }

    #[test]
    fn a_name_or_a_reference_with_dots_and_slashes_is_no_link() {
        for text in [
            "S.A./ME",
            "Padaria S.A./ME.",
            "Sr. João c/ Maria",
            "12.345.678/0001-90",
            "NF 1.2.3/4",
            "A/C Joana",
            "Loja.com Ltda",
            "n.º 7/2026",
            "R$ 1.234,56 / mês",
        ] {
            assert!(!holds_link(text), "{text}");
        }
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
