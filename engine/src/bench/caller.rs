//! Callers of a server on this machine: a fixed number of connections that stay open, each with one
//! request at a time (a closed loop), on one thread of its own.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ground::BenchError;
use super::limit::per_second;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1_024;

/// A request.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// The `Idempotency-Key`, if it has one.
    pub(super) key: Option<String>,
    /// JSON; empty for none.
    pub(super) body: String,
}

/// A series of requests, each by its number.
pub(super) type Series<'a> = &'a (dyn Fn(usize) -> Request + Sync);

/// What requests of one kind took.
#[derive(Debug, Serialize)]
pub struct CallFigure {
    /// How many there were.
    pub requests: usize,
    /// How many a second, over all connections.
    pub per_s: f64,
    /// From the first byte written to the last one read, in microseconds.
    pub p50_us: u64,
    /// The same, of the slowest hundredth.
    pub p99_us: u64,
    /// The same, of the slowest thousandth.
    pub p999_us: u64,
}

/// Who calls.
pub(super) struct Callers {
    pub(super) address: SocketAddr,
    pub(super) token: String,
    pub(super) connections: usize,
}

impl Request {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            key: None,
            body: String::new(),
        }
    }

    pub(super) fn post(path: String, key: Option<String>, body: String) -> Self {
        Self {
            method: "POST",
            path,
            key,
            body,
        }
    }
}

impl Callers {
    /// Makes the requests 0 to `count`, on a thread of its own, so that the server's runtime is not
    /// asked to call itself.
    ///
    /// # Errors
    /// [`BenchError::Call`] when a connection broke off, and [`BenchError::Answered`] for the first
    /// answer that is not 200.
    pub(super) fn make(&self, count: usize, series: Series<'_>) -> Result<CallFigure, BenchError> {
        let (mut took, all) = on_thread(|| self.make_all(count, series))?;
        took.sort_unstable();
        let share = |part: f64| {
            let at = ((took.len() as f64 * part).ceil() as usize).saturating_sub(1);
            took.get(at).copied().unwrap_or_default()
        };
        Ok(CallFigure {
            requests: took.len(),
            per_s: per_second(took.len(), all),
            p50_us: share(0.5),
            p99_us: share(0.99),
            p999_us: share(0.999),
        })
    }

    /// Makes one request, and returns the body of its answer.
    ///
    /// # Errors
    /// As [`Callers::make`].
    pub(super) fn ask(&self, request: &Request) -> Result<Vec<u8>, BenchError> {
        on_thread(|| async { self.connect().await?.ask(&self.written(request)).await })
    }

    async fn make_all(
        &self,
        count: usize,
        series: Series<'_>,
    ) -> Result<(Vec<u64>, Duration), BenchError> {
        let connecting = (0..self.connections).map(|_| self.connect());
        let lines = try_join_all(connecting).await?;
        let next = Cell::new(0);
        let began = Instant::now();
        let calling = lines.into_iter().map(async |mut line| {
            let mut took = Vec::with_capacity(count / self.connections + 1);
            while next.get() < count {
                let no = next.replace(next.get() + 1);
                let request = self.written(&series(no));
                let began = Instant::now();
                line.ask(&request).await?;
                took.push(began.elapsed().as_micros() as u64);
            }
            Ok::<_, BenchError>(took)
        });
        let took = try_join_all(calling).await?.concat();
        Ok((took, began.elapsed()))
    }

    async fn connect(&self) -> Result<Line, BenchError> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(BenchError::Call)?;
        stream.set_nodelay(true).map_err(BenchError::Call)?;
        Ok(Line {
            stream,
            unread: Vec::with_capacity(READ_BYTES),
        })
    }

    fn written(&self, request: &Request) -> Vec<u8> {
        let Request {
            method,
            path,
            key,
            body,
        } = request;
        let (address, token) = (self.address, &self.token);
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n"
        );
        if let Some(key) = key {
            head.push_str(&format!("Idempotency-Key: {key}\r\n"));
        }
        if !body.is_empty() {
            let length = body.len();
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            ));
        }
        head.push_str("\r\n");
        head.push_str(body);
        head.into_bytes()
    }
}

/// Runs `work` on a runtime of one new thread.
fn on_thread<T: Send, W>(work: impl FnOnce() -> W + Send) -> Result<T, BenchError>
where
    W: Future<Output = Result<T, BenchError>>,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build();
            runtime.map_err(BenchError::Call)?.block_on(work())
        });
        let broke_off = || BenchError::Call(io::Error::other("a caller broke off"));
        thread.join().map_err(|_| broke_off())?
    })
}

/// One connection.
struct Line {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Line {
    async fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, BenchError> {
        self.stream
            .write_all(request)
            .await
            .map_err(BenchError::Call)?;
        loop {
            if let Some((status, head, body)) = whole(&self.unread).map_err(BenchError::Call)? {
                let mut answer: Vec<u8> = self.unread.drain(..head + body).collect();
                if status != 200 {
                    return Err(BenchError::Answered { status });
                }
                return Ok(answer.split_off(head));
            }
            let read = self.stream.read_buf(&mut self.unread).await;
            if read.map_err(BenchError::Call)? == 0 {
                return Err(BenchError::Call(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

/// Returns status, length of the head and length of the body of an answer that is there as a whole.
/// One whose length is not stated cannot be read.
fn whole(bytes: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head]).map_err(io::Error::other)?;
    let status = text.split(' ').nth(1).and_then(|it| it.parse().ok());
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok()).flatten()
    });
    let (Some(status), Some(body)) = (status, length) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let is_whole = bytes.len() >= head + 4 + body;
    Ok(is_whole.then_some((status, head + 4, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_all_of_it_is_there() {
        let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}HTTP";
        for length in 0..answer.len() - 4 {
            assert_eq!(whole(&answer[..length]).expect("readable"), None);
        }
        let found = whole(answer).expect("readable");
        assert_eq!(found, Some((202, answer.len() - 6, 2)));
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "no length");
    }
}
