//! What a boleto that is paid late costs: a penalty once, and interest by the day.
//!
//! Knows centavos, dates and the limits of the law; collects nothing. Banks print their own
//! amounts: these figures explain and preview.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;

/// The highest penalty of a consumer contract: 2% (CDC art. 52 par. 1).
pub const CONSUMER_PENALTY_BP_MAX: u32 = 200;

/// The highest penalty of any contract: the debt itself (Código Civil art. 412).
pub const PENALTY_BP_MAX: u32 = BP_WHOLE;

/// The highest monthly interest that is not a slip of the pen: 100%.
pub const MONTHLY_INTEREST_BP_MAX: u32 = BP_WHOLE;

/// The longest grace after the effective due date, in days.
pub const GRACE_DAYS_MAX: u32 = 366;

const BP_WHOLE: u32 = 10_000;
const MONTH_DAYS: i128 = 30;

/// Whom the tenant contracts with, which decides what the law allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// A consumer, protected by the CDC.
    Consumer,
    /// Another company.
    Business,
}

/// The terms as written down, unchecked; rates in basis points (100 = 1%).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChargeTerms {
    /// Counts the edits; figures name the version that they come from.
    pub version: u32,
    /// Whom the terms bind.
    pub contract: Contract,
    /// The penalty (multa), once, on the amount.
    pub penalty_bp: u32,
    /// The interest (juros de mora) of a month of 30 days, simple.
    pub monthly_interest_bp: u32,
    /// How many days after the effective due date nothing is charged yet.
    pub grace_days: u32,
}

/// Terms within the limits of the law, and of what is no slip of the pen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(try_from = "ChargeTerms", into = "ChargeTerms")]
pub struct ChargeRule(ChargeTerms);

/// Terms that are not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChargeRuleError {
    /// Above [`CONSUMER_PENALTY_BP_MAX`] with a consumer.
    #[error("the penalty of a consumer contract is at most 2 percent")]
    LimitConsumerPenalty,
    /// Above [`PENALTY_BP_MAX`].
    #[error("the penalty is more than the debt")]
    LimitPenalty,
    /// Above [`MONTHLY_INTEREST_BP_MAX`].
    #[error("the monthly interest is above 100 percent")]
    LimitInterest,
    /// Above [`GRACE_DAYS_MAX`].
    #[error("the grace is longer than a year")]
    LimitGrace,
}

/// What is owed on a day, in centavos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Charges {
    /// The penalty.
    pub penalty_centavos: i64,
    /// The interest so far.
    pub interest_centavos: i64,
    /// Amount, penalty and interest.
    pub total_centavos: i64,
    /// Days from the original due date; 0 while nothing is charged.
    pub days_late: u32,
    /// The version of the rule that says so.
    pub rule_version: u32,
}

impl ChargeRuleError {
    /// Returns the stable name of the error, for the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LimitConsumerPenalty => "charges_consumer_penalty",
            Self::LimitPenalty => "charges_penalty",
            Self::LimitInterest => "charges_interest",
            Self::LimitGrace => "charges_grace",
        }
    }
}

impl ChargeRule {
    /// Accepts terms that the law allows.
    ///
    /// # Errors
    /// The first limit that the terms exceed.
    pub const fn new(terms: ChargeTerms) -> Result<Self, ChargeRuleError> {
        let is_consumer = matches!(terms.contract, Contract::Consumer);
        if is_consumer && terms.penalty_bp > CONSUMER_PENALTY_BP_MAX {
            Err(ChargeRuleError::LimitConsumerPenalty)
        } else if terms.penalty_bp > PENALTY_BP_MAX {
            Err(ChargeRuleError::LimitPenalty)
        } else if terms.monthly_interest_bp > MONTHLY_INTEREST_BP_MAX {
            Err(ChargeRuleError::LimitInterest)
        } else if terms.grace_days > GRACE_DAYS_MAX {
            Err(ChargeRuleError::LimitGrace)
        } else {
            Ok(Self(terms))
        }
    }
}

impl TryFrom<ChargeTerms> for ChargeRule {
    type Error = ChargeRuleError;

    fn try_from(terms: ChargeTerms) -> Result<Self, ChargeRuleError> {
        Self::new(terms)
    }
}

impl From<ChargeRule> for ChargeTerms {
    fn from(rule: ChargeRule) -> Self {
        rule.0
    }
}

/// Computes what a boleto of `amount_centavos`, due on `due_on`, costs when paid on `on`.
///
/// Up to the effective due date (plus the rule's grace) nothing is charged. After it the penalty
/// is due, and interest for every day since the *original* due date (STJ, 3rd panel, 2022), a
/// thirtieth of the monthly rate each. Both are cut to whole centavos, in the debtor's favour; an
/// amount of 0 or less is charged nothing; sums beyond 64 bits stay at the largest number.
pub fn charges_on(
    rule: &ChargeRule,
    calendar: &Calendar,
    amount_centavos: i64,
    due_on: NaiveDate,
    on: NaiveDate,
) -> Charges {
    let days_late = days_late(rule, calendar, due_on, on);
    let penalty_centavos = if days_late == 0 {
        0
    } else {
        // Once, whatever the days: a whole month's share.
        share_of(amount_centavos, rule.0.penalty_bp, MONTH_DAYS)
    };
    let interest_centavos = share_of(
        amount_centavos,
        rule.0.monthly_interest_bp,
        days_late.into(),
    );
    Charges {
        penalty_centavos,
        interest_centavos,
        total_centavos: amount_centavos
            .saturating_add(penalty_centavos)
            .saturating_add(interest_centavos),
        days_late,
        rule_version: rule.0.version,
    }
}

fn days_late(rule: &ChargeRule, calendar: &Calendar, due_on: NaiveDate, on: NaiveDate) -> u32 {
    let grace = Days::new(rule.0.grace_days.into());
    let free_until = calendar.effective_due_on(due_on).checked_add_days(grace);
    if free_until.is_none_or(|free_until| on <= free_until) {
        return 0;
    }
    u32::try_from(on.signed_duration_since(due_on).num_days()).unwrap_or(0)
}

/// Returns the share of an amount at a monthly rate over some days, cut to whole centavos.
///
/// 63 bits of amount, 14 of rate and 32 of days fit into 127.
fn share_of(amount_centavos: i64, monthly_bp: u32, days: i128) -> i64 {
    let amount = i128::from(amount_centavos.max(0));
    let share = amount * i128::from(monthly_bp) * days / (i128::from(BP_WHOLE) * MONTH_DAYS);
    i64::try_from(share).unwrap_or(i64::MAX)
}
