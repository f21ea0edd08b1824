//! What of a stopped subject may still be on its way to a provider.
//!
//! A claim is in flight while it has no outcome and its deadline, with a margin for the clocks of
//! two nodes, is not past. After a stop has committed, no claim is added to these.

use std::collections::HashMap;

use actors::machine::CLOCKS_APART_MAX_MS;
use actors::machine::effect::Subject;
use actors::machine::input::FactBody;
use schedules::id::TenantId;
use schedules::time::Timestamp;

use super::act::Act;
use super::resolve;
use crate::facts::{Fact, Saying};
use crate::store::Store;
use crate::store::codec::channel_bit;
use crate::store::commit::CLAIM_LASTS_MAX_MS;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, args, batch, both, row};

/// How many claims are in flight, and from when on none is.
pub type InFlight = (u32, Option<Timestamp>);

/// Counts the open claims `a` of the subjects `r` to which `$join` ties them.
macro_rules! open_claims {
    ($join:literal) => {
        batch!(
            "SELECT r.ord, count(*), max(a.deadline_at) FROM ",
            (1 "ord" "bigint", 2 "tenant" "bigint", 3 "subject" "bigint", 4 "after_at" "bigint",
             5 "since_at" "bigint"),
            concat!($join, "
     WHERE a.deadline_at > r.after_at
       AND NOT EXISTS (SELECT 1 FROM outcomes o
           WHERE o.tenant_id = a.tenant_id AND o.enrollment_id = a.enrollment_id
             AND o.step_no = a.step_no AND o.occurrence = a.occurrence AND o.try_no = a.try_no)
     GROUP BY r.ord")
        )
    };
}

const OF_BOLETOS: Sql = open_claims!(
    "JOIN enrollments e ON e.boleto_id = r.subject AND e.tenant_id = r.tenant
     JOIN attempts a ON a.tenant_id = r.tenant AND a.enrollment_id = e.id"
);

const OF_CONTACTS: Sql = open_claims!(
    "JOIN attempts a ON a.tenant_id = r.tenant AND a.contact_id = r.subject
       AND a.claimed_at > r.since_at"
);

const OF_CAMPAIGNS: Sql = open_claims!(
    "JOIN attempts a ON a.tenant_id = r.tenant AND a.campaign_id = r.subject
       AND a.claimed_at > r.since_at"
);

const OF_CHANNELS: Sql = open_claims!(
    "JOIN attempts a ON a.tenant_id = r.tenant AND a.claimed_at > r.since_at
       AND CASE a.channel WHEN 'whatsapp' THEN 1 WHEN 'sms' THEN 2 ELSE 4 END = r.subject"
);

const OF_TENANTS: Sql =
    open_claims!("JOIN attempts a ON a.tenant_id = r.tenant AND a.claimed_at > r.since_at");

/// Subjects to look after, by their kind.
#[derive(Default)]
struct Asked {
    kinds: [Batch; 5],
}

const STATEMENTS: [&Sql; 5] = [
    &OF_BOLETOS,
    &OF_CONTACTS,
    &OF_CAMPAIGNS,
    &OF_CHANNELS,
    &OF_TENANTS,
];

impl Asked {
    fn about(&mut self, ord: usize, tenant: TenantId, subject: Subject, now: Timestamp) {
        let (kind, id) = match subject {
            Subject::Boleto(id) => (0, id.0),
            Subject::Contact(id) => (1, id.0),
            Subject::Campaign(id) => (2, id.0),
            Subject::Channel(channel) => (3, channel_bit(channel)),
            Subject::Tenant => (4, tenant.0),
        };
        let after_ms = now.unix_ms() - CLOCKS_APART_MAX_MS;
        let since_ms = after_ms - CLAIM_LASTS_MAX_MS;
        self.kinds[kind].push(row![ord as i64, tenant.0, id, after_ms, since_ms]);
    }

    async fn count(self, conn: &mut Conn) -> Result<HashMap<usize, InFlight>, StoreError> {
        let mut counts = HashMap::new();
        for (sql, rows) in STATEMENTS.into_iter().zip(self.kinds) {
            if rows.is_empty() {
                continue;
            }
            for mut row in conn.rows(sql, rows.args(vec![])).await? {
                let (ord, count) = (row.small()?, row.small()?);
                let last = row.int()?.saturating_add(CLOCKS_APART_MAX_MS);
                counts.insert(ord, (count, Some(Timestamp::from_unix_ms(last))));
            }
        }
        Ok(counts)
    }
}

/// Counts what is in flight of the subjects that these facts stopped.
pub(super) async fn after_stops(
    conn: &mut Conn,
    acts: &[Act<'_>],
) -> Result<HashMap<usize, InFlight>, StoreError> {
    let mut asked = Asked::default();
    for act in acts.iter().filter(|act| act.saying.stops()) {
        asked.about(act.ord, act.tenant, act.subject, act.at);
    }
    asked.count(conn).await
}

/// What an event id that is known stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// For the same fact, about these; and what of them is still in flight.
    Of(Vec<Subject>, InFlight),
    /// For the same fact, which waits for its subject.
    Awaited,
    /// For the same stop, which was taken back since: its subject goes on.
    Lifted,
    /// For something else, or about somebody else: nothing of the fact that came now is stored.
    OfAnother,
}

/// What a stop says of its subject, as it stands now.
const BOLETO_ENDED: Sql =
    both("SELECT id FROM boletos WHERE tenant_id = $1 AND id = $2 AND status <> 'open'");
const CONTACT_OUT: Sql =
    both("SELECT id FROM contacts WHERE tenant_id = $1 AND id = $2 AND opted_out_at IS NOT NULL");
const CHANNEL_BARRED: Sql = both(
    "SELECT contact_id FROM suppressions WHERE tenant_id = $1 AND contact_id = $2 AND channel = $3",
);
const CAMPAIGN_HALTED: Sql = both(
    "SELECT id FROM campaigns
     WHERE tenant_id = $1 AND id = $2 AND status IN ('paused', 'archived')",
);
const CAMPAIGN_ENDED: Sql =
    both("SELECT id FROM campaigns WHERE tenant_id = $1 AND id = $2 AND status = 'archived'");
const CHANNEL_HALTED: Sql =
    both("SELECT id FROM tenants WHERE id = $1 AND (channels_paused & $2) <> 0");
const TENANT_HALTED: Sql =
    both("SELECT id FROM tenants WHERE id = $1 AND id = $2 AND status = 'paused'");
const TENANT_HELD: Sql = both("SELECT id FROM tenants WHERE id = $1 AND id = $2 AND held = 1");

/// Says whether a stop that was told before still holds for all of its subjects.
async fn holds(conn: &mut Conn, fact: &Fact, subjects: &[Subject]) -> Result<bool, StoreError> {
    for subject in subjects {
        let tenant = fact.tenant.0;
        let (sql, args) = match (*subject, &fact.saying) {
            (Subject::Boleto(id), _) => (&BOLETO_ENDED, args![tenant, id.0]),
            (
                Subject::Contact(id),
                Saying::ContactOptedOut {
                    channel: Some(channel),
                    ..
                },
            ) => (&CHANNEL_BARRED, args![tenant, id.0, channel.as_str()]),
            (Subject::Contact(id), _) => (&CONTACT_OUT, args![tenant, id.0]),
            (Subject::Campaign(id), Saying::CampaignArchived { .. }) => {
                (&CAMPAIGN_ENDED, args![tenant, id.0])
            }
            (Subject::Campaign(id), _) => (&CAMPAIGN_HALTED, args![tenant, id.0]),
            (Subject::Channel(channel), _) => {
                (&CHANNEL_HALTED, args![tenant, channel_bit(channel)])
            }
            (Subject::Tenant, Saying::TenantHeld) => (&TENANT_HELD, args![tenant, tenant]),
            (Subject::Tenant, _) => (&TENANT_HALTED, args![tenant, tenant]),
        };
        if conn.first(sql, args).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

const KEPT: Sql =
    both("SELECT parked, body FROM inbox WHERE tenant_id = $1 AND source = $2 AND event_id = $3");

/// Reads what was stored under the fact's key, and whom it is about; an event is known by its key
/// alone, so what came now need not be the same.
async fn kept(conn: &mut Conn, fact: &Fact) -> Result<Standing, StoreError> {
    let key = args![fact.tenant.0, fact.source.as_str(), fact.event_id.as_str()];
    let Some(mut row) = conn.first(&KEPT, key).await? else {
        return Ok(Standing::OfAnother);
    };
    if let Some(name) = row.text_or_null()? {
        let same = resolve::parked_under(&fact.saying) == Some(name)
            && row.json::<Saying>("parked fact")? == fact.saying;
        return Ok(if same {
            Standing::Awaited
        } else {
            Standing::OfAnother
        });
    }
    let body: FactBody = row.json("fact")?;
    let subjects = body.subjects();
    let named = resolve::subjects_of(conn, fact).await?;
    let same = subjects.iter().any(|one| named.contains(one))
        && resolve::body(&fact.saying, &subjects).is_some_and(|told| told == body);
    Ok(if same {
        Standing::Of(subjects, InFlight::default())
    } else {
        Standing::OfAnother
    })
}

impl Store {
    /// Returns what the key of a fact that was told before stands for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standing(&self, fact: &Fact) -> Result<Standing, StoreError> {
        self.read(async |conn| {
            let kept = kept(conn, fact).await?;
            let Standing::Of(subjects, _) = kept else {
                return Ok(kept);
            };
            if fact.saying.stops() && !holds(conn, fact, &subjects).await? {
                return Ok(Standing::Lifted);
            }
            let mut asked = Asked::default();
            for subject in &subjects {
                asked.about(0, fact.tenant, *subject, fact.received_at);
            }
            let counts = asked.count(conn).await?;
            let in_flight = counts.get(&0).copied().unwrap_or_default();
            Ok(Standing::Of(subjects, in_flight))
        })
        .await
    }

    /// Returns how many claims of a stopped subject are still in flight at `now`, and from when on
    /// none is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settled(
        &self,
        tenant: TenantId,
        subject: Subject,
        now: Timestamp,
    ) -> Result<InFlight, StoreError> {
        self.read(async |conn| {
            let mut asked = Asked::default();
            asked.about(0, tenant, subject, now);
            let counts = asked.count(conn).await?;
            Ok(counts.get(&0).copied().unwrap_or_default())
        })
        .await
    }
}
