//! `regua serve` and `regua migrate`: the engine as a process.

use std::future::Future;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use actors::clock::{Clock, SystemClock};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::config::ConfigArgs;
use super::import::SendError;
use super::{Ended, runtime};
use crate::access::first_token;
use crate::bench::ground::BenchError;
use crate::boot::{BootError, Engine, Pace};
use crate::bus::amqp::AmqpBus;
use crate::bus::amqp::link::LinkError;
use crate::bus::reception::Reception;
use crate::client::ClientError;
use crate::config::{Config, StoreConfig};
use crate::demo::DemoError;
use crate::http::health::{self, ListenError};
use crate::http::server::{self, Api};
use crate::imports::csv::ImportError;
use crate::keys::{RootKey, RootKeyError};
use crate::providers::opt_outs::opt_outs;
use crate::providers::registry::Registry;
use crate::providers::smtp::SetUpError;
use crate::store::{PostgresSettings, SqliteSettings, Store, StoreError};
use crate::telemetry::{self, Strangers};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Serve {
    pub(super) fn run(self, err: &mut dyn Write) -> io::Result<Ended> {
        with_config(self.config, err, |config, err| {
            let strangers = match telemetry::start(&config.log) {
                Ok(strangers) => strangers,
                Err(error) => {
                    writeln!(err, "regua: {error}")?;
                    Strangers::default()
                }
            };
            report(runtime()?.block_on(serve(&config, strangers)), err)
        })
    }
}

impl Migrate {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        telemetry::start_quietly();
        with_config(self.config, err, |config, err| {
            let migrated = runtime()?.block_on(async {
                // Opening a store brings its schema up to date.
                open(&config.store).await?.close().await;
                Ok(())
            });
            let ended = report(migrated, err)?;
            if matches!(ended, Ended::Well) {
                writeln!(out, "schema is up to date")?;
            }
            Ok(ended)
        })
    }
}

/// Runs `with` on the settings, or says everything that is wrong with them.
pub(super) fn with_config(
    args: ConfigArgs,
    err: &mut dyn Write,
    with: impl FnOnce(Config, &mut dyn Write) -> io::Result<Ended>,
) -> io::Result<Ended> {
    match args.load() {
        Ok(config) => with(config, err),
        Err(problems) => {
            writeln!(err, "{problems}")?;
            Ok(Ended::Failed)
        }
    }
}

/// Says how it ended, with the error's code where it has one.
pub(super) fn report(ended: anyhow::Result<()>, err: &mut dyn Write) -> io::Result<Ended> {
    match ended {
        Ok(()) => Ok(Ended::Well),
        Err(error) => {
            let code = error.chain().find_map(code_of);
            let code = code.map(|code| format!(" [{code}]"));
            writeln!(err, "regua: {error:#}{}", code.unwrap_or_default())?;
            Ok(Ended::Failed)
        }
    }
}

/// Returns the code of one error of a chain, if it is of a kind that the runbook explains.
fn code_of(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let store = error.downcast_ref::<StoreError>().map(StoreError::code);
    let boot = || error.downcast_ref::<BootError>().map(BootError::code);
    let listen = || error.downcast_ref::<ListenError>().map(ListenError::code);
    let import = || error.downcast_ref::<ImportError>().map(ImportError::code);
    let demo = || error.downcast_ref().and_then(DemoError::code);
    let bench = || error.downcast_ref().and_then(BenchError::code);
    let provider = || error.downcast_ref::<SetUpError>().map(SetUpError::code);
    let keys = || error.downcast_ref::<RootKeyError>().map(RootKeyError::code);
    let link = || error.downcast_ref::<LinkError>().map(LinkError::code);
    let client = || error.downcast_ref::<ClientError>().map(ClientError::code);
    let send = || error.downcast_ref::<SendError>().map(SendError::code);
    let engine = store.or_else(boot).or_else(listen).or_else(import);
    let engine = engine.or_else(provider).or_else(demo).or_else(bench);
    let engine = engine.or_else(keys).or_else(link);
    engine.or_else(client).or_else(send)
}

/// Opens the configured store, and brings its schema up to date.
pub(super) async fn open(config: &StoreConfig) -> Result<Store, StoreError> {
    match config {
        StoreConfig::Sqlite { path } => Store::open_sqlite(&sqlite(path)).await,
        StoreConfig::Postgres {
            url,
            connections_max,
        } => {
            let settings = PostgresSettings::within(url.expose(), *connections_max);
            Store::open_postgres(&settings).await
        }
    }
}

/// Opens the configured store to read it, beside an engine that may be running on it.
pub(super) async fn open_to_read(config: &StoreConfig) -> Result<Store, StoreError> {
    match config {
        StoreConfig::Sqlite { path } => Store::read_sqlite(&sqlite(path)).await,
        StoreConfig::Postgres { url, .. } => {
            let mut settings = PostgresSettings::at(url.expose());
            settings.readers = 1;
            Store::read_postgres(&settings).await
        }
    }
}

pub(super) fn sqlite(path: &Path) -> SqliteSettings {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut settings = SqliteSettings::at(folder.unwrap_or(Path::new(".")));
    if let Some(file) = path.file_name() {
        settings.file = file.to_string_lossy().into_owned();
    }
    settings
}

