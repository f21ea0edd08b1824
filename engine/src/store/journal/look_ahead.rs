//! Which tenants want to be woken: an index probe per running campaign, the two small indexes of
//! unapplied facts and sweeps, and, after a shard changed hands, the newest claims.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use actors::ports::ShardId;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, row};

const DUE: Sql = batch!(
    "SELECT d.tenant_id, min(d.next_at)
     FROM (SELECT c.tenant_id,
             (SELECT e.next_at FROM enrollments e
              WHERE e.tenant_id = c.tenant_id AND e.campaign_id = c.id
                AND e.state = 'active' AND e.next_at IS NOT NULL AND e.next_at <= $2
              ORDER BY e.next_at
              LIMIT 1) AS next_at
         FROM ",
    (1 "shard" "bigint"),
    "JOIN tenants t ON t.shard = r.shard AND t.status = 'active' AND t.held = 0
         JOIN campaigns c ON c.tenant_id = t.id AND c.status = 'running') AS d
     GROUP BY d.tenant_id
     HAVING min(d.next_at) IS NOT NULL"
);

const FACTS: Sql = batch!(
    "SELECT DISTINCT t.id FROM ",
    (1 "shard" "bigint"),
    "JOIN tenants t ON t.shard = r.shard
     JOIN inbox i ON i.tenant_id = t.id AND i.applied_at IS NULL AND i.parked IS NULL"
);

const SWEEPS: Sql = batch!(
    "SELECT DISTINCT t.id FROM ",
    (1 "shard" "bigint"),
    "JOIN tenants t ON t.shard = r.shard
     JOIN sweeps s ON s.tenant_id = t.id"
);

const EPOCHS: Sql = batch!(
    "SELECT r.shard, coalesce(l.epoch, 0) FROM ",
    (1 "shard" "bigint"),
    "LEFT JOIN leases l ON l.shard = r.shard"
);

/// Claims of former owners that nobody has closed. They are among the newest of their tenant: no
/// owner claims while one of its own is open for longer than a hand-over may last.
const UNSETTLED: Sql = batch!(
    "SELECT DISTINCT t.shard, t.id FROM ",
    (1 "shard" "bigint", 2 "epoch" "bigint"),
    "JOIN tenants t ON t.shard = r.shard
     JOIN attempts a ON a.tenant_id = t.id AND a.epoch <> r.epoch
       AND a.claimed_at >= (SELECT max(l.claimed_at) - 120000 FROM attempts l
           WHERE l.tenant_id = t.id)
     WHERE NOT EXISTS (SELECT 1 FROM outcomes o
         WHERE o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
           AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no)"
);

/// Under which epoch each shard was seen without open claims of former owners. No such claim comes
/// back as long as the epoch stays: a commit needs the epoch, and an owner closes its own claims.
#[derive(Default)]
pub(in crate::store) struct Settled(Mutex<HashMap<i64, i64>>);

impl Settled {
    /// Returns the shards that were not seen settled under their epoch.
    fn among(&self, epochs: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = |(shard, epoch): &(i64, i64)| known.get(shard) != Some(epoch);
        epochs.into_iter().filter(unseen).collect()
    }

    fn note(&self, epochs: impl Iterator<Item = (i64, i64)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(epochs);
    }
}

/// Names the tenants with open claims of former owners.
async fn left_open(
    conn: &mut Conn,
    owned: Batch,
    settled: &Settled,
) -> Result<Vec<TenantId>, StoreError> {
    let mut epochs = Vec::new();
    for mut row in conn.rows(&EPOCHS, owned.args(vec![])).await? {
        epochs.push((row.int()?, row.int()?));
    }
    let mut looked_at = settled.among(epochs);
    if looked_at.is_empty() {
        return Ok(Vec::new());
    }
    let mut shards = Batch::default();
    for (shard, epoch) in &looked_at {
        shards.push(row![*shard, *epoch]);
    }
    let mut tenants = Vec::new();
    for mut row in conn.rows(&UNSETTLED, shards.args(vec![])).await? {
        let of = row.int()?;
        looked_at.retain(|(shard, _)| *shard != of);
        tenants.push(TenantId(row.int()?));
    }
    settled.note(looked_at.into_iter());
    Ok(tenants)
}

/// Names the tenants, each with the earliest instant.
pub(super) async fn tenants(
    conn: &mut Conn,
    shards: &[ShardId],
    until: Timestamp,
    settled: &Settled,
) -> Result<Vec<(TenantId, Timestamp)>, StoreError> {
    let mut owned = Batch::default();
    shards
        .iter()
        .for_each(|shard| owned.push(row![i64::from(shard.0)]));
    let mut wakes: BTreeMap<TenantId, Timestamp> = BTreeMap::new();
    if owned.is_empty() {
        return Ok(Vec::new());
    }
    let due = owned.clone().args(args![until.unix_ms()]);
    for mut row in conn.rows(&DUE, due).await? {
        let tenant = TenantId(row.int()?);
        wakes.insert(tenant, Timestamp::from_unix_ms(row.int()?));
    }
    for sql in [&FACTS, &SWEEPS] {
        for mut row in conn.rows(sql, owned.clone().args(vec![])).await? {
            wakes.insert(TenantId(row.int()?), Timestamp::default());
        }
    }
    let open = left_open(conn, owned, settled).await?;
    wakes.extend(
        open.into_iter()
            .map(|tenant| (tenant, Timestamp::default())),
    );
    Ok(wakes.into_iter().collect())
}
