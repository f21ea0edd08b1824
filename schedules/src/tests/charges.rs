//! Published examples of penalty and interest, and the limits of the law.

use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::{date, fixture, list};
use crate::calendar::Calendar;
use crate::charges::{ChargeRule, ChargeRuleError, ChargeTerms, Charges, Contract, charges_on};

const EXAMPLES: &str = include_str!("../../../tests/fixtures/vencimento_dia_util.json");

const TERMS: ChargeTerms = ChargeTerms {
    version: 3,
    contract: Contract::Consumer,
    penalty_bp: 200,
    monthly_interest_bp: 100,
    grace_days: 0,
};

fn rule(terms: ChargeTerms) -> ChargeRule {
    ChargeRule::new(terms).expect("allowed terms")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

#[test]
fn every_published_example_is_computed_to_the_centavo() {
    // A Tuesday far from holidays.
    let due_on = day("2026-08-04");
    for item in list(&fixture(EXAMPLES)["juros_exemplos"]) {
        let number = |name: &str| item[name].as_i64().expect("a number");
        let days = number("dias_atraso").cast_unsigned();
        let on = due_on + Days::new(days);
        let charges = charges_on(
            &rule(TERMS),
            &Calendar::brazil(),
            number("valor_centavos"),
            due_on,
            on,
        );
        let expected = Charges {
            penalty_centavos: number("multa_centavos"),
            interest_centavos: number("juros_centavos"),
            total_centavos: number("total_centavos"),
            days_late: u32::try_from(days).expect("days"),
            rule_version: 3,
        };
        assert_eq!(charges, expected, "{item}");
    }
}

#[test]
fn nothing_is_charged_up_to_the_effective_due_date_and_the_original_one_counts_after_it() {
    let calendar = Calendar::brazil();
    for item in list(&fixture(EXAMPLES)["items"]) {
        let (due_on, free_until) = (
            date(&item["vencimento"]),
            date(&item["pagavel_sem_encargos_ate"]),
        );
        let at = |on| charges_on(&rule(TERMS), &calendar, 1_000_000, due_on, on);
        assert_eq!(
            (at(free_until).total_centavos, at(free_until).days_late),
            (1_000_000, 0)
        );
        let after = free_until + Days::new(1);
        let days = (after - due_on).num_days();
        assert_eq!(i64::from(at(after).days_late), days);
        assert_eq!(at(after).penalty_centavos, 20_000);
        assert_eq!(at(after).interest_centavos, 1_000_000 * days / 3_000);
    }
}

#[test]
fn the_case_of_the_superior_court_counts_23_days() {
    let charges = charges_on(
        &rule(TERMS),
        &Calendar::brazil(),
        300_000,
        day("2007-05-05"),
        day("2007-05-28"),
    );
    assert_eq!((charges.days_late, charges.interest_centavos), (23, 2_300));
}

#[test]
fn grace_delays_the_charges_but_does_not_shorten_the_interest() {
    let graceful = rule(ChargeTerms {
        grace_days: 5,
        ..TERMS
    });
    let at = |on| {
        charges_on(
            &graceful,
            &Calendar::brazil(),
            300_000,
            day("2026-08-04"),
            day(on),
        )
    };
    assert_eq!(at("2026-08-09").total_centavos, 300_000);
    assert_eq!(
        (
            at("2026-08-10").days_late,
            at("2026-08-10").interest_centavos
        ),
        (6, 600)
    );
}

#[test]
fn a_day_off_of_the_tenant_does_not_hide_what_the_bank_charges() {
    // A Tuesday far from holidays, and the day after it.
    let (due_on, on) = (day("2026-08-04"), day("2026-08-05"));
    let late = |calendar: &Calendar| charges_on(&rule(TERMS), calendar, 300_000, due_on, on);
    let mut own = Calendar::brazil();
    own.closed.insert(due_on, "Inventário".to_owned());
    assert_eq!(late(&own).penalty_centavos, 6_000);
    assert_eq!(late(&own), late(&Calendar::brazil()));
    let mut bank = Calendar::brazil();
    bank.bank_closed.insert(due_on, "Luto".to_owned());
    assert_eq!(late(&bank).total_centavos, 300_000);
}

#[test]
fn terms_beyond_the_law_are_refused() {
    let refusal = |terms| ChargeRule::new(terms).err();
    let penalty = |contract, penalty_bp| {
        refusal(ChargeTerms {
            contract,
            penalty_bp,
            ..TERMS
        })
    };
    assert_eq!(penalty(Contract::Consumer, 200), None);
    assert_eq!(
        penalty(Contract::Consumer, 201),
        Some(ChargeRuleError::LimitConsumerPenalty)
    );
    assert_eq!(penalty(Contract::Business, 1_000), None);
    assert_eq!(
        penalty(Contract::Business, 10_001),
        Some(ChargeRuleError::LimitPenalty)
    );
    let interest = ChargeTerms {
        monthly_interest_bp: 10_001,
        ..TERMS
    };
    assert_eq!(refusal(interest), Some(ChargeRuleError::LimitInterest));
    let grace = ChargeTerms {
        grace_days: 367,
        ..TERMS
    };
    assert_eq!(refusal(grace), Some(ChargeRuleError::LimitGrace));
}

#[test]
fn stored_terms_beyond_the_law_are_refused_when_read_back() {
    let stored = serde_json::to_string(&rule(TERMS)).expect("text");
    assert_eq!(
        serde_json::from_str::<ChargeRule>(&stored).ok(),
        Some(rule(TERMS))
    );
    let illegal = stored.replace("200", "1000");
    assert!(serde_json::from_str::<ChargeRule>(&illegal).is_err());
}

proptest! {
    #[test]
    fn charges_never_overflow_and_never_lower_the_amount(
        amount in any::<i64>(), penalty_bp in 0_u32..=200, monthly_interest_bp in 0_u32..=10_000,
        due in 0_u64..100_000, late in 0_u64..90_000_000,
    ) {
        let due_on = day("2000-01-01") + Days::new(due);
        let on = due_on.checked_add_days(Days::new(late)).unwrap_or(NaiveDate::MAX);
        let rule = rule(ChargeTerms { penalty_bp, monthly_interest_bp, ..TERMS });
        let charges = charges_on(&rule, &Calendar::brazil(), amount, due_on, on);
        prop_assert!(charges.total_centavos >= amount);
        prop_assert!(charges.penalty_centavos >= 0 && charges.interest_centavos >= 0);
        if amount <= 0 {
            prop_assert_eq!(charges.total_centavos, amount);
        }
    }
}
