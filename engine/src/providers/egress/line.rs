//! One connection: opened by hand, so that it is known what was written to it.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;
use super::endpoint::Endpoint;
use super::flow::{Counted, Flow, Wire};
use super::tls::Tls;
use crate::providers::connect::connect;

/// The longest head of a reply, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// A connection, for one request at a time.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    flow: Arc<Flow>,
    /// What was written before the request at hand.
    mark: u64,
    /// A second handle of the socket, to look at what the other end said without reading it.
    socket: std::net::TcpStream,
    /// Since when it rests, on the monotonic clock.
    pub(super) rests_since_ms: i64,
}

impl Line {
    /// Connects, with TLS where the endpoint asks for it; no byte of HTTP is written.
    /// The caller gives up after `within`.
    pub(super) async fn open(endpoint: &Endpoint, tls: &Tls, within: Duration) -> io::Result<Self> {
        let host = endpoint.bare_host();
        let stream = connect(host, endpoint.port(), within).await?;
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let socket = stream.try_clone()?;
        let stream = TcpStream::from_std(stream)?;
        let wire: Box<dyn Wire> = match endpoint.is_secure() {
            true => Box::new(tls.wrap(host, stream).await?),
            false => Box::new(stream),
        };
        let flow = Arc::new(Flow::default());
        let counted = Counted::new(wire, Arc::clone(&flow));
        let shaken = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(counted))
            .await;
        let (sender, connection) = shaken.map_err(io::Error::other)?;
        // It ends with its sender, and its errors are told to whoever waits for a reply.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            sender,
            flow,
            mark: 0,
            socket,
            rests_since_ms: 0,
        })
    }

    /// Says whether a request can be written now. Whatever the other end said while it rested, a
    /// good-bye or anything else, nobody had asked for.
    pub(super) async fn is_live(&mut self) -> bool {
        self.sender.ready().await.is_ok() && self.is_silent()
    }

    fn is_silent(&self) -> bool {
        let peeked = self.socket.peek(&mut [0]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes a request at once; the reply is what is waited for.
    pub(super) fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, Failure>> + use<> {
        self.mark = self.flow.written();
        let (flow, mark) = (Arc::clone(&self.flow), self.mark);
        let sending = self.sender.try_send_request(request);
        async move { sending.await.map_err(|_| failure(&flow, mark)) }
    }

    /// Gives the request up, and says what that makes of it.
    pub(super) fn failure(&self) -> Failure {
        failure(&self.flow, self.mark)
    }
}

/// Nothing is written any more from here on: so it is certain whether something was.
fn failure(flow: &Flow, mark: u64) -> Failure {
    match flow.cut() == mark {
        true => Failure::Unsent,
        false => Failure::Lost,
    }
}
