//! Finds the end of a record that is too large to be kept, byte by byte and without a memory.
//!
//! A line break within quotes is no end: who controls one long field could otherwise put rows of
//! their own behind it.

/// The most bytes of a record whose quotes are still open; beyond it nobody knows where a row is.
pub(super) const QUOTED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What some more bytes led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The record ends after so many of these bytes.
    Ended(usize),
    /// The record goes on.
    GoesOn,
    /// The quotes do not match, or not within [`QUOTED_BYTES_MAX`].
    Lost,
}

/// A walk to the end of a record, from its beginning.
pub(super) struct Skip {
    separator: u8,
    place: Place,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote within quotes: it closes, or is the first of two that mean one.
    Quote,
    /// After a carriage return behind a closing quote.
    Return,
    RecordEnd,
    Mismatch,
}

impl Skip {
    pub(super) const fn of(separator: u8) -> Self {
        Self {
            separator,
            place: Place::FieldStart,
            bytes: 0,
        }
    }

    /// Walks over the next bytes.
    pub(super) fn walk(&mut self, bytes: &[u8]) -> Progress {
        for (index, byte) in bytes.iter().enumerate() {
            self.place = self.after(*byte);
            self.bytes = self.bytes.saturating_add(1);
            match self.place {
                Place::RecordEnd => return Progress::Ended(index + 1),
                Place::Mismatch => return Progress::Lost,
                Place::Quoted if self.bytes > QUOTED_BYTES_MAX => return Progress::Lost,
                _ => {}
            }
        }
        Progress::GoesOn
    }

    /// Tells whether a quote is still open, which at the end of a file nothing closes.
    pub(super) fn is_quoted(&self) -> bool {
        self.place == Place::Quoted
    }

    fn after(&self, byte: u8) -> Place {
        match (self.place, byte) {
            (Place::Quoted, b'"') => Place::Quote,
            (Place::Quoted, _) | (Place::FieldStart | Place::Quote, b'"') => Place::Quoted,
            (Place::Quote, b'\r') => Place::Return,
            (_, b'\n') => Place::RecordEnd,
            (Place::FieldStart | Place::Plain | Place::Quote, byte) if byte == self.separator => {
                Place::FieldStart
            }
            (Place::FieldStart | Place::Plain, _) => Place::Plain,
            (Place::Quote | Place::Return | Place::RecordEnd | Place::Mismatch, _) => {
                Place::Mismatch
            }
        }
    }
}
