//! Amounts as people write them, to the centavo: `1.234,56`, `1234.56`, `R$ 1.234,56`.

/// The largest amount, R$ 99,999,999.99: what the ten digits of a bank slip hold.
pub const AMOUNT_CENTAVOS_MAX: i64 = 9_999_999_999;

const TEXT_BYTES_MAX: usize = 40;

/// A text that is no amount of a boleto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Something else than digits, one decimal separator and groups of thousands.
    #[error("the amount is malformed")]
    ReadAmount,
    /// Three digits after the only separator: thousands or decimals.
    #[error("the amount can be read in two ways")]
    ChooseSeparator,
    /// Nothing or less.
    #[error("the amount is not above zero")]
    RequireAboveZero,
    /// More than [`AMOUNT_CENTAVOS_MAX`].
    #[error("the amount is too large")]
    MeasureAmount,
}

impl AmountError {
    /// Returns the stable name of the error, for the API and import reports.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReadAmount => "amount_malformed",
            Self::ChooseSeparator => "amount_ambiguous",
            Self::RequireAboveZero => "amount_not_positive",
            Self::MeasureAmount => "amount_too_large",
        }
    }
}

/// Reads an amount as centavos; no float is involved.
pub(super) fn parse(text: &str) -> Result<i64, AmountError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(AmountError::ReadAmount);
    }
    let number = text
        .strip_prefix("R$")
        .or(text.strip_prefix("r$"))
        .unwrap_or(text)
        .trim();
    if number.starts_with(['-', '(', '\u{2212}']) {
        return Err(AmountError::RequireAboveZero);
    }
    let (reais, decimals) = split(number)?;
    let digits = format!("{}{decimals:0<2}", ungrouped(reais)?);
    let significant = digits.trim_start_matches('0');
    match significant.parse() {
        Ok(centavos) if centavos <= AMOUNT_CENTAVOS_MAX => Ok(centavos),
        _ if significant.is_empty() => Err(AmountError::RequireAboveZero),
        _ => Err(AmountError::MeasureAmount),
    }
}

/// Splits a number at its decimal separator: the last separator, if it comes once only.
fn split(number: &str) -> Result<(&str, &str), AmountError> {
    let Some(at) = number.rfind([',', '.']) else {
        return Ok((number, ""));
    };
    let (reais, rest) = number.split_at(at);
    let (separator, decimals) = rest.split_at(1);
    let is_only = !reais.contains([',', '.']);
    match decimals.len() {
        1 | 2 if is_digits(decimals) && !reais.contains(separator) => Ok((reais, decimals)),
        3 if is_only && is_digits(decimals) => Err(AmountError::ChooseSeparator),
        // 1.234.567: groups only.
        3 if reais.contains(separator) => Ok((number, "")),
        _ => Err(AmountError::ReadAmount),
    }
}

/// Returns the digits of whole reais, whose thousands may be grouped by one kind of separator.
fn ungrouped(reais: &str) -> Result<String, AmountError> {
    let separator = reais.chars().find(|c| !c.is_ascii_digit()).unwrap_or('.');
    let mut groups = reais.split(separator);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let is_grouped = matches!(separator, ',' | '.')
        && is_digits(first)
        && rest
            .iter()
            .all(|group| group.len() == 3 && is_digits(group))
        && (rest.is_empty() || first.len() <= 3);
    is_grouped
        .then(|| format!("{first}{}", rest.concat()))
        .ok_or(AmountError::ReadAmount)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_to_the_centavo() {
        let cases = [
            ("1.234,56", 123_456),
            ("1234.56", 123_456),
            ("1,234.56", 123_456),
            ("R$ 1.234,56", 123_456),
            ("R$\u{a0}1.234,56", 123_456),
            ("1.234.567", 123_456_700),
            ("12.345.678,9", 1_234_567_890),
            ("150", 15_000),
            ("0,01", 1),
            ("007,5", 750),
            ("0,29", 29),
            ("99.999.999,99", AMOUNT_CENTAVOS_MAX),
        ];
        for (text, centavos) in cases {
            assert_eq!(parse(text), Ok(centavos), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_by_name() {
        use AmountError::{ChooseSeparator, MeasureAmount, ReadAmount, RequireAboveZero};
        let cases = [
            ("", ReadAmount),
            ("R$", ReadAmount),
            ("1e400", ReadAmount),
            ("1e2", ReadAmount),
            ("NaN", ReadAmount),
            ("inf", ReadAmount),
            ("+5", ReadAmount),
            ("1,2,3", ReadAmount),
            ("1.23.456,00", ReadAmount),
            ("1234.567,00", ReadAmount),
            ("1.234.56", ReadAmount),
            (",50", ReadAmount),
            ("5,", ReadAmount),
            ("5,1234", ReadAmount),
            ("1 234,56", ReadAmount),
            ("１２", ReadAmount),
            ("R$ R$ 5", ReadAmount),
            ("1.234", ChooseSeparator),
            ("1,234", ChooseSeparator),
            ("-5", RequireAboveZero),
            ("(5,00)", RequireAboveZero),
            ("R$ -5", RequireAboveZero),
            ("0", RequireAboveZero),
            ("0,00", RequireAboveZero),
            ("100.000.000,00", MeasureAmount),
            ("99999999999999999999999999999999999999", MeasureAmount),
            ("00000000000000000000000000000000000000000000", ReadAmount),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
