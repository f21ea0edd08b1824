//! One row: a boleto and whom to remind of it, every field checked, and all against each other.

use std::fmt;

use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::boleto::{self, Disagreement, ParsedBoleto};
use schedules::brcode::{BrCode, BrCodeError};
use schedules::characters::{is_invisible, is_plain_text};
use schedules::contact::{EmailAddress, EmailError};
use schedules::digitable_line::DigitableLineError;
use schedules::link::{LinkError, check_link, holds_link};
use schedules::phone::{Phone, PhoneError};
use schedules::reference::{Reference, ReferenceError};

use super::amount::{self, AmountError};
use super::date::{self, DateError};
use super::header::{COLUMN_NAMES, Column};
use super::records::RecordError;

/// The longest name.
pub const NAME_CHARS_MAX: usize = 120;
/// The most zones that a contact may be in.
pub const ZONES_MAX: usize = 4;

/// A boleto and its contact, as one row of a file states them; its `Debug` text shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// The tenant's own name of the boleto; once in a file.
    pub reference: String,
    /// The amount, stated or from the line.
    pub amount_centavos: i64,
    /// The due date, stated or from the line.
    pub due_on: NaiveDate,
    /// The 47 or 48 digits.
    pub digitable_line: Option<String>,
    /// The Pix code.
    pub pix_code: Option<String>,
    /// Where it can be paid, always over https.
    pub payment_link: Option<String>,
    /// Whom to remind.
    pub contact: ImportContact,
}

/// Whom to remind; at least one of phone and e-mail is there.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportContact {
    /// The name.
    pub name: String,
    /// The telephone number.
    pub phone: Option<Phone>,
    /// The e-mail address.
    pub email: Option<EmailAddress>,
    /// The zones it may be in: stated, or those of the area code; empty when nothing tells.
    pub zones: Vec<Tz>,
}

impl fmt::Debug for ImportRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportRow").finish_non_exhaustive()
    }
}

impl fmt::Debug for ImportContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportContact")
            .field("phone", &self.phone)
            .field("email", &self.email)
            .field("zones", &self.zones)
            .finish_non_exhaustive()
    }
}

