//! Opens a line to the server: connection, protection, greeting, account.

use std::sync::Arc;
use std::time::Duration;

use actors::machine::input::Outcome;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::super::connect::connect;
use super::super::provider::Answer;
use super::super::settings::smtp::{SmtpSettings, Tls};
use super::line::{Broken, Line};
use super::reply::Reply;

/// Opens lines to one server.
pub(super) struct Dialler {
    settings: SmtpSettings,
    server: ServerName<'static>,
    tls: TlsConnector,
}

/// Why a provider cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// No protection could be set up.
    #[error("tls could not be set up")]
    Tls(#[from] rustls::Error),
    /// The server has a name that no certificate can have.
    #[error("the host has no name that a certificate can have")]
    Host(#[from] InvalidDnsNameError),
}

impl SetUpError {
    /// Returns the code under which the runbook explains the error.
    pub const fn code(&self) -> &'static str {
        "RG-PROVIDER-002"
    }
}

/// No line could be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLine {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the server refused us: {}", .0.code)]
    Refused(Reply),
    #[error("the server offers no {0}")]
    Lacks(&'static str),
}

impl From<std::io::Error> for NoLine {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl NoLine {
    /// Returns what it comes to for a message, of which nothing was sent.
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Broken(_) => Outcome::Unavailable.into(),
            Self::Refused(reply) => reply.refusal_of_us(),
            Self::Lacks(_) => Answer::broken(Outcome::Unavailable),
        }
    }
}

impl Dialler {
    /// Prepares for a server.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub(super) fn new(settings: SmtpSettings) -> Result<Self, SetUpError> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(authorities) = &settings.ca_file {
            authorities.add_to(&mut roots);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            server: ServerName::try_from(settings.host.clone())?,
            tls: TlsConnector::from(Arc::new(config)),
            settings,
        })
    }

    /// Opens a line on which a message can be begun. The caller gives up after `within`.
    pub(super) async fn dial(&self, within: Duration) -> Result<Line, NoLine> {
        let socket = connect(&self.settings.host, self.settings.port, within).await?;
        // Each command waits for its answer: holding it back gains nothing.
        socket.set_nodelay(true)?;
        let mut line = match self.settings.tls {
            Tls::Wrapper => Line::over(self.tls.connect(self.server.clone(), socket).await?),
            Tls::Starttls | Tls::None => Line::over(socket),
        };
        expect(line.reply().await?, 220)?;
        let mut hello = self.greet(&mut line).await?;
        if self.settings.tls == Tls::Starttls {
            hello
                .extension("STARTTLS")
                .ok_or(NoLine::Lacks("STARTTLS"))?;
            expect(line.ask("STARTTLS").await?, 220)?;
            let stream = line.into_stream()?;
            line = Line::over(self.tls.connect(self.server.clone(), stream).await?);
            // What was said in the clear counts no more (RFC 3207, section 4.2).
            hello = self.greet(&mut line).await?;
        }
        self.log_in(&mut line, &hello).await?;
        Ok(line)
    }

    async fn greet(&self, line: &mut Line) -> Result<Reply, NoLine> {
        let hello = format!("EHLO {}", self.settings.helo.as_str());
        expect(line.ask(&hello).await?, 250)
    }

    async fn log_in(&self, line: &mut Line, hello: &Reply) -> Result<(), NoLine> {
        let (Some(username), Some(password)) = (&self.settings.username, &self.settings.password)
        else {
            return Ok(());
        };
        let offered = hello.extension("AUTH").unwrap_or_default();
        let offers = |mechanism: &str| {
            let mut words = offered.split(' ');
            words.any(|word| word.eq_ignore_ascii_case(mechanism))
        };
        if offers("PLAIN") {
            // RFC 4616.
            let plain = STANDARD.encode(format!("\0{username}\0{}", password.expose()));
            expect(line.ask(&format!("AUTH PLAIN {plain}")).await?, 235)?;
        } else if offers("LOGIN") {
            expect(line.ask("AUTH LOGIN").await?, 334)?;
            expect(line.ask(&STANDARD.encode(username)).await?, 334)?;
            expect(line.ask(&STANDARD.encode(password.expose())).await?, 235)?;
        } else {
            return Err(NoLine::Lacks("AUTH PLAIN or LOGIN"));
        }
        Ok(())
    }
}

fn expect(reply: Reply, code: u16) -> Result<Reply, NoLine> {
    if reply.code == code {
        Ok(reply)
    } else {
        Err(NoLine::Refused(reply))
    }
}
