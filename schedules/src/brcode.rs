//! The text behind a Pix QR code ("copia e cola"): fields, amount, and its checksum.
//!
//! Knows the BR Code alone (BCB Manual de Padrões v2.2, EMV QRCPS-MPM); fetches no URL and does
//! not tell whether a key exists.

mod crc;
mod tlv;

#[cfg(test)]
pub(crate) use crc::crc16;

use std::fmt;

use tlv::Fields;

/// The most bytes that a code may have, blanks around it included (EMV QRCPS-MPM).
pub const CODE_BYTES_MAX: usize = 512;

const PIX: &str = "br.gov.bcb.pix";
const NAME_CHARS_MAX: usize = 25;
const CITY_CHARS_MAX: usize = 15;
const TXID_CHARS_MAX: usize = 25;
const NO_TXID: &str = "***";
const CHECKSUM_FIELD: u8 = 63;

/// A text that is no Pix BR Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrCodeError {
    /// More than [`CODE_BYTES_MAX`] bytes.
    #[error("the code is too long")]
    MeasureCode,
    /// A control character, or no character at all.
    #[error("the code is empty or has control characters")]
    ReadCharacter,
    /// The checksum field 63 does not close the text.
    #[error("the code does not end with its checksum")]
    FindChecksum,
    /// The checksum is not that of the text.
    #[error("the checksum of the code is wrong")]
    CheckSum,
    /// A field whose number or length is not two digits, or that is cut off.
    #[error("a field of the code is malformed")]
    ReadField,
    /// A field that comes twice.
    #[error("field {0:02} of the code comes twice")]
    RepeatField(u8),
    /// A field that every Pix code has, missing or with another value than the one allowed.
    #[error("field {0:02} of the code is missing or wrong")]
    RequireField(u8),
    /// No field 26 to 51 is Pix's, or it names neither key nor URL nor recurrence.
    #[error("the code is not one of pix")]
    FindPix,
    /// Both a key and a URL.
    #[error("the code names both a key and a url")]
    ChooseTarget,
    /// An amount that is no number of reais with at most two decimals.
    #[error("the amount of the code is malformed")]
    ReadAmount,
    /// A transaction id beyond 25 letters, digits and hyphens.
    #[error("the transaction id of the code is malformed")]
    ReadTxid,
}

impl BrCodeError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MeasureCode => "brcode_length",
            Self::ReadCharacter => "brcode_character",
            Self::FindChecksum => "brcode_no_checksum",
            Self::CheckSum => "brcode_checksum",
            Self::ReadField => "brcode_field",
            Self::RepeatField(_) => "brcode_repeated_field",
            Self::RequireField(_) => "brcode_required_field",
            Self::FindPix => "brcode_not_pix",
            Self::ChooseTarget => "brcode_target",
            Self::ReadAmount => "brcode_amount",
            Self::ReadTxid => "brcode_txid",
        }
    }
}

/// Where the payer's bank finds what is to be paid.
#[derive(Clone, PartialEq, Eq)]
pub enum PixTarget {
    /// A static code: the key of the receiver, which can be personal data.
    Key(String),
    /// A dynamic code: the URL of the charge, mostly without its scheme.
    Url(String),
    /// Nothing to be paid now: only a recurrence to be agreed to (Pix Automático).
    Recurrence,
}

/// A Pix BR Code whose checksum held.
///
/// Its `Debug` text shows neither key, URL nor names.
#[derive(Clone, PartialEq, Eq)]
pub struct BrCode {
    /// The code, without the blanks around it.
    pub code: String,
    /// Key or URL.
    pub target: PixTarget,
    /// The URL of a recurrence (Pix Automático).
    pub recurrence_url: Option<String>,
    /// Whether the code can be paid once only (field 01 is 12).
    pub single_use: bool,
    /// The amount in centavos; nothing when the payer chooses or the URL says it.
    pub amount_centavos: Option<i64>,
    /// The transaction id; nothing when the code has `***`.
    pub txid: Option<String>,
    /// The receiver's name.
    pub merchant_name: String,
    /// The receiver's city.
    pub merchant_city: String,
}

