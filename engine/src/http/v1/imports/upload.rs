//! A CSV file, imported while it arrives.
//!
//! Three hands pass it on: the handler fills a pipe with the body, a thread of its own reads and
//! checks lines from it, and a task imports part after part. Each waits for the next one, so that
//! no more than a few parts are in memory, and stops are answered meanwhile.

use std::time::Duration;

use actix_web::web;
use chrono::NaiveDate;
use chrono_tz::Tz;
use futures::future::join;
use schedules::id::ImportId;
use tokio::sync::mpsc;

use super::super::super::problem::Problem;
use super::super::super::server::Api;
use super::super::super::turns::Turn;
use super::body::{self, Limits, Outlet};
use super::{INTERRUPTED, Sent, failed};
use crate::imports::csv::{BoletoCsv, ImportError};
use crate::imports::parts::Part;
use crate::store::{IMPORT_KEY_USED, StoreError};

/// How long a file may take, its import included.
pub(super) const WHOLE_MAX: Duration = Duration::from_secs(15 * 60);

/// A million lines of 250 bytes.
const LIMITS: Limits = Limits {
    bytes_max: 256 << 20,
    silence_max: Duration::from_secs(30),
    whole_max: WHOLE_MAX,
    bytes_per_s_min: 4 << 10,
};

/// Parts that are read while one is imported.
const READ_AHEAD: usize = 1;

type Parts = mpsc::Receiver<Result<Part, ImportError>>;

/// Imports the file of a body, and returns its job.
pub(super) async fn take(
    api: &web::Data<Api>,
    sent: Sent,
    body: web::Payload,
) -> Result<ImportId, Problem> {
    if sent.length.is_some_and(|it| it > LIMITS.bytes_max) {
        return Err(Problem::too_large());
    }
    let turn = api.uploads.take(sent.tenant);
    let turn = turn.ok_or_else(|| Problem::busy("other files are being imported"))?;
    let (home, read_on) = sent.read_on(api).await?;
    let (inlet, outlet) = body::pipe();
    let (parts, read) = mpsc::channel(READ_AHEAD);
    let cut = Cut {
        read_on,
        home,
        lines_max: api.store.part_lines(),
    };
    actix_web::rt::task::spawn_blocking(move || hand_on(outlet, &cut, &parts));
    let import = Importing {
        api: api.clone(),
        sent,
        read_on,
        _turn: turn,
    };
    // To its end, also when the caller hangs up: a part takes back what a stop had waited for, and
    // that nothing follows is noted.
    let imported = actix_web::rt::spawn(import.all(read));
    let filled = inlet.fill(body, LIMITS, || api.clock.monotonic_ms());
    let (filled, imported) = join(filled, imported).await;
    match imported.map_err(|_| Problem::interrupted())? {
        Ok(job) => Ok(job),
        Err(Stopped::By(problem)) => Err(problem),
        Err(Stopped::BySource) => Err(filled.err().map_or_else(Problem::interrupted, Into::into)),
    }
}

/// How a file is read.
struct Cut {
    read_on: NaiveDate,
    home: Tz,
    /// Of a part.
    lines_max: usize,
}

/// Reads a file to its end, or until nobody takes its parts any more.
fn hand_on(file: Outlet, cut: &Cut, to: &mpsc::Sender<Result<Part, ImportError>>) {
    let mut lines = match BoletoCsv::open(file, cut.read_on) {
        Ok(lines) => lines,
        Err(error) => {
            let _ = to.blocking_send(Err(error));
            return;
        }
    };
    loop {
        let part = Part::read(&mut lines, cut.lines_max, cut.home);
        let goes_on = part.as_ref().is_ok_and(|part| part.end.is_none());
        if to.blocking_send(part).is_err() || !goes_on {
            return;
        }
    }
}

/// Why a file was not imported to its end.
enum Stopped {
    /// The body did not come to its end; whoever reads it knows more.
    BySource,
    By(Problem),
}

/// A file on its way in.
struct Importing {
    api: web::Data<Api>,
    sent: Sent,
    read_on: NaiveDate,
    _turn: Turn,
}

impl Importing {
    async fn all(self, mut parts: Parts) -> Result<ImportId, Stopped> {
        let mut number = 0;
        while let Some(read) = parts.recv().await {
            let part = match read {
                Ok(part) => part,
                Err(error) => {
                    self.break_off(error.code()).await;
                    return Err(match error {
                        ImportError::ReadSource(_) => Stopped::BySource,
                        error => Stopped::By(error.into()),
                    });
                }
            };
            let ends = part.end.is_some();
            let at = self.api.clock.now();
            let (part, boletos) = part.of(self.sent.job.clone(), number, self.read_on, at);
            let imported = self.api.doors.import_part(self.sent.tenant, part, boletos);
            match imported.await {
                Ok(taken) if ends => return Ok(taken.job),
                Ok(_) => number += 1,
                Err(error) => {
                    // Another file under a key says nothing of the job that has it.
                    if !is_key_used(&error) {
                        self.break_off(error.code()).await;
                    }
                    return Err(Stopped::By(failed(error)));
                }
            }
        }
        self.break_off(INTERRUPTED).await;
        Err(Stopped::By(Problem::interrupted()))
    }

    /// Notes that nothing follows for now. Where it cannot be noted the job falls silent, which is
    /// told as well.
    async fn break_off(&self, code: &'static str) {
        let Sent { tenant, job, .. } = &self.sent;
        let at = self.api.clock.now();
        let noted = self
            .api
            .store
            .break_off_import(*tenant, job, code, at)
            .await;
        if let Err(error) = noted {
            tracing::warn!(code = error.code(), %error, "end of an import was not noted");
        }
    }
}

fn is_key_used(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict { what } if *what == IMPORT_KEY_USED)
}
