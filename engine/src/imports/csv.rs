//! Boletos and their contacts from a CSV file, row by row.
//!
//! Reads what spreadsheets and banks write: UTF-8, UTF-16 with its mark and Windows-1252; commas,
//! semicolons and tabs; headers in Portuguese and English. A bad row is refused with its line,
//! column and code, never with its content, and the next one is read. Nothing here knows
//! tenants or the store: whether a reference exists already is found out later.

mod amount;
mod date;
mod header;
mod once;
mod records;
mod row;
mod skip;
mod text;

use std::io::{self, Read};

use chrono::NaiveDate;

pub use amount::{AMOUNT_CENTAVOS_MAX, AmountError};
pub use date::DateError;
pub use header::{COLUMN_NAMES, Column};
pub use records::RecordError;
pub use row::{ImportContact, ImportRow, RowError};
pub use row::{NAME_CHARS_MAX, ZONES_MAX};
pub use schedules::link::LINK_BYTES_MAX;
pub use schedules::reference::REFERENCE_CHARS_MAX;

pub(super) use once::Once;
pub(super) use row::{Located, Row};

use header::Header;
use records::Records;
use text::Unmarked;

/// The most rows of a file: references are remembered to find the ones that come twice.
pub const ROWS_MAX: usize = 1_000_000;

/// A file that cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source failed.
    #[error("the file cannot be read")]
    ReadSource(#[from] io::Error),
    /// Nothing stands in the file.
    #[error("the file is empty")]
    FindHeader,
    /// The first row is no row.
    #[error("the header cannot be read")]
    ReadHeader(#[source] RecordError),
    /// No column has a name of one that is needed.
    #[error("the column {0} is missing")]
    FindColumn(Column),
    /// Two columns have names of the same.
    #[error("the column {0} comes twice")]
    RepeatColumn(Column),
    /// More than [`ROWS_MAX`] rows.
    #[error("the file has more than {ROWS_MAX} rows")]
    CountRows,
    /// A quote of the row at this line is never properly closed, and the row is too large to be
    /// given up alone.
    #[error("the quotes of the row at line {0} do not match, rows after it cannot be told")]
    MatchQuotes(u64),
}

impl ImportError {
    /// Returns the code under which the runbook explains it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadSource(_) => "RG-IMPORT-001",
            Self::FindHeader => "RG-IMPORT-002",
            Self::ReadHeader(_) => "RG-IMPORT-003",
            Self::FindColumn(_) => "RG-IMPORT-004",
            Self::RepeatColumn(_) => "RG-IMPORT-005",
            Self::CountRows => "RG-IMPORT-006",
            Self::MatchQuotes(_) => "RG-IMPORT-007",
        }
    }
}

/// What one row of a file came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportLine {
    /// A boleto and its contact, and the line of the file at which they begin.
    Row(u64, Box<ImportRow>),
    /// A row that was refused.
    Refused(Refusal),
}

/// A row that was refused; holds nothing of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line of the file at which the row begins, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub error: RowError,
    /// The column it is wrong with; nothing when it is the row as a whole.
    pub column: Option<Column>,
}

impl Refusal {
    /// Returns the stable name of what is wrong.
    pub const fn code(&self) -> &'static str {
        self.error.code()
    }

    /// Returns the column's name in the API.
    pub fn field(&self) -> Option<&'static str> {
        self.column.map(Column::name)
    }
}

/// The rows of a CSV file.
///
/// Blank rows are passed over. After an error there are no more rows.
pub struct BoletoCsv<R> {
    records: Records<Unmarked<R>>,
    separator: u8,
    header: Header,
    reference_on: NaiveDate,
    once: Once,
    rows: usize,
    has_failed: bool,
}

impl<R: Read> BoletoCsv<R> {
    /// Reads the header. `reference_on` decides which due date a line's factor means.
    ///
    /// # Errors
    /// [`ImportError`] when the file has no header that can be worked with.
    pub fn open(source: R, reference_on: NaiveDate) -> Result<Self, ImportError> {
        let mut records = Records::of(Unmarked::open(source)?);
        let separator = records.separator()?;
        let fields = match records.next(separator)? {
            None => return Err(ImportError::FindHeader),
            Some((_, Err(error))) => return Err(ImportError::ReadHeader(error)),
            Some((_, Ok(fields))) => text::decoded(fields),
        };
        Ok(Self {
            records,
            separator,
            header: Header::read(&fields)?,
            reference_on,
            once: Once::default(),
            rows: 0,
            has_failed: false,
        })
    }

    /// Reads on to the next row that is not blank.
    fn next_line(&mut self) -> Result<Option<ImportLine>, ImportError> {
        while let Some((line, record)) = self.records.next(self.separator)? {
            let read = record
                .map(text::decoded)
                .map_err(|error| (error.into(), None));
            let read = read.map(|fields| self.read_row(&fields)).transpose();
            let Some(read) = read else { continue };
            self.rows += 1;
            if self.rows > ROWS_MAX {
                return Err(ImportError::CountRows);
            }
            let read = read
                .and_then(|row| row)
                .and_then(|row| self.once.check(row));
            return Ok(Some(match read {
                Ok(row) => ImportLine::Row(line, Box::new(row)),
                Err((error, column)) => ImportLine::Refused(Refusal {
                    line,
                    error,
                    column,
                }),
            }));
        }
        Ok(None)
    }

    /// Checks the fields of a row; nothing when it is blank, as the rows below a spreadsheet's
    /// table are.
    fn read_row(&self, fields: &[String]) -> Option<Result<ImportRow, Located>> {
        let is_blank = |fields: &[String]| fields.iter().all(|field| field.trim().is_empty());
        if is_blank(fields) {
            return None;
        }
        let surplus = fields.get(self.header.width()..).unwrap_or_default();
        if !is_blank(surplus) {
            return Some(Err((RowError::MatchHeader, None)));
        }
        Some(self.header.row(fields).read(self.reference_on))
    }
}

impl<R: Read> Iterator for BoletoCsv<R> {
    type Item = Result<ImportLine, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let line = self.next_line().transpose();
        self.has_failed = matches!(line, Some(Err(_)));
        line
    }
}

#[cfg(test)]
mod tests;
