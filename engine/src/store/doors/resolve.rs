//! From the names that callers use to identifiers.

use std::collections::{BTreeSet, HashMap};

use actors::machine::effect::Subject;
use actors::machine::input::FactBody;
use schedules::id::{BoletoId, CampaignId, ContactId};

use crate::facts::{BoletoName, ContactName, Fact, Saying};
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::sql::{Batch, Sql, batch, locking, row};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Resolved {
    Found(Subject),
    /// It may be imported later.
    Awaited,
    Unknown,
}

/// Finds the rows of `$table` whose `$column` is the name, in their tenant.
macro_rules! named {
    ($table:literal, $column:literal, $ty:literal) => {
        batch!(
            "SELECT r.ord, s.id FROM ",
            (1 "ord" "bigint", 2 "tenant" "bigint", 3 "name" $ty),
            concat!("JOIN ", $table, " s ON s.tenant_id = r.tenant AND s.", $column, " = r.name")
        )
    };
}

const BOLETOS_BY_ID: Sql = named!("boletos", "id", "bigint");
const BOLETOS_BY_REFERENCE: Sql = named!("boletos", "reference", "text");
const CONTACTS_BY_ID: Sql = named!("contacts", "id", "bigint");
pub(super) const CONTACTS_BY_PHONE: Sql = named!("contacts", "phone_canonical", "text");
const CONTACTS_BY_EMAIL: Sql = named!("contacts", "email_canonical", "text");
const CAMPAIGNS: Sql = named!("campaigns", "id", "bigint");

const TENANTS: Sql = batch!(
    "SELECT r.ord, t.id FROM ",
    (1 "ord" "bigint", 2 "tenant" "bigint"),
    "JOIN tenants t ON t.id = r.tenant"
);

/// An import holds its tenant's gate until it commits; see `import`.
const GATES: Sql = batch!(
    "SELECT g.tenant_id FROM ",
    (1 "tenant" "bigint"),
    "JOIN import_gates g ON g.tenant_id = r.tenant",
    "FOR SHARE OF g"
);

/// A tenant's gate, for an import.
pub(super) const GATE: Sql = locking!(
    "SELECT g.tenant_id FROM import_gates g WHERE g.tenant_id = $1",
    "FOR UPDATE"
);

/// The others whom facts are about, by the facts' places: an address may be that of several
/// contacts.
pub(super) type Also = HashMap<usize, Vec<Subject>>;

/// Resolves the subjects of facts, in their order, and whom else they are about.
///
/// A name that nobody knows is looked up a second time when no import of its tenant is under way:
/// either the import finds the parked fact, or the fact finds what was imported. An address is
/// looked up only then, known or not: an import may be giving it to a further contact, and bars
/// that one if it finds the opt-out.
pub(super) async fn subjects(
    conn: &mut Conn,
    facts: &[&Fact],
) -> Result<(Vec<Resolved>, Also), StoreError> {
    let mut resolved = vec![Resolved::Unknown; facts.len()];
    for (fact, resolved) in facts.iter().zip(&mut resolved) {
        if names_an_address(&fact.saying) {
            *resolved = Resolved::Awaited;
        }
    }
    let mut also = look_up(conn, facts, Resolved::Unknown, &mut resolved).await?;
    if awaits(facts, &mut resolved) {
        wait_for_imports(conn, facts, &mut resolved).await?;
        also.extend(look_up(conn, facts, Resolved::Awaited, &mut resolved).await?);
    }
    in_order(&mut resolved, &mut also);
    Ok((resolved, also))
}

/// A fact told twice names the same contact first.
fn in_order(resolved: &mut [Resolved], also: &mut Also) {
    for (ord, others) in also {
        if let Resolved::Found(first) = &mut resolved[*ord] {
            others.sort_unstable();
            if others[0] < *first {
                std::mem::swap(first, &mut others[0]);
                others.sort_unstable();
            }
        }
    }
}

/// Resolves whom one fact is about, without waiting for imports.
pub(super) async fn subjects_of(conn: &mut Conn, fact: &Fact) -> Result<Vec<Subject>, StoreError> {
    let mut resolved = [Resolved::Unknown];
    let mut also = look_up(conn, &[fact], Resolved::Unknown, &mut resolved).await?;
    let Resolved::Found(first) = resolved[0] else {
        return Ok(Vec::new());
    };
    let others = also.remove(&0).unwrap_or_default();
    Ok(std::iter::once(first).chain(others).collect())
}