impl BrCode {
    /// Reads a code; blanks around it are dropped.
    ///
    /// Lengths count characters, not bytes, as the published codes with accents do.
    ///
    /// # Errors
    /// The first [`BrCodeError`] found: size, checksum, structure, then the single fields.
    pub fn parse(text: &str) -> Result<Self, BrCodeError> {
        if text.len() > CODE_BYTES_MAX {
            return Err(BrCodeError::MeasureCode);
        }
        let code = text.trim_matches(' ');
        if code.is_empty() || code.chars().any(char::is_control) {
            return Err(BrCodeError::ReadCharacter);
        }
        crc::check(code)?;
        let fields = Fields::read(code)?;
        // Within another field it would be a text that looks like one.
        if fields.last() != Some(CHECKSUM_FIELD) {
            return Err(BrCodeError::FindChecksum);
        }
        require_constants(&fields)?;
        let recurrence_url = recurrence_url(&fields)?;
        Ok(Self {
            code: code.to_owned(),
            target: target(&fields, recurrence_url.is_some())?,
            recurrence_url,
            single_use: fields.get(1) == Some("12"),
            amount_centavos: fields.get(54).map(centavos).transpose()?.filter(|a| *a > 0),
            txid: txid(&fields)?,
            merchant_name: bounded(&fields, 59, NAME_CHARS_MAX)?,
            merchant_city: bounded(&fields, 60, CITY_CHARS_MAX)?,
        })
    }
}

impl fmt::Debug for BrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrCode")
            .field("target", &self.target)
            .field("single_use", &self.single_use)
            .field("amount_centavos", &self.amount_centavos)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PixTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(***)",
            Self::Url(_) => "Url(***)",
            Self::Recurrence => "Recurrence",
        })
    }
}

fn require_constants(fields: &Fields<'_>) -> Result<(), BrCodeError> {
    for (number, value) in [(0, "01"), (53, "986"), (58, "BR")] {
        if fields.get(number) != Some(value) {
            return Err(BrCodeError::RequireField(number));
        }
    }
    Ok(())
}

fn target(fields: &Fields<'_>, recurs: bool) -> Result<PixTarget, BrCodeError> {
    let pix = pix_template(fields, 26..=51)?.ok_or(BrCodeError::FindPix)?;
    match (pix.filled(1), pix.filled(25)) {
        (Some(_), Some(_)) => Err(BrCodeError::ChooseTarget),
        (Some(key), None) => Ok(PixTarget::Key(key.to_owned())),
        (None, Some(url)) => Ok(PixTarget::Url(url.to_owned())),
        (None, None) if recurs => Ok(PixTarget::Recurrence),
        (None, None) => Err(BrCodeError::FindPix),
    }
}

fn recurrence_url(fields: &Fields<'_>) -> Result<Option<String>, BrCodeError> {
    let template = pix_template(fields, 80..=99)?;
    Ok(template.and_then(|pix| pix.filled(25).map(str::to_owned)))
}

/// Returns the fields within the one template of a range that is Pix's; others are not read.
fn pix_template<'a>(
    fields: &Fields<'a>,
    numbers: std::ops::RangeInclusive<u8>,
) -> Result<Option<Fields<'a>>, BrCodeError> {
    let mut found = None;
    for number in numbers {
        let Some(template) = fields.get(number).filter(|text| is_pix(text)) else {
            continue;
        };
        if found.replace(Fields::read(template)?).is_some() {
            return Err(BrCodeError::RepeatField(number));
        }
    }
    Ok(found)
}

/// Tells whether a template begins with the name of Pix, in any case.
fn is_pix(template: &str) -> bool {
    let name = template
        .strip_prefix("0014")
        .and_then(|rest| rest.get(..PIX.len()));
    name.is_some_and(|name| name.eq_ignore_ascii_case(PIX))
}

fn txid(fields: &Fields<'_>) -> Result<Option<String>, BrCodeError> {
    let Some(additional) = fields.get(62) else {
        return Ok(None);
    };
    let additional = Fields::read(additional)?;
    let Some(txid) = additional.get(5).filter(|txid| *txid != NO_TXID) else {
        return Ok(None);
    };
    // The manual's own example has a hyphen.
    let is_valid = (1..=TXID_CHARS_MAX).contains(&txid.len())
        && txid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_valid
        .then(|| Some(txid.to_owned()))
        .ok_or(BrCodeError::ReadTxid)
}

fn bounded(fields: &Fields<'_>, number: u8, chars_max: usize) -> Result<String, BrCodeError> {
    fields
        .filled(number)
        .filter(|text| text.chars().count() <= chars_max)
        .map(str::to_owned)
        .ok_or(BrCodeError::RequireField(number))
}

