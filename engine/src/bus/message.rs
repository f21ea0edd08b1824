//! An event as it travels on a broker: CloudEvents 1.0.2, by its AMQP binding, and signed.
//!
//! Binary: the attributes are headers `cloudEvents:id` and so on (or `cloudEvents_id`, as the
//! binding also spells them), and the body is the data. Structured: the content type is
//! `application/cloudevents+json`, and all of the event is the body. In both the signature stands
//! in headers of its own.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat};
use schedules::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::envelope::Envelope;
use super::payments::is_name;
use super::signature::{Key, Signed};

/// The longest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The content type of an event that is all in the body.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// The content type of data.
pub const DATA: &str = "application/json";
/// The header with the id of the key.
pub const KEY_HEADER: &str = "regua-key";
/// The header with the instant of the signature, in Unix milliseconds.
pub const TIMESTAMP_HEADER: &str = "regua-timestamp";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "regua-signature";
/// What the names of attributes begin with, in headers.
const PREFIXES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];
const VERSION: &str = "1.0";
/// The mode in which the attributes are headers, as it is signed.
const BINARY: &str = "binary";

/// A message as it came, or is to go.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The content type.
    pub content_type: Option<String>,
    /// The headers that are texts.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Hides what it says, which may name a person.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a message is no signed event. It never quotes the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The body is longer than [`BODY_BYTES_MAX`].
    #[error("message is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// An attribute is missing or is not what CloudEvents 1.0 says it is, or the data is no JSON.
    #[error("message is no CloudEvent 1.0 with id, source, type, tenant, time and JSON data")]
    Event,
    /// The key, the instant or the signature is missing.
    #[error("message is not signed")]
    Unsigned,
}

/// An event, and who says that it signed it, when.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The event.
    pub event: Envelope,
    /// The id of the key.
    pub key_id: String,
    /// As they are signed.
    attributes: [String; 6],
    at_ms: i64,
    signature: String,
}

impl Read {
    /// Returns what is signed; `message` is the one that was read.
    pub fn signed<'a>(&'a self, message: &'a Message) -> Signed<'a> {
        Signed {
            at_ms: self.at_ms,
            attributes: self.attributes.each_ref().map(String::as_str),
            body: &message.body,
        }
    }

    /// Returns when it says that it was signed.
    pub const fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.at_ms)
    }

    /// Says whether the signature is right under a key.
    pub fn is_signed_by(&self, message: &Message, key: &Key) -> bool {
        self.signed(message).is_signed_by(key, &self.signature)
    }
}

/// The attributes, and in the structured mode the data; extensions are left alone.
#[derive(Deserialize)]
struct Attributes {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    tenant: String,
    time: String,
    #[serde(default)]
    datacontenttype: Option<String>,
    #[serde(default)]
    data: Value,
}

