//! A contact is corrected: its name, points and zones.
//!
//! What it said goes with it: opt-outs, caps and promises are the contact's, whatever it is reached
//! by. They stay with the point that it leaves, too: whoever reads that one has asked for silence,
//! and an import of it finds the word waiting. Who reads another point is not known to be who is
//! meant, whoever confirmed the former one.

use std::sync::Arc;

use actors::machine::effect::Subject;
use actors::machine::input::FactBody;
use chrono_tz::Tz;
use futures::future::BoxFuture;
use schedules::channel::Channel;
use schedules::id::{ContactId, TenantId};
use schedules::time::Timestamp;

use super::act::FREED;
use super::import::{NewContact, Point};
use super::import_rows::ADDRESS_BARRED;
use super::parked::{self, Names};
use super::resolve::{GATE, parked_contact};
use super::tenant::{Edit, leave_edit, record_edit};
use super::valid::InvalidSetting;
use crate::facts::{ContactName, Saying};
use crate::store::Store;
use crate::store::audit;
use crate::store::codec::{json, zones_to_text};
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::{ALONE, Lane};
use crate::store::reads::{self, ContactRow, Tag};
use crate::store::sql::{Batch, Sql, args, both, locking, row};

/// What is to be changed of a contact, read and checked as an import's; the rest stays. Its `Debug`
/// text shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ContactChange {
    /// The name.
    pub name: Option<String>,
    /// The phone, or none any more.
    pub phone: Option<Option<Point>>,
    /// The e-mail address, or none any more.
    pub email: Option<Option<Point>>,
    /// The zones it may be in, the likeliest first; never empty.
    pub zones: Option<Vec<Tz>>,
    /// The zones of the new phone's area code: they count where none are stated, and the phone is
    /// another.
    pub zones_of_phone: Vec<Tz>,
}

impl std::fmt::Debug for ContactChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContactChange").finish_non_exhaustive()
    }
}

/// What became of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactEdited {
    /// False when the edit was known, or says what stands already.
    pub changed: bool,
    /// True when the edit was known: what it changed, it changed then.
    pub again: bool,
    /// Those about whom facts waited that concern what is sent.
    pub matched: Vec<Subject>,
}

/// Why a change is a [`StoreError::Conflict`].
pub const POINT_TAKEN: &str = "the phone or e-mail address is another contact's";

impl Store {
    /// Changes a contact, if it has one of the tags that are expected. Beside a running node this
    /// is done through its [`Doors`](crate::doors::Doors), which take back what it has claimed.
    ///
    /// A phone is one contact's, and so is the address of somebody without one: as in an import,
    /// who has the point is the contact. An address that somebody else opted out of stays barred.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such contact; [`StoreError::Outdated`];
    /// [`StoreError::Invalid`] when no point would be left; [`StoreError::Conflict`] of
    /// [`POINT_TAKEN`].
    pub async fn edit_contact(
        &self,
        tenant: TenantId,
        contact: ContactId,
        edit: Edit,
        change: ContactChange,
        expected: Option<Vec<Tag>>,
    ) -> Result<ContactEdited, StoreError> {
        let correction = Arc::new(Correction {
            tenant,
            contact,
            edit,
            change,
            expected,
        });
        // As an import does, it holds its tenant's gate.
        self.write(Lane::Doors, ALONE, move |conn| {
            run(conn, Arc::clone(&correction))
        })
        .await
    }
}

fn run(
    conn: &mut Conn,
    correction: Arc<Correction>,
) -> BoxFuture<'_, Result<ContactEdited, StoreError>> {
    Box::pin(async move { correction.run(conn).await })
}

struct Correction {
    tenant: TenantId,
    contact: ContactId,
    edit: Edit,
    change: ContactChange,
    expected: Option<Vec<Tag>>,
}

/// A contact with the forms that all spellings of its points share.
struct Standing {
    row: ContactRow,
    phone: Option<Point>,
    email: Option<Point>,
}

impl Standing {
    /// Returns the names of the fields that change.
    fn fields_changed(&self, after: &NewContact) -> Vec<&'static str> {
        let fields = [
            (NAME, self.row.name != after.name),
            ("phone", self.phone != after.phone),
            ("email", self.email != after.email),
            ("zones", self.row.zones != after.zones),
        ];
        let changed = fields.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(field, _)| field).collect()
    }
}

const NAME: &str = "name";

/// Held to the end: a stop and an enrollment in the making wait here, or are waited for.
const HELD: Sql = locking!(
    "SELECT phone, phone_canonical, email, email_canonical FROM contacts
     WHERE tenant_id = $1 AND id = $2",
    "FOR UPDATE"
);