async fn serve(config: &Config, strangers: Strangers) -> anyhow::Result<()> {
    let listener = health::listen(config.serve.listen)?;
    // Port 0 is any free one: the log says which.
    let listen = listener.local_addr()?;
    let store = open(&config.store).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (opt_outs, said) = opt_outs();
    let gateway = Registry::configured(config, &store, &clock, &opt_outs)?;
    let offers = gateway.offers();
    let arbiters = Some(config.node.arbiters).filter(|arbiters| *arbiters > 0);
    let pace = Pace {
        lease: config.node.lease_times(),
        arbiters,
        look_ahead_every_ms: None,
    };
    if let Some(token) = first_token(&store, clock.now()).await? {
        // Once. Whoever missed it makes another with `regua token create`.
        writeln!(
            io::stdout(),
            "admin token, shown only once: {}",
            token.expose()
        )?;
    }
    let root = root_of(config, &store).await?;
    let engine = Engine::start(store, Arc::new(gateway), Arc::clone(&clock), pace)?;
    let reception = root.map(|root| {
        let (store, doors) = (engine.store.clone(), engine.doors.clone());
        Reception::new(store, doors, root, Arc::clone(&clock))
    });
    let consumed = config.bus.clone().zip(reception.clone());
    let bus = consumed.map(|(broker, it)| AmqpBus::start(broker, it, format!("regua {listen}")));
    let (stops_telling, until) = oneshot::channel();
    let telling = said.tell(engine.doors.clone(), Arc::clone(&clock), until);
    let telling = tokio::spawn(telling);
    let strangers = tokio::spawn(strangers.tell(Arc::clone(&clock)));
    let api = Api {
        reception,
        bus: bus.as_ref().map(AmqpBus::state),
        ..Api::of(&engine, config, offers, clock)
    };
    let server = server::serve(listener, api)?;
    let handle = server.handle();
    let health = tokio::spawn(server);
    let asked = asked_to_stop()?;
    tracing::info!(%listen, "engine is up");
    asked.await;
    tracing::info!("draining");
    handle.stop(true).await;
    health.await??;
    strangers.abort();
    if let Some(bus) = bus {
        bus.stop().await;
    }
    // What came back last may say an opt-out, too.
    engine.node.drain().await;
    drop(stops_telling);
    telling.await?;
    engine.stop().await;
    tracing::info!("engine has stopped");
    Ok(())
}

/// Returns the root key, which a broker needs.
async fn root_of(config: &Config, store: &Store) -> anyhow::Result<Option<Arc<RootKey>>> {
    let Some(root) = RootKey::of(config)? else {
        return match config.bus {
            Some(_) => Err(RootKeyError::Missing.into()),
            None => Ok(None),
        };
    };
    root.check(store).await?;
    Ok(Some(Arc::new(root)))
}

/// Takes SIGTERM and SIGINT from here on; what is returned waits for the first of them.
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::taking::NotTaken;

    fn said_of(error: impl Into<anyhow::Error>) -> String {
        let mut err = Vec::new();
        let ended = report(Err(error.into()), &mut err).expect("written");
        assert!(matches!(ended, Ended::Failed));
        String::from_utf8(err).expect("utf-8")
    }

    #[test]
    fn an_error_is_told_with_its_code_however_deep_it_lies() {
        let deep = anyhow::Error::from(StoreError::InUse)
            .context("demo")
            .context("command");
        let said = said_of(deep);
        assert!(
            said.ends_with("by another process [RG-STORE-006]\n"),
            "{said}"
        );
        let said = said_of(crate::demo::DemoError::Store(StoreError::Missing));
        assert!(said.ends_with("[RG-STORE-016]\n"), "{said}");
        let said = said_of(crate::demo::DemoError::Import(ImportError::FindHeader));
        assert!(said.ends_with("[RG-IMPORT-002]\n"), "{said}");
        let said = said_of(DemoError::Bus(NotTaken::Store(StoreError::DiskFull)));
        assert!(said.ends_with("[RG-STORE-003]\n"), "{said}");
        let said = said_of(DemoError::Bus(NotTaken::Closed));
        assert!(said.ends_with("[RG-DEMO-005]\n"), "{said}");
        let said = said_of(BenchError::Process(io::ErrorKind::NotFound.into()));
        assert!(said.ends_with("[RG-BENCH-002]\n"), "{said}");
        assert_eq!(said_of(anyhow::anyhow!("anything")), "regua: anything\n");
    }

    #[test]
    fn serving_on_an_address_that_is_taken_ends_with_a_code_before_a_store_is_made() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/regua.db");
        let overrides = vec![
            format!("serve.listen={}", taken.local_addr().expect("an address")),
            format!("store.path={}", path.display()),
        ];
        let config = Config::load(&crate::config::Sources {
            overrides,
            ..Default::default()
        });
        let served = runtime()
            .expect("a runtime")
            .block_on(serve(&config.expect("settings"), Strangers::default()));
        let said = said_of(served.expect_err("the address is taken"));
        assert!(said.ends_with("[RG-SERVE-001]\n"), "{said}");
        assert!(!path.exists());
    }
}
