//! Several boletos in one message: what the variables of a merge template hold.
//!
//! A boleto is one clean line. Where a text may have line breaks each has its own; in `WhatsApp`'s
//! parameters Meta takes neither line breaks nor tabs nor runs of spaces, and they stand in a row.

use std::fmt;

use chrono::NaiveDate;

use super::values::cleaned;
use super::{TemplateError, Variable};
use crate::boleto::printed;
use crate::channel::Channel;
use crate::format::{format_amount, format_date};
use crate::link::{check_link, holds_link};

/// A boleto, as a list names it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The tenant's reference.
    pub reference: &'a str,
    /// The due date as printed.
    pub due_on: NaiveDate,
    /// The amount in centavos; 0 when open.
    pub amount_centavos: i64,
    /// The 47 or 48 digits.
    pub digitable_line: Option<&'a str>,
    /// Where it can be paid.
    pub payment_link: Option<&'a str>,
}

/// Shows nothing of it: all of it is personal.
impl fmt::Debug for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed").finish_non_exhaustive()
    }
}

/// Returns the value of a variable of several boletos.
pub(super) fn value(
    variable: Variable,
    channel: Channel,
    boletos: &[Listed<'_>],
) -> Result<String, TemplateError> {
    match variable {
        Variable::BoletosCount => Ok(boletos.len().to_string()),
        Variable::AmountTotal => total(boletos).ok_or(TemplateError::MissingValue(variable)),
        _ => {
            let lines = boletos.iter().map(|boleto| boleto.line(variable));
            let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
            Ok(lines.join(separator(channel)))
        }
    }
}

/// Writes what boletos come to; nothing when an amount is open.
fn total(boletos: &[Listed<'_>]) -> Option<String> {
    let amounts = boletos.iter().map(|boleto| boleto.amount_centavos);
    let sum = amounts.clone().try_fold(0_i64, i64::checked_add)?;
    let all_known = amounts.min().is_some_and(|least| least > 0);
    all_known.then(|| format_amount(sum))
}

const fn separator(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => " \u{2022} ",
        Channel::Sms | Channel::Email => "\n",
    }
}

impl Listed<'_> {
    /// Writes `NF-7, venc. 31/12/2026, R$ 1.234,56`, and after a colon what `variable` adds. Only
    /// signs that an SMS has in its short alphabet stand between.
    fn line(&self, variable: Variable) -> Result<String, TemplateError> {
        let reference = cleaned(self.reference);
        if reference.is_empty() {
            return Err(TemplateError::MissingValue(variable));
        }
        // Free text of the uploader; a link in it would reach the contact in our name.
        if holds_link(&reference) {
            return Err(TemplateError::LinkInValue(variable));
        }
        let due_on = format_date(self.due_on);
        let amount = match self.amount_centavos {
            1.. => format_amount(self.amount_centavos),
            _ => "valor em aberto".to_owned(),
        };
        let line = format!("{reference}, venc. {due_on}, {amount}");
        Ok(match self.way_to_pay(variable)? {
            Some(way) => format!("{line}: {way}"),
            None => line,
        })
    }

    fn way_to_pay(&self, variable: Variable) -> Result<Option<String>, TemplateError> {
        let missing = TemplateError::MissingValue(variable);
        match variable {
            Variable::BoletosWithLines => {
                let line = self.digitable_line.and_then(printed).ok_or(missing)?;
                Ok(Some(line))
            }
            Variable::BoletosWithLinks => {
                let link = self.payment_link.ok_or(missing)?;
                check_link(link).map_err(|_| TemplateError::UnsafeLink)?;
                Ok(Some(link.to_owned()))
            }
            _ => Ok(None),
        }
    }
}
