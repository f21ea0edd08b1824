//! How a store is opened.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgSslMode;

use super::backend::address;
use super::error::StoreError;

/// The embedded database.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// The data folder; it belongs to one process at a time.
    pub folder: PathBuf,
    /// The name of the database file in it.
    pub file: String,
    /// The largest size of the database file in pages of 4 KiB; `None` for as much as fits.
    pub pages_max: Option<u32>,
    /// How long a foreign writer's lock is waited for.
    pub busy_max: Duration,
    /// How many connections read at a time.
    pub readers: u32,
}

impl SqliteSettings {
    /// Returns the settings for a data folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            file: "regua.db".to_owned(),
            pages_max: None,
            busy_max: Duration::from_secs(10),
            readers: 4,
        }
    }
}

/// The clustered database; every kind of work has connections of its own.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// The address, for example `postgres://regua@127.0.0.1:5432/regua`.
    pub url: String,
    /// Connections that write facts.
    pub stops: u32,
    /// Connections that write the owners' commits.
    pub commits: u32,
    /// Connections that write everything else.
    pub doors: u32,
    /// Connections that read.
    pub readers: u32,
}

impl PostgresSettings {
    /// Returns the settings for an address.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            stops: 2,
            commits: 3,
            doors: 2,
            readers: 6,
        }
    }

    /// Says whether what goes to the database can be read on the way: it is another machine's, and
    /// the address does not ask for TLS.
    ///
    /// # Errors
    /// [`StoreError::Address`].
    pub fn is_exposed(&self) -> Result<bool, StoreError> {
        let options = address(self)?;
        let host = options.get_host();
        let is_here = options.get_socket().is_some()
            || host.starts_with('/')
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let asks_for_tls = matches!(
            options.get_ssl_mode(),
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
        );
        Ok(!is_here && !asks_for_tls)
    }

    /// The fewest connections a node works with: one for the leases and for each kind of work.
    pub const CONNECTIONS_MIN: u32 = 5;

    /// Returns the settings for an address on which no more connections are opened than these, or
    /// [`Self::CONNECTIONS_MIN`] if that is more.
    ///
    /// One connection is for the leases. Who reads gets about half of the others, since a page is
    /// read for longer than a fact is written.
    pub fn within(url: impl Into<String>, connections_max: u32) -> Self {
        let shared = connections_max.max(Self::CONNECTIONS_MIN) - 1;
        let (stops, commits) = ((shared * 2 / 13).max(1), (shared * 3 / 13).max(1));
        Self {
            url: url.into(),
            stops,
            commits,
            doors: stops,
            readers: shared - 2 * stops - commits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_elsewhere_is_exposed_unless_its_address_asks_for_tls() {
        let is_exposed = |url: &str| PostgresSettings::at(url).is_exposed();
        for (url, exposed) in [
            ("postgres://regua@127.0.0.1:5432/regua", false),
            ("postgres://regua@localhost/regua", false),
            ("postgres://regua@%2Frun%2Fpostgresql/regua", false),
            ("postgres://regua@db.example/regua", true),
            ("postgres://regua@10.0.0.7/regua?sslmode=prefer", true),
            ("postgres://regua@10.0.0.7/regua?sslmode=require", false),
            (
                "postgres://regua@db.example/regua?sslmode=verify-full",
                false,
            ),
        ] {
            assert_eq!(is_exposed(url), Ok(exposed), "{url}");
        }
        assert_eq!(is_exposed("db.example"), Err(StoreError::Address));
    }

    #[test]
    fn the_pools_together_open_as_many_connections_as_are_allowed() {
        for connections_max in PostgresSettings::CONNECTIONS_MIN..=1_000 {
            let pools = PostgresSettings::within("", connections_max);
            let work = [pools.stops, pools.commits, pools.doors, pools.readers];
            assert_eq!(1 + work.iter().sum::<u32>(), connections_max);
            assert!(work.iter().all(|connections| *connections > 0), "{work:?}");
        }
        let (usual, at) = (PostgresSettings::within("", 14), PostgresSettings::at(""));
        assert_eq!(
            (usual.stops, usual.commits, usual.doors, usual.readers),
            (at.stops, at.commits, at.doors, at.readers)
        );
    }
}
