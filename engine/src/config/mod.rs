//! The settings of a process: read once, checked as a whole, immutable from then on.
//!
//! Layers are put on top of each other (`layers`), then every key is taken out of the result and
//! checked (`reading`), so that one start tells all that is wrong. Nothing here reads the process
//! environment or the command line: both come in as [`Sources`]. Messages name keys, never values,
//! because any value may be a secret in the wrong place.

mod bus;
mod layers;
mod levels;
mod problem;
mod reading;
mod secret;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use actors::lease::LeaseTimes;
use schedules::link::check_link;
use serde::Serialize;

use crate::bus::amqp::link::Broker;
use crate::keys::RootKey;
use crate::providers::mailbox::MailboxBehaviour;
use crate::providers::settings::{self, ProviderSettings};
use crate::unsubscribe::{KEY_BYTES_MIN, Links};

use bus::{read_bus, read_keys};
pub use layers::{Sources, secret_files};
pub use levels::Levels;
pub use problem::{Problem, ProblemKind, Problems};
pub use secret::Secret;

pub(crate) use layers::read_text;
pub(crate) use reading::Section;
use reading::{read_named, read_section};

/// The documented defaults.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// The effective settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Where everything durable lives.
    pub store: StoreConfig,
    /// How this process takes part in the cluster.
    pub node: NodeConfig,
    /// What it listens on.
    pub serve: ServeConfig,
    /// What it takes of the API's callers' time, and what it keeps of its answers.
    pub http: HttpConfig,
    /// How many requests they may make.
    pub limits: LimitsConfig,
    /// How the provider behaves that sends nothing.
    pub mailbox: MailboxBehaviour,
    /// The configured ways out, by the names that senders use.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// The links by which contacts end messages; messages have none when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<Links>,
    /// Where the broker is; events come in over HTTP alone when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<Broker>,
    /// What other keys are derived from; a file beside an embedded database when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_key: Option<RootKey>,
    /// What it says about itself.
    pub log: LogConfig,
}

/// Where everything durable lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StoreConfig {
    /// The embedded database of one node.
    Sqlite {
        /// The database file.
        path: PathBuf,
    },
    /// The database that a cluster shares.
    Postgres {
        /// Its URL, which may hold a password.
        url: Secret,
        /// The most connections that this node opens.
        connections_max: u32,
    },
}

/// How a process takes part in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeConfig {
    /// Threads that tenants live on; 0 is one for each core.
    pub arbiters: usize,
    /// How long a lease lasts, in milliseconds.
    pub lease_ms: i64,
    /// How long before its end it is no longer trusted, in milliseconds.
    pub lease_margin_ms: i64,
    /// How often it is renewed, in milliseconds.
    pub lease_renew_every_ms: i64,
}

/// What a process listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServeConfig {
    /// The address of the health endpoints.
    pub listen: SocketAddr,
}

/// How the API treats a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HttpConfig {
    /// How long a client may take to send the head of a request, in milliseconds.
    pub head_ms_max: u64,
    /// How long it may take to send a body of JSON, in milliseconds.
    pub body_ms_max: u64,
    /// How long data may wait for a client to take it, in milliseconds.
    pub write_ms_max: u32,
    /// For how many days the answer to a request with a key is kept.
    pub idempotency_days: i64,
    /// For how many days it is kept what became of an import.
    pub import_days: i64,
}

/// How many requests a caller may make per minute on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitsConfig {
    /// Of a token, to see what is there.
    pub read_per_minute: u32,
    /// To change settings and campaigns.
    pub write_per_minute: u32,
    /// To bring contacts and boletos.
    pub import_per_minute: u32,
    /// About the engine.
    pub admin_per_minute: u32,
    /// To tell events; counted, never refused.
    pub facts_per_minute: u32,
    /// Of an address, with a token that is not good.
    pub failures_per_minute: u32,
    /// To leave by a link in a message; never refused.
    pub links_per_minute: u32,
}

/// What a process says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogConfig {
    /// How a line is written.
    pub format: LogFormat,
    /// The least level, and exceptions to it by module.
    pub level: Levels,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for machines.
    Json,
}

impl Config {
    /// Reads the settings from all sources.
    ///
    /// # Errors
    /// Every [`Problem`] that was found. A file that is not TOML hides the problems within it.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let (mut root, mut problems) = layers::merged(sources);
        let store = read_section(&mut root, "store", &mut problems, read_store);
        let node = read_section(&mut root, "node", &mut problems, read_node);
        let serve = read_section(&mut root, "serve", &mut problems, read_serve);
        let http = read_section(&mut root, "http", &mut problems, read_http);
        let limits = read_section(&mut root, "limits", &mut problems, read_limits);
        let mailbox = read_section(&mut root, "mailbox", &mut problems, read_mailbox);
        let providers = read_named(&mut root, "providers", &mut problems, settings::read);
        let unsubscribe = read_section(&mut root, "unsubscribe", &mut problems, read_unsubscribe);
        let bus = read_section(&mut root, "bus", &mut problems, read_bus);
        let root_key = read_section(&mut root, "keys", &mut problems, read_keys);
        let log = read_section(&mut root, "log", &mut problems, read_log);
        problems.extend(
            root.keys()
                .map(|key| Problem::new(key, ProblemKind::KnowKey)),
        );
        // Who left a section out said why.
        let read = || {
            Some(Self {
                store: store?,
                node: node?,
                serve: serve?,
                http: http?,
                limits: limits?,
                mailbox: mailbox?,
                providers: providers?,
                unsubscribe: unsubscribe?,
                bus: bus?,
                root_key: root_key?,
                log: log?,
            })
        };
        match read() {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Problems(problems)),
        }
    }

    /// Returns the settings as TOML, secrets redacted.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

