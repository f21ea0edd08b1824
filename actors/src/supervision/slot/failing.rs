//! What a slot does when its actor fails: another life, quarantine, and the trial of what it died
//! of.

use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::{Inner, Life, Slot};
use crate::locked::lock;
use crate::machine::change::Harm;
use crate::machine::input::Part;
use crate::supervision::restart::AfterFailure;
use crate::tenant::trial::Trial;
use crate::timer::{Timer, Wake};

impl Slot {
    /// Counts a failure of the actor with this number; a new one follows, or quarantine.
    ///
    /// Returns `None` when that actor is outdated.
    pub(crate) fn fail(
        &self,
        number: u64,
        now: Timestamp,
        mono_ms: i64,
        timer: &Timer,
    ) -> Option<AfterFailure> {
        let mut inner = lock(&self.inner);
        if inner.number != number {
            return None;
        }
        let after = inner.count_failure(self.tenant, mono_ms);
        match after {
            AfterFailure::Restart { after_ms } => {
                let until = now.plus_ms(after_ms);
                inner.dismiss(Life::Down(until));
                timer.set(Wake::Tenant(self.tenant), Some(until));
            }
            AfterFailure::Quarantine => {
                inner.dismiss(Life::Quarantined);
                timer.set(Wake::Tenant(self.tenant), None);
            }
        }
        inner.busy = None;
        Some(after)
    }

    /// Counts a failure after which the same actor loads its machine again, when it may.
    pub(crate) fn falter(&self, number: u64, mono_ms: i64, timer: &Timer) -> Option<AfterFailure> {
        let mut inner = lock(&self.inner);
        if inner.number != number {
            return None;
        }
        let after = inner.count_failure(self.tenant, mono_ms);
        if after == AfterFailure::Quarantine {
            inner.dismiss(Life::Quarantined);
            timer.set(Wake::Tenant(self.tenant), None);
            inner.busy = None;
        }
        Some(after)
    }

    /// Notes that the cause of the failures was found and set aside.
    pub(crate) fn convict(&self, number: u64, parts: &[Part], harm: Harm, mono_ms: i64) {
        let mut inner = lock(&self.inner);
        if inner.number == number && !parts.is_empty() {
            inner.trial.convict(parts, harm, mono_ms);
            inner.policy.forgive();
        }
    }

    /// Works on the record of what made actors fail; an outdated actor has no say in it.
    pub(crate) fn with_trial<R: Default>(
        &self,
        number: u64,
        work: impl FnOnce(&mut Trial) -> R,
    ) -> R {
        let mut inner = lock(&self.inner);
        match inner.number == number {
            true => work(&mut inner.trial),
            false => R::default(),
        }
    }

    /// Lets a quarantined tenant try again; false when it was not quarantined.
    pub(crate) fn release(&self) -> bool {
        let mut inner = lock(&self.inner);
        let quarantined = matches!(inner.life, Life::Quarantined);
        if quarantined {
            inner.life = Life::Asleep;
            inner.policy.forgive();
            inner.trial = Trial::default();
        }
        quarantined
    }
}

impl Inner {
    /// What a part is to blame for, and set aside for in time, is not put down to the tenant.
    fn count_failure(&mut self, tenant: TenantId, mono_ms: i64) -> AfterFailure {
        match self.trial.blame(mono_ms) {
            true => self.policy.failed_of_a_part(tenant),
            false => self.policy.failed(tenant, mono_ms),
        }
    }
}
