//! What a tenant actor does when a journal call or the machine fails.

use actix::{ActorContext, Context};
use schedules::time::{MINUTE_MS, SECOND_MS};

use super::TenantActor;
use crate::observe::AlertKind;
use crate::ports::JournalError;
use crate::supervision::restart::{AfterFailure, backoff_ms};
use crate::supervision::slot::Rest;

/// How long a tenant waits whose store refuses to work.
const REFUSED_MS: i64 = MINUTE_MS;
/// After how many setbacks in a row an operator should know.
const SETBACKS_ALARMING: u32 = 10;
/// The longest time for which an actor waits whatever comes in.
pub(super) const BLOCK_MAX_MS: i64 = REFUSED_MS + SECOND_MS;

/// Something that went wrong.
#[derive(Debug)]
pub(super) enum Setback {
    /// The journal did not do as asked.
    Journal(JournalError),
    /// The machine or a journal call panicked, with these facts in hand.
    Panicked(Vec<i64>),
}

impl TenantActor {
    /// Waits, loads the machine again, or stops, as the setback demands.
    pub(super) fn set_back(&mut self, setback: Setback, ctx: &mut Context<Self>) {
        // What a failed read was to bring is read again.
        self.facts_wait = true;
        match setback {
            Setback::Journal(error @ JournalError::Retryable) => self.wait_a_little(error),
            Setback::Journal(error @ JournalError::Unknown) => {
                self.machine = None;
                self.wait_a_little(error);
            }
            Setback::Journal(JournalError::Conflict) => {
                let facts = std::mem::take(&mut self.facts_in_hand);
                self.slot.suspect(self.number, &facts);
                self.start_over("changes contradict the journal", ctx);
            }
            Setback::Journal(JournalError::Corrupt) => self.start_over("corrupt data", ctx),
            Setback::Journal(JournalError::Permanent) => {
                self.shared
                    .alert(Some(self.slot.tenant), AlertKind::StoreRefuses);
                self.machine = None;
                self.block(REFUSED_MS);
            }
            Setback::Journal(JournalError::Fenced) => {
                self.shared.fenced(&self.tenure);
                ctx.stop();
            }
            Setback::Journal(JournalError::Absent) => self.leave_for_good(ctx),
            Setback::Panicked(facts) => {
                self.slot.suspect(self.number, &facts);
                self.start_over("machine panicked", ctx);
            }
        }
    }

    fn wait_a_little(&mut self, error: JournalError) {
        let (tenant, setbacks) = (self.slot.tenant, self.setbacks);
        tracing::warn!(tenant = tenant.0, %error, setbacks, "journal did not do as asked");
        if setbacks == SETBACKS_ALARMING {
            self.shared.alert(Some(tenant), AlertKind::StoreAway);
        }
        let tries = usize::try_from(self.setbacks).unwrap_or(usize::MAX);
        self.setbacks = self.setbacks.saturating_add(1);
        self.block(backoff_ms(
            self.slot.tenant,
            u64::from(self.setbacks),
            tries,
        ));
    }

    fn block(&mut self, ms: i64) {
        self.blocked_until = Some(self.now().plus_ms(ms));
    }

    /// Loads the machine again after the pause that the restart policy orders; the mailbox and
    /// what waits in the slot are kept.
    fn start_over(&mut self, how: &'static str, ctx: &mut Context<Self>) {
        self.machine = None;
        self.orphans.clear();
        let mono_ms = self.shared.ports.clock.monotonic_ms();
        let after = self.slot.falter(self.number, mono_ms, &self.shared.timer);
        self.shared.note_failure(self.slot.tenant, after, how);
        match after {
            Some(AfterFailure::Restart { after_ms }) => self.block(after_ms),
            Some(AfterFailure::Quarantine) | None => ctx.stop(),
        }
    }

    /// Stops: there is no such tenant.
    fn leave_for_good(&mut self, ctx: &mut Context<Self>) {
        self.facts_wait = false;
        self.rest(Rest::Leave(None), ctx);
    }
}
