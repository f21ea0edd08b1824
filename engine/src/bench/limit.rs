//! The store's own limit: the plain batched update of the same rows, in the same run.

use std::time::{Duration, Instant};

use super::ground::{BenchError, expect};
use crate::store::Store;

/// Rows a statement and transaction.
const BATCH: usize = 500;

/// Rows that were updated, and the time it took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limit {
    rows: usize,
    took: Duration,
}

impl Limit {
    /// Adds one more pass over all enrollments: a shared machine changes its pace.
    pub(super) async fn measure(&mut self, store: &Store) -> Result<(), BenchError> {
        let ids = store.copy_for_limit().await?;
        let began = Instant::now();
        let updated = store.update_limit_rows(&ids, BATCH).await?;
        self.took += began.elapsed();
        self.rows += updated;
        store.drop_limit_rows().await?;
        expect("rows updated", updated, ids.len())
    }

    pub(super) fn rows_per_s(&self) -> f64 {
        per_second(self.rows, self.took)
    }
}

/// Returns how many there were in a second.
pub(super) fn per_second(count: usize, took: Duration) -> f64 {
    (count as f64 / took.as_secs_f64().max(1e-9)).round()
}
