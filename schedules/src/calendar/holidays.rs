//! The national bank holidays of Brazil, by formula.
//!
//! Knows the law's fixed days and the days counted from Easter; knows no state, city or tenant.

use chrono::{Datelike, NaiveDate};

/// Returns the name of the national bank holiday on `on`.
///
/// Source: the list of ANBIMA 2000–2099, which the formula reproduces but for 2000-04-23, an
/// Easter Sunday; Res. CMN 4.880/2020 (Carnaval), Lei 14.759/2023 (20 November, from 2024).
pub fn national_holiday(on: NaiveDate) -> Option<&'static str> {
    fixed_holiday(on).or_else(|| moving_holiday(on))
}

fn fixed_holiday(on: NaiveDate) -> Option<&'static str> {
    match (on.month(), on.day()) {
        (1, 1) => Some("Confraternização Universal"),
        (4, 21) => Some("Tiradentes"),
        (5, 1) => Some("Dia do Trabalho"),
        (9, 7) => Some("Independência do Brasil"),
        (10, 12) => Some("Nossa Senhora Aparecida"),
        (11, 2) => Some("Finados"),
        (11, 15) => Some("Proclamação da República"),
        (11, 20) if on.year() >= 2024 => Some("Dia da Consciência Negra"),
        (12, 25) => Some("Natal"),
        _ => None,
    }
}

fn moving_holiday(on: NaiveDate) -> Option<&'static str> {
    // Carnaval falls on 2 February at the earliest, Corpus Christi on 24 June at the latest.
    if !(2..=6).contains(&on.month()) {
        return None;
    }
    let easter = easter_sunday(on.year())?;
    match on.signed_duration_since(easter).num_days() {
        -48 | -47 => Some("Carnaval"),
        -2 => Some("Sexta-feira Santa"),
        60 => Some("Corpus Christi"),
        _ => None,
    }
}

/// Returns Easter Sunday of a Gregorian year ("anonymous" algorithm, Nature, 1876).
pub fn easter_sunday(year: i32) -> Option<NaiveDate> {
    let golden = year.rem_euclid(19);
    let (century, of_century) = (year.div_euclid(100), year.rem_euclid(100));
    let leap_correction = century - century.div_euclid(4);
    let moon_correction = (century - (century + 8).div_euclid(25) + 1).div_euclid(3);
    let epact = (19 * golden + leap_correction - moon_correction + 15).rem_euclid(30);
    let weekday = (32 + 2 * century.rem_euclid(4) + 2 * (of_century / 4) - epact - of_century % 4)
        .rem_euclid(7);
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let days = epact + weekday - 7 * late + 114;
    NaiveDate::from_ymd_opt(
        year,
        u32::try_from(days / 31).ok()?,
        u32::try_from(days % 31 + 1).ok()?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_falls_on_the_published_sundays() {
        for (year, month, day) in [
            (1818, 3, 22),
            (1943, 4, 25),
            (2000, 4, 23),
            (2024, 3, 31),
            (2026, 4, 5),
            (2038, 4, 25),
            (2285, 3, 22),
        ] {
            assert_eq!(
                easter_sunday(year),
                NaiveDate::from_ymd_opt(year, month, day)
            );
        }
    }

    #[test]
    fn every_year_that_a_date_can_have_has_an_easter_sunday() {
        for year in (NaiveDate::MIN.year()..=NaiveDate::MAX.year()).step_by(7) {
            let easter = easter_sunday(year).expect("an easter");
            assert_eq!(easter.weekday(), chrono::Weekday::Sun, "{year}");
        }
    }

    #[test]
    fn the_20th_of_november_is_a_holiday_from_2024_on() {
        let on = |year| NaiveDate::from_ymd_opt(year, 11, 20).expect("a date");
        assert_eq!(national_holiday(on(2023)), None);
        assert!(national_holiday(on(2024)).is_some());
    }
}
