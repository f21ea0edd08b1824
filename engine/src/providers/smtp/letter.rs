//! A message as the server takes it: headers that nothing in them can forge, and a plain text.

use std::time::{Duration, UNIX_EPOCH};

use actors::machine::effect::HandOver;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, SinglePart};
use schedules::contact::EmailAddress;
use schedules::time::Timestamp;

use super::super::settings::smtp::SmtpSettings;
use crate::unsubscribe::{Links, Whose};

/// The most bytes of a line, its end aside (RFC 5322, section 2.1.1).
const LINE_BYTES_MAX: usize = 998;
/// The most bytes of an encoded word's text: in base64 and with its frame it has up to 75
/// characters (RFC 2047, section 2).
const WORD_BYTES_MAX: usize = 45;

/// A message, ready to be sent.
pub(super) struct Letter {
    /// To whom it goes.
    pub(super) to: EmailAddress,
    /// Its `Message-ID`, without the angle brackets.
    pub(super) id: String,
    /// Headers and text.
    pub(super) bytes: Vec<u8>,
}

/// Writes a message.
///
/// # Errors
/// The code of what keeps it from ever being sent.
pub(super) fn write(
    message: &HandOver,
    settings: &SmtpSettings,
    links: Option<&Links>,
    now: Timestamp,
) -> Result<Letter, &'static str> {
    let to = EmailAddress::parse(&message.to).map_err(|error| error.code())?;
    let subject = message.rendered.subject.as_deref().unwrap_or_default();
    if subject.chars().any(char::is_control) {
        return Err("email_subject_control_character");
    }
    let address: Address = to.as_str().parse().map_err(|_| "email_address")?;
    let id = id_of(message, settings);
    let now_ms = u64::try_from(now.unix_ms()).unwrap_or_default();
    let mut builder = Message::builder()
        .from(settings.from.mailbox().clone())
        .to(Mailbox::new(None, address))
        .raw_header(subject_header(subject))
        .date(UNIX_EPOCH + Duration::from_millis(now_ms))
        .message_id(Some(format!("<{id}>")))
        // RFC 3834, section 5: no vacation notice answers it.
        .raw_header(header("Auto-Submitted", "auto-generated"));
    if let Some(reply_to) = &settings.reply_to {
        builder = builder.reply_to(reply_to.mailbox().clone());
    }
    if let Some(links) = links {
        let link = links.link(Whose {
            tenant: message.tenant,
            contact: message.contact,
            channel: message.channel,
        });
        // RFC 8058, section 8.1.
        builder = builder
            .raw_header(header("List-Unsubscribe", &format!("<{link}>")))
            .raw_header(header(
                "List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click",
            ));
    }
    let text = SinglePart::plain(message.rendered.body.clone());
    let letter = builder.singlepart(text).map_err(|_| "email_message")?;
    let bytes = letter.formatted();
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if lines.any(|line| line.len() > LINE_BYTES_MAX + 1) {
        return Err("email_line_length");
    }
    Ok(Letter { to, id, bytes })
}

/// Returns the id of an attempt's message. Attempts of one database are told apart by tenant and
/// key, those of one that was made anew by the deadline as well, which a claim keeps.
fn id_of(message: &HandOver, settings: &SmtpSettings) -> String {
    let HandOver {
        attempt,
        tenant,
        deadline_at,
        ..
    } = message;
    let domain = settings.from.domain();
    format!("{attempt}.{tenant}.{}@{domain}", deadline_at.unix_ms())
}

/// Writes the subject. Readers decode what looks like an encoded word, whoever wrote it: a subject
/// with one, of a reference for example, is encoded as a whole, so that it is read as it is.
fn subject_header(subject: &str) -> HeaderValue {
    if !subject.contains("=?") {
        return header("Subject", subject);
    }
    let (mut words, mut rest) = (Vec::new(), subject);
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES_MAX));
        words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    let name = HeaderName::new_from_ascii_str("Subject");
    HeaderValue::dangerous_new_pre_encoded(name, subject.to_owned(), words.join("\r\n "))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Returns the content as it goes over the line: every line ends with CRLF and none is a lone dot
/// but the last (RFC 5321, section 4.5.2). A lone CR or LF, which servers take for line ends or
/// not, leaves as a line end.
pub(super) fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + content.len() / 16 + 8);
    let mut rest = content;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        if line.first() == Some(&b'.') {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
        rest = after
            .strip_prefix(b"\r\n")
            .unwrap_or(after.get(1..).unwrap_or_default());
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}
