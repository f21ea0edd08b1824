//! `regua serve` and `regua migrate`: the engine as a process.

use std::future::Future;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use actors::clock::{Clock, SystemClock};
use actors::lease::LeaseTimes;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::config::ConfigArgs;
use super::{Ended, runtime};
use crate::boot::{Engine, Pace};
use crate::config::{Config, StoreConfig};
use crate::http::health::{self, Readiness};
use crate::providers::mailbox::{Mailbox, MailboxBehaviour};
use crate::providers::registry::Registry;
use crate::store::{PostgresSettings, SqliteSettings, Store, StoreError};
use crate::telemetry;

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
            if telemetry::start(&config.log).is_err() {
                writeln!(err, "regua: the log is already open")?;
            }
            report(runtime()?.block_on(serve(&config)), err)
        })
    }
}

impl Migrate {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
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
            let store = error
                .chain()
                .find_map(|cause| cause.downcast_ref::<StoreError>());
            let code = store.map(StoreError::code);
            writeln!(
                err,
                "regua: {error:#}{}",
                code.map(|c| format!(" [{c}]")).unwrap_or_default()
            )?;
            Ok(Ended::Failed)
        }
    }
}

/// Opens the configured store, and brings its schema up to date.
pub(super) async fn open(config: &StoreConfig) -> Result<Store, StoreError> {
    match config {
        StoreConfig::Sqlite { path } => Store::open_sqlite(&sqlite(path)).await,
        StoreConfig::Postgres { url, .. } => {
            Store::open_postgres(&PostgresSettings::at(url.expose())).await
        }
    }
}

/// Splits the path of a database file into its folder, which is locked, and its name.
fn sqlite(path: &Path) -> SqliteSettings {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut settings = SqliteSettings::at(folder.unwrap_or(Path::new(".")));
    if let Some(file) = path.file_name() {
        settings.file = file.into();
    }
    settings
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.serve.listen)?;
    // Port 0 is any free one: the log says which.
    let listen = listener.local_addr()?;
    let store = open(&config.store).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let mailbox = Mailbox::new(
        store.clone(),
        Arc::clone(&clock),
        MailboxBehaviour::default(),
    );
    let gateway = Arc::new(Registry::default().with("mailbox", mailbox));
    let lease = LeaseTimes {
        ttl_ms: config.node.lease_ms,
        margin_ms: config.node.lease_margin_ms,
        renew_every_ms: config.node.lease_renew_every_ms,
    };
    let arbiters = Some(config.node.arbiters).filter(|arbiters| *arbiters > 0);
    let pace = Pace {
        lease,
        arbiters,
        look_ahead_every_ms: None,
    };
    let engine = Engine::start(store, gateway, clock, pace)?;
    let readiness = Readiness {
        store: engine.store.clone(),
        node: Arc::clone(&engine.node),
    };
    let server = health::serve(listener, readiness)?;
    let handle = server.handle();
    let health = tokio::spawn(server);
    let asked = asked_to_stop()?;
    tracing::info!(%listen, "engine is up");
    asked.await;
    tracing::info!("draining");
    handle.stop(true).await;
    health.await??;
    engine.stop().await;
    tracing::info!("engine has stopped");
    Ok(())
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