/// Reads reais with a dot and at most two decimals ("10", "10.", "0.9", "123.45") as centavos.
fn centavos(text: &str) -> Result<i64, BrCodeError> {
    const REAIS_DIGITS_MAX: usize = 10;
    let (reais, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = (1..=REAIS_DIGITS_MAX).contains(&reais.len())
        && decimals.len() <= 2
        && reais
            .bytes()
            .chain(decimals.bytes())
            .all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| format!("{reais}{decimals:0<2}"))
        .and_then(|digits| digits.parse().ok())
        .ok_or(BrCodeError::ReadAmount)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a code with the right checksum around the given fields.
    fn code(fields: &[(u8, &str)]) -> String {
        let mut text = String::new();
        for (number, value) in fields {
            text += &format!("{number:02}{:02}{value}", value.chars().count());
        }
        text += "6304";
        format!("{text}{:04X}", crc::crc16(text.as_bytes()))
    }

    const FIXED: [(u8, &str); 6] = [
        (0, "01"),
        (26, "0014br.gov.bcb.pix0103a@b"),
        (53, "986"),
        (58, "BR"),
        (59, "Fulano"),
        (60, "BELEM"),
    ];

    fn with(number: u8, value: &str) -> Result<BrCode, BrCodeError> {
        let mut fields: Vec<_> = FIXED
            .iter()
            .copied()
            .filter(|(n, _)| *n != number)
            .collect();
        fields.push((number, value));
        fields.sort_unstable();
        BrCode::parse(&code(&fields))
    }

    #[test]
    fn a_missing_field_is_named() {
        for missing in [0, 53, 58, 59, 60] {
            let fields: Vec<_> = FIXED.into_iter().filter(|(n, _)| *n != missing).collect();
            let expected = Err(BrCodeError::RequireField(missing));
            assert_eq!(BrCode::parse(&code(&fields)), expected);
        }
        assert_eq!(
            BrCode::parse(&code(&FIXED)).map(|c| c.target),
            Ok(PixTarget::Key("a@b".to_owned()))
        );
    }

    #[test]
    fn a_checksum_within_another_field_closes_nothing() {
        let hidden = "00020126250014br.gov.bcb.pix0103a@b53039865802BR5906Fulano\
                      6013BELEM6304B9A6";
        assert_eq!(BrCode::parse(hidden), Err(BrCodeError::FindChecksum));
    }

    #[test]
    fn an_amount_is_read_to_the_centavo_or_refused() {
        for (text, expected) in [
            ("0.01", Ok(Some(1))),
            ("10", Ok(Some(1_000))),
            ("0.00", Ok(None)),
            ("9999999999.99", Ok(Some(999_999_999_999))),
            ("99999999999", Err(BrCodeError::ReadAmount)),
            ("1.234", Err(BrCodeError::ReadAmount)),
            ("1,23", Err(BrCodeError::ReadAmount)),
            ("-1.00", Err(BrCodeError::ReadAmount)),
            ("+1", Err(BrCodeError::ReadAmount)),
            (".50", Err(BrCodeError::ReadAmount)),
            ("١.00", Err(BrCodeError::ReadAmount)),
        ] {
            assert_eq!(
                with(54, text).map(|c| c.amount_centavos),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_template_of_pix_names_one_target() {
        for (template, expected) in [
            ("0014br.gov.bcb.pix", BrCodeError::FindPix),
            ("0014br.gov.bcb.spi0103a@b", BrCodeError::FindPix),
            (
                "0014br.gov.bcb.pix0103a@b2503u/1",
                BrCodeError::ChooseTarget,
            ),
            ("0014br.gov.bcb.pix0103a@", BrCodeError::ReadField),
            (
                "0014br.gov.bcb.pix0103a@b0103c@d",
                BrCodeError::RepeatField(1),
            ),
        ] {
            assert_eq!(with(26, template), Err(expected), "{template}");
        }
        let second = with(27, "0014BR.GOV.BCB.PIX0103c@d");
        assert_eq!(second, Err(BrCodeError::RepeatField(27)));
    }

    #[test]
    fn the_debug_text_of_a_code_shows_no_key_and_no_name() {
        let debug = format!("{:?}", BrCode::parse(&code(&FIXED)).expect("a code"));
        assert!(
            !debug.contains("a@b") && !debug.contains("Fulano"),
            "{debug}"
        );
    }
}
