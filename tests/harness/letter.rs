//! What a reader sees of a message that a mail server's double was given.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::smtp::Mail;

/// Returns the text of a message, decoded.
///
/// # Panics
/// When it is not encoded as mail is.
pub fn text(mail: &Mail) -> String {
    let (_, body) = mail.content.split_once("\r\n\r\n").expect("a body");
    let text = match mail.header("Content-Transfer-Encoding").as_deref() {
        Some("quoted-printable") => unquoted(body),
        Some("base64") => {
            let bytes = STANDARD.decode(body.replace("\r\n", ""));
            String::from_utf8(bytes.expect("base64")).expect("utf-8")
        }
        Some("7bit") => body.to_owned(),
        other => panic!("{other:?}"),
    };
    text.trim_end_matches("\r\n").replace("\r\n", "\n")
}

/// Undoes the encoded words of a header (RFC 2047), as far as they are base64 in UTF-8.
///
/// # Panics
/// When one of them is none.
pub fn words(header: &str) -> String {
    let mut text = String::new();
    for (n, part) in header.split("=?utf-8?b?").enumerate() {
        match part.split_once("?=") {
            Some((word, rest)) if n > 0 => {
                text += &String::from_utf8(STANDARD.decode(word).expect("base64")).expect("utf-8");
                // Between two encoded words a blank only parts them.
                text += if rest.trim().is_empty() { "" } else { rest };
            }
            _ => text += part,
        }
    }
    text
}

/// Undoes quoted-printable (RFC 2045, section 6.7).
fn unquoted(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'=' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("utf-8")
}
