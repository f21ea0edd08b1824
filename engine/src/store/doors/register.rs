//! Contacts come in ahead of their boletos.
//!
//! They are known by the same points as those of an import, so that registering one again, or
//! importing a boleto of it, finds it; what is known of it already stays.

use std::sync::Arc;

use actors::machine::effect::Subject;
use futures::future::BoxFuture;
use schedules::id::{ContactId, TenantId};
use schedules::time::Timestamp;

use super::import::NewContact;
use super::import_rows;
use super::parked::{self, Names};
use super::resolve::GATE;
use crate::store::Store;
use crate::store::audit;
use crate::store::conn::Conn;
use crate::store::error::StoreError;
use crate::store::queue::{Lane, WEIGHT_MAX};
use crate::store::sql::{Batch, args, row};

/// Contacts that are registered, and who does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The door or the caller, for the audit; never personal data.
    pub source: String,
    /// The contacts.
    pub contacts: Vec<NewContact>,
    /// The door's clock.
    pub at: Timestamp,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Each contact, in order; nothing for one without a point or a zone.
    pub contacts: Vec<Option<ContactId>>,
    /// Those about whom facts waited that concern what is sent.
    pub matched: Vec<Subject>,
}

impl Store {
    /// Finds or adds contacts, in one transaction. Beside a running node this is done through its
    /// [`Doors`](crate::doors::Doors), as an import is.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub async fn register_contacts(
        &self,
        tenant: TenantId,
        registration: Registration,
    ) -> Result<Registered, StoreError> {
        // Alone in its transaction, as an import is: both hold their tenant's gate.
        let weight = registration.contacts.len().max(WEIGHT_MAX / 2 + 1);
        let registration = Arc::new(registration);
        self.write(Lane::Doors, weight, move |conn| {
            boxed(conn, tenant, Arc::clone(&registration))
        })
        .await
    }
}

fn boxed(
    conn: &mut Conn,
    tenant: TenantId,
    registration: Arc<Registration>,
) -> BoxFuture<'_, Result<Registered, StoreError>> {
    Box::pin(async move { run(conn, tenant, &registration).await })
}

async fn run(
    conn: &mut Conn,
    tenant: TenantId,
    registration: &Registration,
) -> Result<Registered, StoreError> {
    let gate = conn.first(&GATE, args![tenant.0]).await?;
    gate.ok_or(StoreError::Absent { what: "tenant" })?;
    let is_usable = |contact: &NewContact| {
        let has_point = contact.phone.is_some() || contact.email.is_some();
        has_point && !contact.zones.is_empty()
    };
    let all = registration.contacts.iter().enumerate();
    let usable: Vec<_> = all.filter(|(_, contact)| is_usable(contact)).collect();
    let found = import_rows::contacts(conn, tenant, &usable, registration.at).await?;
    let mut names = Names::default();
    names.contacts(
        found
            .iter()
            .map(|(place, id)| (&registration.contacts[*place], *id)),
    );
    let matched = parked::take_up(conn, tenant, names).await?;
    let mut told = Batch::default();
    told.push(row![
        tenant.0,
        registration.at.unix_ms(),
        registration.source.as_str(),
        "contacts.registered",
        tenant.to_string(),
        format!("{{\"contacts\":{}}}", found.len()),
    ]);
    audit::record(conn, told).await?;
    let places = 0..registration.contacts.len();
    Ok(Registered {
        contacts: places.map(|place| found.get(&place).copied()).collect(),
        matched,
    })
}
