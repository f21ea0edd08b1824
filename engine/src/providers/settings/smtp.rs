//! `kind = "smtp"`: a server that takes e-mail from us, and who we are to it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use actors::machine::CLAIM_LASTS_MS;
use lettre::message::Mailbox;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use schedules::contact::EmailAddress;
use serde::{Serialize, Serializer};

use crate::config::{ProblemKind, Secret, Section};

/// The port on which TLS begins with the first byte (RFC 8314, section 3.3).
const WRAPPED_PORT: u16 = 465;
/// The longest name of a sender, in characters.
const NAME_CHARS_MAX: usize = 100;
/// The longest that getting ready may take, in milliseconds: later no message may begin.
const READY_MS_MAX: i64 = CLAIM_LASTS_MS;
/// The longest that being answered may take, in milliseconds: with what comes before it less than
/// the dispatcher waits for a hand-over.
const ANSWER_MS_MAX: i64 = 6_000;

/// A server that takes e-mail from us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is protected.
    pub tls: Tls,
    /// Says that it may be unprotected to another machine.
    pub insecure: bool,
    /// More certificates to trust than those of the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<Authorities>,
    /// The name of our account; none is used when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// From whom messages are.
    pub from: MailName,
    /// To whom answers go, when not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MailName>,
    /// The name by which we greet; the domain of `from` when it is left out.
    pub helo: HostName,
    /// The most connections at once.
    pub connections_max: usize,
    /// How long it may take until the server is ready for a message's content, in milliseconds.
    pub ready_timeout_ms: u64,
    /// How long the server may take to answer the content, in milliseconds.
    pub answer_timeout_ms: u64,
}

/// How the way to a server is protected. Nothing is sent where the protection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// By a plain greeting and `STARTTLS` (RFC 3207).
    Starttls,
    /// From the first byte on (RFC 8314).
    Wrapper,
    /// Not at all.
    None,
}

/// A name and an address, as `Escola Aurora <cobranca@escola.example>`, or an address alone.
#[derive(Clone, PartialEq, Eq)]
pub struct MailName(Mailbox);

impl MailName {
    /// Returns it as the headers have it.
    pub const fn mailbox(&self) -> &Mailbox {
        &self.0
    }

    /// Returns the domain of the address.
    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// The text names no mailbox that a header may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name and an e-mail address")]
pub struct NoMailName;

impl FromStr for MailName {
    type Err = NoMailName;

    fn from_str(text: &str) -> Result<Self, NoMailName> {
        let (name, address) = match text.strip_suffix('>').and_then(|it| it.rsplit_once('<')) {
            Some((name, address)) => (name.trim(), address),
            None => ("", text),
        };
        let unquoted = name.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let name = unquoted.unwrap_or(name);
        // What could be taken for an address of its own, or end the quotes, is no name.
        let is_barred = |sign: char| sign.is_control() || "\"<>\\".contains(sign);
        if name.contains(is_barred) || name.chars().count() > NAME_CHARS_MAX {
            return Err(NoMailName);
        }
        let address = EmailAddress::parse(address).map_err(|_| NoMailName)?;
        let address = address.as_str().parse().map_err(|_| NoMailName)?;
        let name = Some(name).filter(|name| !name.is_empty());
        Ok(Self(Mailbox::new(name.map(str::to_owned), address)))
    }
}

impl fmt::Debug for MailName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailName(***)")
    }
}

impl Serialize for MailName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// The name of a host in a greeting (RFC 5321, section 4.1.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a host")]
pub struct NoHostName;

impl FromStr for HostName {
    type Err = NoHostName;

    fn from_str(text: &str) -> Result<Self, NoHostName> {
        let literal = text.strip_prefix("[IPv6:").or(text.strip_prefix('['));
        let literal = literal.and_then(|text| text.strip_suffix(']'));
        match literal.unwrap_or(text).parse() {
            Ok(IpAddr::V6(address)) => Ok(Self(format!("[IPv6:{address}]"))),
            Ok(IpAddr::V4(address)) => Ok(Self(format!("[{address}]"))),
            // As a name in a certificate: letters, digits, hyphens and dots.
            Err(_) => match ServerName::try_from(text) {
                Ok(_) => Ok(Self(text.to_owned())),
                Err(_) => Err(NoHostName),
            },
        }
    }
}