impl NodeConfig {
    /// Returns the lease times as the actors take them.
    pub const fn lease_times(&self) -> LeaseTimes {
        LeaseTimes {
            ttl_ms: self.lease_ms,
            margin_ms: self.lease_margin_ms,
            renew_every_ms: self.lease_renew_every_ms,
        }
    }
}

fn read_store(section: &mut Section<'_>) -> Option<StoreConfig> {
    match section.choice("kind", &["sqlite", "postgres"]) {
        Some("sqlite") => Some(StoreConfig::Sqlite {
            path: section.text("path")?.into(),
        }),
        Some(_) => {
            let url = section.secret("url");
            let connections_max = section.whole("connections_max", 5..=1_000, Some(16));
            Some(StoreConfig::Postgres {
                url: url?,
                connections_max: connections_max?,
            })
        }
        // Which keys are unknown depends on the kind.
        None => {
            section.forget_rest();
            None
        }
    }
}

fn read_node(section: &mut Section<'_>) -> Option<NodeConfig> {
    let arbiters = section.whole("arbiters", 0..=256, None);
    let lease_ms = section.whole("lease_ms", 1_000..=600_000, None);
    let lease_margin_ms = section.whole("lease_margin_ms", 100..=300_000, None);
    let lease_renew_every_ms = section.whole("lease_renew_every_ms", 100..=300_000, None);
    let node = NodeConfig {
        arbiters: arbiters?,
        lease_ms: lease_ms?,
        lease_margin_ms: lease_margin_ms?,
        lease_renew_every_ms: lease_renew_every_ms?,
    };
    if node.lease_margin_ms + node.lease_renew_every_ms >= node.lease_ms {
        section.refuse("lease_ms", ProblemKind::AgreeLeaseTimes);
    }
    Some(node)
}

fn read_serve(section: &mut Section<'_>) -> Option<ServeConfig> {
    Some(ServeConfig {
        listen: section.parsed("listen", "an address and a port")?,
    })
}

fn read_http(section: &mut Section<'_>) -> Option<HttpConfig> {
    let head_ms_max = section.whole("head_ms_max", 100..=60_000, None);
    let body_ms_max = section.whole("body_ms_max", 100..=60_000, None);
    let write_ms_max = section.whole("write_ms_max", 1_000..=600_000, None);
    let idempotency_days = section.whole("idempotency_days", 7..=90, None);
    let import_days = section.whole("import_days", 7..=3_650, None);
    Some(HttpConfig {
        head_ms_max: head_ms_max?,
        body_ms_max: body_ms_max?,
        write_ms_max: write_ms_max?,
        idempotency_days: idempotency_days?,
        import_days: import_days?,
    })
}

fn read_limits(section: &mut Section<'_>) -> Option<LimitsConfig> {
    let mut per_minute = |key| section.whole(key, 1..=1_000_000, None);
    let (read, write) = (
        per_minute("read_per_minute"),
        per_minute("write_per_minute"),
    );
    let (import, admin) = (
        per_minute("import_per_minute"),
        per_minute("admin_per_minute"),
    );
    let facts = per_minute("facts_per_minute");
    let failures = per_minute("failures_per_minute");
    let links = per_minute("links_per_minute");
    Some(LimitsConfig {
        read_per_minute: read?,
        write_per_minute: write?,
        import_per_minute: import?,
        admin_per_minute: admin?,
        facts_per_minute: facts?,
        failures_per_minute: failures?,
        links_per_minute: links?,
    })
}

fn read_mailbox(section: &mut Section<'_>) -> Option<MailboxBehaviour> {
    let latency_ms_max = section.whole("latency_ms_max", 0..=60_000, None);
    let mut share = |key| section.whole(key, 0..=10_000, None);
    let (rejected, throttled) = (share("rejected"), share("throttled"));
    let (unavailable, lost) = (share("unavailable"), share("lost"));
    let seed = section.whole("seed", 0..=i64::MAX, None);
    let behaviour = MailboxBehaviour {
        latency_ms_max: latency_ms_max?,
        rejected: rejected?,
        throttled: throttled?,
        unavailable: unavailable?,
        lost: lost?,
        seed: seed?,
    };
    if behaviour.rejected + behaviour.throttled + behaviour.unavailable > 10_000 {
        section.refuse("rejected", ProblemKind::AgreeFaults);
    }
    Some(behaviour)
}

/// Reads an address and a key, or neither.
fn read_unsubscribe(section: &mut Section<'_>) -> Option<Option<Links>> {
    let base_url = section.optional("base_url", Section::text);
    let key = section.optional_secret("key");
    let (base_url, key) = match (base_url?, key?) {
        (Some(base_url), Some(key)) => (base_url, key),
        (None, None) => return Some(None),
        (Some(_), None) => return section.refused("key", ProblemKind::FindValue),
        (None, Some(_)) => return section.refused("base_url", ProblemKind::FindValue),
    };
    let base_url = base_url.trim_end_matches('/').to_owned();
    if check_link(&base_url).is_err() {
        return section.misread("base_url", "a plain https address");
    }
    if key.expose().len() < KEY_BYTES_MIN {
        return section.misread("key", "32 bytes long at least");
    }
    Some(Some(Links { base_url, key }))
}

fn read_log(section: &mut Section<'_>) -> Option<LogConfig> {
    let format = section.choice("format", &["text", "json"]);
    let level = section.parsed("level", "levels, such as info,engine=debug");
    let format = match format? {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    };
    Some(LogConfig {
        format,
        level: level?,
    })
}

#[cfg(test)]
mod tests;
