//! Where a provider answers: an address that the operator wrote, never a tenant.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use serde::{Serialize, Serializer};

/// The scheme, host, port and path under which a provider answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    /// As it stands in an address: an IPv6 one in brackets.
    host: String,
    port: u16,
    /// Without a slash at its end.
    path: String,
}

/// A text that is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https address with a host and a path alone")]
pub struct NoEndpoint;

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        // A user could hide the host, and credentials do not belong into an address.
        if text.contains(['@', '?', '#']) {
            return Err(NoEndpoint);
        }
        let uri: Uri = text.parse().map_err(|_| NoEndpoint)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NoEndpoint),
        };
        let authority = uri.authority().ok_or(NoEndpoint)?;
        let host = authority.host();
        // Read here: what is no port would otherwise be the usual one.
        let port = match authority.as_str().strip_prefix(host) {
            Some("") if secure => Some(443),
            Some("") => Some(80),
            rest => rest.and_then(|rest| rest.strip_prefix(':')?.parse::<u16>().ok()),
        };
        let port = port.filter(|port| *port > 0 && !host.is_empty());
        Ok(Self {
            secure,
            host: host.to_ascii_lowercase(),
            port: port.ok_or(NoEndpoint)?,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Endpoint {
    /// Says whether TLS is spoken there.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Says whether it is on this machine by its own words; a name is not looked up.
    pub fn is_loopback(&self) -> bool {
        let address = self.bare_host().parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Returns the host as it is looked up and named in a certificate.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the host, and the port where it is not the usual one.
    pub(super) fn authority(&self) -> String {
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_http_with_a_host_and_a_path_alone() {
        for (text, written, loopback) in [
            ("https://Graph.Example", "https://graph.example", false),
            ("https://a.example:443/v1/", "https://a.example/v1", false),
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x", true),
            ("http://[::1]:80", "http://[::1]", true),
            ("https://localhost", "https://localhost", true),
            (
                "http://localhost.example",
                "http://localhost.example",
                false,
            ),
            ("http://10.0.0.1", "http://10.0.0.1", false),
        ] {
            let endpoint: Endpoint = text.parse().expect("an endpoint");
            assert_eq!(endpoint.to_string(), written);
            assert_eq!(endpoint.is_loopback(), loopback, "{text}");
        }
        for text in [
            "",
            "a.example",
            "/path",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://",
            "https://good@evil.example",
            "https://a.example/?key=1",
            "https://a.example/#x",
            "https://a.example:99999",
            "https://a.example:0",
            "https://a.example:",
            "https://a.example:x",
            "https://a b.example",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(NoEndpoint), "{text}");
        }
    }
}
