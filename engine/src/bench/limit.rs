//! The store's own limit: the plain batched update of the same rows, in the same run.

use std::time::Duration;

use super::ground::BenchError;
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
        let (rows, took) = store.plain_update_limit(BATCH).await?;
        self.rows += rows;
        self.took += took;
        Ok(())
    }

    pub(super) fn rows_per_s(&self) -> f64 {
        per_second(self.rows, self.took)
    }
}

/// Returns how many there were in a second.
pub(super) fn per_second(count: usize, took: Duration) -> f64 {
    (count as f64 / took.as_secs_f64().max(1e-9)).round()
}
