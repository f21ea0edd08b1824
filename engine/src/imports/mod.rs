//! What tenants upload: files of boletos and their contacts.

pub mod csv;

use chrono_tz::Tz;

use self::csv::ImportRow;
use crate::store::{NewBoleto, NewContact};

impl ImportRow {
    /// Returns the row as the store takes it; a contact whose zone nothing tells is `at_home`.
    pub fn boleto(&self, at_home: Tz) -> NewBoleto {
        let contact = &self.contact;
        let zones = match contact.zones.as_slice() {
            [] => vec![at_home],
            zones => zones.to_vec(),
        };
        NewBoleto {
            reference: self.reference.clone(),
            amount_centavos: self.amount_centavos,
            due_on: self.due_on,
            digitable_line: self.digitable_line.clone(),
            pix_code: self.pix_code.clone(),
            payment_link: self.payment_link.clone(),
            contact: NewContact {
                name: contact.name.clone(),
                phone: contact.phone.as_ref().map(Into::into),
                email: contact.email.as_ref().map(Into::into),
                zones,
            },
        }
    }
}
