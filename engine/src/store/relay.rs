//! The way to a PostgreSQL server over TCP, without waits for acknowledgements.
//!
//! The driver leaves Nagle's algorithm on, and writes a large statement in several pieces: a later
//! piece then waits about 40 ms for an acknowledgement that the server delays. So the driver is
//! given a Unix socket of this process, and its bytes go on over TCP with `TCP_NODELAY`. The relay
//! knows nothing of what it carries: encryption and passwords stay between driver and server.

use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

/// The bytes on their way in one direction of a connection.
const BUFFER: usize = 64 * 1_024;
/// How long no connection is taken after one was refused: too many files are open.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Carries connections for as long as it exists.
pub(super) struct Relay {
    /// Its owner alone may enter it.
    folder: TempDir,
    task: AbortHandle,
}

impl Relay {
    /// Starts a relay to the server of `options`; `None` where that is no TCP server.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(super) fn start(options: &PgConnectOptions) -> io::Result<Option<Self>> {
        let (host, port) = (options.get_host(), options.get_port());
        if options.get_socket().is_some() || host.starts_with('/') {
            return Ok(None);
        }
        let folder = TempDir::with_prefix("regua-")?;
        // The name that PostgreSQL's clients look for in a socket folder.
        let listener = UnixListener::bind(folder.path().join(format!(".s.PGSQL.{port}")))?;
        let server = (bare(host).to_owned(), port);
        let task = tokio::spawn(run(listener, server)).abort_handle();
        Ok(Some(Self { folder, task }))
    }

    /// Returns the folder of the socket.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes the brackets off an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

async fn run(listener: UnixListener, server: (String, u16)) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept() => match taken {
                Ok((client, _)) => drop(carried.spawn(carry(client, server.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "connection to the database was refused here");
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            },
            Some(_) = carried.join_next() => {}
        }
    }
}

/// Carries one connection; when either side ends, the other sees it end.
async fn carry(mut client: UnixStream, server: (String, u16)) {
    let carried = async {
        let mut server = TcpStream::connect((server.0.as_str(), server.1)).await?;
        server.set_nodelay(true)?;
        copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
    };
    if let Err(error) = carried.await {
        // The driver meets the end of its connection and says what it means.
        tracing::debug!(%error, "connection to the database ended");
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn options(url: &str) -> PgConnectOptions {
        PgConnectOptions::from_str(url).expect("an address")
    }

    async fn client(relay: &Relay, port: u16) -> UnixStream {
        let path = relay.folder().join(format!(".s.PGSQL.{port}"));
        UnixStream::connect(path).await.expect("the relay listens")
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_arrives() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("an address").port();
        let relay = Relay::start(&options(&format!("postgres://u@127.0.0.1:{port}/d")));
        let relay = relay.expect("a socket").expect("a TCP server");
        let mut client = client(&relay, port).await;
        let (mut taken, _) = server.accept().await.expect("a connection");
        client.write_all(b"question").await.expect("written");
        let mut question = [0; 8];
        taken.read_exact(&mut question).await.expect("read");
        assert_eq!(&question, b"question");
        taken.write_all(b"answer").await.expect("written");
        drop(taken);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("read");
        assert_eq!(answer, b"answer");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_ends_the_connection() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("an address").port();
        drop(server);
        let relay = Relay::start(&options(&format!("postgres://u@127.0.0.1:{port}/d")));
        let relay = relay.expect("a socket").expect("a TCP server");
        let mut end = Vec::new();
        let read = client(&relay, port).await.read_to_end(&mut end).await;
        assert_eq!(read.expect("an end"), 0);
    }

    #[tokio::test]
    async fn a_unix_socket_needs_no_relay() {
        let relay = Relay::start(&options("postgres:///d?host=/run/postgresql&user=u"));
        assert!(relay.expect("nothing to make").is_none());
    }
}
