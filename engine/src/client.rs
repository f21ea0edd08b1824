//! A caller of a running engine, for the commands that work through its API.
//!
//! It goes nowhere but where it was pointed to: no redirect is followed, no proxy of the
//! environment is asked, and the token is shown to nobody on the way, which is why plain HTTP
//! reaches this machine only.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::web::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client as Http, RequestBuilder, StatusCode, Url, redirect};
use schedules::id::TenantId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Secret;

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long an answer may take that is no upload's.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long an upload may take: longer than the engine lets it.
const UPLOAD_MAX: Duration = Duration::from_secs(20 * 60);
/// How much of a text of the engine is shown.
const TEXT_CHARS_MAX: usize = 300;
/// The largest page of refusals.
const PAGE: u32 = 1_000;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none of HTTP; it is not repeated, for it may hold a password.
    #[error("address of the engine cannot be read")]
    Address,
    /// The token would be readable on the way.
    #[error("token is not sent over plain http to another machine: use https")]
    Exposed,
    /// No answer came, or not all of it; what was asked may have happened.
    #[error("engine did not answer")]
    NoAnswer,
    /// The answer is none of the engine's.
    #[error("answer {status} is none of an engine's")]
    NotUnderstood {
        /// The status.
        status: u16,
    },
    /// The engine refused.
    #[error("engine answered {status} {error}: {detail}")]
    Refused {
        /// The status.
        status: u16,
        /// The stable name of the problem.
        error: String,
        /// The engine's words.
        detail: String,
    },
}

impl ClientError {
    /// Returns the code under which the runbook explains the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address => "RG-CLIENT-001",
            Self::Exposed => "RG-CLIENT-002",
            Self::NoAnswer => "RG-CLIENT-003",
            Self::NotUnderstood { .. } => "RG-CLIENT-004",
            Self::Refused { .. } => "RG-CLIENT-005",
        }
    }

    /// Says whether the same request may be answered later.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Refused { status, .. } => matches!(*status, 408 | 429 | 500..),
            _ => false,
        }
    }
}

/// What became of a file so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The job.
    pub id: String,
    /// The key under which the same file may be sent again.
    pub key: String,
    /// `running`, `done` or `broke_off`.
    pub state: String,
    /// The code of what kept the rest from being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke_off: Option<String>,
    /// Lines that were read.
    pub lines: u64,
    /// Boletos that are new.
    pub accepted: u64,
    /// Boletos that were there with the same content.
    pub unchanged: u64,
    /// Lines that were refused.
    pub refused: u64,
}

/// A refused line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RefusedLine {
    /// The line.
    pub line: u64,
    /// The column it is wrong with.
    #[serde(default)]
    pub column: Option<String>,
    /// What is wrong.
    pub error: String,
}

/// A page of refused lines.
#[derive(Debug, Deserialize)]
pub struct RefusedPage {
    /// The lines.
    pub refusals: Vec<RefusedLine>,
    /// Where the next page begins.
    pub next: Option<u32>,
}

#[derive(Deserialize)]
struct Imports {
    imports: Vec<Imported>,
}

#[derive(Deserialize)]
struct DeadEventPage {
    dead_events: Vec<Value>,
    next: Option<i64>,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
    detail: String,
}

/// A caller of one engine.
pub struct Client {
    http: Http,
    base: String,
    token: Secret,
}

