//! Boletos, by id, by contact, by due date or by the tenant's reference.

use std::fmt;
use std::ops::RangeInclusive;

use actors::ports::Boleto;
use chrono::NaiveDate;
use schedules::id::{BoletoId, ContactId, TenantId};
use schedules::reference::Reference;
use schedules::time::Timestamp;

use super::{Ask, Page};
use crate::store::Store;
use crate::store::codec::{date, instant};
use crate::store::conn::Row;
use crate::store::error::StoreError;
use crate::store::sql::{Sql, args, both};

/// A boleto and its state.
#[derive(Clone, PartialEq, Eq)]
pub struct BoletoRow {
    /// The boleto.
    pub boleto: Boleto,
    /// Its contact.
    pub contact: ContactId,
    /// `open`, `paid` or `cancelled`.
    pub status: String,
    /// Since when it is, by the source of the fact.
    pub status_at: Timestamp,
}

/// Shows identifiers and states only: the rest is personal.
impl fmt::Debug for BoletoRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoletoRow")
            .field("boleto", &self.boleto.id)
            .field("contact", &self.contact)
            .field("status", &self.status)
            .field("status_at", &self.status_at)
            .finish_non_exhaustive()
    }
}

/// Which boletos are listed: those that meet everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoletosOf {
    /// In this status.
    pub status: Option<String>,
    /// Of this contact.
    pub contact: Option<ContactId>,
    /// Due on one of these days, as printed; the list is in their order, unless a contact's.
    pub due_on: Option<RangeInclusive<NaiveDate>>,
    /// With this reference.
    pub reference: Option<Reference>,
}

/// The due date where the list is in its order, else nothing; and the id.
pub type BoletoKey = (String, i64);

macro_rules! boletos {
    ($rest:literal) => {
        both(concat!(
            "SELECT id, reference, amount_centavos, due_on, digitable_line, pix_code,
                 payment_link, contact_id, status, status_at
             FROM boletos
             WHERE tenant_id = $1 AND ",
            $rest
        ))
    };
}

pub(super) const ALL: Sql = boletos!("id > $2 ORDER BY id LIMIT $3");

pub(super) const OF_CONTACT: Sql = boletos!("contact_id = $4 AND id > $2 ORDER BY id LIMIT $3");

pub(super) const BY_DUE: Sql = boletos!(
    "due_on >= $4 AND due_on <= $5 AND (due_on, id) > ($4, $2) ORDER BY due_on, id LIMIT $3"
);

pub(super) const NAMED: Sql = boletos!("reference = $4 AND id > $2 ORDER BY id LIMIT $3");

pub(super) const ONE: Sql = boletos!("id = $2");

impl Store {
    /// Lists boletos of a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_boletos(
        &self,
        tenant: TenantId,
        of: &BoletosOf,
        ask: &Ask<BoletoKey>,
    ) -> Result<Page<BoletoRow, BoletoKey>, StoreError> {
        let reads = ask.reads(of.passes_over());
        let (on, id) = ask.after.clone().unwrap_or_default();
        let mut args = args![tenant.0, id, i64::from(reads)];
        let (sql, by_due) = match (&of.reference, of.contact, &of.due_on) {
            (Some(reference), ..) => {
                args.push(reference.as_str().into());
                (&NAMED, false)
            }
            (None, Some(contact), _) => {
                args.push(contact.0.into());
                (&OF_CONTACT, false)
            }
            (None, None, Some(due_on)) => {
                // The day at which the page begins is the first or the one it goes on with.
                args.push(on.max(due_on.start().to_string()).into());
                args.push(due_on.end().to_string().into());
                (&BY_DUE, true)
            }
            (None, None, None) => (&ALL, false),
        };
        self.read(async |conn| {
            let rows = conn.rows(sql, args).await?.into_iter().map(|row| {
                let one = read(row)?;
                let on = by_due.then(|| one.boleto.due_on.to_string());
                Ok::<_, StoreError>(((on.unwrap_or_default(), one.boleto.id.0), one))
            });
            let rows = rows.collect::<Result<_, _>>()?;
            Ok(ask.page(reads, rows, |one| of.shows(one)))
        })
        .await
    }

    /// Reads a boleto.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such boleto.
    pub async fn boleto(
        &self,
        tenant: TenantId,
        boleto: BoletoId,
    ) -> Result<BoletoRow, StoreError> {
        self.read(async |conn| {
            let row = conn.first(&ONE, args![tenant.0, boleto.0]).await?;
            read(row.ok_or(StoreError::Absent { what: "boleto" })?)
        })
        .await
    }
}

impl BoletosOf {
    /// Says whether rows that no index leaves out are not shown.
    fn passes_over(&self) -> bool {
        let in_other_order = self.contact.is_some() && self.due_on.is_some();
        self.status.is_some() || in_other_order
    }

    fn shows(&self, one: &BoletoRow) -> bool {
        let status = self.status.as_ref();
        let due_on = self.due_on.as_ref();
        status.is_none_or(|status| *status == one.status)
            && self.contact.is_none_or(|contact| contact == one.contact)
            && due_on.is_none_or(|due_on| due_on.contains(&one.boleto.due_on))
    }
}

fn read(mut row: Row) -> Result<BoletoRow, StoreError> {
    Ok(BoletoRow {
        boleto: Boleto {
            id: BoletoId(row.int()?),
            reference: row.text()?,
            amount_centavos: row.int()?,
            due_on: date(&mut row)?,
            digitable_line: row.text_or_null()?,
            pix_code: row.text_or_null()?,
            payment_link: row.text_or_null()?,
        },
        contact: ContactId(row.int()?),
        status: row.text()?,
        status_at: instant(&mut row)?,
    })
}
