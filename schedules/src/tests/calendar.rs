//! ANBIMA's list of bank holidays, and the published rolls of due dates.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate};

use super::{date, fixture, list, text};
use crate::calendar::{Calendar, national_holiday};

const ANBIMA: &str = include_str!("../../../tests/fixtures/feriados_bancarios_anbima.json");
const ROLLS: &str = include_str!("../../../tests/fixtures/vencimento_dia_util.json");

fn by_formula() -> BTreeSet<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");
    first
        .iter_days()
        .take_while(|day| day.year() < 2100)
        .filter(|day| national_holiday(*day).is_some())
        .collect()
}

#[test]
fn the_formula_gives_the_list_of_anbima_but_for_one_easter_sunday() {
    let published: BTreeSet<_> = list(&fixture(ANBIMA)["feriados"])
        .iter()
        .map(date)
        .collect();
    let formula = by_formula();
    let only_published: Vec<_> = published.difference(&formula).collect();
    let only_formula: Vec<_> = formula.difference(&published).collect();
    let easter_2000 = NaiveDate::from_ymd_opt(2000, 4, 23).expect("a date");
    assert_eq!(only_published, [&easter_2000]);
    assert_eq!(only_formula, Vec::<&NaiveDate>::new());
}

#[test]
fn the_fixture_documents_the_same_single_difference() {
    let anbima = fixture(ANBIMA);
    let diffs = anbima["diffs_formula_vs_anbima"]
        .as_object()
        .expect("years");
    assert_eq!(diffs.keys().collect::<Vec<_>>(), ["2000"]);
    assert_eq!(list(&diffs["2000"]["so_na_anbima"]), ["2000-04-23"]);
    assert_eq!(
        diffs["2000"]["so_na_formula"].as_array().map(Vec::len),
        Some(0)
    );
}

#[test]
fn every_published_due_date_rolls_to_its_published_day() {
    let calendar = Calendar::brazil();
    for item in list(&fixture(ROLLS)["items"]) {
        let due_on = date(&item["vencimento"]);
        let rolled = date(&item["pagavel_sem_encargos_ate"]);
        assert_eq!(calendar.effective_due_on(due_on), rolled, "{due_on}");
        assert_eq!(
            calendar.add_business_days(due_on, 0),
            Some(rolled),
            "{due_on}"
        );
        assert_eq!(weekday(due_on), text(&item["dia_semana"]));
    }
}

fn weekday(on: NaiveDate) -> &'static str {
    ["seg", "ter", "qua", "qui", "sex", "sab", "dom"][on.weekday().num_days_from_monday() as usize]
}
