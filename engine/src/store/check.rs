//! Whether an embedded database is whole.

use super::Store;
use super::error::StoreError;
use super::sql::Sql;

/// PostgreSQL looks after its own pages.
const CHECK: Sql = Sql {
    sqlite: "PRAGMA quick_check(1)",
    postgres: "SELECT 'ok'",
};

impl Store {
    /// Reads every page of an embedded database.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when one is not what it should be.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.read(async |conn| {
            let found = conn.first(&CHECK, Vec::new()).await?;
            let found = found.map(|mut row| row.text()).transpose()?;
            let is_whole = found.is_some_and(|found| found == "ok");
            is_whole.then_some(()).ok_or(StoreError::Damaged)
        })
        .await
    }
}