impl Message {
    /// Reads the event; whether its signature is right is another question.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(&self) -> Result<Read, Unreadable> {
        if self.body.len() > BODY_BYTES_MAX {
            return Err(Unreadable::TooLong);
        }
        let (mode, attributes) = match self.content_type.as_deref().map(media_type) {
            Some(kind) if kind.eq_ignore_ascii_case(STRUCTURED) => {
                let read = serde_json::from_slice(&self.body);
                ("structured", read.map_err(|_| Unreadable::Event)?)
            }
            kind => (BINARY, self.binary(kind).ok_or(Unreadable::Event)?),
        };
        let attributes: Attributes = attributes;
        let event = attributes.event().ok_or(Unreadable::Event)?;
        let header = |name: &str| self.headers.get(name).cloned();
        let signed = || {
            let at = header(TIMESTAMP_HEADER)?;
            let is_plain = at.bytes().all(|byte| byte.is_ascii_digit());
            let at_ms = at.parse().ok().filter(|_| is_plain)?;
            let key_id = header(KEY_HEADER).filter(|id| is_name(id))?;
            Some((key_id, at_ms, header(SIGNATURE_HEADER)?))
        };
        let (key_id, at_ms, signature) = signed().ok_or(Unreadable::Unsigned)?;
        let Attributes {
            id,
            source,
            kind,
            tenant,
            time,
            ..
        } = attributes;
        Ok(Read {
            event,
            key_id,
            attributes: [mode.to_owned(), id, source, kind, tenant, time],
            at_ms,
            signature,
        })
    }

    /// Writes an event in the binary mode, and signs it.
    pub fn signed(event: &Envelope, key_id: &str, key: &Key, at: Timestamp) -> Self {
        let body = event.data.to_string().into_bytes();
        let time = written(event.time);
        let tenant = event.tenant.to_string();
        let attributes = [&event.id, &event.source, &event.kind, &tenant, &time];
        let [id, source, kind, tenant, time] = attributes.map(String::as_str);
        let signed = Signed {
            at_ms: at.unix_ms(),
            attributes: [BINARY, id, source, kind, tenant, time],
            body: &body,
        };
        let signature = signed.sign(key);
        let names = ["id", "source", "type", "tenant", "time"];
        let attributes = names.iter().zip(attributes);
        let mut headers: BTreeMap<String, String> = attributes
            .map(|(name, value)| (attribute(name), value.clone()))
            .collect();
        headers.extend([
            (attribute("specversion"), VERSION.to_owned()),
            (KEY_HEADER.to_owned(), key_id.to_owned()),
            (TIMESTAMP_HEADER.to_owned(), at.unix_ms().to_string()),
            (SIGNATURE_HEADER.to_owned(), signature),
        ]);
        Self {
            content_type: Some(DATA.to_owned()),
            headers,
            body,
        }
    }

    fn binary(&self, kind: Option<&str>) -> Option<Attributes> {
        let value = |name: &str| {
            let mut spelled = PREFIXES.iter().map(|prefix| format!("{prefix}{name}"));
            spelled.find_map(|name| self.headers.get(&name).cloned())
        };
        let data = match self.body.as_slice() {
            [] => Value::Null,
            body => serde_json::from_slice(body).ok()?,
        };
        Some(Attributes {
            specversion: value("specversion")?,
            id: value("id")?,
            source: value("source")?,
            kind: value("type")?,
            tenant: value("tenant")?,
            time: value("time")?,
            datacontenttype: kind.map(str::to_owned),
            data,
        })
    }
}

impl Attributes {
    fn event(&self) -> Option<Envelope> {
        let kind = self.datacontenttype.as_deref().map(media_type);
        let is_json = kind.is_none_or(|kind| kind.eq_ignore_ascii_case(DATA));
        if self.specversion != VERSION || !is_json {
            return None;
        }
        let time = DateTime::parse_from_rfc3339(&self.time).ok()?;
        Some(Envelope {
            id: self.id.clone(),
            source: self.source.clone(),
            kind: self.kind.clone(),
            tenant: self.tenant.parse().ok()?,
            time: Timestamp::from_unix_ms(time.timestamp_millis()),
            data: self.data.clone(),
        })
    }
}

fn attribute(name: &str) -> String {
    format!("{}{name}", PREFIXES[0])
}