/// Looks for the subjects of those facts that are `yet` unknown, or awaited.
async fn look_up(
    conn: &mut Conn,
    facts: &[&Fact],
    yet: Resolved,
    resolved: &mut [Resolved],
) -> Result<Also, StoreError> {
    let mut asked = Asked::default();
    for (ord, fact) in facts.iter().enumerate() {
        if resolved[ord] == yet {
            asked.about(ord as i64, fact);
        }
    }
    let boleto = |id| Subject::Boleto(BoletoId(id));
    let contact = |id| Subject::Contact(ContactId(id));
    let campaign = |id| Subject::Campaign(CampaignId(id));
    look(conn, &BOLETOS_BY_ID, asked.boleto_ids, boleto, resolved).await?;
    look(
        conn,
        &BOLETOS_BY_REFERENCE,
        asked.references,
        boleto,
        resolved,
    )
    .await?;
    look(conn, &CONTACTS_BY_ID, asked.contact_ids, contact, resolved).await?;
    look(conn, &CONTACTS_BY_PHONE, asked.phones, contact, resolved).await?;
    let also = look(conn, &CONTACTS_BY_EMAIL, asked.addresses, contact, resolved).await?;
    look(conn, &CAMPAIGNS, asked.campaigns, campaign, resolved).await?;
    look(conn, &TENANTS, asked.tenants, |_| Subject::Tenant, resolved).await?;
    channels_of_tenants(facts, resolved);
    Ok(also)
}

/// A channel is one of a tenant that exists.
fn channels_of_tenants(facts: &[&Fact], resolved: &mut [Resolved]) {
    for (fact, resolved) in facts.iter().zip(resolved) {
        if let Some(channel) = fact.saying.tenant_channel()
            && *resolved == Resolved::Found(Subject::Tenant)
        {
            *resolved = Resolved::Found(Subject::Channel(channel));
        }
    }
}

async fn look(
    conn: &mut Conn,
    sql: &Sql,
    names: Batch,
    subject: impl Fn(i64) -> Subject,
    resolved: &mut [Resolved],
) -> Result<Also, StoreError> {
    let mut also = Also::new();
    if names.is_empty() {
        return Ok(also);
    }
    for mut row in conn.rows(sql, names.args(vec![])).await? {
        let ord: usize = row.small()?;
        let subject = subject(row.int()?);
        match resolved[ord] {
            Resolved::Found(first) if first != subject => {
                also.entry(ord).or_default().push(subject)
            }
            _ => resolved[ord] = Resolved::Found(subject),
        }
    }
    Ok(also)
}

/// Names by their kind.
#[derive(Default)]
struct Asked {
    boleto_ids: Batch,
    references: Batch,
    contact_ids: Batch,
    phones: Batch,
    addresses: Batch,
    campaigns: Batch,
    tenants: Batch,
}

impl Asked {
    fn about(&mut self, ord: i64, fact: &Fact) {
        let (tenant, saying) = (fact.tenant.0, &fact.saying);
        match (saying.boleto(), saying.contact(), saying.campaign()) {
            (Some(BoletoName::Id(id)), ..) => self.boleto_ids.push(row![ord, tenant, id.0]),
            (Some(BoletoName::Reference(text)), ..) => {
                self.references.push(row![ord, tenant, text.as_str()]);
            }
            (_, Some(ContactName::Id(id)), _) => self.contact_ids.push(row![ord, tenant, id.0]),
            (_, Some(ContactName::Point(text)), _) => {
                let points = match names_an_address(saying) {
                    true => &mut self.addresses,
                    false => &mut self.phones,
                };
                points.push(row![ord, tenant, text.as_str()]);
            }
            (.., Some(campaign)) => self.campaigns.push(row![ord, tenant, campaign.0]),
            (None, None, None) => self.tenants.push(row![ord, tenant]),
        }
    }
}

/// Returns the phone that names whom a fact is about.
pub(super) fn phone(saying: &Saying) -> Option<&str> {
    match saying.contact() {
        Some(ContactName::Point(point)) if !point.contains('@') => Some(point),
        _ => None,
    }
}

fn names_an_address(saying: &Saying) -> bool {
    matches!(saying.contact(), Some(ContactName::Point(point)) if point.contains('@'))
}

/// Marks what may be imported later; returns whether there is any.
fn awaits(facts: &[&Fact], resolved: &mut [Resolved]) -> bool {
    let mut any = false;
    for (fact, resolved) in facts.iter().zip(resolved) {
        if *resolved == Resolved::Unknown && parked_under(&fact.saying).is_some() {
            *resolved = Resolved::Awaited;
        }
        any |= *resolved == Resolved::Awaited;
    }
    any
}

