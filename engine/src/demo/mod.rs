//! `regua demo`: the main job on made-up data, through the real store, actors and bus.
//!
//! Two tenants upload their boletos and launch a campaign; 45 days pass in accelerated time while
//! payments, cancellations and opt-outs arrive, many within milliseconds of a due reminder. Then
//! the demo judges its own history, and fails if a promise was broken.

mod data;
mod dice;
mod drive;
mod evidence;
mod fates;
mod folder;
mod published;
pub mod report;
mod stage;
mod verify;
mod witness;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use actors::clock::{Clock, JumpClock};
use schedules::calendar::Calendar;
use schedules::time::{DAY_MS, SECOND_MS, Timestamp, resolve_local};

use self::data::{DAYS, FIRST_DAY, TenantData};
use self::dice::Dice;
use self::drive::{Driver, Walked};
use self::fates::{Cast, Planned};
use self::folder::DemoFolder;
use self::report::DemoReport;
use self::stage::Staged;
use self::witness::{Notebook, Seen, Witness};
use crate::boot::{BootError, Engine, Pace};
use crate::bus::local::LocalBus;
use crate::bus::taking::NotTaken;
use crate::imports::csv::ImportError;
use crate::providers::mailbox::{Mailbox, MailboxBehaviour};
use crate::providers::registry::Registry;
use crate::store::{SqliteSettings, Store, StoreError};

/// How long the process was away after a kill, on the demo's clock, in milliseconds. More than it
/// works between two lines of the notebook: the clock is not set back by a kill.
const AWAY_MS: i64 = 5 * SECOND_MS;

/// What a demo is to do.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// The same seed gives the same data, campaign and event schedule.
    pub seed: u64,
    /// Where the data lies; a folder that is removed afterwards when `None`. A demo that was killed
    /// goes on where it stood.
    pub folder: Option<PathBuf>,
}