/// Certificates that vouch for a server, and the file they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    file: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Reads certificates in PEM; there is at least one, and each can vouch.
    fn read(file: &Path, pem: &str) -> Option<Self> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().ok()?;
        let found = Self {
            file: file.to_owned(),
            certificates,
        };
        let mut roots = RootCertStore::empty();
        (found.add_to(&mut roots) > 0 && roots.len() == found.certificates.len()).then_some(found)
    }

    /// Lets them vouch, too; returns how many do.
    pub fn add_to(&self, roots: &mut RootCertStore) -> usize {
        roots
            .add_parsable_certificates(self.certificates.iter().cloned())
            .0
    }
}

impl Serialize for Authorities {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.file.serialize(to)
    }
}

pub(super) fn read(section: &mut Section<'_>) -> Option<SmtpSettings> {
    let host = section.parsed::<Host>("host", "a host name or an address");
    let port = section.whole("port", 1..=65_535, Some(587));
    let tls = read_tls(section, host.as_ref(), port);
    let ca_file = section.optional("ca_file", |section, key| {
        section.file(key, "a file of certificates in PEM", Authorities::read)
    });
    let account = read_account(section);
    let from = section.parsed::<MailName>("from", "a mailbox such as Ana <ana@example.com>");
    let reply_to = section.optional("reply_to", |section, key| {
        section.parsed(key, "a mailbox such as Ana <ana@example.com>")
    });
    let helo = section.optional("helo", |section, key| section.parsed(key, "a host name"));
    let connections_max = section.whole("connections_max", 1..=128, Some(8));
    let mut wait = |key, longest_ms| section.whole(key, 100..=longest_ms, Some(longest_ms));
    let ready_timeout_ms = wait("ready_timeout_ms", READY_MS_MAX);
    let answer_timeout_ms = wait("answer_timeout_ms", ANSWER_MS_MAX);
    let from = from?;
    let helo = match helo? {
        Some(helo) => helo,
        // The domain of an address is a host's name.
        None => HostName(from.domain().to_owned()),
    };
    let (tls, insecure) = tls?;
    let (username, password) = account?;
    Some(SmtpSettings {
        host: host?.0,
        port: port?,
        tls,
        insecure,
        ca_file: ca_file?,
        username,
        password,
        from,
        reply_to: reply_to?,
        helo,
        connections_max: connections_max?,
        ready_timeout_ms: ready_timeout_ms?,
        answer_timeout_ms: answer_timeout_ms?,
    })
}

fn read_tls(
    section: &mut Section<'_>,
    host: Option<&Host>,
    port: Option<u16>,
) -> Option<(Tls, bool)> {
    let words = &["required", "starttls", "wrapper", "none"];
    let stated = section.optional("tls", |section, key| section.choice(key, words));
    let insecure = section.flag("insecure", false)?;
    let tls = match stated?.unwrap_or("required") {
        "starttls" => Tls::Starttls,
        "wrapper" => Tls::Wrapper,
        "none" => Tls::None,
        // Whichever the port is for.
        _ if port? == WRAPPED_PORT => Tls::Wrapper,
        _ => Tls::Starttls,
    };
    if tls == Tls::None && !insecure && !host?.is_this_machine() {
        section.refuse("tls", ProblemKind::SecureMail);
        return None;
    }
    Some((tls, insecure))
}

/// Reads a name and its password, or neither.
fn read_account(section: &mut Section<'_>) -> Option<(Option<String>, Option<Secret>)> {
    let username = section.optional("username", |section, key| section.text(key));
    let password = section.optional_secret("password");
    let account = (username?, password?);
    let missing = match &account {
        (Some(_), None) => "password",
        (None, Some(_)) => "username",
        _ => return Some(account),
    };
    section.refuse(missing, ProblemKind::FindValue);
    None
}

/// What to connect to.
struct Host(String);

impl Host {
    fn is_this_machine(&self) -> bool {
        let address = self.0.parse::<IpAddr>();
        address.map_or(self.0 == "localhost", |address| address.is_loopback())
    }
}

impl FromStr for Host {
    type Err = NoHostName;

    fn from_str(text: &str) -> Result<Self, NoHostName> {
        ServerName::try_from(text).map_err(|_| NoHostName)?;
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