const PHONE_TAKEN: Sql = both(
    "SELECT id FROM contacts WHERE tenant_id = $1 AND phone_canonical = $3 AND id <> $2 LIMIT 1",
);

/// As an import finds who has an address only: one of several who have phones is nobody.
const EMAIL_TAKEN: Sql = both(
    "SELECT count(*) FROM contacts
     WHERE tenant_id = $1 AND email_canonical = $3 AND id <> $2
     GROUP BY tenant_id
     HAVING count(*) = 1 OR count(CASE WHEN phone_canonical IS NULL THEN 1 END) > 0",
);

const CHANGE: Sql = both(
    "UPDATE contacts SET name = $3, phone = $4, phone_canonical = $5, email = $6,
         email_canonical = $7, zones = $8, version = version + 1,
         confirmed_at = CASE WHEN $9 = 1 THEN NULL ELSE confirmed_at END
     WHERE tenant_id = $1 AND id = $2",
);

/// A word that waits for whoever comes by a point.
const LEAVE: Sql = both(
    "INSERT INTO inbox (tenant_id, event_id, source, occurred_at, received_at, body, parked)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (tenant_id, source, event_id) DO NOTHING",
);

impl Correction {
    async fn run(&self, conn: &mut Conn) -> Result<ContactEdited, StoreError> {
        let (tenant, edit) = (self.tenant, &self.edit);
        // Nobody is imported meanwhile, and no fact about an address looks for whom it is about.
        let gate = conn.first(&GATE, args![tenant.0]).await?;
        gate.ok_or(StoreError::Absent { what: "tenant" })?;
        let before = self.standing(conn).await?;
        let fact = FactBody::ContactChanged {
            contact: self.contact,
        };
        if !record_edit(conn, tenant, edit, &fact).await? {
            return Ok(ContactEdited {
                again: true,
                ..ContactEdited::default()
            });
        }
        reads::expect(self.expected.as_deref(), &before.row.tag())?;
        let after = self.after(&before);
        if before.fields_changed(&after).is_empty() {
            leave_edit(conn, tenant, edit).await?;
            return Ok(ContactEdited::default());
        }
        self.check(conn, &before, &after).await?;
        self.change(conn, &before, &after).await?;
        self.leave_word(conn, &before, &after).await?;
        if after.email != before.email {
            self.heed_address(conn, &after).await?;
        }
        let mut names = Names::default();
        names.contacts(std::iter::once((&after, self.contact)));
        let matched = parked::take_up(conn, tenant, names).await?;
        self.audit(conn, &before, &after).await?;
        Ok(ContactEdited {
            changed: true,
            again: false,
            matched,
        })
    }

    async fn standing(&self, conn: &mut Conn) -> Result<Standing, StoreError> {
        const ABSENT: StoreError = StoreError::Absent { what: "contact" };
        let held = conn.first(&HELD, args![self.tenant.0, self.contact.0]);
        let mut held = held.await?.ok_or(ABSENT)?;
        let mut point = || {
            let (address, canonical) = (held.text_or_null()?, held.text_or_null()?);
            let both = address.zip(canonical);
            Ok::<_, StoreError>(both.map(|(address, canonical)| Point { address, canonical }))
        };
        let (phone, email) = (point()?, point()?);
        let row = reads::contact(conn, self.tenant, self.contact).await?;
        Ok(Standing { row, phone, email })
    }

    /// Returns the contact as it will be.
    fn after(&self, before: &Standing) -> NewContact {
        let change = &self.change;
        let stated = |said: &Option<Option<Point>>, known: &Option<Point>| match said {
            Some(point) => point.clone(),
            None => known.clone(),
        };
        let phone = stated(&change.phone, &before.phone);
        let moves = phone.is_some() && canonical(&phone) != canonical(&before.phone);
        let by_phone = Some(change.zones_of_phone.clone());
        let by_phone = by_phone.filter(|zones| moves && !zones.is_empty());
        let zones = change.zones.clone().or(by_phone);
        NewContact {
            name: change.name.clone().unwrap_or(before.row.name.clone()),
            phone,
            email: stated(&change.email, &before.email),
            zones: zones.unwrap_or(before.row.zones.clone()),
        }
    }

