//! The one HTTP client of the providers: it knows when the first byte is about to be written.
//!
//! A connection is opened, with TLS and all, or taken from those that rest; only then is the
//! dispatcher asked whether the hand-over may begin, and nothing is waited for between its yes and
//! the write. What fails before a byte is written has certainly sent nothing; everything that fails
//! after is of unknown outcome. A connection that is not ready before the message's claim ends has
//! failed.
//!
//! It speaks HTTP/1.1 to the one host of its provider: no redirects, no proxies (whatever the
//! environment says), no compression, no request without a deadline, no reply without a limit.

mod endpoint;
mod escape;
mod flow;
mod line;
mod reply;
mod rest;
mod tls;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::machine::input::{Abandoned, Outcome};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request};
use schedules::time::Timestamp;
use tokio::time::timeout;

pub use endpoint::{Endpoint, NoEndpoint};
pub use escape::escaped;
pub use reply::{RETRY_AFTER_MS_MAX, Reply};
pub use tls::{Tls, UnusableAuthorities};

use super::patience::Patience;
use line::Line;
use rest::Rest;

/// How long an idle connection is used again, in milliseconds: the servers that hang up first
/// (those of Node) do so after five seconds.
const REST_MS: i64 = 4_000;
/// The most connections that rest.
const REST_MAX: usize = 32;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressLimits {
    /// Until a connection is open, in milliseconds; never longer than the message's claim lasts.
    pub connect_ms: u64,
    /// From the start to the end of the reply, in milliseconds; shorter than the dispatcher waits
    /// for a hand-over.
    pub total_ms: u64,
}

/// A client of one host.
pub struct Egress {
    endpoint: Endpoint,
    tls: Tls,
    limits: EgressLimits,
    rest: Rest,
    clock: Arc<dyn Clock>,
}

/// A request.
pub struct Call {
    /// The method.
    pub method: Method,
    /// What follows the path of the endpoint; empty, or with a leading `/`.
    pub path: String,
    /// Headers beside those that every request has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The type of the body.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The hand-over was not to begin.
    #[error("the request was not to begin")]
    Barred,
    /// So little was left of the message's claim that nothing can be said of the provider.
    #[error("the message came too late to be sent")]
    Late,
    /// Certainly nothing of the request was written.
    #[error("nothing of the request was written")]
    Unsent,
    /// The request began, and nobody knows what became of it.
    #[error("the request began and its reply was lost")]
    Lost,
}

impl Call {
    /// Posts JSON.
    pub fn json(path: String, headers: Vec<(HeaderName, HeaderValue)>, body: String) -> Self {
        Self {
            method: Method::POST,
            path,
            headers,
            content_type: HeaderValue::from_static("application/json"),
            body: body.into_bytes(),
        }
    }
}

impl Failure {
    /// Returns what it makes of a message.
    pub const fn outcome(self) -> Outcome {
        match self {
            // The dispatcher knows better why.
            Self::Barred => Outcome::Abandoned {
                why: Abandoned::Stopped,
            },
            Self::Late => Outcome::Abandoned {
                why: Abandoned::TooLate,
            },
            Self::Unsent => Outcome::Unavailable,
            Self::Lost => Outcome::Unknown,
        }
    }
}

impl Egress {
    /// Makes a client; it connects when it is first used.
    pub fn new(endpoint: Endpoint, tls: Tls, limits: EgressLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            endpoint,
            tls,
            limits,
            rest: Rest::of(REST_MAX, REST_MS),
            clock,
        }
    }

    /// Makes the request of a message, if `begin` agrees right before its first byte is written;
    /// the connection for it is ready before `deadline_at`.
    ///
    /// # Errors
    /// [`Failure`]. A reply whose body broke off is a reply: its status says a lot.
    pub async fn send(
        &self,
        call: Call,
        deadline_at: Timestamp,
        begin: &(dyn Fn() -> bool + Sync),
    ) -> Result<Reply, Failure> {
        let request = self.request(call).ok_or(Failure::Unsent)?;
        let connect_ms = self.limits.connect_ms.min(self.limits.total_ms);
        let patience = Patience::of(deadline_at, connect_ms, &*self.clock);
        let mut deadline = pin!(tokio::time::sleep(Duration::from_millis(
            self.limits.total_ms
        )));
        let mut line = match timeout(patience.within, self.line(patience.within)).await {
            Ok(line) => line.ok_or(Failure::Unsent)?,
            Err(_) if patience.is_fair() => return Err(Failure::Unsent),
            Err(_) => return Err(Failure::Late),
        };
        // Nothing is waited for from here to the write.
        if !begin() {
            self.rest.put(line, self.clock.monotonic_ms());
            return Err(Failure::Barred);
        }
        let sending = line.send(request);
        let response = tokio::select! {
            biased;
            response = sending => response,
            () = &mut deadline => Err(line.failure()),
        }?;
        let reply = Reply::read(response, deadline, self.clock.now()).await;
        if reply.whole {
            self.rest.put(line, self.clock.monotonic_ms());
        }
        Ok(reply)
    }

    /// Returns a connection on which a request can be written now. The caller gives up after
    /// `within`.
    async fn line(&self, within: Duration) -> Option<Line> {
        while let Some(mut line) = self.rest.take(self.clock.monotonic_ms()) {
            if line.is_live().await {
                return Some(line);
            }
        }
        Line::open(&self.endpoint, &self.tls, within).await.ok()
    }

    /// Writes what does not depend on the connection; nothing when a path cannot stand in a
    /// request.
    fn request(&self, call: Call) -> Option<Request<Full<Bytes>>> {
        let target = match format!("{}{}", self.endpoint.path(), call.path) {
            target if target.is_empty() => "/".to_owned(),
            target => target,
        };
        let mut request = Request::builder()
            .method(call.method)
            .uri(target)
            .body(Full::new(Bytes::from(call.body)))
            .ok()?;
        let headers: &mut HeaderMap = request.headers_mut();
        headers.insert(
            HOST,
            HeaderValue::from_str(&self.endpoint.authority()).ok()?,
        );
        headers.insert(USER_AGENT, HeaderValue::from_static("regua"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CONTENT_TYPE, call.content_type);
        headers.extend(call.headers);
        Some(request)
    }
}
