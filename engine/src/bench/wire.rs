//! The way over HTTP: the real provider, as settings make it, before a gateway on this machine, and
//! what that provider's client can do without the engine.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actors::clock::Clock;
use actors::dispatch::DispatchLimits;
use futures::future::try_join_all;
use schedules::channel::Channel;
use schedules::time::Timestamp;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::crowd::Way;
use super::double::Double;
use super::ground::{BenchError, expect};
use super::limit::per_second;
use crate::config::{Config, Sources};
use crate::providers::egress::{Call, Egress};
use crate::providers::opt_outs::opt_outs;
use crate::providers::registry::Registry;
use crate::providers::settings::ProviderKind;
use crate::store::Store;

/// What messages go by.
pub(super) const OVER_HTTP: Way = Way {
    channels: &[Channel::Sms],
    provider: "double",
};

/// The provider `double` with this machine's gateway behind it.
pub(super) struct Wire {
    double: Double,
    config: Config,
    clock: Arc<dyn Clock>,
    limit: PostLimit,
}

/// Requests that were made without the engine, and the time it took.
#[derive(Clone, Copy, Debug, Default)]
struct PostLimit {
    posts: usize,
    took: Duration,
}

/// What was measured beside the cycle.
#[derive(Debug, Serialize)]
pub struct WireFigure {
    /// Requests a second by the same client without the engine, twice after it: as many, of the
    /// same size, as many at once as the dispatcher lets go out.
    pub limit_posts_per_s: f64,
    /// Cycles against that limit.
    pub ratio_to_posts: f64,
    /// The mean body, in bytes.
    pub body_bytes: usize,
    /// Connections that the engine opened.
    pub connections: usize,
}

/// What the gateway saw of the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    connections: usize,
    requests: usize,
    body_bytes: usize,
}

impl Wire {
    /// Starts the gateway, and reads the settings that lead there.
    pub(super) fn start(clock: Arc<dyn Clock>) -> Result<Self, BenchError> {
        let double = Double::start().map_err(BenchError::Listen)?;
        let mut file = NamedTempFile::new().map_err(BenchError::Folder)?;
        let address = double.address();
        write!(
            file,
            "[providers.{}]\nkind = \"http_sms\"\nurl = \"http://{address}/v1/messages\"\n\
             body = {{ from = \"MEDICAO\", to = \"{{to}}\", text = \"{{text}}\", id = \"{{attempt}}\" }}\n",
            OVER_HTTP.provider
        )
        .map_err(BenchError::Folder)?;
        let sources = Sources {
            file: Some(file.path().to_owned()),
            ..Sources::default()
        };
        let config = Config::load(&sources).map_err(BenchError::Settings)?;
        Ok(Self {
            double,
            config,
            clock,
            limit: PostLimit::default(),
        })
    }

    /// Makes the configured providers, as a server does.
    pub(super) fn registry(&self, store: &Store) -> Result<Registry, BenchError> {
        // Nobody opts out here.
        let (opt_outs, _) = opt_outs();
        let made = Registry::configured(&self.config, store, &self.clock, &opt_outs);
        Ok(made?)
    }

    /// Returns what the gateway took so far.
    pub(super) fn taken(&self) -> Taken {
        Taken {
            connections: self.double.connections(),
            requests: self.double.requests(),
            body_bytes: self.double.body_bytes(),
        }
    }

    /// Makes as many requests of the same size without the engine.
    pub(super) async fn measure_limit(&mut self, of: Taken) -> Result<(), BenchError> {
        let egress = self.egress()?;
        let body: Arc<str> = body(of.mean_bytes()).into();
        let left = Arc::new(AtomicUsize::new(of.requests));
        let before = self.double.requests();
        let began = Instant::now();
        let callers = (0..DispatchLimits::default().per_provider_max)
            .map(|_| post(Arc::clone(&egress), Arc::clone(&body), Arc::clone(&left)))
            .map(tokio::spawn);
        let failed: usize = try_join_all(callers).await?.into_iter().sum();
        self.limit.took += began.elapsed();
        expect("requests that failed", failed, 0)?;
        expect("requests", self.double.requests() - before, of.requests)?;
        self.limit.posts += of.requests;
        Ok(())
    }

    /// Returns the figures of so many cycles a second.
    pub(super) fn figure(&self, cycles_per_s: f64, taken: Taken) -> WireFigure {
        let limit_posts_per_s = per_second(self.limit.posts, self.limit.took);
        WireFigure {
            limit_posts_per_s,
            ratio_to_posts: (cycles_per_s / limit_posts_per_s * 1_000.0).round() / 1_000.0,
            body_bytes: taken.mean_bytes(),
            connections: taken.connections,
        }
    }

    /// Makes the client that the provider has.
    fn egress(&self) -> Result<Arc<Egress>, BenchError> {
        let settings = self.config.providers.get(OVER_HTTP.provider);
        match settings.map(|it| &it.kind) {
            Some(ProviderKind::HttpSms(gateway)) => {
                let clock = Arc::clone(&self.clock);
                Ok(Arc::new(gateway.egress.client(clock)))
            }
            _ => Err(BenchError::Process(io::ErrorKind::NotFound.into())),
        }
    }
}

impl Taken {
    pub(super) const fn requests(self) -> usize {
        self.requests
    }

    fn mean_bytes(self) -> usize {
        self.body_bytes / self.requests.max(1)
    }
}

/// Makes requests until none is left, and returns how many of them failed.
async fn post(egress: Arc<Egress>, body: Arc<str>, left: Arc<AtomicUsize>) -> usize {
    let mut failed = 0;
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1));
    while take().is_ok() {
        let call = Call::json(String::new(), Vec::new(), body.to_string());
        let reply = egress.send(call, Timestamp::MAX, &|| true).await;
        failed += usize::from(!reply.is_ok_and(|reply| reply.is_success()));
    }
    failed
}

/// Makes a body of so many bytes.
fn body(bytes: usize) -> String {
    let frame = r#"{"text":""}"#.len();
    format!(
        r#"{{"text":"{}"}}"#,
        "x".repeat(bytes.saturating_sub(frame))
    )
}
