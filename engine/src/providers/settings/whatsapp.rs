//! The settings of a number of the WhatsApp Cloud API.

use hyper::header::HeaderValue;
use serde::Serialize;

use super::egress::EgressSettings;
use super::header::{is_header, secret_header};
use crate::config::{Secret, Section};

/// Where Meta answers.
const URL: &str = "https://graph.facebook.com";
/// The version of the API that this was written for.
const VERSION: &str = "v25.0";

/// One number of the Cloud API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhatsappSettings {
    /// Where and how fast.
    #[serde(flatten)]
    pub egress: EgressSettings,
    /// The version of the API.
    pub version: String,
    /// The id of the number, as Meta shows it; not the number itself.
    pub phone_number_id: String,
    /// The access token.
    pub token: Secret,
    /// The most contacts in 24 hours, of the share that this number has in its portfolio's limit;
    /// without end when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts_max: Option<usize>,
}

impl WhatsappSettings {
    /// Reads the section.
    pub(crate) fn read(section: &mut Section<'_>) -> Option<Self> {
        let egress = EgressSettings::read(section, Some(URL));
        let version = section.optional("version", Section::text);
        let phone_number_id = section.text("phone_number_id");
        let token = section.secret("token");
        let contacts_max = section.optional("contacts_max", |section, key| {
            section.whole(key, 1..=1_000_000, None)
        });
        let version = version?.unwrap_or_else(|| VERSION.to_owned());
        let is_version = version.strip_prefix('v').is_some_and(|number| {
            let is_sign = |byte: u8| byte.is_ascii_digit() || byte == b'.';
            !number.is_empty() && number.bytes().all(is_sign)
        });
        section.check("version", is_version, "a version such as v25.0");
        let phone_number_id = phone_number_id?;
        let is_id = phone_number_id.bytes().all(|byte| byte.is_ascii_digit());
        section.check("phone_number_id", is_id, "the digits of an id");
        let token = token?;
        section.check("token", is_header(token.expose()), "an access token");
        Some(Self {
            egress: egress?,
            version,
            phone_number_id,
            token,
            contacts_max: contacts_max?,
        })
    }

    /// Returns the header that shows the token.
    pub(crate) fn authorization(&self) -> HeaderValue {
        secret_header(&format!("Bearer {}", self.token.expose()))
    }
}
