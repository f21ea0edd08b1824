//! Boletos and their contacts come in, a chunk in a transaction.
//!
//! A chunk has a key: given again, it answers as before. Contacts are merged by the canonical form
//! of the phone, else of the e-mail address; what is known of a contact already stays.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use actors::machine::effect::Subject;
use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::contact::EmailAddress;
use schedules::id::{BoletoId, ContactId, ImportId, TenantId};
use schedules::phone::Phone;
use schedules::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::import_job::{self, ImportPart, PartOutcome};
use super::import_rows::{self, Landed};
use super::parked::{self, Names};
use super::resolve::GATE;
use crate::hex;
use crate::store::Store;
use crate::store::codec::json;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::{Lane, WEIGHT_MAX};
use crate::store::sql::{Batch, Sql, args, both, row};

/// A boleto to import, read and checked.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewBoleto {
    /// The tenant's reference; unique in the tenant.
    pub reference: String,
    /// The amount; 0 when open.
    pub amount_centavos: i64,
    /// The due date as printed.
    pub due_on: NaiveDate,
    /// The 47 or 48 digits.
    pub digitable_line: Option<String>,
    /// The Pix copy-and-paste code.
    pub pix_code: Option<String>,
    /// Where it can be paid.
    pub payment_link: Option<String>,
    /// Who pays it.
    pub contact: NewContact,
}

/// A contact as an import has it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewContact {
    /// The name.
    pub name: String,
    /// The phone.
    pub phone: Option<Point>,
    /// The e-mail address.
    pub email: Option<Point>,
    /// The zones it may be in, the likeliest first; never empty.
    pub zones: Vec<Tz>,
}

/// A contact point: as it is sent to, and in the form that all its spellings share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Point {
    /// The phone in E.164, or the e-mail address.
    pub address: String,
    /// The canonical form.
    pub canonical: String,
}

/// Shows that there is one: all of it is personal or the tenant's own.
macro_rules! hidden {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}

hidden!(NewBoleto, NewContact, Point);

impl From<&Phone> for Point {
    fn from(phone: &Phone) -> Self {
        Self {
            address: phone.e164().to_owned(),
            canonical: phone.canonical().to_owned(),
        }
    }
}

impl From<&EmailAddress> for Point {
    fn from(email: &EmailAddress) -> Self {
        Self {
            address: email.as_str().to_owned(),
            canonical: email.identity().to_owned(),
        }
    }
}

/// One chunk of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The chunk's own key within the tenant.
    pub key: String,
    /// The door or the caller, for the audit; never personal data.
    pub source: String,
    /// The door's clock.
    pub at: Timestamp,
}

/// What became of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOutcome {
    /// The chunk's id.
    pub import: i64,
    /// Boletos that are new.
    pub accepted: u32,
    /// Boletos that were there with the same content.
    pub unchanged: u32,
    /// Boletos that were refused.
    pub refused: Vec<Refused>,
    /// Those about whom facts waited that concern what is sent.
    #[serde(default)]
    pub matched: Vec<Subject>,
}

/// A refused boleto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its place in the chunk, from 0.
    pub row: usize,
    /// Why.
    pub why: ImportRefusal,
}

/// Why a boleto was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportRefusal {
    /// The reference is there with another amount, due date, line or code.
    ReferenceTaken,
    /// The reference is there with the same content, but of another contact; its reminders go on
    /// to that one.
    ContactDiffers,
    /// The contact has neither phone nor e-mail address.
    ContactWithoutPoint,
    /// The amount is negative, or the contact has no zone.
    Malformed,
}

impl ImportRefusal {
    /// Returns the stable name, for the API and import reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ReferenceTaken => "reference_taken",
            Self::ContactDiffers => "contact_differs",
            Self::ContactWithoutPoint => "contact_without_point",
            Self::Malformed => "malformed",
        }
    }
}

/// Why a chunk whose key was used for another one is a [`StoreError::Conflict`].
pub const IMPORT_KEY_USED: &str = "import key used for another chunk";

impl Store {
    /// Imports a chunk in one transaction; the owner hears of it by the fact `BoletosImported`.
    /// Beside a running node this is done through its [`Doors`](crate::doors::Doors), which take
    /// back what it has claimed of the [matched](ImportOutcome::matched).
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant; [`StoreError::Conflict`] when the key
    /// was used for another chunk.
    pub async fn import_boletos(
        &self,
        tenant: TenantId,
        import: Import,
        boletos: Vec<NewBoleto>,
    ) -> Result<ImportOutcome, StoreError> {
        let fingerprint = fingerprint(&json(&boletos)?);
        let chunk = Chunk {
            tenant,
            import,
            fingerprint,
            boletos,
            part: None,
        };
        Ok(self.import_chunk(chunk).await?.outcome)
    }