/// Why a row was refused. No text repeats what the row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The line is no row.
    #[error(transparent)]
    CutRow(#[from] RecordError),
    /// Something stands beyond the last column.
    #[error("the row has more fields than the header")]
    MatchHeader,
    /// A value that is needed is missing.
    #[error("a value is missing")]
    FindValue,
    /// A control character, NUL among them, one that turns the direction of text, or, where a
    /// text must copy unchanged, one that is not seen.
    #[error("the text has control or invisible characters")]
    ReadControl,
    /// Bytes that are no text.
    #[error("the text is damaged")]
    DecodeText,
    /// More characters than the column allows.
    #[error("the text is too long")]
    MeasureText,
    /// A reference that an earlier row has.
    #[error("the reference comes twice in the file")]
    RepeatReference,
    /// Neither telephone number nor e-mail address.
    #[error("the contact cannot be reached: no phone and no e-mail")]
    FindContactPoint,
    /// A zone that does not exist, or too many of them.
    #[error("the time zone does not exist")]
    FindZone,
    /// A link in a text that people read as a name: no message may carry it.
    #[error("the text holds a link")]
    FindLink,
    /// A link that is not a plain https address.
    #[error("the link is not a plain https address")]
    ReadLink,
    /// A Pix code over another amount.
    #[error("the pix code is over another amount than stated")]
    ComparePixAmount,
    /// See [`AmountError`].
    #[error(transparent)]
    ReadAmount(#[from] AmountError),
    /// See [`DateError`].
    #[error(transparent)]
    ReadDueOn(#[from] DateError),
    /// See [`DigitableLineError`].
    #[error(transparent)]
    ReadLine(#[from] DigitableLineError),
    /// See [`Disagreement`].
    #[error(transparent)]
    CompareLine(#[from] Disagreement),
    /// See [`BrCodeError`].
    #[error(transparent)]
    ReadPixCode(#[from] BrCodeError),
    /// See [`PhoneError`].
    #[error(transparent)]
    ReadPhone(#[from] PhoneError),
    /// See [`EmailError`].
    #[error(transparent)]
    ReadEmail(#[from] EmailError),
}

impl From<ReferenceError> for RowError {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::FindText => Self::FindValue,
            ReferenceError::MeasureText => Self::MeasureText,
            ReferenceError::ReadCharacter => Self::ReadControl,
        }
    }
}

impl RowError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CutRow(RecordError::MeasureRow) => "row_too_long",
            Self::CutRow(RecordError::CountFields) | Self::MatchHeader => "row_fields",
            Self::CutRow(RecordError::MatchQuotes) => "row_quotes",
            Self::FindValue => "value_missing",
            Self::ReadControl => "text_control_character",
            Self::DecodeText => "text_damaged",
            Self::MeasureText => "text_too_long",
            Self::RepeatReference => "reference_repeated",
            Self::FindContactPoint => "contact_point_missing",
            Self::FindZone => "zone_unknown",
            Self::FindLink => "text_link",
            Self::ReadLink => "link_malformed",
            Self::ComparePixAmount => "pix_amount_differs",
            Self::ReadAmount(error) => error.code(),
            Self::ReadDueOn(error) => error.code(),
            Self::ReadLine(error) => error.code(),
            Self::CompareLine(error) => error.code(),
            Self::ReadPixCode(error) => error.code(),
            Self::ReadPhone(error) => error.code(),
            Self::ReadEmail(error) => error.code(),
        }
    }
}

/// What is wrong, and with which column if it is one.
pub(in crate::imports) type Located = (RowError, Option<Column>);

/// What one row says, a text a column, before any of it is checked.
///
/// A file's rows and the items of a request in JSON are read by it alike.
#[derive(Default)]
pub(in crate::imports) struct Row<'a> {
    /// In the order of the columns; empty where nothing is said.
    texts: [&'a str; COLUMN_NAMES.len()],
}

impl<'a> Row<'a> {
    /// Puts in what a column says; blanks around it do not count.
    pub(in crate::imports) fn put(&mut self, column: Column, text: &'a str) {
        self.texts[column as usize] = text.trim();
    }

    /// Checks the row. `reference_on` decides what the line's due-date factor means.
    pub(in crate::imports) fn read(&self, reference_on: NaiveDate) -> Result<ImportRow, Located> {
        let reference = self.reference()?;
        let slip = self.parsed(Column::DigitableLine, |text| {
            boleto::parse(whole(text)?, reference_on).map_err(RowError::from)
        })?;
        let amount_centavos = self.amount(slip.as_ref())?;
        let due_on = self.due_on(slip.as_ref())?;
        if let Some(slip) = &slip {
            boleto::check_agreement(slip, amount_centavos, due_on)
                .map_err(|error| (error.into(), Some(Column::DigitableLine)))?;
        }
        Ok(ImportRow {
            reference,
            amount_centavos,
            due_on,
            digitable_line: slip.map(|slip| slip.digitable_line),
            pix_code: self.pix_code(amount_centavos)?,
            payment_link: self.parsed(Column::PaymentLink, read_link)?,
            contact: self.contact()?,
        })
    }

    /// Returns the reference in its one spelling.
    fn reference(&self) -> Result<String, Located> {
        let text = self.needed(Column::Reference)?;
        let reference =
            Reference::parse(text).map_err(|error| (error.into(), Some(Column::Reference)))?;
        Ok(reference.into())
    }

    /// Returns the contact's name, which must show something.
    pub(in crate::imports) fn name(&self) -> Result<String, Located> {
        let text = self.needed(Column::Name)?;
        if text.chars().count() > NAME_CHARS_MAX {
            return Err((RowError::MeasureText, Some(Column::Name)));
        }
        // Telephone numbers are copied with such marks around them, and read without.
        if text.chars().any(bends_text) {
            return Err((RowError::ReadControl, Some(Column::Name)));
        }
        if text.chars().all(|c| is_invisible(c) || c.is_whitespace()) {
            return Err((RowError::FindValue, Some(Column::Name)));
        }
        Ok(text.to_owned())
    }

    /// Returns the amount that is stated, or else the line's.
    fn amount(&self, slip: Option<&ParsedBoleto>) -> Result<i64, Located> {
        let read = |text: &str| amount::parse(text).map_err(RowError::from);
        self.parsed(Column::Amount, read)?
            .or(slip.and_then(|slip| slip.amount_centavos))
            .ok_or((RowError::FindValue, Some(Column::Amount)))
    }

    /// Returns the due date that is stated, or else the line's.
    fn due_on(&self, slip: Option<&ParsedBoleto>) -> Result<NaiveDate, Located> {
        let read = |text: &str| date::parse(text).map_err(RowError::from);
        self.parsed(Column::DueOn, read)?
            .or(slip.and_then(|slip| slip.due_on))
            .ok_or((RowError::FindValue, Some(Column::DueOn)))
    }

    fn pix_code(&self, amount_centavos: i64) -> Result<Option<String>, Located> {
        self.parsed(Column::PixCode, |text| {
            let text = whole(text)?;
            let code = BrCode::parse(text)?;
            match code.amount_centavos {
                Some(other) if other != amount_centavos => Err(RowError::ComparePixAmount),
                _ => Ok(code.code),
            }
        })
    }

    /// Checks the columns of the contact alone.
    pub(in crate::imports) fn contact(&self) -> Result<ImportContact, Located> {
        let name = self.name()?;
        let (phone, email) = (self.phone()?, self.email()?);
        if phone.is_none() && email.is_none() {
            return Err((RowError::FindContactPoint, None));
        }
        let zones = self.zones()?.unwrap_or_else(|| {
            phone
                .as_ref()
                .map(|phone| phone.area_code().zones().to_vec())
                .unwrap_or_default()
        });
        Ok(ImportContact {
            name,
            phone,
            email,
            zones,
        })
    }

    pub(in crate::imports) fn phone(&self) -> Result<Option<Phone>, Located> {
        self.parsed(Column::Phone, |text| {
            Phone::parse(text).map_err(RowError::from)
        })
    }

    pub(in crate::imports) fn email(&self) -> Result<Option<EmailAddress>, Located> {
        self.parsed(Column::Email, |text| {
            EmailAddress::parse(text).map_err(RowError::from)
        })
    }

    pub(in crate::imports) fn zones(&self) -> Result<Option<Vec<Tz>>, Located> {
        self.parsed(Column::Zones, read_zones)
    }

    /// Returns a text that must be there and hold no link.
    fn needed(&self, column: Column) -> Result<&str, Located> {
        let text = self
            .text(column)?
            .ok_or((RowError::FindValue, Some(column)))?;
        // As it will be rendered: without what is not seen.
        let seen: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        if holds_link(&seen) {
            return Err((RowError::FindLink, Some(column)));
        }
        Ok(text)
    }

    fn parsed<T>(
        &self,
        column: Column,
        read: impl FnOnce(&str) -> Result<T, RowError>,
    ) -> Result<Option<T>, Located> {
        let text = self.text(column)?;
        text.map(read)
            .transpose()
            .map_err(|error| (error, Some(column)))
    }

    /// Returns the text of a column; nothing when it is empty.
    fn text(&self, column: Column) -> Result<Option<&str>, Located> {
        let text = self.texts[column as usize];
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err((RowError::DecodeText, Some(column)));
        }
        if text.chars().any(char::is_control) {
            return Err((RowError::ReadControl, Some(column)));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

/// Tells whether a character turns the direction of a text or breaks its line: with one of them a
/// name can rewrite the message around it.
fn bends_text(character: char) -> bool {
    matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Reads zones such as `America/Manaus`, separated by blanks or bars.
fn read_zones(text: &str) -> Result<Vec<Tz>, RowError> {
    let names = text.split([' ', '|']).filter(|name| !name.is_empty());
    let zones: Vec<Tz> = names
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| RowError::FindZone)?;
    // Separators alone name no zone, and would stand for that of the area code.
    if !(1..=ZONES_MAX).contains(&zones.len()) {
        return Err(RowError::FindZone);
    }
    Ok(zones)
}

/// Passes a text on that reaches the payer as it stands, or not at all.
fn whole(text: &str) -> Result<&str, RowError> {
    is_plain_text(text)
        .then_some(text)
        .ok_or(RowError::ReadControl)
}

/// Reads a link by the rule that it is sent by.
fn read_link(text: &str) -> Result<String, RowError> {
    check_link(text).map_err(|error| match error {
        LinkError::MeasureLink => RowError::MeasureText,
        _ => RowError::ReadLink,
    })?;
    Ok(text.to_owned())
}
