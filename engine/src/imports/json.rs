//! Boletos and their contacts from JSON, item by item, by the checks of a file's rows.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::csv::{Column, ImportContact, ImportRow, Located, Once, Row, RowError};
use crate::store::ContactChange;

/// The most boletos of a request.
pub const ITEMS_MAX: usize = 1_000;

/// A boleto and whom to remind of it. Its `Debug` text shows neither.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BoletoItem {
    /// The tenant's own name of the boleto; once in a request.
    #[serde(default)]
    pub reference: String,
    /// The amount; may be left out where the line states it.
    #[serde(default)]
    pub amount_centavos: Option<i64>,
    /// The due date, such as `2026-12-01`; may be left out where the line states it.
    #[serde(default)]
    pub due_on: Option<String>,
    /// The 47 or 48 digits, or the 44 of the barcode.
    #[serde(default)]
    pub digitable_line: Option<String>,
    /// The Pix copy-and-paste code.
    #[serde(default)]
    pub pix_code: Option<String>,
    /// Where it can be paid, over https.
    #[serde(default)]
    pub payment_link: Option<String>,
    /// Whom to remind.
    pub contact: ContactItem,
}

/// Whom to remind; at least one of phone and e-mail is needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactItem {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The telephone number.
    #[serde(default)]
    pub phone: Option<String>,
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// The zones it may be in, the likeliest first; those of the area code when left out.
    #[serde(default)]
    pub zones: Vec<String>,
}

impl fmt::Debug for ContactItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactItem").finish_non_exhaustive()
    }
}

impl fmt::Debug for BoletoItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoletoItem").finish_non_exhaustive()
    }
}

/// What is to be changed of a contact; what is left out stays as it is.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactPatch {
    /// The name.
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// The telephone number; null when it has none any more.
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub phone: Option<Option<String>>,
    /// The e-mail address; null when it has none any more.
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    pub email: Option<Option<String>>,
    /// The zones it may be in, the likeliest first; those of a new phone's area code when left
    /// out.
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false, min_items = 1, max_items = 4)]
    pub zones: Option<Vec<String>>,
}

impl fmt::Debug for ContactPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactPatch").finish_non_exhaustive()
    }
}

/// Reads what is stated, be it null: only what is left out is not said.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl ContactPatch {
    /// Checks what is said by the checks of a file's rows.
    ///
    /// # Errors
    /// [`ItemRefusal`], also when nothing is said.
    pub fn change(&self) -> Result<ContactChange, ItemRefusal> {
        self.checked().map_err(|(error, column)| ItemRefusal {
            field: column.map(Column::name),
            error: error.code(),
        })
    }

    fn checked(&self) -> Result<ContactChange, Located> {
        let zones = self.zones.as_ref().map(|zones| zones.join("|"));
        let text = |said: &'_ Option<Option<String>>| said.clone().flatten().unwrap_or_default();
        let (phone, email) = (text(&self.phone), text(&self.email));
        let mut row = Row::default();
        row.put(Column::Name, self.name.as_deref().unwrap_or_default());
        row.put(Column::Phone, &phone);
        row.put(Column::Email, &email);
        row.put(Column::Zones, zones.as_deref().unwrap_or_default());
        let says_nothing = self.name.is_none() && self.phone.is_none();
        if says_nothing && self.email.is_none() && zones.is_none() {
            return Err((RowError::FindValue, None));
        }
        let (phone, email, stated) = (row.phone()?, row.email()?, row.zones()?);
        if zones.is_some() && stated.is_none() {
            return Err((RowError::FindZone, Some(Column::Zones)));
        }
        // Null alone says that there is none any more; an empty text is a slip.
        let states = |said: &Option<Option<String>>| matches!(said, Some(Some(_)));
        if states(&self.phone) && phone.is_none() {
            return Err((RowError::FindValue, Some(Column::Phone)));
        }
        if states(&self.email) && email.is_none() {
            return Err((RowError::FindValue, Some(Column::Email)));
        }
        let zones_of_phone = phone
            .as_ref()
            .map(|phone| phone.area_code().zones().to_vec());
        Ok(ContactChange {
            name: self.name.as_ref().map(|_| row.name()).transpose()?,
            phone: self.phone.as_ref().map(|_| phone.as_ref().map(Into::into)),
            email: self.email.as_ref().map(|_| email.as_ref().map(Into::into)),
            zones: stated,
            zones_of_phone: zones_of_phone.unwrap_or_default(),
        })
    }
}

/// Why an item was refused; holds nothing of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemRefusal {
    /// The field it is wrong with; nothing when it is the item as a whole.
    pub field: Option<&'static str>,
    /// The stable name of what is wrong.
    pub error: &'static str,
}

/// Checks the items of a request, each by itself and against the references before it.
pub fn rows(
    items: &[BoletoItem],
    reference_on: NaiveDate,
) -> impl Iterator<Item = Result<ImportRow, ItemRefusal>> {
    let mut once = Once::default();
    items.iter().map(move |item| {
        let row = item.row(reference_on, &mut once);
        row.map_err(|(error, column)| ItemRefusal {
            field: column.map(field),
            error: error.code(),
        })
    })
}

