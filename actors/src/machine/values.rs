//! What stands in for a template's variables: the only way from stored data into a message.

use std::borrow::Cow;

use schedules::boleto::printed;
use schedules::charges::charges_on;
use schedules::format::{format_amount, format_date};
use schedules::template::{Listed, Template, TemplateError, Values, Variable};
use schedules::time::Timestamp;

use super::due::zone_of;
use crate::ports::{Boleto, Contact, Tenant};

/// Where the values come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'m> {
    pub(super) tenant: &'m Tenant,
    pub(super) contact: &'m Contact,
    pub(super) boleto: &'m Boleto,
}

impl Sources<'_> {
    /// Returns the values of the variables that `template` needs, as far as there are any.
    pub(super) fn values(&self, template: &Template, now: Timestamp) -> Values {
        template
            .needs()
            .fold(Values::default(), |values, variable| {
                match self.value(variable, now) {
                    Some(value) => values.with(variable, value),
                    None => values,
                }
            })
    }

    /// Returns the values of a message about several boletos; of the one alone it says nothing.
    ///
    /// # Errors
    /// A [`TemplateError`] when one of them cannot be named as `template` asks.
    pub(super) fn values_of_several(
        &self,
        template: &Template,
        boletos: &[&Boleto],
        now: Timestamp,
    ) -> Result<Values, TemplateError> {
        let listed = boletos.iter().map(|boleto| Listed {
            reference: &boleto.reference,
            due_on: boleto.due_on,
            amount_centavos: boleto.amount_centavos,
            digitable_line: boleto.digitable_line.as_deref(),
            payment_link: boleto.payment_link.as_deref(),
        });
        let listed: Vec<Listed<'_>> = listed.collect();
        self.values(template, now).with_boletos(template, &listed)
    }

    fn value(&self, variable: Variable, now: Timestamp) -> Option<Cow<'_, str>> {
        let boleto = self.boleto;
        match variable {
            Variable::ContactName => Some(Cow::Borrowed(&self.contact.name)),
            Variable::TenantName => Some(Cow::Borrowed(&self.tenant.name)),
            Variable::TenantDocument => self.tenant.document.as_deref().map(Cow::Borrowed),
            Variable::TenantAddress => self.tenant.address.as_deref().map(Cow::Borrowed),
            Variable::Amount => (boleto.amount_centavos > 0)
                .then(|| Cow::Owned(format_amount(boleto.amount_centavos))),
            Variable::AmountWithCharges => self.amount_with_charges(now).map(Cow::Owned),
            Variable::DueOn => Some(Cow::Owned(format_date(boleto.due_on))),
            Variable::DigitableLine => {
                let line = boleto.digitable_line.as_deref();
                line.and_then(printed).map(Cow::Owned)
            }
            Variable::PixCode => boleto.pix_code.as_deref().map(Cow::Borrowed),
            Variable::Reference => Some(Cow::Borrowed(&boleto.reference)),
            Variable::PaymentLink => boleto.payment_link.as_deref().map(Cow::Borrowed),
            Variable::Boletos
            | Variable::BoletosWithLines
            | Variable::BoletosWithLinks
            | Variable::BoletosCount
            | Variable::AmountTotal => None,
        }
    }

    /// Returns the amount with the penalty and interest of the contact's day, by the tenant's own
    /// declared rule; without one, or with an open amount, there is no such amount.
    fn amount_with_charges(&self, now: Timestamp) -> Option<String> {
        let rule = self.tenant.charges.as_ref()?;
        let on = now.local_date(zone_of(self.contact));
        let Boleto {
            amount_centavos,
            due_on,
            ..
        } = *self.boleto;
        if amount_centavos <= 0 {
            return None;
        }
        let charges = charges_on(rule, &self.tenant.calendar, amount_centavos, due_on, on);
        Some(format_amount(charges.total_centavos))
    }
}
