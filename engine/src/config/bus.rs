//! Reads where the broker is, and the key from which publishers' keys are derived.

use std::net::IpAddr;

use super::problem::ProblemKind;
use super::reading::Section;
use crate::bus::amqp::link::Broker;
use crate::keys::RootKey;

/// Reads the address of a broker, or none.
pub(super) fn read_bus(section: &mut Section<'_>) -> Option<Option<Broker>> {
    let url = section.optional_secret("url");
    let is_pem = |text: &str| text.contains("-----BEGIN CERTIFICATE-----");
    let authorities = section.optional("ca_file", |section, key| {
        section.file(key, "a file of certificates in PEM", |_, text| {
            is_pem(text).then(|| text.to_owned())
        })
    });
    let insecure = section.flag("insecure", false);
    let (url, authorities, insecure) = (url?, authorities?, insecure?);
    let Some(url) = url else {
        return match authorities.is_some() || insecure {
            true => section.refused("url", ProblemKind::FindValue),
            false => Some(None),
        };
    };
    let Ok(uri) = Broker::read(url.expose()) else {
        return section.misread("url", "an address of AMQP");
    };
    let host = uri.authority.host.trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    let is_here = address.map_or(host == "localhost", |address| address.is_loopback());
    if Broker::is_in_the_clear(&uri) && !is_here && !insecure {
        let expected = "an amqps address, on this machine, or allowed by insecure = true";
        return section.misread("url", expected);
    }
    Some(Some(Broker { url, authorities }))
}

/// Reads the root key, where one is stated.
pub(super) fn read_keys(section: &mut Section<'_>) -> Option<Option<RootKey>> {
    let Some(root) = section.optional_secret("root")? else {
        return Some(None);
    };
    match RootKey::parse(root.expose()) {
        Some(key) => Some(Some(key)),
        None => section.misread("root", "32 bytes in base64url"),
    }
}
