//! Facts that came before their subject: matched when it is imported.

use actors::machine::effect::Subject;
use schedules::id::{BoletoId, ContactId, TenantId};
use schedules::time::Timestamp;

use super::act::{self, Act};
use super::resolve::{body, parked_boleto, parked_contact};
use crate::facts::Saying;
use crate::store::codec::json;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, both, row};

const ANY: Sql = both("SELECT 1 FROM inbox WHERE tenant_id = $1 AND parked IS NOT NULL LIMIT 1");

const WAITING: Sql = batch!(
    "SELECT i.seq, i.source, i.occurred_at, i.received_at, i.body, r.subject, r.is_boleto FROM ",
    (1 "name" "text", 2 "subject" "bigint", 3 "is_boleto" "bigint"),
    "JOIN inbox i ON i.parked = r.name AND i.tenant_id = $4
     ORDER BY i.seq"
);

const MATCHED: Sql =
    both("UPDATE inbox SET parked = NULL, body = $3 WHERE seq = $1 AND tenant_id = $2");

/// What was imported, under the names by which facts may wait for it.
#[derive(Default)]
pub(super) struct Names(Batch);

impl Names {
    pub(super) fn boleto(&mut self, reference: &str, id: BoletoId) {
        self.0.push(row![parked_boleto(reference), id.0, 1_i64]);
    }

    pub(super) fn contact(&mut self, point: &str, id: ContactId) {
        self.0.push(row![parked_contact(point), id.0, 0_i64]);
    }
}

struct Waiting {
    seq: i64,
    source: String,
    occurred_at: Timestamp,
    at: Timestamp,
    saying: Saying,
    subject: Subject,
}

/// Gives parked facts their subjects, in their order; returns those of whom something was said
/// that concerns what is sent.
pub(super) async fn take_up(
    conn: &mut Conn,
    tenant: TenantId,
    names: Names,
) -> Result<Vec<Subject>, StoreError> {
    // A chunk of which every row was refused names nobody.
    if names.0.is_empty() || conn.first(&ANY, args![tenant.0]).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut waiting = Vec::new();
    for mut row in conn.rows(&WAITING, names.0.args(args![tenant.0])).await? {
        waiting.push(Waiting {
            seq: row.int()?,
            source: row.text()?,
            occurred_at: Timestamp::from_unix_ms(row.int()?),
            at: Timestamp::from_unix_ms(row.int()?),
            saying: row.json("parked fact")?,
            subject: match (row.int()?, row.int()?) {
                (id, 1) => Subject::Boleto(BoletoId(id)),
                (id, _) => Subject::Contact(ContactId(id)),
            },
        });
    }
    for one in &waiting {
        let text = json(&body(&one.saying, one.subject))?;
        conn.execute(&MATCHED, args![one.seq, tenant.0, text])
            .await?;
        // One at a time: several may wait for the same subject, and their order counts.
        let act = Act {
            ord: 0,
            seq: one.seq,
            tenant,
            subject: one.subject,
            saying: &one.saying,
            source: &one.source,
            occurred_at: one.occurred_at,
            at: one.at,
        };
        act::all(conn, &[act]).await?;
    }
    let mut matched: Vec<Subject> = waiting
        .iter()
        .filter(|one| one.saying.concerns_sends())
        .map(|one| one.subject)
        .collect();
    matched.sort_unstable();
    matched.dedup();
    Ok(matched)
}