/// Why a demo did not come to its report.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The data folder could not be made.
    #[error("data folder could not be made")]
    Folder(#[source] io::Error),
    /// The data folder holds a demo of another seed.
    #[error("data folder holds a demo of another seed")]
    OtherSeed,
    /// The data folder holds a database that is no demo's.
    #[error("data folder holds a database that is no demo's")]
    NoDemo,
    /// The notebook could not be written.
    #[error("notebook could not be written")]
    Notebook(#[source] io::Error),
    /// The store failed.
    #[error("store failed")]
    Store(#[from] StoreError),
    /// The engine did not start.
    #[error("engine did not start")]
    Boot(#[from] BootError),
    /// The demo's own file could not be read.
    #[error("import failed")]
    Import(#[from] ImportError),
    /// An event was not taken.
    #[error("event was not taken")]
    Bus(#[from] NotTaken),
    /// An event found no subject.
    #[error("event found no subject")]
    LostSubject,
    /// A task ended before its time.
    #[error("task was interrupted")]
    Interrupted,
    /// The engine waits for somebody to mend something.
    #[error("engine cannot go on by itself")]
    GivenUp,
}

impl DemoError {
    /// Returns the code under which the runbook explains the error; `None` where the error that
    /// caused it has one.
    pub const fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Folder(_) => "RG-DEMO-001",
            Self::OtherSeed => "RG-DEMO-002",
            Self::NoDemo => "RG-DEMO-003",
            Self::Notebook(_) => "RG-DEMO-004",
            Self::Bus(NotTaken::Unusable(_) | NotTaken::Closed) => "RG-DEMO-005",
            Self::LostSubject => "RG-DEMO-006",
            Self::Interrupted => "RG-DEMO-007",
            Self::GivenUp => "RG-DEMO-008",
            Self::Store(_) | Self::Boot(_) | Self::Import(_) | Self::Bus(NotTaken::Store(_)) => {
                return None;
            }
        })
    }
}

/// Runs the demo; `progress` hears how far the accelerated time has come, from 0 to 1.
///
/// # Errors
/// [`DemoError`]. A broken promise is no error: it stands in the report.
pub async fn run(
    options: &DemoOptions,
    progress: impl Fn(Timestamp, f64) + Sync,
) -> Result<DemoReport, DemoError> {
    let folder = DemoFolder::open(options.folder.as_deref(), options.seed)?;
    let begins_at = begins_at();
    let ends_at = begins_at.plus_ms(DAYS as i64 * DAY_MS);

    let store = Store::open_sqlite(&SqliteSettings::at(folder.path())).await?;
    let notebook = folder.notebook()?;
    let resumes_at = notebook.reached().map(|at| at.plus_ms(AWAY_MS));
    let clock = Arc::new(JumpClock::starting_at(resumes_at.unwrap_or(begins_at)));
    let engine = start(&store, &clock, &notebook, options.seed)?;
    let tenants = data::tenants(options.seed);
    let staged = set_stage(&engine, &tenants, begins_at).await?;
    let events = events(&staged, begins_at, ends_at, options.seed);

    let driver = driver(&engine, &clock, &notebook);
    let span_ms = ends_at.since(begins_at) as f64;
    let walked = driver
        .walk(events, ends_at, |at| {
            progress(at, at.since(begins_at) as f64 / span_ms)
        })
        .await?;
    drop(driver);
    let report = judge(&engine, &tenants, &staged, &notebook, walked, ends_at).await?;
    engine.stop().await;
    Ok(report)
}

/// Returns the first midnight of the demo in São Paulo.
fn begins_at() -> Timestamp {
    resolve_local(chrono_tz::Tz::America__Sao_Paulo, FIRST_DAY.into())
}

fn start(
    store: &Store,
    clock: &Arc<JumpClock>,
    notebook: &Notebook,
    seed: u64,
) -> Result<Engine, DemoError> {
    // Faults at a rate that shows every way an attempt can end within a few hundred messages.
    let behaviour = MailboxBehaviour {
        latency_ms_max: 8,
        rejected: 200,
        throttled: 100,
        unavailable: 150,
        lost: 100,
        seed,
    };
    let shared: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let mailbox = Mailbox::new(store.clone(), Arc::clone(&shared), behaviour);
    let gateway = Witness {
        gateway: Registry::default().with("mailbox", mailbox),
        clock: Arc::clone(&shared),
        notebook: notebook.clone(),
    };
    let pace = Pace {
        look_ahead_every_ms: Some(DAY_MS),
        ..Pace::default()
    };
    Ok(Engine::start(
        store.clone(),
        Arc::new(gateway),
        shared,
        pace,
    )?)
}

async fn set_stage(
    engine: &Engine,
    tenants: &[TenantData],
    now: Timestamp,
) -> Result<Vec<Staged>, DemoError> {
    let mut staged = Vec::new();
    for (data, place) in tenants.iter().zip(1..) {
        staged.push(stage::set(engine, data, place, now).await?);
    }
    Ok(staged)
}

fn events(staged: &[Staged], begins_at: Timestamp, ends_at: Timestamp, seed: u64) -> Vec<Planned> {
    let (cadence, calendar) = (stage::cadence(), Calendar::brazil());
    let mut dice = Dice::new(seed ^ 0x00FA_7E5D_1CE0);
    let mut events: Vec<Planned> = Vec::new();
    for tenant in staged {
        let cast = Cast {
            tenant: tenant.id,
            at_home: tenant.zone,
            cadence: &cadence,
            calendar: &calendar,
            begins_at,
            ends_at,
        };
        events.extend(cast.fates(&tenant.rows, &mut dice));
    }
    events.sort_by_key(|planned| planned.at);
    events
}

fn driver(engine: &Engine, clock: &Arc<JumpClock>, notebook: &Notebook) -> Driver {
    let shared: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    Driver {
        clock: Arc::clone(clock),
        node: Arc::clone(&engine.node),
        bus: LocalBus::start(engine.doors.clone(), shared).0,
        store: engine.store.clone(),
        notebook: notebook.clone(),
    }
}

async fn judge(
    engine: &Engine,
    tenants: &[TenantData],
    staged: &[Staged],
    notebook: &Notebook,
    walked: Walked,
    ends_at: Timestamp,
) -> Result<DemoReport, DemoError> {
    let seen: Vec<Seen> = notebook.read();
    let (evidence, broken_audits) =
        evidence::gather(&engine.store, tenants, staged, seen, ends_at).await?;
    let mut findings = verify::judge(&evidence);
    findings.broken_audits = broken_audits;
    report::write(&engine.store, tenants, staged, walked, findings).await
}
