//! Cuts bytes into records of fields, in bounded memory, and goes on after a bad one.
//!
//! A stray quote must not swallow the good rows after it. So quoting is read strictly, and where
//! a quote is not properly closed only its line is given up: reading goes on with the next line.
//! That takes a look back, which is why the cutting is done here and not by a library. A record
//! that is merely too large is given up as a whole, to the end of its quotes.

use std::io::{self, Read};

use super::ImportError;
use super::skip::{Progress, Skip};

/// The longest record, line breaks within quotes included.
pub(super) const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The most lines of a record that are looked at before its quotes are believed. Without it a
/// stray quote would cost a look at 64 KiB on each of the lines after it.
const RECORD_LINES_MAX: usize = 32;

/// The most fields of a record.
const FIELDS_MAX: usize = 64;

/// So much is read at once: a few records, so that little of it is moved to the front again.
const BUFFER_BYTES: usize = 4 * RECORD_BYTES_MAX;

/// A line that is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More than 64 KiB, or more than 32 lines within quotes.
    #[error("the row is too long")]
    MeasureRow,
    /// More than 64 fields.
    #[error("the row has too many fields")]
    CountFields,
    /// A quote that nothing closes, or text right after a closing one.
    #[error("the quotes of the row do not match")]
    MatchQuotes,
}

/// The fields of a record, as bytes without their quotes.
pub(super) type Fields = Vec<Vec<u8>>;

/// The line at which a record begins, and its fields.
type Cut = (u64, Result<Fields, RecordError>);

/// The records of a source.
pub(super) struct Records<R> {
    source: R,
    buffer: Vec<u8>,
    /// How much of the buffer has been handed out.
    taken: usize,
    source_ended: bool,
    /// The line at which the next record begins, counted from 1.
    line: u64,
}

impl<R: Read> Records<R> {
    pub(super) fn of(source: R) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            taken: 0,
            source_ended: false,
            line: 1,
        }
    }

    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns the character that separates the fields of the first line: the most frequent.
    pub(super) fn separator(&mut self) -> io::Result<u8> {
        self.fill()?;
        let ahead = self.ahead();
        let end = ahead
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(ahead.len());
        let count = |separator: u8| {
            ahead[..end]
                .iter()
                .filter(|byte| **byte == separator)
                .count()
        };
        // The last of equals wins.
        Ok([b'\t', b',', b';']
            .into_iter()
            .max_by_key(|byte| count(*byte))
            .unwrap_or(b';'))
    }

    /// Returns the next record and the line at which it begins; nothing at the end.
    ///
    /// Fails where the source does, and where a record that is too large has quotes that do not
    /// match: the rows after it cannot be told from its text.
    pub(super) fn next(&mut self, separator: u8) -> Result<Option<Cut>, ImportError> {
        self.fill()?;
        if self.ahead().is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let scanned = Scan::of(self.ahead(), separator).record();
        match scanned {
            Ok((fields, length)) => {
                self.take(length);
                Ok(Some((line, Ok(fields))))
            }
            Err(Flaw::Limit(error)) => {
                self.skip_record(separator)?;
                Ok(Some((line, Err(error))))
            }
            Err(Flaw::StrayQuote { at }) => {
                self.take(at);
                self.skip_line()?;
                Ok(Some((line, Err(RecordError::MatchQuotes))))
            }
        }
    }

    /// Reads until more than a record is buffered, or everything.
    fn fill(&mut self) -> io::Result<()> {
        // One more than a scan may reach, so that it sees what follows the last byte.
        if self.ahead().len() > RECORD_BYTES_MAX + 1 || self.source_ended {
            return Ok(());
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let missing = (BUFFER_BYTES - self.buffer.len()) as u64;
        let read = self
            .source
            .by_ref()
            .take(missing)
            .read_to_end(&mut self.buffer)?;
        self.source_ended = (read as u64) < missing;
        Ok(())
    }

    fn ahead(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    fn take(&mut self, length: usize) {
        let lines = self.ahead()[..length]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        self.line += lines as u64;
        self.taken += length;
    }

    /// Drops the record that begins here, however far its end is.
    fn skip_record(&mut self, separator: u8) -> Result<(), ImportError> {
        let line = self.line;
        let mut skip = Skip::of(separator);
        loop {
            match skip.walk(self.ahead()) {
                Progress::Ended(length) => {
                    self.take(length);
                    return Ok(());
                }
                Progress::Lost => return Err(ImportError::MatchQuotes(line)),
                Progress::GoesOn => self.take(self.ahead().len()),
            }
            if self.source_ended && skip.is_quoted() {
                return Err(ImportError::MatchQuotes(line));
            }
            if self.source_ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Drops bytes up to the next line break, however far it is.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = self.ahead().iter().position(|byte| *byte == b'\n') {
                self.take(at + 1);
                return Ok(());
            }
            self.taken = self.buffer.len();
            if self.source_ended {
                return Ok(());
            }
            self.fill()?;
        }
    }
}

/// Why a scan ended, which decides where reading goes on.
enum Flaw {
    /// The record is too large; its quotes still say where it ends.
    Limit(RecordError),
    /// The quote of the field that begins at `at` is not properly closed. The fields before it
    /// are, so that reading does not go on within them.
    StrayQuote { at: usize },
}

/// A look at one record.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    separator: u8,
    lines: usize,
    /// Where the field begins that is looked at.
    field_at: usize,
}

