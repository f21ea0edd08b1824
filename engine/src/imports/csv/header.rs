//! Which column is which, by its name in Portuguese or English.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::ImportError;
use super::row::Row;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// The tenant's own name of the boleto.
    Reference,
    /// The due date as printed.
    DueOn,
    /// The amount.
    Amount,
    /// The digitable line or the barcode.
    DigitableLine,
    /// The Pix code ("copia e cola").
    PixCode,
    /// Where it can be paid.
    PaymentLink,
    /// The contact's name.
    Name,
    /// The contact's telephone number.
    Phone,
    /// The contact's e-mail address.
    Email,
    /// The zones that the contact may be in.
    Zones,
}

/// Every column, and the names under which it is known. Accents, case and blanks do not count.
///
/// The first name is the one of the API.
pub const COLUMN_NAMES: [(Column, &[&str]); 10] = [
    (
        Column::Reference,
        &[
            "reference",
            "referencia",
            "codigo",
            "seu_numero",
            "numero_documento",
        ],
    ),
    (
        Column::DueOn,
        &[
            "due_on",
            "due_date",
            "vencimento",
            "data_vencimento",
            "data_de_vencimento",
        ],
    ),
    (
        Column::Amount,
        &["amount", "valor", "valor_nominal", "valor_do_boleto"],
    ),
    (
        Column::DigitableLine,
        &[
            "digitable_line",
            "linha_digitavel",
            "barcode",
            "codigo_de_barras",
        ],
    ),
    (
        Column::PixCode,
        &[
            "pix_code",
            "pix",
            "pix_copia_e_cola",
            "copia_e_cola",
            "brcode",
        ],
    ),
    (
        Column::PaymentLink,
        &["payment_link", "link", "link_de_pagamento"],
    ),
    (Column::Name, &["name", "nome", "cliente", "pagador"]),
    (Column::Phone, &["phone", "telefone", "celular", "whatsapp"]),
    (Column::Email, &["email", "e_mail"]),
    (
        Column::Zones,
        &["zones", "zone", "time_zone", "fuso", "fuso_horario"],
    ),
];

impl Column {
    /// Returns the column's name in the API.
    pub fn name(self) -> &'static str {
        let names = COLUMN_NAMES.iter().find(|(column, _)| *column == self);
        names.map_or("", |(_, names)| names[0])
    }

    fn named(name: &str) -> Option<Self> {
        let known = COLUMN_NAMES.iter().find(|(_, names)| names.contains(&name));
        known.map(|(column, _)| *column)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the columns of a file are.
#[derive(Debug)]
pub(super) struct Header {
    /// What each field of a row is; nothing for a column that is not known.
    columns: Vec<Option<Column>>,
}

impl Header {
    /// Reads the first row.
    pub(super) fn read(fields: &[String]) -> Result<Self, ImportError> {
        let columns: Vec<Option<Column>> = fields
            .iter()
            .map(|field| Column::named(&plain(field)))
            .collect();
        for (index, column) in columns.iter().enumerate() {
            if let Some(column) = column.filter(|column| columns[..index].contains(&Some(*column)))
            {
                return Err(ImportError::RepeatColumn(column));
            }
        }
        let header = Self { columns };
        header.require(&[Column::Reference])?;
        header.require(&[Column::Name])?;
        header.require(&[Column::DueOn, Column::DigitableLine])?;
        header.require(&[Column::Amount, Column::DigitableLine])?;
        header.require(&[Column::Phone, Column::Email])?;
        Ok(header)
    }

    fn require(&self, any_of: &[Column]) -> Result<(), ImportError> {
        let found = any_of
            .iter()
            .any(|column| self.columns.contains(&Some(*column)));
        found
            .then_some(())
            .ok_or(ImportError::FindColumn(any_of[0]))
    }

    /// Returns how many fields a row has at the most.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Returns a row's fields by their columns.
    pub(super) fn row<'a>(&self, fields: &'a [String]) -> Row<'a> {
        let mut row = Row::default();
        for (column, field) in self.columns.iter().zip(fields) {
            if let Some(column) = column {
                row.put(*column, field);
            }
        }
        row
    }
}

/// Returns a name in small letters, without accents, its words joined by underscores.
fn plain(name: &str) -> String {
    let letters: String = name
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join("_")
}
