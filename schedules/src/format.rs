//! Amounts and dates as people in Brazil write them.

use chrono::NaiveDate;

/// Writes an amount of centavos as `R$ 1.234,56`.
///
/// # Example
/// ```
/// assert_eq!(schedules::format::format_amount(123_456), "R$ 1.234,56");
/// ```
pub fn format_amount(centavos: i64) -> String {
    let sign = if centavos < 0 { "-" } else { "" };
    let (reais, cents) = (centavos.unsigned_abs() / 100, centavos.unsigned_abs() % 100);
    format!("{sign}R$ {},{cents:02}", grouped(reais))
}

/// Writes a date as `31/12/2026`.
pub fn format_date(on: NaiveDate) -> String {
    on.format("%d/%m/%Y").to_string()
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
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
    }
}
