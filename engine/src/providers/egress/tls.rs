//! TLS by rustls on ring, with the public authorities or those that the operator names.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How servers are recognised. Two of them are equal where their authorities come from the same
/// place, which their settings compare.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

/// A text that names no authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificates of authorities in PEM")]
pub struct UnusableAuthorities;

impl PartialEq for Tls {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Trusts the public authorities, or the certificates of `authorities` (PEM) and no others.
    ///
    /// # Errors
    /// [`UnusableAuthorities`] when the text holds none, or one that cannot be read.
    pub fn trusting(authorities: Option<&str>) -> Result<Self, UnusableAuthorities> {
        let mut roots = RootCertStore::empty();
        match authorities {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(|_| UnusableAuthorities)?;
                    roots.add(certificate).map_err(|_| UnusableAuthorities)?;
                }
            }
        }
        if roots.is_empty() {
            return Err(UnusableAuthorities);
        }
        // A provider of its own: nothing is installed for the whole process.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| UnusableAuthorities)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Greets the server of this name or address.
    pub(super) async fn wrap(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        connector.connect(name, stream).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_the_public_ones_or_readable_certificates() {
        assert!(Tls::trusting(None).is_ok());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "nothing", broken] {
            assert_eq!(Tls::trusting(Some(pem)), Err(UnusableAuthorities), "{pem}");
        }
    }
}
