//! Amounts and dates as people in Brazil write them.

use chrono::{Datelike, NaiveDate};

/// Writes an amount of centavos as `R$ 1.234,56`.
///
/// # Example
/// ```
/// assert_eq!(schedules::format::format_amount(123_456), "R$ 1.234,56");
/// ```
pub fn format_amount(centavos: i64) -> String {
    let (reais, cents) = (centavos.unsigned_abs() / 100, centavos.unsigned_abs() % 100);
    let mut text = String::with_capacity("-R$ 1.234.567,89".len());
    text.push_str(if centavos < 0 { "-R$ " } else { "R$ " });
    push_grouped(&mut text, reais);
    text.push(',');
    text.extend([cents / 10, cents].map(last_digit));
    text
}

/// Writes a date as `31/12/2026`.
pub fn format_date(on: NaiveDate) -> String {
    let Ok(year @ 0..=9_999) = u16::try_from(on.year()) else {
        return on.format("%d/%m/%Y").to_string();
    };
    // Written digit by digit: every message has a date.
    let (day, month, year) = (on.day().into(), on.month().into(), u64::from(year));
    let mut text = String::with_capacity("31/12/2026".len());
    text.extend([last_digit(day / 10), last_digit(day), '/']);
    text.extend([last_digit(month / 10), last_digit(month), '/']);
    text.extend([1_000, 100, 10, 1].map(|place| last_digit(year / place)));
    text
}

fn push_grouped(text: &mut String, number: u64) {
    let digits = number.to_string();
    // The first group has one to three digits.
    let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    text.push_str(first);
    for place in (0..rest.len()).step_by(3) {
        text.push('.');
        text.push_str(&rest[place..place + 3]);
    }
}

fn last_digit(number: u64) -> char {
    char::from(b'0' + (number % 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_by_points_and_split_by_a_comma() {
        for (centavos, text) in [
            (0, "R$ 0,00"),
            (5, "R$ 0,05"),
            (99_999, "R$ 999,99"),
            (123_456, "R$ 1.234,56"),
            (12_345_678_900, "R$ 123.456.789,00"),
            (-150, "-R$ 1,50"),
            (i64::MIN, "-R$ 92.233.720.368.547.758,08"),
        ] {
            assert_eq!(format_amount(centavos), text);
        }
    }

    #[test]
    fn dates_are_written_day_first() {
        let on = NaiveDate::from_ymd_opt(2026, 2, 1).expect("a date");
        assert_eq!(format_date(on), "01/02/2026");
        for (year, month, day) in [
            (0, 12, 31),
            (7, 1, 9),
            (9_999, 10, 10),
            (10_000, 1, 1),
            (-1, 1, 1),
        ] {
            let on = NaiveDate::from_ymd_opt(year, month, day).expect("a date");
            assert_eq!(format_date(on), on.format("%d/%m/%Y").to_string());
        }
    }
}
