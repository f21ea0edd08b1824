//! Which tenants want to be woken: an index probe per running campaign, and the two small indexes
//! of unapplied facts and sweeps, and the newest claims.

use std::collections::BTreeMap;

use actors::ports::ShardId;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, batch, row};

const DUE: Sql = batch!(
    "SELECT c.tenant_id,
         (SELECT e.next_at FROM enrollments e
          WHERE e.tenant_id = c.tenant_id AND e.campaign_id = c.id
            AND e.state = 'active' AND e.next_at IS NOT NULL
          ORDER BY e.next_at
          LIMIT 1)
     FROM ",
    (1 "shard" "bigint"),
    "JOIN tenants t ON t.shard = r.shard AND t.status = 'active'
     JOIN campaigns c ON c.tenant_id = t.id AND c.status = 'running'"
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

/// Claims of a former owner that nobody has closed. They are among the newest of their tenant: no
/// owner claims while one of its own is open for longer than a hand-over may last.
const UNSETTLED: Sql = batch!(
    "SELECT DISTINCT t.id FROM ",
    (1 "shard" "bigint"),
    "JOIN tenants t ON t.shard = r.shard
     JOIN attempts a ON a.tenant_id = t.id
       AND a.claimed_at >= (SELECT max(l.claimed_at) - 120000 FROM attempts l
           WHERE l.tenant_id = t.id)
     WHERE NOT EXISTS (SELECT 1 FROM outcomes o
         WHERE o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
           AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no)"
);

/// Names the tenants, each with the earliest instant.
pub(super) async fn tenants(
    conn: &mut Conn,
    shards: &[ShardId],
    until: Timestamp,
) -> Result<Vec<(TenantId, Timestamp)>, StoreError> {
    let mut owned = Batch::default();
    shards
        .iter()
        .for_each(|shard| owned.push(row![i64::from(shard.0)]));
    let mut wakes: BTreeMap<TenantId, Timestamp> = BTreeMap::new();
    if owned.is_empty() {
        return Ok(Vec::new());
    }
    for mut row in conn.rows(&DUE, owned.clone().args(vec![])).await? {
        let tenant = TenantId(row.int()?);
        let Some(at) = row.int_or_null()?.map(Timestamp::from_unix_ms) else {
            continue;
        };
        if at <= until {
            let wake = wakes.entry(tenant).or_insert(at);
            *wake = at.min(*wake);
        }
    }
    for sql in [&FACTS, &SWEEPS, &UNSETTLED] {
        for mut row in conn.rows(sql, owned.clone().args(vec![])).await? {
            let tenant = TenantId(row.int()?);
            wakes.insert(tenant, Timestamp::default());
        }
    }
    Ok(wakes.into_iter().collect())
}
