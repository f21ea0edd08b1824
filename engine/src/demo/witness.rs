//! The demo's witness: hand-overs and acknowledged stops in the one order in which they happened.
//!
//! With a data folder of its own the demo can be killed at any moment and goes on where it stood;
//! then the notebook is a file, and what it says holds over all the lives of the process.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actors::clock::Clock;
use actors::machine::effect::{HandOver, Subject};
use actors::machine::input::Outcome;
use actors::ports::Gateway;
use async_trait::async_trait;
use schedules::channel::Channel;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, TenantId};
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Something the witness saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Seen {
    /// A hand-over began.
    HandOver(SeenHandOver),
    /// A stop was acknowledged: from here on nothing of the subject begins.
    StopAcknowledged(TenantId, Subject),
    /// The clock is about to jump to this instant: no life begins before it.
    Reached(Timestamp),
}

/// A hand-over that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenHandOver {
    pub(super) at: Timestamp,
    pub(super) tenant: TenantId,
    pub(super) attempt: AttemptId,
    pub(super) boleto: BoletoId,
    pub(super) contact: ContactId,
    pub(super) campaign: CampaignId,
    pub(super) channel: Channel,
}

impl SeenHandOver {
    /// Says whether a stop of `subject` is about this hand-over.
    pub(super) fn concerns(&self, subject: Subject) -> bool {
        subject.covers(self.boleto, self.contact, self.campaign)
    }
}

/// What the witness wrote down; clones share it.
#[derive(Clone, Default)]
pub(super) struct Notebook {
    pages: Arc<Mutex<Pages>>,
}

#[derive(Default)]
struct Pages {
    seen: Vec<Seen>,
    file: Option<File>,
}

impl Notebook {
    /// Opens a notebook that outlives the process, with what it holds already.
    ///
    /// # Errors
    /// When the file cannot be read or written. A last line that a kill cut short is left out.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        let lines = BufReader::new(&file)
            .lines()
            .collect::<io::Result<Vec<String>>>()?;
        let seen = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        // Ends a line that was cut short, so that the next one stands alone.
        writeln!(file)?;
        Ok(Self {
            pages: Arc::new(Mutex::new(Pages {
                seen,
                file: Some(file),
            })),
        })
    }

    /// Writes one thing down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn note(&self, seen: Seen) -> io::Result<()> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.seen.push(seen);
        match &mut pages.file {
            // One write a line: a kill leaves whole lines, but for the last.
            Some(file) => file.write_all(format!("{}\n", serde_json::to_string(&seen)?).as_bytes()),
            None => Ok(()),
        }
    }

    /// Returns the instant up to which a former life of the process had come.
    pub(super) fn reached(&self) -> Option<Timestamp> {
        let instants = self.read().into_iter().map(|seen| match seen {
            Seen::HandOver(hand_over) => Some(hand_over.at),
            Seen::Reached(at) => Some(at),
            Seen::StopAcknowledged(..) => None,
        });
        instants.flatten().max()
    }

    pub(super) fn read(&self) -> Vec<Seen> {
        self.pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .seen
            .clone()
    }
}

/// A gateway that notes each hand-over right before it begins.
pub(super) struct Witness<G> {
    pub(super) gateway: G,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) notebook: Notebook,
}

#[async_trait]
impl<G: Gateway> Gateway for Witness<G> {
    async fn hand_over(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Outcome {
        // The note is taken after the dispatcher let the hand-over begin: from that on a stop
        // counts it as under way and is not acknowledged before it has come back.
        let noted = || {
            begin()
                && self
                    .notebook
                    .note(Seen::HandOver(self.seen(message)))
                    .is_ok()
        };
        self.gateway.hand_over(message, &noted).await
    }
}

impl<G> Witness<G> {
    fn seen(&self, message: &HandOver) -> SeenHandOver {
        SeenHandOver {
            at: self.clock.now(),
            tenant: message.tenant,
            attempt: message.attempt,
            boleto: message.boleto,
            contact: message.contact,
            campaign: message.campaign,
            channel: message.channel,
        }
    }
}