/// Checks contacts that come without a boleto; their fields are named by themselves.
pub fn contacts(items: &[ContactItem]) -> impl Iterator<Item = Result<ImportContact, ItemRefusal>> {
    items.iter().map(|item| {
        let zones = item.zones.join("|");
        let mut row = Row::default();
        item.put_into(&mut row, &zones);
        row.contact().map_err(|(error, column)| ItemRefusal {
            field: column.map(Column::name),
            error: error.code(),
        })
    })
}

impl ContactItem {
    fn put_into<'a>(&'a self, row: &mut Row<'a>, zones: &'a str) {
        row.put(Column::Name, &self.name);
        row.put(Column::Phone, stated(&self.phone));
        row.put(Column::Email, stated(&self.email));
        row.put(Column::Zones, zones);
    }
}

impl BoletoItem {
    fn row(&self, reference_on: NaiveDate, once: &mut Once) -> Result<ImportRow, Located> {
        // As a file would have it: the amount is an amount to the centavo whatever its size.
        let amount = self.amount_centavos.map(decimal).unwrap_or_default();
        let zones = self.contact.zones.join("|");
        let mut row = Row::default();
        row.put(Column::Reference, &self.reference);
        row.put(Column::Amount, &amount);
        row.put(Column::DueOn, stated(&self.due_on));
        row.put(Column::DigitableLine, stated(&self.digitable_line));
        row.put(Column::PixCode, stated(&self.pix_code));
        row.put(Column::PaymentLink, stated(&self.payment_link));
        self.contact.put_into(&mut row, &zones);
        row.read(reference_on).and_then(|row| once.check(row))
    }
}

fn stated(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// Writes centavos as reais with two decimals.
fn decimal(centavos: i64) -> String {
    let sign = if centavos < 0 { "-" } else { "" };
    let size = centavos.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

/// Returns a column's place in an item.
const fn field(column: Column) -> &'static str {
    match column {
        Column::Reference => "reference",
        Column::DueOn => "due_on",
        Column::Amount => "amount_centavos",
        Column::DigitableLine => "digitable_line",
        Column::PixCode => "pix_code",
        Column::PaymentLink => "payment_link",
        Column::Name => "contact.name",
        Column::Phone => "contact.phone",
        Column::Email => "contact.email",
        Column::Zones => "contact.zones",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imports::csv::{BoletoCsv, ImportLine};

    const TODAY: NaiveDate = match NaiveDate::from_ymd_opt(2026, 11, 1) {
        Some(day) => day,
        None => NaiveDate::MIN,
    };

    fn items(text: &str) -> Vec<BoletoItem> {
        serde_json::from_str(text).expect("items")
    }

    #[test]
    fn an_item_is_read_as_the_same_row_of_a_file() {
        let items = items(
            r#"[{"reference": "NF-1", "amount_centavos": 123456, "due_on": "2026-11-20",
                 "payment_link": "https://pay.example/1",
                 "contact": {"name": "Ana Lima", "phone": "(11) 98765-1234",
                             "email": "ana@x.example", "zones": ["America/Recife"]}}]"#,
        );
        let csv = "reference;amount;due_on;payment_link;name;phone;email;zones\n\
            NF-1;1.234,56;20/11/2026;https://pay.example/1;Ana Lima;11987651234;ana@x.example;\
            America/Recife";
        let mut file = BoletoCsv::open(csv.as_bytes(), TODAY).expect("a header");
        let Some(Ok(ImportLine::Row(_, row))) = file.next() else {
            panic!("the row is good");
        };
        let read: Vec<_> = rows(&items, TODAY).collect();
        assert!(read == [Ok(*row)], "{read:?}");
    }

    #[test]
    fn a_bad_item_is_refused_by_its_field_and_the_others_are_taken() {
        let contact = r#""contact": {"name": "Ana", "phone": "11987651234"}"#;
        let rest = format!(r#""due_on": "2026-11-20", {contact}"#);
        let text = format!(
            r#"[{{"reference": "A", "amount_centavos": 1, {rest}}},
                {{"reference": "A", "amount_centavos": 1, {rest}}},
                {{"reference": "B", "amount_centavos": 0, {rest}}},
                {{"reference": "C", "amount_centavos": -9223372036854775808, {rest}}},
                {{"reference": "D", "amount_centavos": 9223372036854775807, {rest}}},
                {{"reference": "E", {rest}}},
                {{"amount_centavos": 1, {rest}}},
                {{"reference": "F", "amount_centavos": 1, "due_on": "2026-02-30", {contact}}},
                {{"reference": "G", "amount_centavos": 1, "due_on": "2026-11-20",
                  "contact": {{"name": "Ana"}}}}]"#
        );
        let items = items(&text);
        let told: Vec<_> = rows(&items, TODAY)
            .map(|row| row.map_or_else(|no| (no.field, no.error), |_| (None, "taken")))
            .collect();
        let amount = Some("amount_centavos");
        let expected = [
            (None, "taken"),
            (Some("reference"), "reference_repeated"),
            (amount, "amount_not_positive"),
            (amount, "amount_not_positive"),
            (amount, "amount_too_large"),
            (amount, "value_missing"),
            (Some("reference"), "value_missing"),
            (Some("due_on"), "due_on_does_not_exist"),
            (None, "contact_point_missing"),
        ];
        assert_eq!(told, expected);
        assert!(!format!("{items:?}").contains("Ana"));
    }
}