/// Nobody waits in a tenant that does not exist.
async fn wait_for_imports(
    conn: &mut Conn,
    facts: &[&Fact],
    resolved: &mut [Resolved],
) -> Result<(), StoreError> {
    let awaited = facts
        .iter()
        .zip(&*resolved)
        .filter(|(_, r)| **r == Resolved::Awaited);
    let tenants: BTreeSet<i64> = awaited.map(|(fact, _)| fact.tenant.0).collect();
    let mut gates = Batch::default();
    tenants.iter().for_each(|tenant| gates.push(row![*tenant]));
    let mut known = BTreeSet::new();
    for mut row in conn.rows(&GATES, gates.args(vec![])).await? {
        known.insert(row.int()?);
    }
    for (fact, resolved) in facts.iter().zip(resolved) {
        if *resolved == Resolved::Awaited && !known.contains(&fact.tenant.0) {
            *resolved = Resolved::Unknown;
        }
    }
    Ok(())
}

/// Returns the name under which a fact waits for its subject.
pub(super) fn parked_under(saying: &Saying) -> Option<String> {
    match (saying.boleto(), saying.contact()) {
        (Some(BoletoName::Reference(reference)), _) => Some(parked_boleto(reference.as_str())),
        (_, Some(ContactName::Point(point))) => Some(parked_contact(point)),
        _ => None,
    }
}

pub(super) fn parked_boleto(reference: &str) -> String {
    format!("boleto:{reference}")
}

pub(super) fn parked_contact(point: &str) -> String {
    format!("contact:{point}")
}

/// Returns the fact as the machine reads it, of subjects of which only contacts are several;
/// `None` when the subject is of another kind.
pub(super) fn body(saying: &Saying, subjects: &[Subject]) -> Option<FactBody> {
    match *subjects.first()? {
        Subject::Boleto(boleto) => of_boleto(saying, boleto),
        Subject::Contact(contact) => {
            let others = subjects[1..].iter().filter_map(|other| match other {
                Subject::Contact(other) => Some(*other),
                _ => None,
            });
            of_contact(saying, contact, others.collect())
        }
        Subject::Campaign(campaign) => of_campaign(saying, campaign),
        Subject::Channel(channel) => match saying {
            Saying::ChannelPaused { .. } => Some(FactBody::ChannelPaused { channel }),
            Saying::ChannelResumed { .. } => Some(FactBody::ChannelResumed { channel }),
            _ => None,
        },
        Subject::Tenant => match saying {
            Saying::TenantPaused => Some(FactBody::TenantPaused),
            Saying::TenantResumed => Some(FactBody::TenantResumed),
            Saying::TenantHeld => Some(FactBody::TenantHeld),
            Saying::TenantReleased => Some(FactBody::TenantReleased),
            Saying::FeedHeard => Some(FactBody::FeedHeard),
            _ => None,
        },
    }
}

fn of_boleto(saying: &Saying, boleto: BoletoId) -> Option<FactBody> {
    Some(match saying {
        Saying::BoletoPaid { .. } => FactBody::BoletoPaid { boleto },
        Saying::BoletoCancelled { .. } => FactBody::BoletoCancelled { boleto },
        Saying::BoletoReopened { .. } => FactBody::BoletoReopened { boleto },
        Saying::BoletoChanged {
            amount_centavos,
            due_on,
            ..
        } => FactBody::BoletoChanged {
            boleto,
            amount_centavos: *amount_centavos,
            due_on: *due_on,
        },
        _ => return None,
    })
}

fn of_contact(saying: &Saying, contact: ContactId, also: Vec<ContactId>) -> Option<FactBody> {
    Some(match saying {
        Saying::ContactOptedOut { channel, .. } => FactBody::ContactOptedOut {
            contact,
            also,
            channel: *channel,
        },
        Saying::ContactOptedIn { channel, .. } => FactBody::ContactOptedIn {
            contact,
            also,
            channel: *channel,
        },
        Saying::ContactReplied { .. } => FactBody::ContactReplied { contact, also },
        Saying::ContactPromised { .. } => FactBody::ContactPromised { contact, also },
        _ => return None,
    })
}

fn of_campaign(saying: &Saying, campaign: CampaignId) -> Option<FactBody> {
    Some(match saying {
        Saying::CampaignLaunched { .. } => FactBody::CampaignLaunched { campaign },
        Saying::CampaignPaused { .. } => FactBody::CampaignPaused { campaign },
        Saying::CampaignResumed { .. } => FactBody::CampaignResumed { campaign },
        Saying::CampaignArchived { .. } => FactBody::CampaignArchived { campaign },
        _ => return None,
    })
}
