//! Opt-outs that a provider tells in its refusals, on their way to the doors.
//!
//! A provider writes no facts: it says here whom it must leave alone, and a task beside the engine
//! tells the doors. What is lost on the way (the process died) is said again with the contact's
//! next message, which is refused in the same way.

use std::sync::Arc;

use actors::clock::Clock;
use actors::machine::effect::HandOver;
use schedules::channel::Channel;
use schedules::id::{AttemptId, ContactId, TenantId};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

use crate::doors::Doors;
use crate::facts::{ContactName, Fact, Saying};

/// The most that wait to be told.
const WAITING_MAX: usize = 1_024;
/// How long a store that did not take one is left alone, in milliseconds.
const PAUSE_MS: i64 = 1_000;
/// How often one is told before it is left to the contact's next message.
const TRIES_MAX: u32 = 10;
/// How long the end of the engine waits for those that were said before it, in milliseconds.
const LAST_MS: i64 = 5_000;
/// The code under which the runbook explains that one was not told.
const NOT_TOLD: &str = "RG-PROVIDER-013";

/// A contact that wants nothing more on a channel, as a provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// The tenant.
    pub tenant: TenantId,
    /// The contact.
    pub contact: ContactId,
    /// The channel.
    pub channel: Channel,
    /// The attempt that was refused, by which duplicates are known.
    pub attempt: AttemptId,
}

/// Where providers say it.
#[derive(Clone)]
pub struct OptOuts(Sender<OptOut>);

/// What was said and not told yet.
pub struct Said(Receiver<OptOut>);

/// Makes the two ends.
pub fn opt_outs() -> (OptOuts, Said) {
    let (tell, said) = mpsc::channel(WAITING_MAX);
    (OptOuts(tell), Said(said))
}

impl OptOuts {
    /// Says that the contact of a message wants nothing more on its channel.
    pub fn say(&self, message: &HandOver) {
        let opt_out = OptOut {
            tenant: message.tenant,
            contact: message.contact,
            channel: message.channel,
            attempt: message.attempt,
        };
        if self.0.try_send(opt_out).is_err() {
            not_told(message.attempt);
        }
    }
}

impl Said {
    /// Returns the next one; nothing when all who could say one are gone.
    pub async fn next(&mut self) -> Option<OptOut> {
        self.0.recv().await
    }

    /// Tells the doors of every opt-out, until `end` comes: then of those that were said before,
    /// for some seconds at the most.
    pub async fn tell(mut self, doors: Doors, clock: Arc<dyn Clock>, end: oneshot::Receiver<()>) {
        let (ends, ended) = oneshot::channel();
        let (clock, doors) = (&*clock, &doors);
        let last = async {
            // Also when whoever would say it is gone.
            let _ = end.await;
            drop::<oneshot::Sender<()>>(ends);
            clock.elapse(LAST_MS).await;
        };
        let is_told = tokio::select! {
            () = self.tell_until(doors, clock, ended) => true,
            () = last => false,
        };
        if !is_told {
            tracing::error!(
                code = NOT_TOLD,
                "the store took no opt-out in time before the end"
            );
        }
        while let Ok(opt_out) = self.0.try_recv() {
            not_told(opt_out.attempt);
        }
    }

    async fn tell_until(&mut self, doors: &Doors, clock: &dyn Clock, end: oneshot::Receiver<()>) {
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                opt_out = self.next() => match opt_out {
                    Some(opt_out) => tell_one(doors, clock, opt_out).await,
                    None => return,
                },
                _ = &mut end => break,
            }
        }
        self.0.close();
        while let Some(opt_out) = self.next().await {
            tell_one(doors, clock, opt_out).await;
        }
    }
}

async fn tell_one(doors: &Doors, clock: &dyn Clock, opt_out: OptOut) {
    let attempt = opt_out.attempt;
    let now = clock.now();
    let fact = [Fact {
        tenant: opt_out.tenant,
        event_id: format!("refused:{attempt}"),
        source: "provider".to_owned(),
        occurred_at: now,
        received_at: now,
        saying: Saying::ContactOptedOut {
            contact: ContactName::Id(opt_out.contact),
            channel: Some(opt_out.channel),
        },
    }];
    for _ in 0..TRIES_MAX {
        match doors.tell(&fact).await {
            Ok(_) => return,
            Err(_) => clock.elapse(PAUSE_MS).await,
        }
    }
    not_told(attempt);
}

fn not_told(attempt: AttemptId) {
    tracing::error!(code = NOT_TOLD, %attempt, "an opt-out that a provider told was not stored");
}