/// Returns a content type without its parameters.
fn media_type(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

fn written(at: Timestamp) -> String {
    let at = DateTime::from_timestamp_millis(at.unix_ms()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use schedules::id::TenantId;
    use serde_json::json;

    use super::*;

    const KEY: Key = [3; 32];

    fn event() -> Envelope {
        Envelope {
            id: "e1".into(),
            source: "erp".into(),
            kind: "boleto.paid".into(),
            tenant: TenantId(1),
            time: Timestamp::from_unix_ms(1_763_000_000_123),
            data: json!({ "reference": "NF-1" }),
        }
    }

    fn message() -> Message {
        Message::signed(&event(), "pk_1", &KEY, Timestamp::from_unix_ms(5))
    }

    fn structured(change: impl FnOnce(&mut Value)) -> Message {
        let mut body = json!({
            "specversion": "1.0", "id": "e1", "source": "erp", "type": "boleto.paid",
            "tenant": "ten_1", "time": "2025-11-13T02:13:20.123Z", "traceparent": "00-1",
            "datacontenttype": "application/json", "data": { "reference": "NF-1" },
        });
        change(&mut body);
        Message {
            content_type: Some("application/cloudevents+json; charset=utf-8".into()),
            body: body.to_string().into_bytes(),
            ..message()
        }
    }

    #[test]
    fn an_event_reads_back_as_it_was_written_and_signed() {
        let message = message();
        let read = message.read().expect("an event");
        assert_eq!(read.event, event());
        assert!(read.is_signed_by(&message, &KEY));
        assert!(!read.is_signed_by(&message, &[4; 32]));
        let mut other = message.clone();
        other.body = b"{\"reference\":\"NF-2\"}".to_vec();
        let read = other.read().expect("an event");
        assert!(!read.is_signed_by(&other, &KEY));
    }

    #[test]
    fn an_event_may_be_all_in_the_body_or_have_its_headers_spelled_the_other_way() {
        let read = structured(|_| ()).read().expect("an event");
        assert_eq!(read.event, event());
        let mut other = message();
        let headers = other.headers.into_iter();
        other.headers = headers
            .map(|(name, value)| (name.replace(':', "_"), value))
            .collect();
        let read = other.read().expect("an event");
        assert!(read.is_signed_by(&other, &KEY));
    }

    #[test]
    fn what_is_no_event_is_refused_without_being_quoted() {
        let refused = |change: &dyn Fn(&mut Message)| {
            let mut message = message();
            change(&mut message);
            message.read().expect_err("no event")
        };
        let without = |name: &'static str| move |it: &mut Message| drop(it.headers.remove(name));
        let other = |name: &'static str, value: &'static str| {
            move |it: &mut Message| drop(it.headers.insert(name.into(), value.into()))
        };
        for name in ["specversion", "id", "source", "type", "tenant", "time"] {
            let name = format!("cloudEvents:{name}");
            let missing = refused(&|it| drop(it.headers.remove(&name)));
            assert_eq!(missing, Unreadable::Event, "{name}");
        }
        for (name, value) in [
            ("cloudEvents:specversion", "0.3"),
            ("cloudEvents:tenant", "acme"),
            ("cloudEvents:time", "yesterday"),
        ] {
            assert_eq!(refused(&other(name, value)), Unreadable::Event, "{name}");
        }
        let xml = |it: &mut Message| it.content_type = Some("text/xml".into());
        assert_eq!(refused(&xml), Unreadable::Event);
        assert_eq!(refused(&|it| it.body = b"{".to_vec()), Unreadable::Event);
        let long = |it: &mut Message| it.body = vec![b' '; BODY_BYTES_MAX + 1];
        assert_eq!(refused(&long), Unreadable::TooLong);
        for name in [KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
            assert_eq!(refused(&without(name)), Unreadable::Unsigned, "{name}");
        }
        assert_eq!(refused(&other(KEY_HEADER, "a\u{0}b")), Unreadable::Unsigned);
        for value in ["+5", "-5", "5.0", "", "99999999999999999999"] {
            let at = refused(&other(TIMESTAMP_HEADER, value));
            assert_eq!(at, Unreadable::Unsigned, "{value}");
        }
        for name in ["id", "tenant", "specversion"] {
            let refused = structured(|body| drop(body.as_object_mut().map(|it| it.remove(name))));
            assert_eq!(refused.read(), Err(Unreadable::Event), "{name}");
        }
        let bytes = structured(|body| body["datacontenttype"] = json!("image/png"));
        assert_eq!(bytes.read(), Err(Unreadable::Event));
        let deep = Message {
            body: b"[".repeat(60_000),
            ..message()
        };
        assert_eq!(deep.read(), Err(Unreadable::Event));
    }
}
