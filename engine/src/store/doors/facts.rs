//! The one way in: facts, many in a transaction.
//!
//! Facts about different subjects are written set-wise; several about one subject go in rounds, in
//! their order. The answer counts what is in flight after the stop, in the same transaction: a
//! claim that it does not see cannot commit any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use actors::machine::effect::Subject;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::act::{self, Act};
use super::in_flight;
use super::resolve::{self, Resolved};
use crate::facts::{Fact, FactAnswer, Saying};
use crate::store::Store;
use crate::store::codec::json;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::Lane;
use crate::store::sql::{Batch, Sql, batch, row};
use crate::store::work::{Asked, Work};

impl Store {
    /// Makes facts durable: all of them, or none on an error. The answers are in their order.
    ///
    /// Facts of other callers may share the transaction; they do not share its fate.
    ///
    /// # Errors
    /// [`StoreError`]; after [`StoreError::Unknown`] the same facts may be given again, under the
    /// same event ids.
    pub async fn commit_facts(&self, facts: &[Fact]) -> Result<Vec<FactAnswer>, StoreError> {
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        let facts = facts.to_vec();
        let weight = facts.len();
        self.ask(Lane::Stops, |reply| {
            Work::Facts(Asked::new(facts, weight, reply))
        })
        .await
    }
}

/// Writes facts; on an error nothing of any of them may stand.
pub(in crate::store) async fn together(
    conn: &mut Conn,
    facts: &[&Fact],
) -> Result<Vec<FactAnswer>, StoreError> {
    // This may wait for an import: a payment of the same tenant must not wait for it, too, at the
    // feed's row.
    let (subjects, also) = resolve::subjects(conn, facts).await?;
    feeds_heard(conn, facts).await?;
    let mut answers = vec![FactAnswer::Unknown; facts.len()];
    let known = (0..facts.len()).filter(|ord| subjects[*ord] != Resolved::Unknown);
    let met = known.map(|ord| (ord, meets(facts[ord], all_of(ord, (&subjects, &also)))));
    for round in rounds(met.collect()) {
        self::round(conn, facts, (&subjects, &also), round, &mut answers).await?;
    }
    Ok(answers)
}

/// Puts facts into rounds that meet nothing twice: a statement changes a row once, and of two rows
/// joined to it one would be lost. A fact waits for the next round when anything of it was met in
/// this one, also by a fact that waits itself: so facts about one subject keep their order.
pub(super) fn rounds<K: Clone + Eq + Hash>(mut left: Vec<(usize, Vec<K>)>) -> Vec<Vec<usize>> {
    let mut rounds = Vec::new();
    while !left.is_empty() {
        let mut seen = HashSet::new();
        let (round, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, met)| {
            let first_met = |first: bool, one: &K| seen.insert(one.clone()) && first;
            met.iter().fold(true, first_met)
        });
        rounds.push(round.into_iter().map(|(ord, _)| ord).collect());
        left = later;
    }
    rounds
}

/// Subjects as they were resolved, and the others of those facts that have several.
type Subjects<'a> = (&'a [Resolved], &'a resolve::Also);

/// Returns whom a fact is about; nobody yet, when it waits.
fn all_of(ord: usize, (first, also): Subjects<'_>) -> Vec<Subject> {
    match first[ord] {
        Resolved::Found(first) => std::iter::once(first)
            .chain(also.get(&ord).into_iter().flatten().copied())
            .collect(),
        _ => Vec::new(),
    }
}

/// What may be met once in a round: each of the fact's subjects, or the name that it waits under.
fn meets(fact: &Fact, subjects: Vec<Subject>) -> Vec<(TenantId, Result<Subject, String>)> {
    let met = match subjects.is_empty() {
        true => vec![Err(resolve::parked_under(&fact.saying).unwrap_or_default())],
        false => subjects.into_iter().map(Ok).collect(),
    };
    met.into_iter().map(|one| (fact.tenant, one)).collect()
}