impl<'a> Scan<'a> {
    fn of(bytes: &'a [u8], separator: u8) -> Self {
        Self {
            bytes,
            at: 0,
            separator,
            lines: 1,
            field_at: 0,
        }
    }

    /// Returns the fields of the record and its length.
    fn record(mut self) -> Result<(Fields, usize), Flaw> {
        let mut fields = Fields::new();
        loop {
            if fields.len() == FIELDS_MAX {
                return Err(Flaw::Limit(RecordError::CountFields));
            }
            self.field_at = self.at;
            let field = match self.peek() {
                Some(b'"') => self.quoted()?,
                _ => self.plain(),
            };
            fields.push(field);
            let ended = self.is_at_line_break();
            if self.at > RECORD_BYTES_MAX {
                return Err(Flaw::Limit(RecordError::MeasureRow));
            }
            match self.peek() {
                Some(byte) if byte == self.separator => self.at += 1,
                _ if ended => return Ok((fields, self.after_line_break())),
                _ => return Err(self.stray_quote()),
            }
        }
    }

    const fn stray_quote(&self) -> Flaw {
        Flaw::StrayQuote { at: self.field_at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn is_at_line_break(&self) -> bool {
        matches!(
            &self.bytes[self.at..],
            [] | [b'\n', ..] | [b'\r', b'\n', ..] | [b'\r']
        )
    }

    fn after_line_break(&self) -> usize {
        let rest = &self.bytes[self.at..];
        self.at
            + rest
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(rest.len(), |at| at + 1)
    }

    /// Reads up to the separator or the line break; quotes within are text.
    fn plain(&mut self) -> Vec<u8> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != self.separator) && !self.is_at_line_break() {
            self.at += 1;
        }
        self.bytes[start..self.at].to_vec()
    }

    /// Reads from one quote to the one that closes it; two of them are one within the text.
    fn quoted(&mut self) -> Result<Vec<u8>, Flaw> {
        let mut field = Vec::new();
        self.at += 1;
        loop {
            let byte = self.peek().ok_or_else(|| self.stray_quote())?;
            self.at += 1;
            match byte {
                b'"' if self.peek() == Some(b'"') => self.at += 1,
                b'"' => return Ok(field),
                b'\n' => self.lines += 1,
                _ => {}
            }
            if self.lines > RECORD_LINES_MAX || self.at > RECORD_BYTES_MAX {
                return Err(Flaw::Limit(RecordError::MeasureRow));
            }
            field.push(byte);
        }
    }
}
