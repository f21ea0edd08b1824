//! Messages as the broker's library has them.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac as _};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use schedules::time::Timestamp;
use sha2::Sha256;

use crate::bus::message::Message;
use crate::hex;
use crate::keys::{RootKey, keyed};

/// The routing key of probes.
pub(super) const PROBE_KEY: &str = "probe";
const PROBE: &str = "application/x-regua-probe";
/// The header that says when a probe was sent, in Unix milliseconds.
const SENT_AT: &str = "regua-sent-at";
/// The header that shows that an engine of this installation sent it.
const PROOF: &str = "regua-proof";
/// What the key of probes is derived for.
const PURPOSE: &str = "regua probe 1";
/// A message that is kept on disk.
const PERSISTENT: u8 = 2;
/// What the headers begin with that say something to the engine.
const READ: [&str; 2] = ["cloudEvents", "regua-"];
/// The longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 1_024;

/// What came.
pub(super) enum Came {
    /// A probe of some node, and when it was sent.
    Probe(Timestamp),
    /// Anything else.
    Message(Message),
}

pub(super) fn came(properties: &BasicProperties, body: Vec<u8>, root: &RootKey) -> Came {
    let table = properties.headers().as_ref().map(FieldTable::inner);
    let headers = table.into_iter().flatten().filter_map(|(name, value)| {
        let name = name.as_str();
        let is_read = READ.iter().any(|prefix| name.starts_with(prefix));
        let value = text(value).filter(|value| is_read && value.len() <= HEADER_BYTES_MAX)?;
        Some((name.to_owned(), value))
    });
    let headers: BTreeMap<String, String> = headers.collect();
    let content_type = properties.content_type().as_ref();
    let content_type = content_type.map(|it| it.as_str().to_owned());
    if content_type.as_deref() == Some(PROBE)
        && let Some(sent_at) = probed_at(&headers, root)
    {
        return Came::Probe(sent_at);
    }
    Came::Message(Message {
        content_type,
        headers,
        body,
    })
}

/// Returns when a probe was sent that this installation made.
fn probed_at(headers: &BTreeMap<String, String>, root: &RootKey) -> Option<Timestamp> {
    let sent_at: i64 = headers.get(SENT_AT)?.parse().ok()?;
    let proof: [u8; 32] = hex::read(headers.get(PROOF)?)?;
    let is_ours = mac(sent_at, root).verify_slice(&proof).is_ok();
    is_ours.then_some(Timestamp::from_unix_ms(sent_at))
}

fn mac(sent_at: i64, root: &RootKey) -> Hmac<Sha256> {
    let mut mac = keyed(&root.derive(PURPOSE, ""));
    mac.update(&sent_at.to_be_bytes());
    mac
}

/// Returns a header that is a text; an instant may be a number.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn probe(at: Timestamp, root: &RootKey) -> BasicProperties {
    let at = at.unix_ms();
    let mut headers = FieldTable::default();
    headers.insert(SENT_AT.into(), AMQPValue::LongLongInt(at));
    let proof = hex::written(&mac(at, root).finalize().into_bytes());
    headers.insert(PROOF.into(), AMQPValue::LongString(proof.as_str().into()));
    BasicProperties::default()
        .with_content_type(PROBE.into())
        .with_headers(headers)
}

/// Returns how a message is published; `id` is the same each time it is.
pub fn properties(message: &Message, id: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        let value = AMQPValue::LongString(value.as_str().into());
        headers.insert(name.as_str().into(), value);
    }
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_message_id(id.into())
        .with_delivery_mode(PERSISTENT);
    match &message.content_type {
        Some(content_type) => properties.with_content_type(content_type.as_str().into()),
        None => properties,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(byte: char) -> RootKey {
        RootKey::parse(&byte.to_string().repeat(43)).expect("a key")
    }

    #[test]
    fn a_probe_counts_for_the_installation_that_sent_it_alone() {
        let at = Timestamp::from_unix_ms(1_763_000_000_000);
        let properties = probe(at, &root('A'));
        let came_to = |root: &RootKey| came(&properties, Vec::new(), root);
        assert!(matches!(came_to(&root('A')), Came::Probe(sent_at) if sent_at == at));
        assert!(matches!(came_to(&root('E')), Came::Message(_)));
    }

    #[test]
    fn headers_that_say_nothing_to_the_engine_are_left_behind() {
        let mut headers = FieldTable::default();
        let text = |text: &str| AMQPValue::LongString(text.into());
        headers.insert("cloudEvents:id".into(), text("e1"));
        headers.insert("cloudEvents:source".into(), text(&"x".repeat(1_025)));
        headers.insert("x-death".into(), text("Maria"));
        let properties = BasicProperties::default().with_headers(headers);
        let Came::Message(message) = came(&properties, Vec::new(), &root('A')) else {
            panic!("no probe")
        };
        let headers: Vec<_> = message.headers.into_iter().collect();
        assert_eq!(headers, [("cloudEvents:id".to_owned(), "e1".to_owned())]);
    }
}
