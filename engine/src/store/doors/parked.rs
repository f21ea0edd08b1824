//! Facts that came before their subject: matched when it is imported.

use std::collections::BTreeSet;

use actors::machine::effect::Subject;
use schedules::id::{BoletoId, ContactId, TenantId};
use schedules::time::Timestamp;

use super::act::{self, Act};
use super::facts::rounds;
use super::import::NewContact;
use super::resolve::{body, parked_boleto, parked_contact};
use crate::facts::Saying;
use crate::store::codec::json;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, both, row};

const ANY: Sql = both("SELECT 1 FROM inbox WHERE tenant_id = $1 AND parked IS NOT NULL LIMIT 1");

/// The names lead: the other way round, SQLite would go through all names for each fact.
const WAITING: Sql = batch!(
    "SELECT i.seq, i.source, i.occurred_at, i.received_at, i.body, r.subject, r.is_boleto FROM ",
    (1 "name" "text", 2 "subject" "bigint", 3 "is_boleto" "bigint"),
    "CROSS JOIN inbox i
     WHERE i.parked = r.name AND i.tenant_id = $4
     ORDER BY i.seq, r.subject"
);

const MATCHED: Sql = batch!(
    "UPDATE inbox SET parked = NULL, body = r.body FROM ",
    (1 "fact" "bigint", 2 "tenant" "bigint", 3 "body" "text"),
    "WHERE inbox.seq = r.fact AND inbox.tenant_id = r.tenant"
);

/// What was imported, under the names by which facts may wait for it.
#[derive(Default)]
pub(super) struct Names(Batch);

impl Names {
    pub(super) fn boleto(&mut self, reference: &str, id: BoletoId) {
        self.0.push(row![parked_boleto(reference), id.0, 1_i64]);
    }

    /// Adds contacts by each of their points, once however often they come.
    pub(super) fn contacts<'a>(
        &mut self,
        contacts: impl Iterator<Item = (&'a NewContact, ContactId)>,
    ) {
        let mut named = BTreeSet::new();
        for (contact, id) in contacts {
            for point in contact.phone.iter().chain(&contact.email) {
                if named.insert((&point.canonical, id)) {
                    let name = parked_contact(&point.canonical);
                    self.0.push(row![name, id.0, 0_i64]);
                }
            }
        }
    }
}

struct Waiting {
    seq: i64,
    source: String,
    occurred_at: Timestamp,
    at: Timestamp,
    saying: Saying,
    /// Several contacts, when one address is new to all of them.
    subjects: Vec<Subject>,
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
    let waiting = waiting(conn, tenant, names).await?;
    let mut matched = Batch::default();
    for one in &waiting {
        let text = json(&body(&one.saying, &one.subjects))?;
        matched.push(row![one.seq, tenant.0, text]);
    }
    if !matched.is_empty() {
        conn.execute(&MATCHED, matched.args(vec![])).await?;
    }
    let met = waiting.iter().map(|one| one.subjects.clone());
    for round in rounds(met.enumerate().collect()) {
        let acts: Vec<Act<'_>> = round
            .into_iter()
            .flat_map(|ord| waiting[ord].acts(ord, tenant))
            .collect();
        act::all(conn, &acts).await?;
    }
    let mut concerned: Vec<Subject> = waiting
        .iter()
        .filter(|one| one.saying.concerns_sends())
        .flat_map(|one| one.subjects.iter().copied())
        .collect();
    concerned.sort_unstable();
    concerned.dedup();
    Ok(concerned)
}

async fn waiting(
    conn: &mut Conn,
    tenant: TenantId,
    names: Names,
) -> Result<Vec<Waiting>, StoreError> {
    let mut waiting: Vec<Waiting> = Vec::new();
    for mut row in conn.rows(&WAITING, names.0.args(args![tenant.0])).await? {
        let one = Waiting {
            seq: row.int()?,
            source: row.text()?,
            occurred_at: Timestamp::from_unix_ms(row.int()?),
            at: Timestamp::from_unix_ms(row.int()?),
            saying: row.json("parked fact")?,
            subjects: vec![match (row.int()?, row.int()?) {
                (id, 1) => Subject::Boleto(BoletoId(id)),
                (id, _) => Subject::Contact(ContactId(id)),
            }],
        };
        match waiting.last_mut() {
            Some(last) if last.seq == one.seq => last.subjects.extend(one.subjects),
            _ => waiting.push(one),
        }
    }
    Ok(waiting)
}

impl Waiting {
    fn acts(&self, ord: usize, tenant: TenantId) -> impl Iterator<Item = Act<'_>> {
        self.subjects.iter().map(move |subject| Act {
            ord,
            seq: self.seq,
            tenant,
            subject: *subject,
            // Whoever gave it the subject holds the tenant's gate.
            phone: None,
            alone: self.subjects.len() == 1,
            saying: &self.saying,
            source: &self.source,
            occurred_at: self.occurred_at,
            at: self.at,
        })
    }
}
