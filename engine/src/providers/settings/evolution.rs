//! The settings of an instance of the Evolution API.

use hyper::header::HeaderValue;
use serde::Serialize;

use super::egress::EgressSettings;
use super::header::{is_header, secret_header};
use crate::config::{Secret, Section};

/// One instance, which is one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvolutionSettings {
    /// Where and how fast.
    #[serde(flatten)]
    pub egress: EgressSettings,
    /// The name of the instance.
    pub instance: String,
    /// Its key.
    pub apikey: Secret,
}

impl EvolutionSettings {
    /// Reads the section.
    pub(crate) fn read(section: &mut Section<'_>) -> Option<Self> {
        let egress = EgressSettings::read(section, None);
        let instance = section.text("instance");
        let apikey = section.secret("apikey");
        let apikey = apikey?;
        section.check("apikey", is_header(apikey.expose()), "a key");
        Some(Self {
            egress: egress?,
            instance: instance?,
            apikey,
        })
    }

    /// Returns the header that shows the key.
    pub(crate) fn apikey_header(&self) -> HeaderValue {
        secret_header(self.apikey.expose())
    }
}
