//! The root key of an installation, from which others are derived: nothing that signs stands in the
//! database.
//!
//! Whoever reads the database, or a copy of it, can forge no event; whoever has the root key can.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Serialize, Serializer};
use sha2::Sha256;

use crate::config::{Config, StoreConfig};
use crate::store::Store;

const BYTES: usize = 32;
/// The file beside an embedded database, when no other is configured.
pub const FILE: &str = "root.key";

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file cannot be read or written.
    #[error("root key in {path} cannot be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} holds no root key: 32 bytes in base64url are expected")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random numbers.
    #[error("system gave no random numbers")]
    NoRandomness,
    /// None is stated, and there is no folder of this engine's own to keep one in.
    #[error("keys.root is needed: the same on every node")]
    Missing,
    /// The keys of this installation were derived from another one.
    #[error("the root key is another one than that of the database")]
    Other,
}

impl RootKeyError {
    /// Returns the code under which the runbook explains the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::NoRandomness => "RG-KEYS-001",
            Self::Malformed { .. } => "RG-KEYS-002",
            Self::Missing => "RG-KEYS-003",
            Self::Other => "RG-KEYS-004",
        }
    }
}

/// 32 random bytes. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct RootKey([u8; BYTES]);

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey")
    }
}

impl Serialize for RootKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("[redacted]")
    }
}

impl RootKey {
    /// Reads the key of a file.
    ///
    /// # Errors
    /// [`RootKeyError::File`] and [`RootKeyError::Malformed`].
    pub fn read(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::File {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::parse(text.trim()).ok_or_else(|| RootKeyError::Malformed {
            path: path.to_owned(),
        })
    }

    /// Reads the key of a file; a new one is drawn for a file that is not there. Of processes that
    /// start together one writes it, and all read it.
    ///
    /// # Errors
    /// [`RootKeyError`].
    pub fn read_or_draw(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::File {
            path: path.to_owned(),
            source,
        };
        match Self::read(path) {
            Err(RootKeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|_| RootKeyError::NoRandomness)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Nobody else may read it from the first byte on.
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        writeln!(draft, "{}", URL_SAFE_NO_PAD.encode(bytes)).map_err(failed)?;
        draft.as_file().sync_all().map_err(failed)?;
        match draft.persist_noclobber(path) {
            Ok(_) => sync_folder(folder).map_err(failed)?,
            // Another process was first.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error.error)),
        }
        Self::read(path)
    }

    /// Checks that it is the one of a store's installation; the first one is.
    ///
    /// # Errors
    /// [`RootKeyError::Other`], or what the store says.
    pub async fn check(&self, store: &Store) -> anyhow::Result<()> {
        let own = URL_SAFE_NO_PAD.encode(self.derive("regua root check 1", ""));
        if store.first_root_check(&own).await? != own {
            return Err(RootKeyError::Other.into());
        }
        Ok(())
    }

    /// Returns the root key of the settings, or of the folder of an embedded database; none where
    /// neither is.
    ///
    /// # Errors
    /// [`RootKeyError`].
    pub fn of(config: &Config) -> Result<Option<Self>, RootKeyError> {
        match (&config.root_key, &config.store) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, StoreConfig::Sqlite { path }) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                Self::read_or_draw(&folder.join(FILE)).map(Some)
            }
            (None, StoreConfig::Postgres { .. }) => Ok(None),
        }
    }

    /// Reads 32 bytes in base64url, without padding.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Derives the key for one purpose and name (HMAC-SHA256, RFC 2104): who has it learns neither
    /// this one nor another.
    pub fn derive(&self, purpose: &str, name: &str) -> [u8; BYTES] {
        let mut mac = keyed(&self.0);
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(name.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Returns HMAC-SHA256 under a key of 32 bytes.
pub fn keyed(key: &[u8; BYTES]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..BYTES].copy_from_slice(key);
    Hmac::<Sha256>::new(&block)
}

/// A name in a folder is durable when the folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_drawn_once_and_read_by_everybody() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let draw = || RootKey::read_or_draw(&path).expect("a key").0;
        let drawn: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(draw)).collect();
            threads
                .into_iter()
                .map(|it| it.join().expect("no panic"))
                .collect()
        });
        assert!(drawn.windows(2).all(|two| two[0] == two[1]));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        let mode = std::os::unix::fs::PermissionsExt::mode;
        assert_eq!(
            mode(&fs::metadata(&path).expect("a file").permissions()) & 0o777,
            0o600
        );
    }

    #[test]
    fn what_is_no_key_is_refused_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        for text in ["", "short", &"A".repeat(44)] {
            fs::write(&path, text).expect("a file");
            let refused = RootKey::read_or_draw(&path).expect_err("no key");
            assert_eq!(refused.code(), "RG-KEYS-002", "{refused}");
            assert_eq!(fs::read_to_string(&path).expect("a file"), text);
        }
    }

    #[test]
    fn a_derived_key_is_of_its_purpose_and_name_alone() {
        let key = RootKey([7; BYTES]);
        let derived = key.derive("a", "b");
        assert_eq!(derived, key.derive("a", "b"));
        for other in [
            key.derive("a", "c"),
            key.derive("b", "b"),
            key.derive("ab", ""),
        ] {
            assert_ne!(derived, other);
        }
    }
}