async fn round(
    conn: &mut Conn,
    facts: &[&Fact],
    subjects: Subjects<'_>,
    round: Vec<usize>,
    answers: &mut [FactAnswer],
) -> Result<(), StoreError> {
    let mut seqs = insert(conn, facts, subjects, &round).await?;
    let mut acts = Vec::with_capacity(round.len());
    for ord in round {
        let fact = facts[ord];
        // The first of several with one event id has it; the others are its duplicates.
        let Some(seq) = seqs.remove(&key_of(fact)) else {
            answers[ord] = FactAnswer::Duplicate;
            continue;
        };
        let about = all_of(ord, subjects);
        if about.is_empty() {
            answers[ord] = FactAnswer::Parked;
        }
        let alone = about.len() == 1;
        acts.extend(about.into_iter().map(|subject| Act {
            ord,
            seq,
            tenant: fact.tenant,
            subject,
            phone: resolve::phone(&fact.saying),
            alone,
            saying: &fact.saying,
            source: &fact.source,
            occurred_at: fact.occurred_at,
            at: fact.received_at,
        }));
    }
    let unchanged = act::all(conn, &acts).await?;
    let in_flight = in_flight::after_stops(conn, &acts).await?;
    // The first act of a fact answers for it.
    for act in acts.iter().rev() {
        answers[act.ord] = if unchanged.contains(&act.ord) {
            FactAnswer::Unchanged {
                subject: act.subject,
            }
        } else {
            let (in_flight, settles_at) = in_flight.get(&act.ord).copied().unwrap_or_default();
            FactAnswer::Applied {
                seq: act.seq,
                subject: act.subject,
                also: subjects.1.get(&act.ord).cloned().unwrap_or_default(),
                in_flight,
                settles_at,
            }
        };
    }
    Ok(())
}

const INSERT: Sql = batch!(
    "INSERT INTO inbox (tenant_id, event_id, source, occurred_at, received_at, body, parked)
     SELECT r.* FROM ",
    (1 "tenant" "bigint", 2 "event_id" "text", 3 "source" "text", 4 "occurred_at" "bigint",
     5 "received_at" "bigint", 6 "body" "text", 7 "parked" "text"),
    "WHERE true
     ON CONFLICT (tenant_id, source, event_id) DO NOTHING
     RETURNING seq, tenant_id, source, event_id"
);

/// Tenant, source and id: what makes an event the same.
type EventKey = (i64, String, String);

fn key_of(fact: &Fact) -> EventKey {
    (fact.tenant.0, fact.source.clone(), fact.event_id.clone())
}

/// Inserts the inbox rows of a round; a known event id has none.
async fn insert(
    conn: &mut Conn,
    facts: &[&Fact],
    subjects: Subjects<'_>,
    round: &[usize],
) -> Result<HashMap<EventKey, i64>, StoreError> {
    // In one order everywhere: two batches with the same events wait for each other in turn.
    let mut in_order: Vec<usize> = round.to_vec();
    in_order.sort_by_cached_key(|ord| (key_of(facts[*ord]), *ord));
    let mut rows = Batch::default();
    for ord in in_order {
        let fact = facts[ord];
        let about = all_of(ord, subjects);
        let (body, parked) = match about.is_empty() {
            true => (json(&fact.saying)?, resolve::parked_under(&fact.saying)),
            false => (json(&resolve::body(&fact.saying, &about))?, None),
        };
        rows.push(row![
            fact.tenant.0,
            fact.event_id.as_str(),
            fact.source.as_str(),
            fact.occurred_at.unix_ms(),
            fact.received_at.unix_ms(),
            body,
            parked,
        ]);
    }
    let mut seqs = HashMap::with_capacity(rows.len());
    for mut row in conn.rows(&INSERT, rows.args(vec![])).await? {
        let seq = row.int()?;
        seqs.insert((row.int()?, row.text()?, row.text()?), seq);
    }
    Ok(seqs)
}

/// A busy feed's row is touched once a second, not once a payment.
const FEED_HEARD: Sql = batch!(
    "UPDATE feeds SET heard_at = r.at FROM ",
    (1 "tenant" "bigint", 2 "at" "bigint"),
    "WHERE feeds.tenant_id = r.tenant AND feeds.heard_at + 1000 < r.at"
);

/// The first row that is changed: whoever waits for it holds nothing yet but imports' gates, which
/// nobody who holds a feed's row waits for.
async fn feeds_heard(conn: &mut Conn, facts: &[&Fact]) -> Result<(), StoreError> {
    let mut heard: BTreeMap<TenantId, Timestamp> = BTreeMap::new();
    for fact in facts
        .iter()
        .filter(|fact| Saying::is_of_payment(&fact.saying))
    {
        let at = heard.entry(fact.tenant).or_default();
        *at = fact.received_at.max(*at);
    }
    let mut rows = Batch::default();
    heard
        .iter()
        .for_each(|(tenant, at)| rows.push(row![tenant.0, at.unix_ms()]));
    if !rows.is_empty() {
        conn.execute(&FEED_HEARD, rows.args(vec![])).await?;
    }
    Ok(())
}
