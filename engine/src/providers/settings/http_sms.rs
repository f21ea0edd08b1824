//! The settings of an SMS gateway over HTTP: its request, its signature, and how its reply is read.

use std::collections::BTreeMap;

use hyper::Method;
use hyper::header::HeaderName;
use serde::Serialize;

use super::egress::EgressSettings;
use super::header::is_header;
use crate::config::{Secret, Section};
use crate::providers::http_sms::{Pattern, Place, Shape};

/// Headers that the client writes itself.
const OWN_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// One gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpSmsSettings {
    /// Where and how fast.
    #[serde(flatten)]
    pub egress: EgressSettings,
    /// The method.
    pub method: CallMethod,
    /// How the body is written.
    pub format: BodyFormat,
    /// The secret that `{credential}` stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Secret>,
    /// The statuses of a message that was taken; every success when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Vec<u16>>,
    /// Statuses beside 429, none of success, with which it certainly took nothing for now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<u16>,
    /// Where the reply has the gateway's id of the message (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_pointer: Option<String>,
    /// How requests are signed, if they are.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// Headers of its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Pattern>,
    /// The body.
    pub body: Shape,
}

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// The key.
    #[serde(rename = "signing_key")]
    pub key: Secret,
    /// The header of the signature.
    pub signature_header: String,
    /// The header of its instant.
    pub timestamp_header: String,
}

/// A method that has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CallMethod {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// As JSON.
    Json,
    /// As a form.
    Form,
}

impl From<CallMethod> for Method {
    fn from(method: CallMethod) -> Self {
        match method {
            CallMethod::Post => Method::POST,
            CallMethod::Put => Method::PUT,
        }
    }
}

impl HttpSmsSettings {
    /// Reads the section.
    pub(crate) fn read(section: &mut Section<'_>) -> Option<Self> {
        let egress = EgressSettings::read(section, None);
        let method = section.optional("method", |it, key| it.choice(key, &["POST", "PUT"]));
        let format = section.optional("format", |it, key| it.choice(key, &["json", "form"]));
        let credential = section.optional_secret("credential");
        let statuses = |it: &mut Section<'_>, key: &str| it.list(key, "a list of statuses");
        let accepted = section.optional("accepted", statuses);
        let unavailable = section.optional("unavailable", statuses);
        let id_pointer = section.optional("id_pointer", Section::text);
        let signing = read_signing(section);
        let headers = section.optional("headers", Section::table);
        let body = section.table("body");
        let method = match method? {
            Some("PUT") => CallMethod::Put,
            _ => CallMethod::Post,
        };
        let format = match format? {
            Some("form") => BodyFormat::Form,
            _ => BodyFormat::Json,
        };
        let (credential, id_pointer) = (credential?, id_pointer?);
        let headers = read_headers(section, headers?.unwrap_or_default(), credential.as_ref());
        let body = read_body(section, body?, format, credential.is_some());
        let is_pointer = id_pointer.as_deref().is_none_or(|it| it.starts_with('/'));
        section.check("id_pointer", is_pointer, "a JSON pointer such as /id");
        let unavailable: Vec<u16> = unavailable?.unwrap_or_default();
        let none_succeeds = !unavailable.iter().any(|status| (200..300).contains(status));
        section.check(
            "unavailable",
            none_succeeds,
            "statuses that are none of success",
        );
        Some(Self {
            egress: egress?,
            method,
            format,
            credential,
            accepted: accepted?,
            unavailable,
            id_pointer,
            signing: signing?,
            headers,
            body: body?,
        })
    }

    /// Returns what `{credential}` stands for.
    pub(crate) fn credential(&self) -> &str {
        self.credential.as_ref().map_or("", Secret::expose)
    }
}

fn read_signing(section: &mut Section<'_>) -> Option<Option<Signing>> {
    let key = section.optional_secret("signing_key");
    let mut header = |key: &str, default: &str| {
        let name = section.optional(key, Section::text)?;
        let name = name.unwrap_or_else(|| default.to_owned());
        section.check(key, is_free(&name), "the name of a header that is free");
        Some(name)
    };
    let signature_header = header("signature_header", "x-regua-signature");
    let timestamp_header = header("timestamp_header", "x-regua-timestamp");
    let (signature_header, timestamp_header) = (signature_header?, timestamp_header?);
    Some(key?.map(|key| Signing {
        key,
        signature_header,
        timestamp_header,
    }))
}

fn read_headers(
    section: &mut Section<'_>,
    table: toml::Table,
    credential: Option<&Secret>,
) -> BTreeMap<String, Pattern> {
    let mut headers = BTreeMap::new();
    for (name, value) in table {
        let pattern = value.as_str().and_then(|text| text.parse::<Pattern>().ok());
        let pattern = pattern.filter(|it| {
            let secret = credential.map_or("", Secret::expose);
            let text = it.to_string().replace("{credential}", secret);
            // Who a message is for, and what it says, does not belong where proxies log it.
            is_header(&text) && !it.is_personal() && usable(it, credential.is_some())
        });
        match pattern.filter(|_| is_free(&name)) {
            Some(pattern) => {
                headers.insert(name.to_ascii_lowercase(), pattern);
            }
            None => {
                let expected =
                    "a free header with {credential}, {attempt} or {reminder} at the most";
                section.check(&format!("headers.{name}"), false, expected);
            }
        }
    }
    headers
}

fn read_body(
    section: &mut Section<'_>,
    table: toml::Table,
    format: BodyFormat,
    has_credential: bool,
) -> Option<Shape> {
    let shape = Shape::of(toml::Value::Table(table)).filter(|shape| {
        let is_complete = shape.any(&|it| it.has(Place::Text))
            && shape.any(&|it| it.has(Place::To) || it.has(Place::ToDigits));
        let is_usable = !shape.any(&|it| !usable(it, has_credential));
        is_complete && is_usable && (format == BodyFormat::Json || shape.is_flat())
    });
    let expected = "a table with {to} or {to_digits}, {text} and no unknown places, flat in a form";
    section.check("body", shape.is_some(), expected);
    shape
}

/// Says whether everything that a pattern needs is there.
fn usable(pattern: &Pattern, has_credential: bool) -> bool {
    has_credential || !pattern.has(Place::Credential)
}

/// Says whether a header of this name can be set here.
fn is_free(name: &str) -> bool {
    let parsed: Option<HeaderName> = name.parse().ok();
    parsed.is_some_and(|name| !OWN_HEADERS.contains(&name.as_str()))
}
