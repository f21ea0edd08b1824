//! Where a provider answers and how long it may take: what every one over HTTP has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::CLAIM_LASTS_MS;
use serde::Serialize;

use crate::config::{Section, read_text};
use crate::providers::egress::{Egress, EgressLimits, Endpoint, Tls};

/// Where a provider answers and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressSettings {
    /// Its address.
    pub url: Endpoint,
    /// The file with the authorities of its certificate; the public ones when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// It may be reached without TLS, over a network that the operator trusts.
    pub insecure: bool,
    /// How long a connection may take, in milliseconds.
    pub connect_ms: u64,
    /// How long a request may take altogether, in milliseconds.
    pub total_ms: u64,
    /// What is trusted.
    #[serde(skip)]
    tls: Tls,
}

impl EgressSettings {
    /// Reads the keys `url`, `ca_file`, `insecure`, `connect_ms` and `total_ms`.
    pub(crate) fn read(section: &mut Section<'_>, default_url: Option<&str>) -> Option<Self> {
        let expected = "an http or https address with a host and a path alone";
        let url = match (section.has("url"), default_url) {
            (false, Some(url)) => url.parse().ok(),
            _ => section.parsed::<Endpoint>("url", expected),
        };
        let insecure = section.flag("insecure", false);
        let ca_file = section.optional("ca_file", Section::text);
        // Later than its claim ends no message may begin.
        let connect_ms = section.whole("connect_ms", 100..=CLAIM_LASTS_MS, Some(CLAIM_LASTS_MS));
        // The dispatcher waits for fifteen seconds.
        let total_ms = section.whole("total_ms", 500..=14_000, Some(10_000));
        let (url, insecure) = (url?, insecure?);
        let is_allowed = url.is_secure() || url.is_loopback() || insecure;
        let expected = "an https address, on this machine, or allowed by insecure = true";
        section.check("url", is_allowed, expected);
        let ca_file = ca_file?.map(PathBuf::from);
        let tls = trusted(section, ca_file.as_deref());
        Some(Self {
            url,
            ca_file,
            insecure,
            connect_ms: connect_ms?,
            total_ms: total_ms?,
            tls: tls?,
        })
    }

    /// Makes the client.
    pub(crate) fn client(&self, clock: Arc<dyn Clock>) -> Egress {
        let limits = EgressLimits {
            connect_ms: self.connect_ms,
            total_ms: self.total_ms,
        };
        Egress::new(self.url.clone(), self.tls.clone(), limits, clock)
    }
}

fn trusted(section: &mut Section<'_>, ca_file: Option<&Path>) -> Option<Tls> {
    let pem = match ca_file.map(read_text) {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => Some(String::new()),
        None => None,
    };
    let tls = Tls::trusting(pem.as_deref()).ok();
    section.check("ca_file", tls.is_some(), "a file of certificates in PEM");
    tls
}