    /// Refuses what an import would take for somebody else, or for nobody. By the point that it
    /// has already it is found as before.
    async fn check(
        &self,
        conn: &mut Conn,
        before: &Standing,
        after: &NewContact,
    ) -> Result<(), StoreError> {
        let (sql, point) = match (&after.phone, &after.email) {
            (Some(phone), _) => (&PHONE_TAKEN, phone),
            (None, Some(email)) => (&EMAIL_TAKEN, email),
            (None, None) => return Err(InvalidSetting::NoPoint.into()),
        };
        let known = canonical(&before.phone).or(canonical(&before.email));
        if known == Some(point.canonical.as_str()) {
            return Ok(());
        }
        let asked = args![self.tenant.0, self.contact.0, point.canonical.as_str()];
        match conn.first(sql, asked).await? {
            None => Ok(()),
            Some(_) => Err(StoreError::Conflict { what: POINT_TAKEN }),
        }
    }

    async fn change(
        &self,
        conn: &mut Conn,
        before: &Standing,
        after: &NewContact,
    ) -> Result<(), StoreError> {
        let reads_elsewhere = canonical(&before.phone) != canonical(&after.phone)
            || canonical(&before.email) != canonical(&after.email);
        let (phone, email) = (after.phone.clone(), after.email.clone());
        let changed = args![
            self.tenant.0,
            self.contact.0,
            after.name.as_str(),
            phone.as_ref().map(|point| point.address.clone()),
            phone.map(|point| point.canonical),
            email.as_ref().map(|point| point.address.clone()),
            email.map(|point| point.canonical),
            zones_to_text(&after.zones),
            i64::from(reads_elsewhere),
        ];
        conn.execute(&CHANGE, changed).await.map(drop)
    }

    /// Leaves the opt-outs at the points that are given up.
    async fn leave_word(
        &self,
        conn: &mut Conn,
        before: &Standing,
        after: &NewContact,
    ) -> Result<(), StoreError> {
        let edit = &self.edit;
        for (no, (point, channel, since)) in words(before, after).into_iter().enumerate() {
            let saying = Saying::ContactOptedOut {
                contact: ContactName::Point(point.to_owned()),
                channel,
            };
            let left = args![
                self.tenant.0,
                format!("{}:left:{no}", edit.event_id),
                edit.source.as_str(),
                since.unix_ms(),
                edit.at.unix_ms(),
                json(&saying)?,
                parked_contact(point),
            ];
            conn.execute(&LEAVE, left).await?;
        }
        Ok(())
    }

    /// Bars the new address where somebody else asked for silence there, in the enrollments, too.
    async fn heed_address(&self, conn: &mut Conn, after: &NewContact) -> Result<(), StoreError> {
        let Some(email) = &after.email else {
            return Ok(());
        };
        let (tenant, contact) = (self.tenant.0, self.contact.0);
        let mut address = Batch::default();
        address.push(row![tenant, contact, email.canonical.as_str()]);
        let barred = conn.execute(&ADDRESS_BARRED, address.args(vec![])).await?;
        if barred > 0 {
            let mut of = Batch::default();
            of.push(row![tenant, contact]);
            conn.execute(&FREED, of.args(vec![])).await?;
        }
        Ok(())
    }

    /// Says which fields changed, and nothing of what they say.
    async fn audit(
        &self,
        conn: &mut Conn,
        before: &Standing,
        after: &NewContact,
    ) -> Result<(), StoreError> {
        let changed = before.fields_changed(after);
        // An estimate holds, whatever those are called whom it counts.
        let action = match changed.as_slice() {
            [NAME] => "contact.renamed",
            _ => "contact.changed",
        };
        let mut told = Batch::default();
        told.push(row![
            self.tenant.0,
            self.edit.at.unix_ms(),
            self.edit.source.as_str(),
            action,
            self.contact.to_string(),
            format!("{{\"fields\":{}}}", json(&changed)?),
        ]);
        audit::record(conn, told).await
    }
}

fn canonical(point: &Option<Point>) -> Option<&str> {
    point.as_ref().map(|point| point.canonical.as_str())
}

/// Returns what was said at points that are given up: of which channel, and when.
fn words<'a>(
    before: &'a Standing,
    after: &NewContact,
) -> Vec<(&'a str, Option<Channel>, Timestamp)> {
    let given_up = |known: &'a Option<Point>, now: &Option<Point>| {
        canonical(known).filter(|known| canonical(now) != Some(known))
    };
    let phone = given_up(&before.phone, &after.phone);
    let email = given_up(&before.email, &after.email);
    let mut words = Vec::new();
    if let Some(since) = before.row.opted_out_at {
        words.extend(phone.map(|phone| (phone, None, since)));
        // Others may read the address for whom nobody spoke on other channels.
        words.extend(email.map(|email| (email, Some(Channel::Email), since)));
    }
    for (channel, since) in &before.row.suppressed {
        let point = match channel {
            Channel::Email => email,
            Channel::Whatsapp | Channel::Sms => phone,
        };
        words.extend(point.map(|point| (point, Some(*channel), *since)));
    }
    words
}
