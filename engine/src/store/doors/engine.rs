//! The kill switch of the whole engine, as far as it is one row.
//!
//! Whoever makes a tenant reads it in the same transaction: the tenant is either there when the
//! switch is turned, and held by its own fact, or it begins held. Turns are numbered, and what a
//! turn tells the tenants stands only while no later one has come, on whichever node.

use std::sync::Arc;

use futures::future::BoxFuture;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::facts::together;
use crate::facts::{Fact, FactAnswer, Saying};
use crate::store::Store;
use crate::store::audit::{self, OF_THE_ENGINE};
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::{ALONE, Lane};
use crate::store::sql::{Batch, Sql, args, both, locking, row};

/// A turn of the switch, by its number: the latest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(i64);

const TURN: Sql =
    both("UPDATE engine_switch SET held = $1, turn = turn + 1 WHERE id = 1 RETURNING turn");
const HELD: Sql = locking!("SELECT held FROM engine_switch WHERE id = 1", "FOR SHARE");
const LATEST: Sql = locking!("SELECT turn FROM engine_switch WHERE id = 1", "FOR SHARE");
const HELD_NOW: Sql = both("SELECT id FROM engine_switch WHERE held = 1");
const BEGINS_HELD: Sql = both("UPDATE tenants SET held = 1 WHERE id = $1");
const TENANTS: Sql = both("SELECT id FROM tenants WHERE id > $1 ORDER BY id LIMIT $2");

const LOST: StoreError = StoreError::Unreadable { what: "switch" };

/// Holds a tenant that is being made while the engine is held.
pub(super) async fn begin(conn: &mut Conn, tenant: i64) -> Result<(), StoreError> {
    let row = conn.first(&HELD, args![]).await?;
    if row.ok_or(LOST)?.int()? == 1 {
        conn.execute(&BEGINS_HELD, args![tenant]).await?;
    }
    Ok(())
}

impl Store {
    /// Says whether the engine is held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_engine_held(&self) -> Result<bool, StoreError> {
        self.read(async |conn| Ok(conn.first(&HELD_NOW, args![]).await?.is_some()))
            .await
    }

    /// Turns the switch, for tenants to come; from now on no earlier turn tells anybody anything.
    /// `source` is the door or the caller, for the audit; never personal data.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn turn_engine_switch(
        &self,
        held: bool,
        source: &str,
        at: Timestamp,
    ) -> Result<Turn, StoreError> {
        let source = Arc::<str>::from(source);
        let turned = self.write(Lane::Stops, ALONE, {
            let source = Arc::clone(&source);
            move |conn| turn(conn, held, Arc::clone(&source), at)
        });
        let turn = turned.await?;
        // Nothing seals the engine's own audit: the log can be kept elsewhere.
        tracing::info!(turn = turn.0, by = &*source, "{}", action(held));
        Ok(turn)
    }

    /// Makes the facts durable by which a turn reaches tenants, all of them or none on an error;
    /// nothing is answered, and nothing happened, when a later turn has come.
    ///
    /// # Errors
    /// As [`Store::commit_facts`].
    pub async fn commit_facts_of_turn(
        &self,
        turn: Turn,
        facts: &[Fact],
    ) -> Result<Option<Vec<FactAnswer>>, StoreError> {
        let facts: Arc<[Fact]> = facts.into();
        let told = self.write(Lane::Stops, ALONE, move |conn| {
            tell(conn, turn, Arc::clone(&facts))
        });
        match told.await {
            Ok(answers) => Ok(Some(answers)),
            Err(StoreError::Outdated) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Names the tenants after `after`, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenants_after(
        &self,
        after: TenantId,
        limit: u32,
    ) -> Result<Vec<TenantId>, StoreError> {
        self.read(async |conn| {
            let rows = conn
                .rows(&TENANTS, args![after.0, i64::from(limit)])
                .await?;
            let ids = rows.into_iter().map(|mut row| Ok(TenantId(row.int()?)));
            ids.collect()
        })
        .await
    }
}

/// A turn is told under the name that each tenant's own fact has.
const fn action(held: bool) -> &'static str {
    match held {
        true => Saying::TenantHeld.action(),
        false => Saying::TenantReleased.action(),
    }
}

fn turn(
    conn: &mut Conn,
    held: bool,
    source: Arc<str>,
    at: Timestamp,
) -> BoxFuture<'_, Result<Turn, StoreError>> {
    Box::pin(async move {
        let row = conn.first(&TURN, args![i64::from(held)]).await?;
        let turn = row.ok_or(LOST)?.int()?;
        let mut rows = Batch::default();
        rows.push(row![
            OF_THE_ENGINE.0,
            at.unix_ms(),
            &*source,
            action(held),
            "engine",
            format!("{{\"turn\":{turn}}}"),
        ]);
        audit::record(conn, rows).await?;
        Ok(Turn(turn))
    })
}

/// The switch is looked at last: whoever turns it waits for the commit of these facts and not for
/// what they waited for, and sees to it that his own come after them.
fn tell(
    conn: &mut Conn,
    turn: Turn,
    facts: Arc<[Fact]>,
) -> BoxFuture<'_, Result<Vec<FactAnswer>, StoreError>> {
    Box::pin(async move {
        let facts: Vec<&Fact> = facts.iter().collect();
        let answers = together(conn, &facts).await?;
        let latest = conn.first(&LATEST, args![]).await?;
        match latest.ok_or(LOST)?.int()? == turn.0 {
            true => Ok(answers),
            false => Err(StoreError::Outdated),
        }
    })
}
