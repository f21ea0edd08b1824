//! Turns at what is dear: a few at once, and never all of them one tenant's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schedules::id::TenantId;

/// How many turns each tenant has that has any.
type Taken = Mutex<HashMap<TenantId, usize>>;

/// The turns of a node, or of a worker.
#[derive(Clone)]
pub struct Turns {
    all_max: usize,
    each_max: usize,
    taken: Arc<Taken>,
}

/// A turn; it ends when it is dropped.
pub(super) struct Turn {
    tenant: TenantId,
    taken: Arc<Taken>,
}

impl Turns {
    /// Makes so many turns, of which a tenant has at most `each_max` at once.
    pub fn new(all_max: usize, each_max: usize) -> Self {
        let taken = Arc::default();
        Self {
            all_max,
            each_max,
            taken,
        }
    }

    /// Takes a turn for a tenant, if there is one.
    pub(super) fn take(&self, tenant: TenantId) -> Option<Turn> {
        let mut taken = lock(&self.taken);
        let mine = taken.get(&tenant).copied().unwrap_or_default();
        if mine >= self.each_max || taken.values().sum::<usize>() >= self.all_max {
            return None;
        }
        taken.insert(tenant, mine + 1);
        Some(Turn {
            tenant,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        match taken.get_mut(&self.tenant) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => drop(taken.remove(&self.tenant)),
        }
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, HashMap<TenantId, usize>> {
    // Nothing that can panic runs under the lock.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_share_of_the_turns_and_leaves_the_others() {
        let turns = Turns::new(3, 2);
        let take = |tenant| turns.take(TenantId(tenant));
        let (first, second) = (take(1).expect("a turn"), take(1).expect("a turn"));
        assert!(take(1).is_none(), "it has its share");
        let third = take(2).expect("a turn of the others");
        assert!(take(3).is_none(), "all are taken");
        drop(first);
        let again = take(1).expect("what it gave back");
        assert!(take(1).is_none());
        drop((second, third, again));
        assert!(lock(&turns.taken).is_empty());
    }
}
