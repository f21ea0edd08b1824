//! A connection to a host that may have several addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Connects to the first address of a host that answers, in the order in which they are known.
///
/// The caller gives up after `within`. Each address but the last has an even share of it: one
/// behind which nothing answers (IPv6 without a way there) leaves time for the others.
///
/// # Errors
/// What the last address came to.
pub(super) async fn connect(host: &str, port: u16, within: Duration) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    any_of(&addresses, within).await
}

async fn any_of(addresses: &[SocketAddr], within: Duration) -> io::Result<TcpStream> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    };
    let share = within / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in others {
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    /// An address that answers nobody any more: those whom it has not let in fill its queue.
    async fn black_hole() -> (SocketAddr, Vec<TcpStream>, impl Sized) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a free port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            waiting.push(stream);
        }
        (address, waiting, listener)
    }

    #[tokio::test]
    async fn an_address_that_never_answers_leaves_time_for_the_next() {
        let (hole, _waiting, _listener) = black_hole().await;
        let there = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let there = there.expect("a listener");
        let address = there.local_addr().expect("an address");
        let within = Duration::from_millis(600);
        let addresses = [hole, hole, address];
        let reached = timeout(within, any_of(&addresses, within)).await;
        let reached = reached.expect("in time").expect("a way");
        assert_eq!(reached.peer_addr().ok(), Some(address));
        assert!(timeout(within, any_of(&[hole], within)).await.is_err());
        let nowhere = any_of(&[], within).await.map_err(|it| it.kind());
        assert_eq!(nowhere.err(), Some(io::ErrorKind::AddrNotAvailable));
    }
}