    /// Imports the next part of a file or request in one transaction, its job's progress and
    /// refusals with it. A part that was imported before answers as before and counts once.
    ///
    /// # Errors
    /// As [`Store::import_boletos`]: the part of another file under the same key and number is a
    /// conflict of [`IMPORT_KEY_USED`].
    pub async fn import_part(
        &self,
        tenant: TenantId,
        part: ImportPart,
        boletos: Vec<NewBoleto>,
    ) -> Result<PartOutcome, StoreError> {
        let fingerprint = fingerprint(&json(&(&boletos, part.content()))?);
        let import = Import {
            key: String::new(),
            source: part.of.source.clone(),
            at: part.at,
        };
        let chunk = Chunk {
            tenant,
            import,
            fingerprint,
            boletos,
            part: Some(part),
        };
        self.import_chunk(chunk).await
    }

    async fn import_chunk(&self, chunk: Chunk) -> Result<PartOutcome, StoreError> {
        // Two imports never share a transaction: each holds its tenant's gate, and two transactions
        // with the same two tenants in another order would wait for each other.
        let rows = chunk.boletos.len().saturating_mul(2);
        let chunk = Arc::new(chunk);
        self.write(Lane::Doors, rows.max(WEIGHT_MAX / 2 + 1), move |conn| {
            run_boxed(conn, Arc::clone(&chunk))
        })
        .await
    }
}

fn run_boxed(
    conn: &mut Conn,
    chunk: Arc<Chunk>,
) -> futures::future::BoxFuture<'_, Result<PartOutcome, StoreError>> {
    Box::pin(async move { chunk.run(conn).await })
}

fn fingerprint(content: &str) -> String {
    hex::written(&Sha256::digest(content.as_bytes()))
}

struct Chunk {
    tenant: TenantId,
    import: Import,
    fingerprint: String,
    boletos: Vec<NewBoleto>,
    /// What it is a part of, if it is one; its key is made of that.
    part: Option<ImportPart>,
}

const KNOWN: Sql =
    both("SELECT fingerprint, outcome FROM imports WHERE tenant_id = $1 AND key = $2");

const BEGIN: Sql = both(
    "INSERT INTO imports (tenant_id, key, fingerprint, outcome, first_id, last_id, created_at)
     VALUES ($1, $2, $3, '', 0, 0, $4)
     RETURNING id",
);

const END: Sql = both(
    "UPDATE imports SET outcome = $2, first_id = $3, last_id = $4 WHERE id = $1 AND tenant_id = $5",
);

const FACT: Sql = both(
    "INSERT INTO inbox (tenant_id, event_id, source, occurred_at, received_at, body)
     VALUES ($1, $2, $3, $4, $4, $5)",
);

impl Chunk {
    async fn run(&self, conn: &mut Conn) -> Result<PartOutcome, StoreError> {
        let tenant = self.tenant.0;
        // Imports of a tenant go one after the other, and no fact is parked meanwhile.
        let gate = conn.first(&GATE, args![tenant]).await?;
        gate.ok_or(StoreError::Absent { what: "tenant" })?;
        let Some(part) = &self.part else {
            let (outcome, _) = self.take(conn, &self.import.key).await?;
            let job = ImportId(0);
            return Ok(PartOutcome { job, outcome });
        };
        let job = import_job::begin(conn, self.tenant, part).await?;
        let (outcome, is_new) = self.take(conn, &part.chunk_key(job.id)).await?;
        let counted = is_new.then_some(&outcome);
        import_job::count(conn, self.tenant, job, part, counted).await?;
        let job = job.id;
        Ok(PartOutcome { job, outcome })
    }

    /// Takes the chunk, unless it was taken; says whether it is new.
    async fn take(&self, conn: &mut Conn, key: &str) -> Result<(ImportOutcome, bool), StoreError> {
        let tenant = self.tenant.0;
        if let Some(mut row) = conn.first(&KNOWN, args![tenant, key]).await? {
            if row.text()? != self.fingerprint {
                return Err(StoreError::Conflict {
                    what: IMPORT_KEY_USED,
                });
            }
            return Ok((row.json("import outcome")?, false));
        }
        let begun = args![
            tenant,
            key,
            self.fingerprint.as_str(),
            self.import.at.unix_ms()
        ];
        let row = conn.first(&BEGIN, begun).await?;
        let import = row
            .ok_or(StoreError::Unreadable { what: "import" })?
            .int()?;
        let mut outcome = ImportOutcome {
            import,
            ..ImportOutcome::default()
        };
        let contacts = self.contacts(conn, &mut outcome).await?;
        let landed = self.land(conn, import, &contacts, &mut outcome).await?;
        outcome.matched = self.take_up_parked(conn, &contacts, &landed).await?;
        self.conclude(conn, &landed, &outcome).await?;
        Ok((outcome, true))
    }

