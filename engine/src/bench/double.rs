//! A gateway on this machine that takes every message at once: an HTTP server on a thread of its
//! own, as small as it can be, so that what is measured is who calls it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// What it answers.
const TAKEN: &[u8] = b"HTTP/1.1 202 Accepted\r\n\
    Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
/// How much is read at once.
const READ_BYTES: usize = 4_096;

/// The gateway; it ends with this value.
pub(super) struct Double {
    address: SocketAddr,
    seen: Arc<Seen>,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What it saw.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    body_bytes: AtomicUsize,
}

impl Double {
    /// Listens on a free port of this machine.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel();
        let noted = Arc::clone(&seen);
        let thread = std::thread::Builder::new().name("double".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    ended = accept(listener, noted) => drop(ended),
                }
            });
        })?;
        Ok(Self {
            address,
            seen,
            serving: Some((stop, thread)),
        })
    }

    /// Returns where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many connections were opened.
    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Returns how many requests were answered.
    pub(super) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Relaxed)
    }

    /// Returns the bytes of all bodies.
    pub(super) fn body_bytes(&self) -> usize {
        self.seen.body_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.serving.take() {
            drop(stop);
            // It ends at once, and what it panicked with was told.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        seen.connections.fetch_add(1, Ordering::Relaxed);
        let seen = Arc::clone(&seen);
        // A connection that breaks off has nobody to tell.
        tokio::spawn(async move { drop(answer_all(stream, &seen).await) });
    }
}

/// Answers one request after the other until the caller hangs up.
async fn answer_all(mut stream: TcpStream, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::with_capacity(READ_BYTES);
    loop {
        while let Some((head, body)) = whole(&unread)? {
            unread.drain(..head + body);
            seen.requests.fetch_add(1, Ordering::Relaxed);
            seen.body_bytes.fetch_add(body, Ordering::Relaxed);
            stream.write_all(TAKEN).await?;
        }
        if stream.read_buf(&mut unread).await? == 0 {
            return Ok(());
        }
    }
}

/// Returns the lengths of head and body of a request that is there as a whole.
fn whole(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head]).map_err(io::Error::other)?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>())
    });
    let body = length.transpose().map_err(io::Error::other)?.unwrap_or(0);
    let is_whole = bytes.len() >= head + 4 + body;
    Ok(is_whole.then_some((head + 4, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_when_all_of_it_is_there() {
        let request = b"POST / HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 3\r\n\r\nabcGET";
        for length in 0..request.len() - 3 {
            let found = whole(&request[..length]).ok().flatten();
            let all = length >= request.len() - 3;
            assert_eq!(found.is_some(), all, "{length}");
        }
        let found = whole(request).expect("readable");
        assert_eq!(found, Some((request.len() - 6, 3)));
        assert!(whole(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n").is_err());
    }
}