impl Client {
    /// Prepares calls of the engine at an address such as `https://regua.example`.
    ///
    /// # Errors
    /// [`ClientError::Address`] and [`ClientError::Exposed`].
    pub fn new(address: &str, token: Secret) -> Result<Self, ClientError> {
        let url = Url::parse(address).map_err(|_| ClientError::Address)?;
        let is_bare = url.query().is_none() && url.fragment().is_none() && url.username() == "";
        match url.scheme() {
            "https" | "http" if !is_bare => return Err(ClientError::Address),
            "https" => {}
            "http" if is_here(&url) => {}
            "http" => return Err(ClientError::Exposed),
            _ => return Err(ClientError::Address),
        }
        // Who came first has the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Http::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .build()
            .map_err(|_| ClientError::Address)?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base, token })
    }

    /// Sends a file of boletos under a key, and returns what became of it.
    ///
    /// # Errors
    /// [`ClientError`]; where it [may pass](ClientError::may_pass) the same file goes on under the
    /// same key.
    pub async fn upload(
        &self,
        tenant: TenantId,
        key: &str,
        file: Bytes,
    ) -> Result<Imported, ClientError> {
        let path = format!("/v1/tenants/{tenant}/boletos");
        let request = self.http.post(format!("{}{path}", self.base));
        let request = request
            .header(CONTENT_TYPE, "text/csv")
            .header("Idempotency-Key", key)
            .timeout(UPLOAD_MAX)
            .body(file);
        self.answer(request).await
    }

    /// Returns the newest jobs of a tenant.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn newest_imports(&self, tenant: TenantId) -> Result<Vec<Imported>, ClientError> {
        let listed: Imports = self.get(&format!("/v1/tenants/{tenant}/imports")).await?;
        Ok(listed.imports)
    }

    /// Returns a page of what was refused of a job.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn refusals(
        &self,
        tenant: TenantId,
        job: &str,
        after: u32,
    ) -> Result<RefusedPage, ClientError> {
        let path = format!("/v1/tenants/{tenant}/imports/{job}/refusals");
        self.get(&format!("{path}?limit={PAGE}&after={after}"))
            .await
    }

    /// Returns the messages of the bus that are no fact.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dead_events(&self) -> Result<Vec<Value>, ClientError> {
        let (mut found, mut after) = (Vec::new(), Some(0));
        while let Some(last) = after {
            let path = format!("/v1/dead-events?after={last}");
            let page: DeadEventPage = self.get(&path).await?;
            found.extend(page.dead_events);
            after = page.next;
        }
        Ok(found)
    }

    /// Returns a message of the bus that is no fact.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dead_event(&self, id: i64) -> Result<Value, ClientError> {
        self.get(&format!("/v1/dead-events/{id}")).await
    }

    /// Takes a message in again, and returns what became of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn redrive_dead_event(&self, id: i64) -> Result<Value, ClientError> {
        let path = format!("{}/v1/dead-events/{id}/redrive", self.base);
        self.answer(self.http.post(path).timeout(ANSWER_MAX)).await
    }

    /// Drops a message.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn drop_dead_event(&self, id: i64) -> Result<(), ClientError> {
        let path = format!("{}/v1/dead-events/{id}", self.base);
        let request = self.http.delete(path).timeout(ANSWER_MAX);
        match self.answer::<Value>(request).await {
            Err(ClientError::NotUnderstood { status: 204 }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(ClientError::NotUnderstood { status: 200 }),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = self.http.get(format!("{}{path}", self.base));
        self.answer(request.timeout(ANSWER_MAX)).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let sent = request.bearer_auth(self.token.expose()).send().await;
        let answer = sent.map_err(|_| ClientError::NoAnswer)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|_| ClientError::NoAnswer)?;
        if status == StatusCode::OK
            && let Ok(found) = serde_json::from_slice(&body)
        {
            return Ok(found);
        }
        let status = status.as_u16();
        match serde_json::from_slice(&body) {
            Ok(Problem { error, detail }) => Err(ClientError::Refused {
                status,
                error: plain(&error),
                detail: plain(&detail),
            }),
            Err(_) => Err(ClientError::NotUnderstood { status }),
        }
    }
}

/// Returns what may be shown of a text that came over the wire: no terminal follows it.
pub fn plain(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(TEXT_CHARS_MAX).collect()
}

/// Says whether an address is of this machine.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let ip = plain.parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> Option<&'static str> {
        let client = Client::new(address, Secret::new("rg_canario".to_owned()));
        client.err().map(|error| error.code())
    }

    #[test]
    fn a_token_goes_over_plain_http_to_this_machine_only() {
        for address in [
            "http://127.0.0.1:8088",
            "http://127.9.9.9",
            "http://[::1]:1/",
            "http://localhost:8088",
            "https://regua.example/base/",
        ] {
            assert_eq!(refused(address), None, "{address}");
        }
        for address in [
            "http://regua.example",
            "http://10.0.0.1:8088",
            "http://127.0.0.1.example",
            "http://localhost.example",
        ] {
            assert_eq!(refused(address), Some("RG-CLIENT-002"), "{address}");
        }
        for address in [
            "",
            "regua.example",
            "ftp://regua.example",
            "http://u:p@127.0.0.1",
            "https://u@regua.example",
            "https://regua.example?a=b",
        ] {
            assert_eq!(refused(address), Some("RG-CLIENT-001"), "{address}");
        }
    }

    #[test]
    fn what_may_pass_is_what_the_engine_or_the_way_lacked_for_a_moment() {
        let refused = |status| ClientError::Refused {
            status,
            error: String::new(),
            detail: String::new(),
        };
        assert!(ClientError::NoAnswer.may_pass());
        assert!(
            [408, 429, 500, 503]
                .into_iter()
                .all(|it| refused(it).may_pass())
        );
        assert!(
            ![400, 401, 404, 413, 422]
                .into_iter()
                .any(|it| refused(it).may_pass())
        );
        assert!(!ClientError::NotUnderstood { status: 200 }.may_pass());
    }

    #[test]
    fn what_an_engine_says_cannot_command_a_terminal() {
        assert_eq!(plain("busy\u{1b}[2J\r\n later"), "busy[2J later");
        assert_eq!(plain(&"x".repeat(1_000)).len(), TEXT_CHARS_MAX);
    }
}