    /// Finds or adds the contact of every row that can be taken.
    async fn contacts(
        &self,
        conn: &mut Conn,
        outcome: &mut ImportOutcome,
    ) -> Result<HashMap<usize, ContactId>, StoreError> {
        let mut takeable = Vec::with_capacity(self.boletos.len());
        for (row, boleto) in self.boletos.iter().enumerate() {
            let contact = &boleto.contact;
            if contact.phone.is_none() && contact.email.is_none() {
                outcome.refused.push(Refused {
                    row,
                    why: ImportRefusal::ContactWithoutPoint,
                });
            } else if contact.zones.is_empty() || boleto.amount_centavos < 0 {
                outcome.refused.push(Refused {
                    row,
                    why: ImportRefusal::Malformed,
                });
            } else {
                takeable.push((row, contact));
            }
        }
        import_rows::contacts(conn, self.tenant, &takeable, self.import.at).await
    }

    /// Adds the boletos that are new, and says what became of the others.
    async fn land(
        &self,
        conn: &mut Conn,
        import: i64,
        contacts: &HashMap<usize, ContactId>,
        outcome: &mut ImportOutcome,
    ) -> Result<Vec<(BoletoId, usize)>, StoreError> {
        let rows = self.boletos.iter().enumerate();
        let rows = rows.filter_map(|(row, boleto)| Some((row, boleto, *contacts.get(&row)?)));
        let at = self.import.at;
        let landed = import_rows::boletos(conn, self.tenant, import, rows, at).await?;
        let mut new = Vec::with_capacity(landed.len());
        for (row, landed) in landed {
            let why = match landed {
                Landed::New(id) => {
                    new.push((id, row));
                    continue;
                }
                Landed::Unchanged => {
                    outcome.unchanged += 1;
                    continue;
                }
                Landed::Taken => ImportRefusal::ReferenceTaken,
                Landed::OfAnother => ImportRefusal::ContactDiffers,
            };
            outcome.refused.push(Refused { row, why });
        }
        outcome.accepted = u32::try_from(new.len()).unwrap_or(u32::MAX);
        outcome.refused.sort_by_key(|refused| refused.row);
        Ok(new)
    }

    async fn take_up_parked(
        &self,
        conn: &mut Conn,
        contacts: &HashMap<usize, ContactId>,
        landed: &[(BoletoId, usize)],
    ) -> Result<Vec<Subject>, StoreError> {
        let mut names = Names::default();
        for (id, row) in landed {
            names.boleto(&self.boletos[*row].reference, *id);
        }
        names.contacts(
            contacts
                .iter()
                .map(|(row, id)| (&self.boletos[*row].contact, *id)),
        );
        parked::take_up(conn, self.tenant, names).await
    }

    async fn conclude(
        &self,
        conn: &mut Conn,
        landed: &[(BoletoId, usize)],
        outcome: &ImportOutcome,
    ) -> Result<(), StoreError> {
        let (tenant, at) = (self.tenant.0, self.import.at.unix_ms());
        let ids = landed.iter().map(|(id, _)| id.0);
        let (first, last) = (ids.clone().min().unwrap_or(0), ids.max().unwrap_or(0));
        conn.execute(
            &END,
            args![outcome.import, json(outcome)?, first, last, tenant],
        )
        .await?;
        if !landed.is_empty() {
            let body = json(&actors::machine::input::FactBody::BoletosImported {
                import: outcome.import,
            })?;
            let event = format!("import:{}", outcome.import);
            let fact = args![tenant, event, self.import.source.as_str(), at, body];
            conn.execute(&FACT, fact).await?;
        }
        let mut audit = Batch::default();
        audit.push(row![
            tenant,
            at,
            self.import.source.as_str(),
            "boletos.imported",
            format!("chunk_{}", outcome.import),
            format!("{{\"accepted\":{}}}", outcome.accepted),
        ]);
        crate::store::audit::record(conn, audit).await
    }
}
