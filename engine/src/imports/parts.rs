//! Files and requests, cut into the parts in which the store takes them.
//!
//! A file is cut at the same lines whenever it is read, so that one that is sent again meets its
//! parts again.

use std::io::Read;

use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::time::Timestamp;

use super::csv::{BoletoCsv, ImportError, ImportLine, ImportRow};
use super::json::{BoletoItem, rows};
use crate::store::{ImportEnd, ImportName, ImportPart, NewBoleto, RefusedLine};

/// A part of a file or request, read and checked.
#[derive(Debug, Default)]
pub struct Part {
    /// The boletos.
    pub boletos: Vec<NewBoleto>,
    /// The line of each, counted from 1.
    pub lines: Vec<u64>,
    /// The other lines.
    pub refused: Vec<RefusedLine>,
    /// That nothing comes after it, and why.
    pub end: Option<ImportEnd>,
}

impl Part {
    /// Reads the next part of a file, of so many lines at the most, for a tenant that is `at_home`.
    ///
    /// # Errors
    /// [`ImportError::ReadSource`] when the source failed: what was read of the part is dropped,
    /// for it would be another one when the file is sent again.
    pub fn read<R: Read>(
        file: &mut BoletoCsv<R>,
        lines_max: usize,
        at_home: Tz,
    ) -> Result<Self, ImportError> {
        let mut part = Self::default();
        while part.boletos.len() + part.refused.len() < lines_max {
            match file.next() {
                None => {
                    part.end = Some(ImportEnd::Done);
                    break;
                }
                Some(Ok(ImportLine::Row(line, row))) => part.push(line, &row, at_home),
                Some(Ok(ImportLine::Refused(refusal))) => part.refused.push(RefusedLine {
                    line: refusal.line,
                    field: refusal.field().map(Into::into),
                    error: refusal.code().into(),
                }),
                Some(Err(error @ ImportError::ReadSource(_))) => return Err(error),
                Some(Err(error)) => {
                    part.end = Some(ImportEnd::BrokeOff(error.code()));
                    break;
                }
            }
        }
        Ok(part)
    }

    /// Checks the boletos of a request; their lines are their places in it, counted from 1.
    pub fn of_request(items: &[BoletoItem], read_on: NaiveDate, at_home: Tz) -> Self {
        let mut part = Self {
            end: Some(ImportEnd::Done),
            ..Self::default()
        };
        for (line, row) in (1..).zip(rows(items, read_on)) {
            match row {
                Ok(row) => part.push(line, &row, at_home),
                Err(refusal) => part.refused.push(RefusedLine {
                    line,
                    field: refusal.field.map(Into::into),
                    error: refusal.error.into(),
                }),
            }
        }
        part
    }

    fn push(&mut self, line: u64, row: &ImportRow, at_home: Tz) {
        self.lines.push(line);
        self.boletos.push(row.boleto(at_home));
    }

    /// Returns the part as the store takes it, and its boletos.
    pub fn of(
        self,
        job: ImportName,
        number: u32,
        read_on: NaiveDate,
        at: Timestamp,
    ) -> (ImportPart, Vec<NewBoleto>) {
        let part = ImportPart {
            of: job,
            number,
            read_on,
            lines: self.lines,
            refused: self.refused,
            end: self.end,
            at,
        };
        (part, self.boletos)
    }
}
